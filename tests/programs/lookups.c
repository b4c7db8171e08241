/* Looks names up from the program, from a preloaded library (if there is one) and from one opened locally: argument 1. */
#include "lookups.h"

int own_function(void);
int own_function(void) { return 4; }
int shared_name(void);
int shared_name(void) { return 5; }

int main(int count, char **arguments) {
    void (*preloaded)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "look_up");
    if (preloaded) preloaded();
    else printf("none is preloaded\n");
    LOOK_UP_ALL("main");
    for (int i = 1; i < count; i++) {
        void *local = dlopen(arguments[i], RTLD_NOW | RTLD_LOCAL);
        if (!local) return printf("%s\n", dlerror()), 1;
        void (*look_up)(void) = (void (*)(void))dlsym(local, "look_up");
        look_up();
        tell("main", "handle", "cuSomething", dlsym(local, "cuSomething"));
        tell("main", "handle", "nvmlSomething", dlsym(local, "nvmlSomething"));
        tell("main", "handle", "malloc", dlsym(local, "malloc"));
        tell("main", "handle", "no_such_symbol", dlsym(local, "no_such_symbol"));
        dlclose(local);
        tell("main", "DEFAULT", "cuSomething", dlsym(RTLD_DEFAULT, "cuSomething"));
    }
    return 0;
}
