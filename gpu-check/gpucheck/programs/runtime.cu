// A CUDA runtime program with its kernel: allocates pieces until one is refused, frees, allocates again, computes.
#include <cstdio>
#include <cstdlib>
#include <vector>
#include <cuda_runtime.h>

__global__ void add_index(unsigned *data, unsigned count) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) data[i] += i;
}

static void must(cudaError_t code, const char *what) {
    if (code != cudaSuccess) {
        fprintf(stderr, "%s: %d %s\n", what, (int)code, cudaGetErrorString(code));
        exit(1);
    }
}

static bool computes(void *block) {
    const unsigned count = 1 << 16;
    std::vector<unsigned> host(count, 5);
    must(cudaMemcpy(block, host.data(), count * sizeof(unsigned), cudaMemcpyHostToDevice), "copy in");
    add_index<<<count / 256, 256>>>((unsigned *)block, count);
    must(cudaGetLastError(), "launch");
    must(cudaMemcpy(host.data(), block, count * sizeof(unsigned), cudaMemcpyDeviceToHost), "copy out");
    for (unsigned i = 0; i < count; ++i)
        if (host[i] != 5 + i) return false;
    return true;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: runtime PIECE_BYTES MOST_BYTES\n");
        return 2;
    }
    const size_t piece = strtoull(argv[1], nullptr, 10), most = strtoull(argv[2], nullptr, 10);
    std::vector<void *> blocks;
    size_t free_bytes = 0, total = 0;
    cudaError_t code = cudaSuccess;
    // The kernel's module is loaded first: it grows the context.
    void *scratch = nullptr;
    must(cudaMalloc(&scratch, piece), "first allocation");
    bool intact = computes(scratch);
    must(cudaFree(scratch), "free");
    while (blocks.size() * piece <= most) {
        must(cudaMemGetInfo(&free_bytes, &total), "memory info");
        void *block = nullptr;
        code = cudaMalloc(&block, piece);
        if (code != cudaSuccess) break;
        blocks.push_back(block);
    }
    const bool refused = code != cudaSuccess;
    cudaGetLastError();
    int again = -1;
    if (!blocks.empty()) {
        must(cudaFree(blocks.back()), "free");
        again = (int)cudaMalloc(&blocks.back(), piece);
        if (again == 0) intact = intact && computes(blocks.back());
    }
    char shown[16];
    snprintf(shown, sizeof shown, "%d", (int)code);
    printf("{\"pieces\": %zu, \"bytes\": %zu, \"code\": %s, \"free\": %zu, \"total\": %zu, \"again\": %d, \"intact\": %s}\n",
           blocks.size(), blocks.size() * piece, refused ? shown : "null", free_bytes, total, again, intact ? "true" : "false");
    return 0;
}
