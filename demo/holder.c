/* Holds device memory through the CUDA driver API, as told on standard input; each line is answered by one line.
 *
 *   take MIB   allocates that much and fills it     -> "granted", or the driver's own name for its error
 *   check      reads back what was filled            -> "intact", or what is wrong
 *   info       asks for free and total device memory -> "FREE TOTAL", in bytes
 *
 * It ends, and the driver takes its memory back, when standard input ends.
 * Build: gcc holder.c -lcuda -o holder     (libcuda comes with the driver; no CUDA toolkit is needed)
 */
#include <stdio.h>
#include <stdlib.h>

/* The part of cuda.h that is used here. From cuda.h, the names without _v2 are macros for those with it. */
typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
CUresult cuInit(unsigned int flags);
CUresult cuDeviceGet(CUdevice *device, int ordinal);
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device);
CUresult cuCtxSetCurrent(CUcontext context);
CUresult cuCtxSynchronize(void);
CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes);
CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes);
CUresult cuMemsetD8_v2(CUdeviceptr address, unsigned char value, size_t count);
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes);
CUresult cuGetErrorName(CUresult error, const char **name);

enum { MIB = 1 << 20, MOST_PIECES = 64 };

static struct { CUdeviceptr address; size_t bytes; } pieces[MOST_PIECES];
static int piece_count;
static unsigned char host[MIB];

static const char *name_of(CUresult error) {
    const char *name = NULL;
    return cuGetErrorName(error, &name) == 0 && name ? name : "an error without a name";
}

/* For calls without which the program cannot go on. */
static void must(CUresult result, const char *what) {
    if (result != 0) {
        fprintf(stderr, "holder: %s: %s\n", what, name_of(result));
        exit(1);
    }
}

/* The byte that fills a piece's first and last MiB. */
static unsigned char mark(int piece) { return (unsigned char)(0xA0 + piece); }

static void take(size_t mib) {
    if (mib == 0 || piece_count == MOST_PIECES) {
        printf("take: 1 MiB or more, and %d times at most\n", MOST_PIECES);
        return;
    }
    size_t bytes = mib * MIB;
    CUresult result = cuMemAlloc_v2(&pieces[piece_count].address, bytes);
    if (result != 0) {
        puts(name_of(result));
        return;
    }
    CUdeviceptr first = pieces[piece_count].address, last = first + bytes - MIB;
    must(cuMemsetD8_v2(first, mark(piece_count), MIB), "cuMemsetD8");
    must(cuMemsetD8_v2(last, mark(piece_count), MIB), "cuMemsetD8");
    must(cuCtxSynchronize(), "cuCtxSynchronize");
    pieces[piece_count++].bytes = bytes;
    puts("granted");
}

static int holds(CUdeviceptr address, unsigned char expected) {
    must(cuMemcpyDtoH_v2(host, address, MIB), "cuMemcpyDtoH");
    for (size_t i = 0; i < MIB; i++)
        if (host[i] != expected)
            return 0;
    return 1;
}

static void check(void) {
    for (int i = 0; i < piece_count; i++)
        if (!holds(pieces[i].address, mark(i)) || !holds(pieces[i].address + pieces[i].bytes - MIB, mark(i))) {
            printf("piece %d has changed\n", i);
            return;
        }
    puts(piece_count ? "intact" : "nothing to check");
}

static void info(void) {
    size_t free_bytes, total_bytes;
    must(cuMemGetInfo_v2(&free_bytes, &total_bytes), "cuMemGetInfo");
    printf("%zu %zu\n", free_bytes, total_bytes);
}

int main(void) {
    CUdevice device;
    CUcontext context;
    must(cuInit(0), "cuInit");
    must(cuDeviceGet(&device, 0), "cuDeviceGet");
    must(cuDevicePrimaryCtxRetain(&context, device), "cuDevicePrimaryCtxRetain");
    must(cuCtxSetCurrent(context), "cuCtxSetCurrent");
    setvbuf(stdout, NULL, _IOLBF, 0); /* so that each answer leaves at once */

    char line[64];
    size_t mib;
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "take %zu", &mib) == 1)
            take(mib);
        else if (line[0] == 'c')
            check();
        else if (line[0] == 'i')
            info();
        else
            printf("take MIB, check or info; got %s", line);
    }
    return 0;
}
