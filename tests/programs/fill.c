/* Finds the driver by dlopen and dlsym alone, takes memory in pieces until it is refused, and prints
   `init N retain N granted N last N view BYTES`, as each call answered; with SIMGPU set, ` own BYTES` as the simulator's books tell.
   Options: `closed FILE`: standard input, output and error are closed before CUDA starts; the lines go to FILE, with one for
   what each of the three leads to then. `fsize BYTES`: no file may be longer until the line is printed. */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "driver.h"

#define MIB ((size_t)1 << 20)
#define FIND(name) PFN_##name find_##name = (PFN_##name)dlsym(driver, #name)

int main(int count, char **words) {
    int closed = count > 2 && strcmp(words[1], "closed") == 0, fsize = count > 2 && strcmp(words[1], "fsize") == 0;
    if (fsize) {
        struct rlimit most = {strtoul(words[2], NULL, 10), RLIM_INFINITY};
        if (setrlimit(RLIMIT_FSIZE, &most) != 0) die("setrlimit: %m");
    }
    if (closed)
        for (int i = 0; i < 3; i++) close(i);
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!driver) die("%s", dlerror());
    FIND(cuInit);
    FIND(cuDevicePrimaryCtxRetain);
    FIND(cuCtxSetCurrent);
    FIND(cuMemAlloc_v2);
    FIND(cuMemGetInfo_v2);
    CUcontext context;
    CUdeviceptr memory;
    size_t free = 0, total = 0;
    int init = find_cuInit(0), retain = find_cuDevicePrimaryCtxRetain(&context, 0), granted = 0, last = -1;
    if (retain == 0) {
        check(find_cuCtxSetCurrent(context), "cuCtxSetCurrent");
        while (granted < 1024 && (last = find_cuMemAlloc_v2(&memory, 2 * MIB)) == 0) granted++;
        find_cuMemGetInfo_v2(&free, &total);
    }
    if (fsize) setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}); /* our own output is a file */
    FILE *output = closed ? fopen(words[2], "w") : stdout;
    fprintf(output, "init %d retain %d granted %d last %d view %zu", init, retain, granted, last, total - free);
    if (getenv("SIMGPU")) fprintf(output, " own %ju", (uintmax_t)books().own);
    if (closed)
        for (int descriptor = 0; descriptor < 3; descriptor++) {
            struct stat file = {0};
            fstat(descriptor, &file);
            fprintf(output, "\nstandard %d inode %ju", descriptor, (uintmax_t)file.st_ino);
        }
    fprintf(output, "\n");
    return fflush(output) != 0;
}
