/* Prints what CUDA and NVML show of each device, in their own orders, and how much each grants.

   `cuda ORDINAL uuid HEX total BYTES info BYTES granted PIECES of 64 MiB`, `nvml INDEX uuid HEX total BYTES used BYTES v2 BYTES`. */
#include "driver.h"
#include "hami_nvml.h"

#define NVML_FUNCTIONS(X) \
    X(nvmlInit_v2) X(nvmlDeviceGetCount_v2) X(nvmlDeviceGetHandleByIndex_v2) X(nvmlDeviceGetUUID) \
    X(nvmlDeviceGetMemoryInfo) X(nvmlDeviceGetMemoryInfo_v2)
NVML_FUNCTIONS(DECLARE)
DECLARE(cuDeviceGetUuid)

#define PIECE ((size_t)64 << 20)

static void nvml_device(unsigned index) {
    nvmlDevice_t device;
    nvmlMemory_t memory;
    nvmlMemory_v2_t second = {.version = nvmlMemory_v2};
    char uuid[96], plain[96];
    if (nvmlDeviceGetHandleByIndex_v2(index, &device) != NVML_SUCCESS || nvmlDeviceGetUUID(device, uuid, sizeof uuid) != NVML_SUCCESS ||
        nvmlDeviceGetMemoryInfo(device, &memory) != NVML_SUCCESS || nvmlDeviceGetMemoryInfo_v2(device, &second) != NVML_SUCCESS)
        die("NVML device %u", index);
    size_t length = 0;
    for (const char *at = uuid + strlen("GPU-"); *at; at++)
        if (*at != '-') plain[length++] = *at;
    plain[length] = 0;
    printf("nvml %u uuid %s total %llu used %llu v2 %llu\n", index, plain, memory.total, memory.used, second.total);
}

static void nvml(void) {
    unsigned count;
    if (nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS) die("NVML does not start");
    for (unsigned index = 0; index < count; index++) nvml_device(index);
}

static void cuda(int most) {
    int count;
    check(cuInit(0), "cuInit");
    check(cuDeviceGetCount(&count), "cuDeviceGetCount");
    for (CUdevice ordinal = 0; ordinal < count; ordinal++) {
        CUuuid uuid;
        CUcontext context;
        CUdeviceptr memory;
        size_t total, free, shown;
        int granted = 0;
        check(cuDeviceGetUuid(&uuid, ordinal), "cuDeviceGetUuid");
        check(cuDeviceTotalMem_v2(&total, ordinal), "cuDeviceTotalMem");
        check(cuDevicePrimaryCtxRetain(&context, ordinal), "cuDevicePrimaryCtxRetain");
        check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
        check(cuMemGetInfo_v2(&free, &shown), "cuMemGetInfo");
        while (granted < most && cuMemAlloc_v2(&memory, PIECE) == CUDA_SUCCESS) granted++;
        printf("cuda %d uuid ", ordinal);
        for (int i = 0; i < 16; i++) printf("%02x", (unsigned char)uuid.bytes[i]);
        printf(" total %zu info %zu granted %d\n", total, shown, granted);
    }
}

/* Arguments: `cuda` or `nvml`, which goes first, and the most pieces to ask for on each device. */
int main(int count, char **words) {
    if (count != 3) die("devices cuda|nvml PIECES");
    int nvml_first = strcmp(words[1], "nvml") == 0;
    if (nvml_first) nvml();
    cuda(atoi(words[2]));
    nvml();
    return 0;
}
