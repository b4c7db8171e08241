/* Driver functions through a door of one's choice: linked, found by dlsym, or found by cuGetProcAddress. */
#ifndef WAYS_H
#define WAYS_H

#include <dlfcn.h>

#include "driver.h"

struct way { const char *name, *public; void *linked; int version, flag; };

/* Rows of a table X: exported name, type, name and version for cuGetProcAddress, 2 for the form per thread. */
#define PAIR(X, exported, type, suffix, public, version) \
    X(exported, type, public, version, 1) X(exported##suffix, type, public, version, 2)
#define DECLARE_WAY(exported, type, public, version, flag) extern __typeof__(*(PFN_##type)0) exported;
#define WAY(exported, type, public, version, flag) {#exported, public, (void *)exported, version, flag},

static inline void *found(const struct way *way, const char *door) {
    CUdriverProcAddressQueryResult status;
    void *function = NULL;
    if (strcmp(door, "linked") == 0) return way->linked;
    if (strcmp(door, "address") == 0 && cuGetProcAddress_v2(way->public, &function, way->version, way->flag, &status) == 0 && function)
        return function;
    /* The oldest functions are not known to cuGetProcAddress by every driver. */
    static void *library;
    if (!library) library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    function = dlsym(library, way->name);
    if (!function) die("%s through %s: not there", way->name, door);
    return function;
}

/* Whether the name, without the ending of the form per thread, is this one. */
static inline int named(const char *name, const char *base) {
    size_t length = strlen(base);
    return strncmp(name, base, length) == 0 && (!name[length] || strcmp(name + length, "_ptsz") == 0 || strcmp(name + length, "_ptds") == 0);
}

/* Nanoseconds for which the device, the only one, has computed for processes: there is but this one. */
static inline double device_time(void) {
    char text[1 << 16];
    books_text(text, sizeof text);
    char *at = strstr(text, "\"busy_ns\":");
    if (!at) die("books without device-time: %s", text);
    return strtod(at + 10, NULL);
}

#endif
