/* Sets a umask, handlers and a mask of signals, uses CUDA, and prints what became of them; then execs a shell that lists its
   descriptors and signals. */
#include <signal.h>
#include <sys/stat.h>

#include "driver.h"

static void handler(int number) { (void)number; }

int main(void) {
    struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART}, found;
    sigset_t blocked, now_blocked;
    CUdeviceptr memory;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    umask(027);
    sigaction(SIGUSR1, &act, NULL);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    start();
    check(cuMemAlloc_v2(&memory, 1 << 20), "cuMemAlloc");
    size_t refused = (size_t)200 << 30; /* more than the device has */
    printf("refused %d\n", cuMemAlloc_v2(&memory, refused));
    printf("umask %o\n", umask(027));
    for (int number = 1; number < 32; number++) {
        sigaction(number, NULL, &found);
        if (found.sa_handler != SIG_DFL)
            printf("signal %d: %s %x\n", number, found.sa_handler == handler ? "handler" : found.sa_handler == SIG_IGN ? "ignored" : "other", found.sa_flags);
    }
    sigprocmask(SIG_BLOCK, NULL, &now_blocked);
    for (int number = 1; number < 32; number++)
        if (sigismember(&now_blocked, number)) printf("blocked %d\n", number);
    fflush(stdout);
    execl("/bin/sh", "sh", "-c", "ls /proc/self/fd | wc -l; umask; grep Sig[^Q] /proc/self/status", NULL);
    return 1;
}
