// A driver API program linked against libcuda: allocates pieces until one is refused, frees, allocates again.
#include <cstdio>
#include <cstdlib>
#include <vector>
#include <cuda.h>

static void must(CUresult code, const char *what) {
    if (code != CUDA_SUCCESS) {
        fprintf(stderr, "%s: error %d\n", what, (int)code);
        exit(1);
    }
}

static bool holds_data(CUdeviceptr block) {
    std::vector<unsigned> host(4096), back(4096);
    for (size_t i = 0; i < host.size(); ++i) host[i] = (unsigned)(i * 2654435761u);
    must(cuMemcpyHtoD(block, host.data(), host.size() * sizeof(unsigned)), "copy in");
    must(cuMemcpyDtoH(back.data(), block, back.size() * sizeof(unsigned)), "copy out");
    return host == back;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: driver PIECE_BYTES MOST_BYTES\n");
        return 2;
    }
    const size_t piece = strtoull(argv[1], nullptr, 10), most = strtoull(argv[2], nullptr, 10);
    CUdevice device;
    CUcontext context;
    must(cuInit(0), "cuInit");
    must(cuDeviceGet(&device, 0), "cuDeviceGet");
    must(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    std::vector<CUdeviceptr> blocks;
    size_t free_bytes = 0, total = 0;
    CUresult code = CUDA_SUCCESS;
    while (blocks.size() * piece <= most) {
        must(cuMemGetInfo(&free_bytes, &total), "cuMemGetInfo");
        CUdeviceptr block = 0;
        code = cuMemAlloc(&block, piece);
        if (code != CUDA_SUCCESS) break;
        blocks.push_back(block);
    }
    const bool refused = code != CUDA_SUCCESS;
    int again = -1;
    bool intact = false;
    if (!blocks.empty()) {
        must(cuMemFree(blocks.back()), "cuMemFree");
        again = (int)cuMemAlloc(&blocks.back(), piece);
        if (again == 0) intact = holds_data(blocks.back());
    }
    char shown[16];
    snprintf(shown, sizeof shown, "%d", (int)code);
    printf("{\"pieces\": %zu, \"bytes\": %zu, \"code\": %s, \"free\": %zu, \"total\": %zu, \"again\": %d, \"intact\": %s}\n",
           blocks.size(), blocks.size() * piece, refused ? shown : "null", free_bytes, total, again, intact ? "true" : "false");
    return 0;
}
