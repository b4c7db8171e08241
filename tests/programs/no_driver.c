/* Looks the vendor's names up where no vendor's library is loaded, and then in one opened under the driver's place. */
#include "lookups.h"

int main(int count, char **arguments) {
    LOOK_UP_ALL("main");
    if (count > 1) {
        void *other = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
        tell("main", "handle", "cuInit", dlsym(other, "cuInit"));
        tell("main", "handle", "nvmlDeviceGetMemoryInfo", dlsym(other, "nvmlDeviceGetMemoryInfo"));
        tell("main", "handle", "cuMemAlloc_v2", dlsym(other, "cuMemAlloc_v2"));
        other = dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL);
        tell("main", "DEFAULT after global", "cuInit", dlsym(RTLD_DEFAULT, "cuInit"));
    }
    return 0;
}
