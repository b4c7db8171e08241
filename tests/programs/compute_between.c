/* Short kernels with something between them in their stream that takes long and no compute. (Not copies: the simulator's processors
   move their bytes, so how long they keep a stream depends on the machine.)

   Arguments: the door (linked, dlsym, address), and milliseconds for each function. A line `NAME PERCENT PERCENT` says how much of
   the time that went by the device has computed, as the simulator's books say, and how much of it the calls took. */
#include "compute.h"
#include "ways.h"

#define BETWEEN(X) \
    PAIR(X, cuLaunchHostFunc, cuLaunchHostFunc, _ptsz, "cuLaunchHostFunc", 12000) \
    PAIR(X, cuStreamAddCallback, cuStreamAddCallback, _ptsz, "cuStreamAddCallback", 12000) \
    PAIR(X, cuStreamWaitEvent, cuStreamWaitEvent, _ptsz, "cuStreamWaitEvent", 12000)
BETWEEN(DECLARE_WAY)

static const struct way between[] = {
    BETWEEN(WAY)
};
enum { BETWEEN_COUNT = sizeof between / sizeof *between };

/* A kernel takes 20 us; what lies between two of them several times as much. */
enum { KERNEL_US = 20, BETWEEN_US = 200, AT_ONCE = 32 };

static CUfunction spin;
static CUstream own, other;
static CUevent event;

static void sleep_a_while(void *unused) {
    (void)unused;
    nanosleep(&(struct timespec){.tv_nsec = BETWEEN_US * 1000}, NULL);
}

static void callback(CUstream stream, CUresult result, void *unused) {
    (void)stream, (void)result;
    sleep_a_while(unused);
}

static CUresult call(const char *name, void *f) {
    if (named(name, "cuLaunchHostFunc")) return ((PFN_cuLaunchHostFunc)f)(own, sleep_a_while, NULL);
    if (named(name, "cuStreamAddCallback")) return ((PFN_cuStreamAddCallback)f)(own, callback, NULL, 0);
    if (named(name, "cuStreamWaitEvent")) {
        check(cuLaunchHostFunc(other, sleep_a_while, NULL), "cuLaunchHostFunc");
        check(cuEventRecord(event, other), "cuEventRecord");
        return ((PFN_cuStreamWaitEvent)f)(own, event, 0);
    }
    die("%s: not between", name);
}

int main(int count, char **words) {
    if (count < 3) die("a door and milliseconds");
    start();
    own = stream(), other = stream(), spin = kernel_us(KERNEL_US);
    check(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    for (int i = 0; i < BETWEEN_COUNT; i++) {
        void *function = found(&between[i], words[1]);
        double before = device_time();
        int64_t begin = now(), in_calls = 0;
        while (now() < begin + (int64_t)(atof(words[2]) * 1e6)) {
            for (int left = AT_ONCE; left > 0; left--) {
                int64_t called = now();
                check(launch(spin, own), "cuLaunchKernel");
                check(call(between[i].name, function), between[i].name);
                in_calls += now() - called;
            }
            check(cuCtxSynchronize(), "cuCtxSynchronize");
        }
        int64_t end = now();
        double share = (device_time() - before) / (double)(end - begin), calls = (double)in_calls / (double)(end - begin);
        printf("%s %.1f %.1f\n", between[i].name, 100 * share, 100 * calls);
        fflush(stdout);
    }
    return 0;
}
