/* A library that interposes dlsym, as tools that trace or profile do: it asks the next dlsym, found by dlvsym, for all names. */
#include <dlfcn.h>
#include <stddef.h>

void *dlsym(void *handle, const char *name) {
    static void *(*next)(void *, const char *);
    if (!next) next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    return next ? next(handle, name) : NULL;
}
