/* Code that the driver loads at a launch, on the second of two devices, while both are looked at in turn: prints how much
   more is shown in use there than before the launch, once that moves, or 0 after two seconds. */
#include "driver.h"

#define MORE(X) X(cuLibraryLoadData) X(cuLibraryGetKernel) X(cuLaunchKernel)
MORE(DECLARE)

enum { IMAGE = 8 << 20 };

static CUcontext contexts[2];

/* In use on a device, as this process is shown it. */
static size_t shown(int device) {
    size_t free, total;
    check(cuCtxSetCurrent(contexts[device]), "cuCtxSetCurrent");
    check(cuMemGetInfo_v2(&free, &total), "cuMemGetInfo");
    return total - free;
}

int main(void) {
    static char image[IMAGE] = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k() { ret; }\n";
    memset(image + strlen(image), ' ', sizeof image - strlen(image) - 1);
    CUlibrary library;
    CUkernel kernel;
    check(cuInit(0), "cuInit");
    for (int device = 0; device < 2; device++) check(cuDevicePrimaryCtxRetain(&contexts[device], device), "retain");
    check(cuCtxSetCurrent(contexts[1]), "cuCtxSetCurrent");
    check(cuLibraryLoadData(&library, image, NULL, NULL, 0, NULL, NULL, 0), "cuLibraryLoadData");
    check(cuLibraryGetKernel(&kernel, library, "k"), "cuLibraryGetKernel");
    shown(0);
    size_t before = shown(1), after = before;
    check(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL), "cuLaunchKernel");
    for (int64_t end = now() + INT64_C(2000000000); after == before && now() < end;) {
        shown(0);
        after = shown(1);
    }
    printf("%zu\n", after - before);
    return 0;
}
