/* Every function that submits work to a device, or puts something else into a stream, through a door of one's choice, while its
   tenant owes the device time.

   Arguments: the door (linked, dlsym, address), then `debts` or `shares MILLISECONDS`.
     debts   before each call a kernel is run that takes the tenant's time for a while; a line `NAME MILLISECONDS` says how
             long the call took. Then the same for calls that submit nothing to compute, with `pass` before the name, and one
             debt for all; `left MILLISECONDS` says how long a launch waits that comes after them
     shares  calls each function for so long without pause, with a wait for all now and then; a line `NAME PERCENT` of the
             device's time that went by for this process, as the simulator's books say */
#include "compute.h"
#include "ways.h"

#define WAYS(X) \
    PAIR(X, cuLaunchKernel, cuLaunchKernel, _ptsz, "cuLaunchKernel", 12000) \
    PAIR(X, cuLaunchKernelEx, cuLaunchKernelEx, _ptsz, "cuLaunchKernelEx", 12000) \
    PAIR(X, cuLaunchCooperativeKernel, cuLaunchCooperativeKernel, _ptsz, "cuLaunchCooperativeKernel", 12000) \
    X(cuLaunchCooperativeKernelMultiDevice, cuLaunchCooperativeKernelMultiDevice, "cuLaunchCooperativeKernelMultiDevice", 12000, 1) \
    X(cuLaunch, cuLaunch, "cuLaunch", 12000, 1) \
    X(cuLaunchGrid, cuLaunchGrid, "cuLaunchGrid", 12000, 1) \
    X(cuLaunchGridAsync, cuLaunchGridAsync, "cuLaunchGridAsync", 12000, 1) \
    PAIR(X, cuGraphLaunch, cuGraphLaunch, _ptsz, "cuGraphLaunch", 12000) \
    PAIR(X, cuMemsetD8_v2, cuMemsetD8_v2, _ptds, "cuMemsetD8", 12000) \
    PAIR(X, cuMemsetD16_v2, cuMemsetD16_v2, _ptds, "cuMemsetD16", 12000) \
    PAIR(X, cuMemsetD32_v2, cuMemsetD32_v2, _ptds, "cuMemsetD32", 12000) \
    PAIR(X, cuMemsetD8Async, cuMemsetD8Async, _ptsz, "cuMemsetD8Async", 12000) \
    PAIR(X, cuMemsetD16Async, cuMemsetD16Async, _ptsz, "cuMemsetD16Async", 12000) \
    PAIR(X, cuMemsetD32Async, cuMemsetD32Async, _ptsz, "cuMemsetD32Async", 12000) \
    PAIR(X, cuMemsetD2D8_v2, cuMemsetD2D8_v2, _ptds, "cuMemsetD2D8", 12000) \
    PAIR(X, cuMemsetD2D8Async, cuMemsetD2D8Async, _ptsz, "cuMemsetD2D8Async", 12000) \
    PAIR(X, cuMemcpyDtoD_v2, cuMemcpyDtoD_v2, _ptds, "cuMemcpyDtoD", 12000) \
    PAIR(X, cuMemcpyDtoDAsync_v2, cuMemcpyDtoDAsync_v2, _ptsz, "cuMemcpyDtoDAsync", 12000) \
    PAIR(X, cuMemcpy, cuMemcpy, _ptds, "cuMemcpy", 12000) \
    PAIR(X, cuMemcpyAsync, cuMemcpyAsync, _ptsz, "cuMemcpyAsync", 12000) \
    PAIR(X, cuMemcpy2D_v2, cuMemcpy2D_v2, _ptds, "cuMemcpy2D", 12000) \
    PAIR(X, cuMemcpy2DAsync_v2, cuMemcpy2DAsync_v2, _ptsz, "cuMemcpy2DAsync", 12000)
WAYS(DECLARE_WAY)
extern __typeof__(*(PFN_cuFuncSetBlockShape)0) cuFuncSetBlockShape;

enum { WIDTH = 64, HEIGHT = 4, BYTES = WIDTH * HEIGHT, AT_ONCE = 64 };
static const long DEBT_US = 60000;

static CUfunction debt, spin;
static CUstream own;
static CUdeviceptr to, from;
static CUgraphExec graph;

static const struct way ways[] = {
    WAYS(WAY)
};
enum { WAY_COUNT = sizeof ways / sizeof *ways };

