/* Look-ups of names from wherever this is compiled into, printed as object and symbol, so that two runs compare. */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static inline void tell(const char *who, const char *how, const char *name, void *found) {
    Dl_info info;
    const char *error = found ? NULL : dlerror();
    if (!found) {
        printf("%s %s %s: NULL, %s\n", who, how, name, error ? error : "no error");
    } else if (dladdr(found, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        printf("%s %s %s: %s in %s\n", who, how, name, info.dli_sname ? info.dli_sname : "?", slash ? slash + 1 : info.dli_fname);
    } else {
        printf("%s %s %s: outside of all objects\n", who, how, name);
    }
    if (dlerror()) printf("%s %s %s: an error is left\n", who, how, name);
}

/* Names of libc, of nobody, and such as begin as the vendor's do. */
static const char *const names[] = {"malloc", "malloc", "free", "getenv", "strlen", "memcpy", "qsort", "dlopen", "errno",
    "no_such_symbol", "no_such_symbol", "", "cu", "nvml", "curl_easy_init", "cuSomething", "nvmlSomething", "cuMem",
    "own_function", "shared_name", "cuInit", "cuMemAlloc_v2", "nvmlInit_v2", "nvmlDeviceGetMemoryInfo", "cuGetProcAddress"};

/* A macro, so that each look-up is called from the object that it is compiled into. */
#define LOOK_UP_ALL(who) do { \
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) { \
            const char *name = names[i]; \
            dlerror(); \
            tell(who, "NEXT", name, dlsym(RTLD_NEXT, name)); \
            tell(who, "DEFAULT", name, dlsym(RTLD_DEFAULT, name)); \
            tell(who, "NEXT version", name, dlvsym(RTLD_NEXT, name, "GLIBC_2.2.5")); \
            tell(who, "DEFAULT version", name, dlvsym(RTLD_DEFAULT, name, "GLIBC_2.2.5")); \
            tell(who, "NEXT no version", name, dlvsym(RTLD_NEXT, name, "NOBODY_1.0")); \
            void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD), *self = dlopen(NULL, RTLD_LAZY); \
            dlerror(); \
            tell(who, "libc", name, dlsym(libc, name)); \
            tell(who, "libc version", name, dlvsym(libc, name, "GLIBC_2.2.5")); \
            tell(who, "program", name, dlsym(self, name)); \
        } \
    } while (0)

#endif
