/* One process, one thread: what each call takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "door.h"

enum {
    MOST_LIVE = 1000000,
    GROWN_TO = 250000,
    FEWEST_BATCHES = 31,
    MOST_BATCHES = 65536,
    KIB4 = 4 << 10,
    MIB2 = 2 << 20,
    CUDA_VERSION_ASKED = 12040,
};

/* A batch is long beside the clock's own cost and short beside a time slice, so that few batches are interrupted. */
static const double BATCH_NS = 50000;

static CUdeviceptr live[MOST_LIVE];
static long live_count;
static size_t piece;
static size_t over_quota;
static nvmlDevice_t device;
static const char *symbol;

static CUdeviceptr allocated(size_t bytes) {
    CUdeviceptr pointer;
    check(CALL(cuMemAlloc_v2)(&pointer, bytes), "cuMemAlloc_v2");
    return pointer;
}

static void pairs(long count) {
    for (long i = 0; i < count; i++) check(CALL(cuMemFree_v2)(allocated(piece)), "cuMemFree_v2");
}

/* Frees an allocation picked at random and makes another in its place: not the one that is still in the caches. */
static void replacements(long count) {
    static uint64_t random = 88172645463325252u;
    for (long i = 0; i < count; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        CUdeviceptr *chosen = &live[random % (uint64_t)live_count];
        check(CALL(cuMemFree_v2)(*chosen), "cuMemFree_v2");
        *chosen = allocated(piece);
    }
}

static void refusals(long count) {
    for (long i = 0; i < count; i++) {
        CUdeviceptr pointer;
        CUresult result = CALL(cuMemAlloc_v2)(&pointer, over_quota);
        if (result != CUDA_ERROR_OUT_OF_MEMORY) die("cuMemAlloc_v2 of %zu bytes: %d, not refused", over_quota, result);
    }
}

static void memory_infos(long count) {
    size_t free, total;
    for (long i = 0; i < count; i++) check(CALL(cuMemGetInfo_v2)(&free, &total), "cuMemGetInfo_v2");
}

static void nvml_infos(long count) {
    nvmlMemory_t memory;
    for (long i = 0; i < count; i++) check(CALL(nvmlDeviceGetMemoryInfo)(device, &memory), "nvmlDeviceGetMemoryInfo");
}

static void nvml_infos_v2(long count) {
    nvmlMemory_v2_t memory;
    memory.version = nvmlMemory_v2;
    for (long i = 0; i < count; i++)
        check(CALL(nvmlDeviceGetMemoryInfo_v2)(device, &memory), "nvmlDeviceGetMemoryInfo_v2");
}

static void look_ups(long count) {
    CUdriverProcAddressQueryResult status;
    void *function;
    for (long i = 0; i < count; i++)
        check(CALL(cuGetProcAddress_v2)(symbol, &function, CUDA_VERSION_ASKED, 0, &status), "cuGetProcAddress_v2");
}

static void grow_to(long count) {
    while (live_count < count) live[live_count++] = allocated(piece);
}

static void release_all(void) {
    while (live_count > 0) check(CALL(cuMemFree_v2)(live[--live_count]), "cuMemFree_v2");
}

/* A row of the report: `live` allocations of `piece` bytes stand while `batch` runs. A pair's own one counts as live. */
struct measured {
    const char *name;
    void (*batch)(long count);
    size_t piece;
    long live;
    const char *symbol;
};

