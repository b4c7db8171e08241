/* Calls of both libraries before they are initialised, and with arguments that they reject: prints each result. */
#include "driver.h"
#include "hami_nvml.h"

extern __typeof__(*(PFN_nvmlInit_v2)0) nvmlInit_v2;
extern __typeof__(*(PFN_nvmlShutdown)0) nvmlShutdown;
extern __typeof__(*(PFN_nvmlDeviceGetHandleByIndex_v2)0) nvmlDeviceGetHandleByIndex_v2;
extern __typeof__(*(PFN_nvmlDeviceGetMemoryInfo)0) nvmlDeviceGetMemoryInfo;
extern __typeof__(*(PFN_nvmlDeviceGetMemoryInfo_v2)0) nvmlDeviceGetMemoryInfo_v2;

#define SAY(call) printf("%s = %d\n", #call, (int)(call))

static void cuda(void) {
    CUdeviceptr memory;
    CUcontext context;
    CUdevice device;
    size_t a, b;
    int number;
    SAY(cuDeviceGetCount(&number));
    SAY(cuDeviceTotalMem_v2(&a, 0));
    SAY(cuDeviceTotalMem_v2(&a, 99));
    SAY(cuDeviceTotalMem_v2(NULL, 0));
    SAY(cuCtxGetDevice(&device));
    SAY(cuMemAlloc_v2(&memory, 4096));
    SAY(cuMemAllocPitch_v2(&memory, &a, 64, 64, 4));
    SAY(cuMemAllocManaged(&memory, 4096, CU_MEM_ATTACH_GLOBAL));
    SAY(cuMemAllocAsync(&memory, 4096, NULL));
    SAY(cuMemFree_v2(0x7f0000000000));
    SAY(cuMemFreeAsync(0x7f0000000000, NULL));
    SAY(cuMemGetInfo_v2(&a, &b));
    SAY(cuDevicePrimaryCtxRetain(&context, 99));
    SAY(cuDevicePrimaryCtxRelease_v2(0));
    SAY(cuDevicePrimaryCtxRelease_v2(99));
    SAY(cuCtxCreate_v2(&context, 0, 99));
    SAY(cuCtxDestroy_v2((CUcontext)0));
    SAY(cuCtxDestroy_v2((CUcontext)&number));
}

static void nvml(nvmlDevice_t device) {
    nvmlMemory_t first;
    nvmlMemory_v2_t second = {.version = nvmlMemory_v2};
    SAY(nvmlDeviceGetMemoryInfo(device, &first));
    SAY(nvmlDeviceGetMemoryInfo(device, NULL));
    SAY(nvmlDeviceGetMemoryInfo_v2(device, &second));
    SAY(nvmlDeviceGetMemoryInfo_v2(device, NULL));
    second.version = 7;
    SAY(nvmlDeviceGetMemoryInfo_v2(device, &second));
}

int main(void) {
    nvmlDevice_t device = NULL;
    CUcontext context;
    CUdeviceptr memory;
    size_t a;
    cuda();
    nvml(NULL);
    nvml((nvmlDevice_t)&device);
    SAY(cuInit(7));
    SAY(cuInit(0));
    cuda();
    SAY(cuDevicePrimaryCtxRetain(NULL, 0));
    SAY(cuDevicePrimaryCtxRetain(&context, 0));
    SAY(cuCtxSetCurrent(context));
    SAY(cuMemAlloc_v2(NULL, 4096));
    SAY(cuMemAllocPitch_v2(&memory, NULL, 64, 64, 4));
    SAY(cuMemAllocPitch_v2(&memory, &a, 0, 64, 4));
    SAY(cuMemAllocPitch_v2(&memory, &a, 64, 64, 3));
    SAY(cuMemAllocManaged(&memory, 4096, 99));
    SAY(cuMemAllocAsync(NULL, 4096, NULL));
    SAY(cuMemAllocAsync(&memory, 0, NULL));
    SAY(cuMemGetInfo_v2(NULL, &a));
    SAY(cuMemGetInfo_v2(&a, NULL));
    SAY(nvmlInit_v2());
    SAY(nvmlDeviceGetHandleByIndex_v2(0, &device));
    nvml(device);
    nvml(NULL);
    SAY(nvmlShutdown());
    nvml(device);
    return 0;
}
