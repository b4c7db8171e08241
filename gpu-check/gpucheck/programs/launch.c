// Times kernel launches in a loop of C: what a launch costs its caller, with no interpreter in the figure.
//
// The few declarations of the driver that it needs are here, so that it builds where no CUDA toolkit is.
#include <dlfcn.h>
#include <stddef.h>
#include <time.h>

typedef int result;
typedef void *handle;

static result (*launch)(handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, handle, void **, void **);
static result (*synchronise)(void);
static handle function, stream;

static double now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// Looks the driver up, makes a context on device 0, loads `image` and finds `name` in it: the first error, -1 for a missing name.
result prepare(const char *image, const char *name) {
    handle driver = dlopen("libcuda.so.1", RTLD_NOW);
    if (!driver) return -1;
    result (*init)(unsigned) = (result(*)(unsigned))dlsym(driver, "cuInit");
    result (*device_get)(int *, int) = (result(*)(int *, int))dlsym(driver, "cuDeviceGet");
    result (*retain)(handle *, int) = (result(*)(handle *, int))dlsym(driver, "cuDevicePrimaryCtxRetain");
    result (*set_current)(handle) = (result(*)(handle))dlsym(driver, "cuCtxSetCurrent");
    result (*load)(handle *, const void *) = (result(*)(handle *, const void *))dlsym(driver, "cuModuleLoadData");
    result (*get_function)(handle *, handle, const char *) =
        (result(*)(handle *, handle, const char *))dlsym(driver, "cuModuleGetFunction");
    result (*create_stream)(handle *, unsigned) = (result(*)(handle *, unsigned))dlsym(driver, "cuStreamCreate");
    synchronise = (result(*)(void))dlsym(driver, "cuCtxSynchronize");
    *(void **)&launch = dlsym(driver, "cuLaunchKernel");
    if (!init || !device_get || !retain || !set_current || !load || !get_function || !create_stream || !synchronise || !launch)
        return -1;
    int device = 0;
    handle context = NULL, module = NULL;
    result code = init(0);
    if (!code) code = device_get(&device, 0);
    if (!code) code = retain(&context, device);
    if (!code) code = set_current(context);
    if (!code) code = load(&module, image);
    if (!code) code = get_function(&function, module, name);
    if (!code) code = create_stream(&stream, 1);
    return code;
}

// `batches` times `each` launches, then a synchronisation that is not timed, and a pause as long again in which the device
// does nothing: a program under a cap of 90 % must not come to it. Nanoseconds by launch into `seen`.
result time_launches(unsigned batches, unsigned each, double *seen) {
    unsigned long long a = 0, b = 0;
    unsigned n = 0;
    void *parameters[] = {&a, &b, &n};
    for (unsigned batch = 0; batch < batches; ++batch) {
        const double begin = now_ns();
        for (unsigned i = 0; i < each; ++i) {
            const result code = launch(function, 1, 1, 1, 32, 1, 1, 0, stream, parameters, NULL);
            if (code) return code;
        }
        const double end = now_ns();
        seen[batch] = (end - begin) / each;
        const result code = synchronise();
        if (code) return code;
        // Spinning, as a sleeper comes back to cold caches and a slow clock.
        for (const double resume = now_ns() + (end - begin) + 200e3; now_ns() < resume;) {}
    }
    return 0;
}
