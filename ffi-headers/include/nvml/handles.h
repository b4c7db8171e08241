/* Scalars and opaque handles of NVML. */
#ifndef HAMI_NVML_HANDLES_H
#define HAMI_NVML_HANDLES_H

typedef struct nvmlComputeInstance_st *nvmlComputeInstance_t;
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;
typedef struct nvmlGpuInstance_st *nvmlGpuInstance_t;
typedef struct nvmlSystemEventSet_st *nvmlSystemEventSet_t;
typedef struct nvmlUnit_st *nvmlUnit_t;

typedef unsigned int nvmlAffinityScope_t;
typedef unsigned int nvmlBusType_t;
typedef unsigned int nvmlDeviceArchitecture_t;
typedef unsigned int nvmlVgpuInstance_t;
typedef unsigned int nvmlFanControlPolicy_t;
typedef unsigned char nvmlGpuFabricState_t;
typedef unsigned int nvmlPowerSource_t;
typedef unsigned char nvmlPowerScopeType_t;

#endif
