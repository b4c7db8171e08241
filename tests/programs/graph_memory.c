/* Launches a graph that allocates as many MiB as argument 1 says and keeps them; frees them then. Prints what the launch (or,
   before it, the graph's making) answered, and whether view and books agree. */
#include "driver.h"

#define MIB ((size_t)1 << 20)

#define GRAPH_FUNCTIONS(X) \
    X(cuGraphCreate) X(cuGraphAddMemAllocNode) X(cuGraphInstantiateWithFlags) X(cuGraphLaunch) X(cuGraphExecDestroy) X(cuGraphDestroy) \
    X(cuDeviceGraphMemTrim)
GRAPH_FUNCTIONS(DECLARE)

int main(int count, char **words) {
    if (count != 2) die("graph_memory MIB");
    size_t bytes = strtoul(words[1], NULL, 10) * MIB;
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec instance = NULL;
    CUDA_MEM_ALLOC_NODE_PARAMS wanted = {
        .poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}},
        .bytesize = bytes,
    };
    start();
    check(cuGraphCreate(&graph, 0), "cuGraphCreate");
    CUresult result = cuGraphAddMemAllocNode(&node, graph, NULL, 0, &wanted);
    if (result == 0) result = cuGraphInstantiateWithFlags(&instance, graph, 0);
    if (result == 0) result = cuGraphLaunch(instance, NULL);
    if (result == 0) check(cuCtxSynchronize(), "cuCtxSynchronize");
    printf("launch %d agree %d more %d\n", result, view() == books().own, view() >= 96 * MIB + bytes);
    if (result == 0) check(cuMemFree_v2(wanted.dptr), "cuMemFree");
    if (instance) check(cuGraphExecDestroy(instance), "cuGraphExecDestroy");
    check(cuGraphDestroy(graph), "cuGraphDestroy");
    check(cuDeviceGraphMemTrim(0), "cuDeviceGraphMemTrim");
    printf("freed agree %d view %ju\n", view() == books().own, (uintmax_t)(view() / MIB));
    return 0;
}