static CUDA_MEMCPY2D flat(void) {
    return (CUDA_MEMCPY2D){.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = from, .srcPitch = WIDTH, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                           .dstDevice = to, .dstPitch = WIDTH, .WidthInBytes = WIDTH, .Height = HEIGHT};
}

static CUresult call(const char *name, void *f) {
    CUlaunchConfig config = {.gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 32, .blockDimY = 1, .blockDimZ = 1, .hStream = own};
    CUDA_LAUNCH_PARAMS one = {.function = spin, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 32, .blockDimY = 1, .blockDimZ = 1,
                              .hStream = own};
    CUDA_MEMCPY2D copy = flat();
    if (named(name, "cuLaunchKernel")) return ((PFN_cuLaunchKernel)f)(spin, 1, 1, 1, 32, 1, 1, 0, own, NULL, NULL);
    if (named(name, "cuLaunchKernelEx")) return ((PFN_cuLaunchKernelEx)f)(&config, spin, NULL, NULL);
    if (named(name, "cuLaunchCooperativeKernel"))
        return ((PFN_cuLaunchCooperativeKernel)f)(spin, 1, 1, 1, 32, 1, 1, 0, own, NULL);
    if (named(name, "cuLaunchCooperativeKernelMultiDevice")) return ((PFN_cuLaunchCooperativeKernelMultiDevice)f)(&one, 1, 0);
    if (named(name, "cuLaunch")) return ((PFN_cuLaunch)f)(spin);
    if (named(name, "cuLaunchGrid")) return ((PFN_cuLaunchGrid)f)(spin, 1, 1);
    if (named(name, "cuLaunchGridAsync")) return ((PFN_cuLaunchGridAsync)f)(spin, 1, 1, own);
    if (named(name, "cuGraphLaunch")) return ((PFN_cuGraphLaunch)f)(graph, own);
    if (named(name, "cuMemsetD8_v2")) return ((PFN_cuMemsetD8_v2)f)(to, 1, BYTES);
    if (named(name, "cuMemsetD16_v2")) return ((PFN_cuMemsetD16_v2)f)(to, 1, BYTES / 2);
    if (named(name, "cuMemsetD32_v2")) return ((PFN_cuMemsetD32_v2)f)(to, 1, BYTES / 4);
    if (named(name, "cuMemsetD8Async")) return ((PFN_cuMemsetD8Async)f)(to, 1, BYTES, own);
    if (named(name, "cuMemsetD16Async")) return ((PFN_cuMemsetD16Async)f)(to, 1, BYTES / 2, own);
    if (named(name, "cuMemsetD32Async")) return ((PFN_cuMemsetD32Async)f)(to, 1, BYTES / 4, own);
    if (named(name, "cuMemsetD2D8_v2")) return ((PFN_cuMemsetD2D8_v2)f)(to, WIDTH, 1, WIDTH, HEIGHT);
    if (named(name, "cuMemsetD2D8Async")) return ((PFN_cuMemsetD2D8Async)f)(to, WIDTH, 1, WIDTH, HEIGHT, own);
    if (named(name, "cuMemcpyDtoD_v2")) return ((PFN_cuMemcpyDtoD_v2)f)(to, from, BYTES);
    if (named(name, "cuMemcpyDtoDAsync_v2")) return ((PFN_cuMemcpyDtoDAsync_v2)f)(to, from, BYTES, own);
    if (named(name, "cuMemcpy")) return ((PFN_cuMemcpy)f)(to, from, BYTES);
    if (named(name, "cuMemcpyAsync")) return ((PFN_cuMemcpyAsync)f)(to, from, BYTES, own);
    if (named(name, "cuMemcpy2D_v2")) return ((PFN_cuMemcpy2D_v2)f)(&copy);
    if (named(name, "cuMemcpy2DAsync_v2")) return ((PFN_cuMemcpy2DAsync_v2)f)(&copy, own);
    die("%s: no such way", name);
}

