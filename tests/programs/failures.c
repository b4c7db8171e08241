/* Makes the driver calls that it is told by name, in a fresh process for each case: the far end of tests/driver_failures.rs.

   Started with the paths of a Unix socket and of a file to make, it answers the lines that it reads from the socket: `fork NAME=VALUE…` makes a child with these
   variables, which says its PID and reads on; when it has ended, `ended STATUS` is said. In a child, `FUNCTION ARGUMENT…` is a call, answered by
   its result; `look` tells what this process is shown. An argument is a number with or without K, M or G, `@x` for the value of
   a variable of one letter, `&x` for its address, or the name of a structure below. */
#include <ctype.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hami_cuda.h"
#include "hami_nvml.h"

#define DECLARE(name) extern __typeof__(*(PFN_##name)0) name;
DECLARE(cuMemGetInfo_v2)
DECLARE(nvmlInit_v2)
DECLARE(nvmlDeviceGetHandleByIndex_v2)
DECLARE(nvmlDeviceGetMemoryInfo)

enum { MOST_ARGUMENTS = 8, IMAGE_BYTES = 8 << 20 };

static FILE *orders, *answers;
static uint64_t variables[128];

#define ON_DEVICE {CU_MEM_LOCATION_TYPE_DEVICE, 0}
static CUmemAllocationProp physical = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = ON_DEVICE};
static CUmemAllocationProp shareable = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = ON_DEVICE,
                                        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR};
static CUmemPoolProps pool = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = ON_DEVICE,
                              .handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR};
