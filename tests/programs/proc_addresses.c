/* Asks cuGetProcAddress and cuGetProcAddress_v2 for each name in the file of argument 1, at each version in argument 2 on and
   with each choice of default stream. Prints `NAME FLAGS FORM VERSION: RESULT STATUS SYMBOL of OBJECT`. */
#include <dlfcn.h>

#include "driver.h"

static void describe(char *text, size_t room, int result, int status, void *function) {
    Dl_info info;
    if (!function) snprintf(text, room, "%d %d nothing", result, status);
    else if (!dladdr(function, &info) || !info.dli_sname) snprintf(text, room, "%d %d %p", result, status, function);
    else {
        const char *slash = strrchr(info.dli_fname, '/');
        snprintf(text, room, "%d %d %s of %s", result, status, info.dli_sname, slash ? slash + 1 : info.dli_fname);
    }
}

static void ask(const char *name, int form, cuuint64_t flags, int versions, char **version) {
    char answer[512];
    for (int i = 0; i < versions; i++) {
        void *function = NULL;
        CUdriverProcAddressQueryResult status = 0;
        int number = atoi(version[i]);
        int result = form == 1 ? cuGetProcAddress(name, &function, number, flags)
                               : cuGetProcAddress_v2(name, &function, number, flags, &status);
        describe(answer, sizeof answer, result, (int)status, function);
        printf("%s %d %d %d: %s\n", name, (int)flags, form, number, answer);
    }
}

int main(int count, char **words) {
    char name[256];
    FILE *names = count > 2 ? fopen(words[1], "r") : NULL;
    if (!names) die("proc_addresses FILE VERSION…");
    check(cuInit(0), "cuInit");
    while (fgets(name, sizeof name, names)) {
        name[strcspn(name, "\n")] = 0;
        for (int form = 1; form <= 2; form++)
            for (cuuint64_t flags = 0; flags <= 2; flags++) ask(name, form, flags, count - 2, words + 2);
    }
    return 0;
}
