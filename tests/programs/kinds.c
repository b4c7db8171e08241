/* Memory of every other kind (physical and mapped, arrays, graphs, code): does the calls that its arguments name. See audit.h. */
#include "audit.h"

#define MORE(X) \
    X(cuMemAddressReserve) X(cuMemAddressFree) X(cuMemCreate) X(cuMemRelease) X(cuMemMap) X(cuMemUnmap) X(cuMemSetAccess) \
    X(cuMemRetainAllocationHandle) X(cuMulticastCreate) X(cuMulticastAddDevice) X(cuMulticastBindMem) X(cuMulticastUnbind) \
    X(cuArray3DCreate_v2) X(cuArrayCreate_v2) X(cuArrayDestroy) X(cuMipmappedArrayCreate) X(cuMipmappedArrayDestroy) \
    X(cuArrayGetMemoryRequirements) X(cuMipmappedArrayGetMemoryRequirements) X(cuGraphCreate) X(cuGraphAddMemAllocNode) \
    X(cuGraphAddMemFreeNode) X(cuGraphInstantiateWithFlags) X(cuGraphLaunch) X(cuGraphUpload) X(cuGraphExecDestroy) \
    X(cuGraphDestroy) X(cuDeviceGraphMemTrim) X(cuStreamCreate) X(cuStreamBeginCapture_v2) X(cuStreamEndCapture) \
    X(cuModuleLoadData) X(cuModuleUnload) X(cuLibraryLoadData) X(cuLibraryUnload) X(cuLibraryGetModule) X(cuCtxSetLimit) X(cuMemPoolCreate) \
    X(cuMemPoolDestroy) X(cuMemAllocFromPoolAsync) X(cuMemPoolTrimTo) X(cuMemsetD8_v2)
MORE(DECLARE)

/* What a letter names. */
static struct thing {
    CUmemGenericAllocationHandle handle;
    CUdeviceptr range, pointer;
    CUarray array;
    CUmipmappedArray mipmap;
    CUgraph graph;
    CUgraphNode last;
    CUgraphExec exec;
    CUmodule module;
    CUlibrary library;
    CUmemoryPool pool;
} things[128];
static CUstream stream;

static struct thing *thing(const char *name) { return &things[name[0] & 127]; }

static CUmemAllocationProp on_device(void) {
    return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
}

static CUDA_ARRAY3D_DESCRIPTOR array_of(char **words, unsigned flags) {
    return (CUDA_ARRAY3D_DESCRIPTOR){.Width = size(words[0]), .Height = size(words[1]), .Depth = size(words[2]),
                                     .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1, .Flags = flags};
}

/* A text of PTX of this many bytes, the last one 0. */
static char *image(size_t bytes) {
    char *text = malloc(bytes);
    const char *head = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry nothing() { ret; }\n//";
    size_t length = strlen(head);
    if (bytes <= length) die("an image of %zu bytes is too short", bytes);
    memcpy(text, head, length);
    memset(text + length, ' ', bytes - length - 1);
    text[bytes - 1] = 0;
    return text;
}

