/* Types of functions that the application hands to the driver. */
#ifndef HAMI_CUDA_CALLBACKS_H
#define HAMI_CUDA_CALLBACKS_H

#include "enums_device_context.h"
#include "handles.h"
#include "results.h"

typedef void (*CUhostFn)(void *userData);
typedef size_t (*CUoccupancyB2DSize)(int blockSize);
typedef void (*CUstreamCallback)(CUstream hStream, CUresult status, void *userData);

#endif
