/* The CUDA driver interface as far as this project touches it: what src/cuda.rs is generated from.
   Names, values and layouts are those of CUDA 12.9, with what CUDA 13 (up to 13.5) adds for device memory and streams. A function
   type is named PFN_ and the exported name; an entry point with _ptds or _ptsz has the type of the one without.
   Left out: graphics interop but for its contexts, textures, checkpoints, core dumps, logs, and the end marker of an
   enumeration where releases differ in it. */
#ifndef HAMI_CUDA_H
#define HAMI_CUDA_H

#include "cuda/handles.h"
#include "cuda/results.h"
#include "cuda/device_attributes.h"
#include "cuda/enums_device_context.h"
#include "cuda/enums_memory.h"
#include "cuda/enums_execution.h"
#include "cuda/enums_stream.h"
#include "cuda/enums_graph.h"
#include "cuda/callbacks.h"
#include "cuda/structs_device_context.h"
#include "cuda/structs_memory.h"
#include "cuda/structs_execution.h"
#include "cuda/structs_stream.h"
#include "cuda/structs_graph.h"
#include "cuda/functions_device_context.h"
#include "cuda/functions_memory.h"
#include "cuda/functions_memory_copy.h"
#include "cuda/functions_memory_pool.h"
#include "cuda/functions_memory_virtual.h"
#include "cuda/functions_array.h"
#include "cuda/functions_stream.h"
#include "cuda/functions_execution.h"
#include "cuda/functions_graph.h"
#include "cuda/functions_green.h"
#include "cuda/functions_endpoint.h"
#include "cuda/functions_graphics.h"

#endif