static int step(char **words, int *result) {
    const char *word = words[0];
    *result = -1;
    if (is(word, "start")) { start(); CALL(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING)); return 1; }
    NEED(1);
    struct thing *it = thing(words[1]);
    if (is(word, "alloc")) { NEED(2); CALL(cuMemAlloc_v2(&it->pointer, size(words[2]))); return 3; }
    if (is(word, "pitch")) {
        size_t pitch = 0;
        NEED(3);
        CALL(cuMemAllocPitch_v2(&it->pointer, &pitch, size(words[2]), size(words[3]), 4));
        printf("pitch %zu\n", pitch);
        return 4;
    }
    if (is(word, "fill")) { NEED(2); CALL(cuMemsetD8_v2(it->pointer, 1, size(words[2]))); return 3; }
    if (is(word, "free")) { CALL(cuMemFree_v2(it->pointer)); return 2; }
    if (is(word, "async")) { NEED(2); CALL(cuMemAllocAsync(&it->pointer, size(words[2]), stream)); return 3; }
    if (is(word, "free-async")) { CALL(cuMemFreeAsync(it->pointer, stream)); return 2; }
    if (is(word, "sync")) { CALL(cuCtxSynchronize()); return 2; }

    if (is(word, "mem")) {
        NEED(2);
        CUmemAllocationProp properties = on_device();
        CALL(cuMemCreate(&it->handle, size(words[2]), &properties, 0));
        return 3;
    }
    if (is(word, "release")) { CALL(cuMemRelease(it->handle)); return 2; }
    if (is(word, "reserve")) { NEED(2); CALL(cuMemAddressReserve(&it->range, size(words[2]), 0, 0, 0)); return 3; }
    if (is(word, "map")) { /* range, offset, memory, size */
        NEED(4);
        CALL(cuMemMap(it->range + size(words[2]), size(words[4]), 0, thing(words[3])->handle, 0));
        return 5;
    }
    if (is(word, "unmap")) { NEED(3); CALL(cuMemUnmap(it->range + size(words[2]), size(words[3]))); return 4; }
    if (is(word, "retain-at")) { /* range, offset, name of the handle that is got */
        NEED(3);
        CALL(cuMemRetainAllocationHandle(&thing(words[3])->handle, (void *)(it->range + size(words[2]))));
        return 4;
    }
    if (is(word, "multicast")) {
        NEED(2);
        CUmulticastObjectProp properties = {.numDevices = 1, .size = size(words[2])};
        CALL(cuMulticastCreate(&it->handle, &properties));
        if (*result == 0) check(cuMulticastAddDevice(it->handle, 0), "cuMulticastAddDevice");
        return 3;
    }
    if (is(word, "bind")) {
        NEED(3);
        CALL(cuMulticastBindMem(it->handle, 0, thing(words[2])->handle, 0, size(words[3]), 0));
        return 4;
    }
    if (is(word, "unbind")) { NEED(2); CALL(cuMulticastUnbind(it->handle, 0, 0, size(words[2]))); return 3; }

    if (is(word, "array") || is(word, "array-later")) { /* width, height, depth in floats */
        NEED(4);
        CUDA_ARRAY3D_DESCRIPTOR made = array_of(words + 2, is(word, "array") ? 0 : CUDA_ARRAY3D_DEFERRED_MAPPING);
        CALL(cuArray3DCreate_v2(&it->array, &made));
        return 5;
    }
    if (is(word, "destroy-array")) { CALL(cuArrayDestroy(it->array)); return 2; }
    if (is(word, "mipmap")) { /* width, height, depth in floats, levels */
        NEED(5);
        CUDA_ARRAY3D_DESCRIPTOR made = array_of(words + 2, 0);
        CALL(cuMipmappedArrayCreate(&it->mipmap, &made, (unsigned)size(words[5])));
        return 6;
    }
    if (is(word, "destroy-mipmap")) { CALL(cuMipmappedArrayDestroy(it->mipmap)); return 2; }

    if (is(word, "graph")) { CALL(cuGraphCreate(&it->graph, 0)); it->last = NULL; return 2; }
    if (is(word, "node-alloc")) { /* graph, size, name of the memory */
        NEED(3);
        CUDA_MEM_ALLOC_NODE_PARAMS made = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
                                                         .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}},
                                           .bytesize = size(words[2])};
        CALL(cuGraphAddMemAllocNode(&it->last, it->graph, it->last ? &it->last : NULL, it->last ? 1 : 0, &made));
        thing(words[3])->pointer = made.dptr;
        return 4;
    }
    if (is(word, "node-free")) {
        NEED(2);
        CALL(cuGraphAddMemFreeNode(&it->last, it->graph, &it->last, 1, thing(words[2])->pointer));
        return 3;
    }
    if (is(word, "capture")) { CALL(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL)); return 2; }
    if (is(word, "end-capture")) { CALL(cuStreamEndCapture(stream, &it->graph)); return 2; }
    if (is(word, "instantiate")) { CALL(cuGraphInstantiateWithFlags(&it->exec, it->graph, 0)); return 2; }
    if (is(word, "upload")) { CALL(cuGraphUpload(it->exec, stream)); return 2; }
    if (is(word, "launch")) { CALL(cuGraphLaunch(it->exec, stream)); return 2; }
    if (is(word, "destroy-exec")) { CALL(cuGraphExecDestroy(it->exec)); return 2; }
    if (is(word, "destroy-graph")) { CALL(cuGraphDestroy(it->graph)); return 2; }
    if (is(word, "trim-graphs")) { CALL(cuDeviceGraphMemTrim(0)); return 2; }

    if (is(word, "module")) { NEED(2); CALL(cuModuleLoadData(&it->module, image(size(words[2])))); return 3; }
    if (is(word, "unload")) { CALL(cuModuleUnload(it->module)); return 2; }
    if (is(word, "library")) {
        NEED(2);
        CALL(cuLibraryLoadData(&it->library, image(size(words[2])), NULL, NULL, 0, NULL, NULL, 0));
        return 3;
    }
    if (is(word, "use-library")) { CUmodule module; CALL(cuLibraryGetModule(&module, it->library)); return 2; }
    if (is(word, "unload-library")) { CALL(cuLibraryUnload(it->library)); return 2; }
    if (is(word, "heap")) { CALL(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, size(words[1]))); return 2; }

    if (is(word, "pool")) {
        CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
        CALL(cuMemPoolCreate(&it->pool, &properties));
        return 2;
    }
    if (is(word, "from-pool")) { /* pool, size, name of the memory */
        NEED(3);
        CALL(cuMemAllocFromPoolAsync(&thing(words[3])->pointer, size(words[2]), it->pool, stream));
        return 4;
    }
    if (is(word, "trim-pool")) { NEED(2); CALL(cuMemPoolTrimTo(it->pool, size(words[2]))); return 3; }
    if (is(word, "destroy-pool")) { CALL(cuMemPoolDestroy(it->pool)); return 2; }
    die("unknown step %s", word);
}
