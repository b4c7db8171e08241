/* Opens a library that uses CUDA (argument 1), calls it and closes it, three times; is linked to no driver itself. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **words) {
    for (int round = 0; round < 3 && count > 1; round++) {
        void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
        if (!library) return printf("%s\n", dlerror()), 1;
        int (*use_device)(void) = (int (*)(void))dlsym(library, "use_device");
        printf("used %d\n", use_device());
        printf("closed %d\n", dlclose(library));
        fflush(stdout);
    }
    return 0;
}
