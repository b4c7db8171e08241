/* Allocates twice, frees the second one, and prints what each call answered. */
#include "driver.h"

int main(void) {
    CUdeviceptr first = 0, second = 0;
    start();
    /* One at a time: an argument's place says nothing of when it is evaluated. */
    int one = cuMemAlloc_v2(&first, 1 << 20);
    int two = cuMemAlloc_v2(&second, 1 << 20);
    int three = cuMemFree_v2(second);
    printf("alloc %d alloc %d free %d\n", one, two, three);
    return 0;
}