static CUmulticastObjectProp multicast = {.numDevices = 1, .size = 64 << 20};
static CUmemAccessDesc access_all = {ON_DEVICE, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
static CUDA_ARRAY_DESCRIPTOR flat = {.Width = 2048, .Height = 1024, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
static CUDA_ARRAY_DESCRIPTOR_v1 flat_v1 = {.Width = 2048, .Height = 1024, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
static CUDA_ARRAY3D_DESCRIPTOR deep = {.Width = 1024, .Height = 1024, .Depth = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
static CUDA_ARRAY3D_DESCRIPTOR_v1 deep_v1 = {.Width = 1024, .Height = 1024, .Depth = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
static CUDA_ARRAY3D_DESCRIPTOR huge = {.Width = 16384, .Height = 16384, .Depth = 2, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
static CUDA_MEM_ALLOC_NODE_PARAMS node = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = ON_DEVICE},
                                          .bytesize = 64 << 20};
static CUDA_MEM_ALLOC_NODE_PARAMS huge_node = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = ON_DEVICE},
                                               .bytesize = UINT64_C(1200) << 20};
static CUDA_GRAPH_INSTANTIATE_PARAMS instantiation;
static CUDA_ARRAY3D_DESCRIPTOR empty = {.Width = 1024, .Height = 256, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1,
                                        .Flags = CUDA_ARRAY3D_DEFERRED_MAPPING};
static CUarrayMapInfo into_array = {.resourceType = CU_RESOURCE_TYPE_ARRAY, .memOperationType = CU_MEM_OPERATION_TYPE_MAP,
                                    .memHandleType = CU_MEM_HANDLE_TYPE_GENERIC, .deviceBitMask = 1};
static CUarrayMapInfo out_of_array = {.resourceType = CU_RESOURCE_TYPE_ARRAY, .memOperationType = CU_MEM_OPERATION_TYPE_UNMAP,
                                      .memHandleType = CU_MEM_HANDLE_TYPE_GENERIC, .deviceBitMask = 1};
static CUdevResource part;
/* Code of 8 MiB, more than a context has room for without taking more; the file holds the same. */
static char image[IMAGE_BYTES], file[4096];

static const struct { const char *name; const void *at; } structures[] = {
    {"physical", &physical}, {"shareable", &shareable}, {"pool", &pool}, {"multicast", &multicast}, {"access", &access_all}, {"flat", &flat},
    {"flat_v1", &flat_v1}, {"deep", &deep}, {"deep_v1", &deep_v1}, {"huge", &huge}, {"node", &node},
    {"huge_node", &huge_node}, {"instantiation", &instantiation}, {"image", image}, {"file", file}, {"empty", &empty},
    {"into_array", &into_array}, {"out_of_array", &out_of_array}, {"part", &part}, {"nothing", "nothing"},
};

static void __attribute__((noreturn)) fail(const char *what) {
    fprintf(stderr, "failures: %s: %m\n", what);
    _exit(3);
}

static void make_code(void) {
    const char *head = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry nothing() { ret; }\n//";
    memset(image, ' ', sizeof image - 1);
    memcpy(image, head, strlen(head));
    FILE *made = fopen(file, "w");
    if (!made || fwrite(image, sizeof image, 1, made) != 1 || fclose(made) != 0) fail(file);
}

static uint64_t argument(const char *word) {
    if (word[0] == '@') return variables[word[1] & 127];
    if (word[0] == '&') return (uint64_t)&variables[word[1] & 127];
    if (strcmp(word, "node.dptr") == 0) return node.dptr;
    if (strcmp(word, "huge_node.dptr") == 0) return huge_node.dptr;
    for (size_t i = 0; i < sizeof structures / sizeof *structures; i++)
        if (strcmp(structures[i].name, word) == 0) return (uint64_t)structures[i].at;
    if (!isdigit((unsigned char)word[0])) fail(word);
    char *unit;
    uint64_t value = strtoull(word, &unit, 0);
    return value << (*unit == 'K' ? 10 : *unit == 'M' ? 20 : *unit == 'G' ? 30 : 0);
}

/* `place ARRAY MEMORY`: what `into_array` and `out_of_array` are about. */
static int place(const uint64_t *a) {
    into_array.resource.array = out_of_array.resource.array = (CUarray)a[0];
    into_array.memHandle.memHandle = a[1];
    return 0;
}

/* All arguments are whole numbers or pointers, which the calling conventions of x86-64 and AArch64 pass alike. */
static int call(const char *name, const uint64_t *a) {
    typedef int (*form)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
    if (strcmp(name, "place") == 0) return place(a);
    form function = (form)dlsym(RTLD_DEFAULT, name);
    if (!function) fail(name);
    return function(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
}

/* Result, used and total of cuMemGetInfo, then of NVML. */
static void look(void) {
    static nvmlDevice_t device;
    size_t free = 0, total = 0;
    nvmlMemory_t memory = {0};
    int shown = cuMemGetInfo_v2(&free, &total), answer = device ? 0 : nvmlInit_v2();
    if (answer == 0 && !device) answer = nvmlDeviceGetHandleByIndex_v2(0, &device);
    if (answer == 0) answer = nvmlDeviceGetMemoryInfo(device, &memory);
    fprintf(answers, "%d %zu %zu %d %llu %llu\n", shown, total - free, total, answer, memory.used, memory.total);
}

/* A child's life. Ends when it is told, by `exit`, or when nobody gives orders any more. */
static void live(char *settings) {
    char line[512];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (char *setting = strtok(settings, " "); setting; setting = strtok(NULL, " "))
        if (putenv(strdup(setting)) != 0) fail("putenv");
    fprintf(answers, "%d\n", (int)getpid());
    fflush(answers);
    while (fgets(line, sizeof line, orders)) {
        uint64_t arguments[MOST_ARGUMENTS] = {0};
        const char *name = strtok(line, " \n");
        size_t count = 0;
        if (strcmp(name, "exit") == 0) exit(0);
        for (char *word; (word = strtok(NULL, " \n"));) {
            if (count == MOST_ARGUMENTS) fail("too many arguments");
            arguments[count++] = argument(word);
        }
        if (strcmp(name, "look") == 0) look();
        else fprintf(answers, "%d\n", call(name, arguments));
        fflush(answers);
    }
    _exit(0);
}

int main(int count, char **words) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char line[4096];
    if (count != 3 || strlen(words[1]) >= sizeof address.sun_path || strlen(words[2]) >= sizeof file) return 2;
    strcpy(address.sun_path, words[1]);
    strcpy(file, words[2]);
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (end < 0 || connect(end, (struct sockaddr *)&address, sizeof address) != 0) fail(words[1]);
    orders = fdopen(end, "r");
    answers = fdopen(dup(end), "w");
    make_code();
    while (fgets(line, sizeof line, orders)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "fork", 4) != 0) fail(line);
        int status;
        pid_t child = fork();
        if (child == 0) live(line + 4);
        if (child < 0 || waitpid(child, &status, 0) != child) fail("fork");
        fprintf(answers, "ended %d\n", status);
        fflush(answers);
    }
    return 0;
}
