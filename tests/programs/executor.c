/* Executes driver calls that somebody else chooses: the far end of the differential test.

   Started with the path of a Unix socket it waits there for orders to fork; each child connects to the same socket and makes
   the calls that it is told, through the door that it is told. So every child is a fresh process, at the price of a fork:
   nothing of CUDA or NVML is called before it. FUNCTIONS(X), the list of the functions that can be called by direct link, is
   put before this text by the test. All numbers on the socket are little-endian, as on the machines that run this. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "hami_cuda.h"
#include "hami_nvml.h"

/* Linked by name alone; the type is known where one is called. Weak: a driver need not have them all. */
typedef void (*any)(void);
#define DECLARE(name) extern const char name[] __attribute__((weak));
FUNCTIONS(DECLARE)
#define CALL(name) ((PFN_##name)(any)name)
#define ENTRY(name) {#name, (any)name},
static const struct { const char *name; any function; } linked[] = {FUNCTIONS(ENTRY)};

enum door { LINKED, BY_HANDLE, BY_DEFAULT, PROC_ADDRESS, PROC_ADDRESS_2, PER_THREAD };
enum argument { NUMBER, BUFFER };
enum { MOST_ARGUMENTS = 12, MOST_BYTES = 1 << 20, NOT_THERE = -1000, ERRNO_BEFORE = 1234 };

static int wire;
static void *libcuda, *libnvidia_ml;

static void __attribute__((noreturn)) fail(const char *what) {
    fprintf(stderr, "executor: %s: %m\n", what);
    _exit(3);
}

/* Read ahead, and not yet sent: one system call each way for an order. */
static unsigned char incoming[1 << 16], outgoing[MOST_BYTES + (1 << 16)];
static size_t taken, come, waiting;

static void get(void *to, size_t length) {
    for (size_t had = 0; had < length;) {
        if (taken == come) {
            ssize_t more = read(wire, incoming, sizeof incoming);
            if (more == 0) _exit(0); /* whoever gave the orders is gone */
            if (more < 0 && errno != EINTR) fail("read");
            taken = 0, come = more > 0 ? (size_t)more : 0;
            continue;
        }
        size_t now = length - had < come - taken ? length - had : come - taken;
        memcpy((char *)to + had, incoming + taken, now);
        taken += now, had += now;
    }
}

static void put(const void *from, size_t length) {
    if (length > sizeof outgoing - waiting) fail("an answer that is too long");
    memcpy(outgoing + waiting, from, length);
    waiting += length;
}

static void flush(void) {
    for (size_t sent = 0; sent < waiting;) {
        ssize_t more = send(wire, outgoing + sent, waiting - sent, MSG_NOSIGNAL);
        if (more < 0 && errno == EPIPE) _exit(0);
        if (more < 0 && errno != EINTR) fail("send");
        if (more > 0) sent += (size_t)more;
    }
    waiting = 0;
}

static uint8_t byte(void) {
    uint8_t value;
    get(&value, sizeof value);
    return value;
}

static uint32_t word(void) {
    uint32_t value;
    get(&value, sizeof value);
    return value;
}

static uint64_t number(void) {
    uint64_t value;
    get(&value, sizeof value);
    return value;
}

static char *text(char *room, size_t size) {
    uint32_t length = word();
    if (length >= size) fail("a text that is too long");
    get(room, length);
    room[length] = 0;
    return room;
}

static void dial(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) fail(path);
    strcpy(address.sun_path, path);
    wire = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire < 0 || connect(wire, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
    uint32_t pid = (uint32_t)getpid();
    taken = come = waiting = 0;
    put(&pid, sizeof pid);
    flush();
}

static any resolve(const char *name, enum door door, const char *base, uint32_t version) {
    CUdriverProcAddressQueryResult status;
    void *library = strncmp(name, "nvml", 4) == 0 ? libnvidia_ml : libcuda, *found = NULL;
    uint64_t flags = door == PER_THREAD ? CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM : 0;
    switch (door) {
    case LINKED:
        for (size_t i = 0; i < sizeof linked / sizeof *linked; i++)
            if (strcmp(linked[i].name, name) == 0) return linked[i].function;
        return NULL;
    case BY_HANDLE: return (any)dlsym(library, name);
    case BY_DEFAULT: return (any)dlsym(RTLD_DEFAULT, name);
    case PROC_ADDRESS: return CALL(cuGetProcAddress)(base, &found, (int)version, flags) == 0 ? (any)found : NULL;
    case PROC_ADDRESS_2:
    case PER_THREAD: return CALL(cuGetProcAddress_v2)(base, &found, (int)version, flags, &status) == 0 ? (any)found : NULL;
    }
    return NULL;
}

/* All arguments are whole numbers or pointers, which the calling conventions of x86-64 and AArch64 pass alike; only a
   structure of more than 16 bytes by value goes another way. */