/* Calls that submit nothing to compute: they go on whatever the tenant owes. */
#define PASSES(X) \
    PAIR(X, cuMemcpyHtoD_v2, cuMemcpyHtoD_v2, _ptds, "cuMemcpyHtoD", 12000) \
    PAIR(X, cuMemcpyDtoH_v2, cuMemcpyDtoH_v2, _ptds, "cuMemcpyDtoH", 12000) \
    PAIR(X, cuMemcpyHtoDAsync_v2, cuMemcpyHtoDAsync_v2, _ptsz, "cuMemcpyHtoDAsync", 12000) \
    PAIR(X, cuMemcpyDtoHAsync_v2, cuMemcpyDtoHAsync_v2, _ptsz, "cuMemcpyDtoHAsync", 12000) \
    PAIR(X, cuMemcpyHtoAAsync_v2, cuMemcpyHtoAAsync_v2, _ptsz, "cuMemcpyHtoAAsync", 12000) \
    PAIR(X, cuMemcpyAtoHAsync_v2, cuMemcpyAtoHAsync_v2, _ptsz, "cuMemcpyAtoHAsync", 12000) \
    PAIR(X, cuMemcpyAsync, cuMemcpyAsync, _ptsz, "cuMemcpyAsync", 12000) \
    PAIR(X, cuMemcpy2DAsync_v2, cuMemcpy2DAsync_v2, _ptsz, "cuMemcpy2DAsync", 12000) \
    PAIR(X, cuMemPrefetchAsync, cuMemPrefetchAsync, _ptsz, "cuMemPrefetchAsync", 12000) \
    PAIR(X, cuMemPrefetchAsync_v2, cuMemPrefetchAsync_v2, _ptsz, "cuMemPrefetchAsync", 12020) \
    PAIR(X, cuLaunchHostFunc, cuLaunchHostFunc, _ptsz, "cuLaunchHostFunc", 12000) \
    PAIR(X, cuStreamAddCallback, cuStreamAddCallback, _ptsz, "cuStreamAddCallback", 12000) \
    PAIR(X, cuStreamWaitEvent, cuStreamWaitEvent, _ptsz, "cuStreamWaitEvent", 12000) \
    PAIR(X, cuEventRecord, cuEventRecord, _ptsz, "cuEventRecord", 12000) \
    PAIR(X, cuEventRecordWithFlags, cuEventRecordWithFlags, _ptsz, "cuEventRecordWithFlags", 12000) \
    X(cuMemAlloc_v2, cuMemAlloc_v2, "cuMemAlloc", 12000, 1)
PASSES(DECLARE_WAY)
DECLARE(cuArrayCreate_v2)

static const struct way passes[] = {
    PASSES(WAY)
};
enum { PASS_COUNT = sizeof passes / sizeof *passes };

static void nothing(void *unused) { (void)unused; }

static void nothing_either(CUstream stream, CUresult result, void *unused) { (void)stream, (void)result, (void)unused; }

static CUresult pass(const char *name, void *f) {
    static char host[BYTES];
    static CUevent event;
    static CUarray array;
    static CUdeviceptr managed;
    CUDA_ARRAY_DESCRIPTOR line = {.Width = BYTES, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1};
    CUmemLocation device = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    CUDA_MEMCPY2D copy = flat();
    CUdeviceptr memory;
    copy.srcMemoryType = CU_MEMORYTYPE_HOST, copy.srcHost = host;
    if (!event) {
        check(cuEventCreate(&event, CU_EVENT_DEFAULT), "cuEventCreate");
        check(cuArrayCreate_v2(&array, &line), "cuArrayCreate");
        check(cuMemAllocManaged(&managed, BYTES, CU_MEM_ATTACH_GLOBAL), "cuMemAllocManaged");
    }
    if (named(name, "cuMemcpyHtoD_v2")) return ((PFN_cuMemcpyHtoD_v2)f)(to, host, BYTES);
    if (named(name, "cuMemcpyDtoH_v2")) return ((PFN_cuMemcpyDtoH_v2)f)(host, from, BYTES);
    if (named(name, "cuMemcpyHtoDAsync_v2")) return ((PFN_cuMemcpyHtoDAsync_v2)f)(to, host, BYTES, own);
    if (named(name, "cuMemcpyDtoHAsync_v2")) return ((PFN_cuMemcpyDtoHAsync_v2)f)(host, from, BYTES, own);
    if (named(name, "cuMemcpyHtoAAsync_v2")) return ((PFN_cuMemcpyHtoAAsync_v2)f)(array, 0, host, BYTES, own);
    if (named(name, "cuMemcpyAtoHAsync_v2")) return ((PFN_cuMemcpyAtoHAsync_v2)f)(host, array, 0, BYTES, own);
    if (named(name, "cuMemcpyAsync")) return ((PFN_cuMemcpyAsync)f)(to, (CUdeviceptr)host, BYTES, own);
    if (named(name, "cuMemcpy2DAsync_v2")) return ((PFN_cuMemcpy2DAsync_v2)f)(&copy, own);
    if (named(name, "cuMemPrefetchAsync")) return ((PFN_cuMemPrefetchAsync)f)(managed, BYTES, 0, own);
    if (named(name, "cuMemPrefetchAsync_v2")) return ((PFN_cuMemPrefetchAsync_v2)f)(managed, BYTES, device, 0, own);
    if (named(name, "cuLaunchHostFunc")) return ((PFN_cuLaunchHostFunc)f)(own, nothing, NULL);
    if (named(name, "cuStreamAddCallback")) return ((PFN_cuStreamAddCallback)f)(own, nothing_either, NULL, 0);
    if (named(name, "cuStreamWaitEvent")) return ((PFN_cuStreamWaitEvent)f)(own, event, 0);
    if (named(name, "cuEventRecord")) return ((PFN_cuEventRecord)f)(event, own);
    if (named(name, "cuEventRecordWithFlags")) return ((PFN_cuEventRecordWithFlags)f)(event, own, CU_EVENT_RECORD_DEFAULT);
    if (named(name, "cuMemAlloc_v2")) return ((PFN_cuMemAlloc_v2)f)(&memory, BYTES);
    die("%s: no such call", name);
}

