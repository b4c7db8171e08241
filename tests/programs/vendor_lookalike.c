/* A library of somebody else that defines names of the vendor's. */
int cuInit(unsigned flags);
int cuInit(unsigned flags) { return 4000 + (int)flags; }
int nvmlDeviceGetMemoryInfo(void);
int nvmlDeviceGetMemoryInfo(void) { return 5000; }