static int invoke(const char *name, any function, const uint64_t *a) {
    typedef int (*form)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    if (strncmp(name, "cuIpcOpenMemHandle", 18) == 0)
        return ((PFN_cuIpcOpenMemHandle_v2)function)((CUdeviceptr *)a[0], *(CUipcMemHandle *)a[1], (unsigned)a[2]);
    if (strcmp(name, "cuIpcOpenEventHandle") == 0)
        return ((PFN_cuIpcOpenEventHandle)function)((CUevent *)a[0], *(CUipcEventHandle *)a[1]);
    return ((form)function)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
}

/* One call: door, name, base name, version, arguments. A buffer is filled before the call and sent back after it. */
static void call(void) {
    static _Alignas(64) unsigned char arena[MOST_BYTES];
    char name[128], base[128];
    struct { unsigned char *at; uint32_t length; } buffers[MOST_ARGUMENTS];
    uint64_t arguments[MOST_ARGUMENTS] = {0};
    size_t used = 0, count = 0;
    enum door door = byte();
    text(name, sizeof name), text(base, sizeof base);
    uint32_t version = word();
    unsigned given = byte();
    if (given > MOST_ARGUMENTS) fail("too many arguments");
    for (unsigned i = 0; i < given; i++) {
        if (byte() == NUMBER) {
            arguments[i] = number();
            continue;
        }
        uint32_t length = word();
        if (length > MOST_BYTES - used) fail("too many bytes");
        get(arena + used, length);
        buffers[count].at = arena + used, buffers[count++].length = length;
        arguments[i] = (uint64_t)(arena + used);
        used = (used + length + 63) & ~(size_t)63;
    }
    any function = resolve(name, door, base, version);
    errno = ERRNO_BEFORE;
    int32_t result = function ? invoke(name, function, arguments) : NOT_THERE;
    int32_t after = errno;
    put(&result, sizeof result), put(&after, sizeof after);
    for (size_t i = 0; i < count; i++) put(buffers[i].at, buffers[i].length);
}

/* What this process is shown: of each device by CUDA's order and by NVML's, and of the current context's. */
static void look(void) {
    static nvmlDevice_t handles[16];
    uint64_t seen[16 * 11 + 8] = {0}, *at = seen;
    unsigned cuda = byte(), nvml = byte();
    if (cuda > 16 || nvml > 16) fail("too many devices");
    CUcontext context = NULL;
    CUdevice device = -1;
    size_t free = 0, total = 0;
    CALL(cuCtxGetCurrent)(&context);
    if (context && CALL(cuCtxGetDevice)(&device) != 0) device = -1;
    *at++ = (uint64_t)context, *at++ = (uint64_t)(int64_t)device;
    *at++ = device < 0 ? 0 : (uint64_t)CALL(cuMemGetInfo_v2)(&free, &total), *at++ = free, *at++ = total;
    for (unsigned i = 0; i < cuda; i++) {
        size_t bytes = 0;
        *at++ = (uint64_t)CALL(cuDeviceTotalMem_v2)(&bytes, (int)i), *at++ = bytes;
    }
    for (unsigned i = 0; i < nvml; i++) {
        nvmlMemory_t first = {0};
        nvmlMemory_v2_t second = {.version = sizeof second | 2 << 24};
        if (!handles[i] && CALL(nvmlDeviceGetHandleByIndex_v2)(i, &handles[i]) != 0) fail("nvmlDeviceGetHandleByIndex_v2");
        *at++ = (uint64_t)CALL(nvmlDeviceGetMemoryInfo)(handles[i], &first);
        *at++ = first.total, *at++ = first.free, *at++ = first.used;
        *at++ = (uint64_t)CALL(nvmlDeviceGetMemoryInfo_v2)(handles[i], &second);
        *at++ = second.total, *at++ = second.reserved, *at++ = second.free, *at++ = second.used;
    }
    put(seen, (size_t)(at - seen) * sizeof *seen);
}

/* A copy of another process's descriptor, as one that was sent would be. */
static void duplicate(void) {
    uint32_t pid = word(), descriptor = word();
    int process = (int)syscall(SYS_pidfd_open, pid, 0);
    int32_t copy = process < 0 ? -1 : (int32_t)syscall(SYS_pidfd_getfd, process, descriptor, 0);
    if (process >= 0) close(process);
    put(&copy, sizeof copy);
}

/* A child's life. `variables` holds settings of its environment, each with its NUL. */
static void live(const char *path, char *variables, size_t length) {
    for (char *next = variables; next < variables + length; next += strlen(next) + 1)
        if (putenv(next) != 0) fail("putenv");
    close(wire);
    dial(path);
    for (;;) {
        switch (byte()) {
        case 'C': call(); break;
        case 'V': look(); break;
        case 'D': duplicate(); break;
        case 'c': close((int)word()); break;
        case 'E': exit(0);
        default: fail("an unknown order");
        }
        flush();
    }
}

int main(int count, char **arguments) {
    static char variables[4096];
    if (count != 2) return 2;
    signal(SIGCHLD, SIG_IGN); /* no child is left unburied */
    libcuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    libnvidia_ml = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!libcuda || !libnvidia_ml) return 2;
    dial(arguments[1]);
    for (;;) {
        uint32_t length = word();
        if (length > sizeof variables) fail("too many variables");
        get(variables, length);
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child == 0) live(arguments[1], variables, length);
    }
}