static const struct measured MEASURED[] = {
    {"pair-4KiB-1", pairs, KIB4, 1, NULL},
    {"pair-4KiB-1000", pairs, KIB4, 1000, NULL},
    {"pair-4KiB-100000", pairs, KIB4, 100000, NULL},
    {"replace-4KiB-100000", replacements, KIB4, 100000, NULL},
    {"pair-4KiB-1000000", pairs, KIB4, 1000000, NULL},
    {"pair-2MiB-1", pairs, MIB2, 1, NULL},
    {"pair-2MiB-1000", pairs, MIB2, 1000, NULL},
    {"pair-2MiB-100000", pairs, MIB2, 100000, NULL},
    {"replace-2MiB-100000", replacements, MIB2, 100000, NULL},
    {"refusal", refusals, MIB2, 1, NULL},
    {"cuMemGetInfo", memory_infos, MIB2, 1, NULL},
    {"nvmlDeviceGetMemoryInfo", nvml_infos, MIB2, 1, NULL},
    {"nvmlDeviceGetMemoryInfo_v2", nvml_infos_v2, MIB2, 1, NULL},
    {"cuGetProcAddress-cuMemAlloc", look_ups, MIB2, 1, "cuMemAlloc"},
    {"cuGetProcAddress-cuLaunchKernel", look_ups, MIB2, 1, "cuLaunchKernel"},
    {"cuGetProcAddress-cuEventQuery", look_ups, MIB2, 1, "cuEventQuery"},
};
enum { MEASURED_COUNT = sizeof MEASURED / sizeof *MEASURED };

static double nanoseconds_of(void (*batch)(long), long count) {
    int64_t start = now();
    batch(count);
    return (double)(now() - start);
}

/* Nanoseconds per call: the median over batches that take `budget_ns` together and are not too few for a median. */
static double measured(void (*batch)(long), double budget_ns) {
    static double batches[MOST_BATCHES];
    long count = 1;
    /* Three looks in a row: one interruption must not pass for a long batch. */
    for (int long_enough = 0; long_enough < 3;) {
        if (nanoseconds_of(batch, count) >= BATCH_NS) {
            long_enough++;
        } else {
            long_enough = 0;
            count *= 2;
        }
    }
    size_t taken = 0;
    double spent = 0;
    do {
        double elapsed = nanoseconds_of(batch, count);
        spent += elapsed;
        batches[taken++] = elapsed / (double)count;
    } while (taken < FEWEST_BATCHES || (spent < budget_ns && taken < MOST_BATCHES));
    return median(batches, taken);
}

/* Nanoseconds of the slowest of `count` allocations, one after the other. Books that grow by copying show here and in no
   median. Time of the processor, not of the wall: an interruption by another program must not count. */
static double slowest_allocation(long count) {
    int64_t slowest = 0;
    while (live_count < count) {
        int64_t start = processor_now();
        live[live_count++] = allocated(piece);
        int64_t taken = processor_now() - start;
        if (taken > slowest) slowest = taken;
    }
    return (double)slowest;
}

static void set_up(const struct measured *row) {
    if (row->piece != piece || row->live < live_count) release_all();
    piece = row->piece;
    symbol = row->symbol;
    grow_to(row->batch == pairs ? row->live - 1 : row->live);
}

static void open_all(void) {
    size_t free, total;
    start_cuda();
    open_nvml();
    check(CALL(nvmlInit_v2)(), "nvmlInit_v2");
    check(CALL(nvmlDeviceGetHandleByIndex_v2)(0, &device), "nvmlDeviceGetHandleByIndex_v2");
    check(CALL(cuMemGetInfo_v2)(&free, &total), "cuMemGetInfo_v2");
    over_quota = total + MIB2; /* more than the device has, and under a quota more than the quota */
}

void calls(double budget_ms) {
    open_all();
    /* First of all: books that have grown once may stay large. */
    piece = KIB4;
    row("slowest-4KiB", slowest_allocation(GROWN_TO));
    release_all();
    for (int i = 0; i < MEASURED_COUNT; i++) {
        set_up(&MEASURED[i]);
        row(MEASURED[i].name, measured(MEASURED[i].batch, budget_ms * 1e6));
    }
    release_all();
}

/* What a profiler collects. Called by address, so it stays a function of its own under this name. */
__attribute__((noinline)) static void collected(void (*batch)(long), long count) {
    batch(count);
}

/* For a profiler: one row's calls, as many as asked, and nothing measured. The first ones do not count. */
void one_call(const char *name, long count) {
    enum { FIRST_ONES = 64 };
    open_all();
    for (int i = 0; i < MEASURED_COUNT; i++) {
        if (strcmp(MEASURED[i].name, name) != 0) continue;
        set_up(&MEASURED[i]);
        MEASURED[i].batch(FIRST_ONES);
        collected(MEASURED[i].batch, count);
        return;
    }
    die("one-call %s: no such row", name);
}