/* Takes the tenant's time for a while and waits until the device is done. */
static void owe(CUfunction function) {
    check(launch(function, own), "the kernel that owes");
    check(cuCtxSynchronize(), "cuCtxSynchronize");
}

static void debts(const char *door) {
    for (int i = 0; i < WAY_COUNT; i++) {
        void *function = found(&ways[i], door);
        owe(debt);
        int64_t begin = now();
        CUresult result = call(ways[i].name, function);
        printf("%s %lld\n", ways[i].name, (long long)(now() - begin) / 1000000);
        if (result != CUDA_SUCCESS) die("%s: error %d", ways[i].name, result);
        check(cuCtxSynchronize(), "cuCtxSynchronize");
    }
    CUfunction more = kernel_us(5 * DEBT_US);
    owe(more), owe(more);
    for (int i = 0; i < PASS_COUNT; i++) {
        void *function = found(&passes[i], door);
        int64_t begin = now();
        CUresult result = pass(passes[i].name, function);
        printf("pass %s %lld\n", passes[i].name, (long long)(now() - begin) / 1000000);
        if (result != CUDA_SUCCESS) die("%s: error %d", passes[i].name, result);
    }
    int64_t begin = now();
    check(launch(spin, own), "cuLaunchKernel");
    printf("left %lld\n", (long long)(now() - begin) / 1000000);
}

static void shares(const char *door, double milliseconds) {
    for (int i = 0; i < WAY_COUNT; i++) {
        void *function = found(&ways[i], door);
        double before = device_time();
        int64_t begin = now();
        while (now() < begin + (int64_t)(milliseconds * 1e6)) {
            for (int left = strncmp(ways[i].name, "cuMem", 5) == 0 ? 8 * AT_ONCE : 4; left > 0; left--)
                check(call(ways[i].name, function), ways[i].name);
            check(cuCtxSynchronize(), "cuCtxSynchronize");
        }
        int64_t end = now();
        printf("%s %.0f\n", ways[i].name, 100 * (device_time() - before) / (double)(end - begin));
        fflush(stdout);
    }
}

int main(int count, char **words) {
    CUgraph captured;
    if (count < 3) die("a door and a measure");
    start();
    own = stream();
    debt = kernel_us(DEBT_US), spin = kernel_us(1000);
    check(cuFuncSetBlockShape(spin, 32, 1, 1), "cuFuncSetBlockShape");
    check(cuMemAlloc_v2(&to, BYTES), "cuMemAlloc"), check(cuMemAlloc_v2(&from, BYTES), "cuMemAlloc");
    check(cuStreamBeginCapture_v2(own, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL), "cuStreamBeginCapture");
    check(launch(spin, own), "cuLaunchKernel");
    check(cuStreamEndCapture(own, &captured), "cuStreamEndCapture");
    check(cuGraphInstantiateWithFlags(&graph, captured, 0), "cuGraphInstantiateWithFlags");
    owe(debt), owe(debt);
    if (strcmp(words[2], "debts") == 0) debts(words[1]);
    else if (strcmp(words[2], "shares") == 0 && count == 4) shares(words[1], atof(words[3]));
    else die("no measure %s", words[2]);
    return 0;
}
