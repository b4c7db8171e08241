/* Makes a two-dimensional array of four-byte elements, as many each way as argument 1 says, then a second one, and destroys the
   first: prints what each call answered, and MiB in use. */
#include "driver.h"

#define MIB ((size_t)1 << 20)

DECLARE(cuArrayCreate_v2)
DECLARE(cuArrayDestroy)

static void tell(const char *step, CUresult result) {
    printf("%s %d view %ju books %ju\n", step, result, (uintmax_t)(view() / MIB), (uintmax_t)(books().own / MIB));
}

int main(int count, char **words) {
    if (count != 2) die("arrays SIDE");
    size_t side = strtoul(words[1], NULL, 10);
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = side, .Height = side, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CUarray first, second;
    start();
    CUresult made = cuArrayCreate_v2(&first, &shape);
    tell("create", made);
    if (made != 0) return 0;
    CUresult again = cuArrayCreate_v2(&second, &shape);
    tell("create", again);
    if (again == 0) check(cuArrayDestroy(second), "cuArrayDestroy");
    tell("destroy", cuArrayDestroy(first));
    return 0;
}
