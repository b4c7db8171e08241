/* Function pointer types: start-up, errors, the system, enumeration, units and events. */
#ifndef HAMI_NVML_FUNCTIONS_SYSTEM_H
#define HAMI_NVML_FUNCTIONS_SYSTEM_H

typedef nvmlReturn_t (*PFN_nvmlDeviceGetCount)(unsigned int *deviceCount);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCount_v2)(unsigned int *deviceCount);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByIndex)(unsigned int index, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByIndex_v2)(unsigned int index, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByPciBusId)(const char *pciBusId, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByPciBusId_v2)(const char *pciBusId, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleBySerial)(const char *serial, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByUUID)(const char *uuid, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHandleByUUIDV)(const nvmlUUID_t *uuid, nvmlDevice_t *device);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedEventTypes)(nvmlDevice_t device, unsigned long long *eventTypes);
typedef nvmlReturn_t (*PFN_nvmlDeviceRegisterEvents)(nvmlDevice_t device, unsigned long long eventTypes,
    nvmlEventSet_t set);
typedef const char *(*PFN_nvmlErrorString)(nvmlReturn_t result);
typedef nvmlReturn_t (*PFN_nvmlEventSetCreate)(nvmlEventSet_t *set);
typedef nvmlReturn_t (*PFN_nvmlEventSetFree)(nvmlEventSet_t set);
typedef nvmlReturn_t (*PFN_nvmlEventSetWait)(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms);
typedef nvmlReturn_t (*PFN_nvmlEventSetWait_v2)(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeoutms);
typedef nvmlReturn_t (*PFN_nvmlGetBlacklistDeviceCount)(unsigned int *deviceCount);
typedef nvmlReturn_t (*PFN_nvmlGetBlacklistDeviceInfoByIndex)(unsigned int index, nvmlExcludedDeviceInfo_t *info);
typedef nvmlReturn_t (*PFN_nvmlGetExcludedDeviceCount)(unsigned int *deviceCount);
typedef nvmlReturn_t (*PFN_nvmlGetExcludedDeviceInfoByIndex)(unsigned int index, nvmlExcludedDeviceInfo_t *info);
typedef nvmlReturn_t (*PFN_nvmlInit)(void);
typedef nvmlReturn_t (*PFN_nvmlInitWithFlags)(unsigned int flags);
typedef nvmlReturn_t (*PFN_nvmlInit_v2)(void);
typedef nvmlReturn_t (*PFN_nvmlShutdown)(void);
typedef nvmlReturn_t (*PFN_nvmlSystemEventSetCreate)(nvmlSystemEventSetCreateRequest_t *request);
typedef nvmlReturn_t (*PFN_nvmlSystemEventSetFree)(nvmlSystemEventSetFreeRequest_t *request);
typedef nvmlReturn_t (*PFN_nvmlSystemEventSetWait)(nvmlSystemEventSetWaitRequest_t *request);
typedef nvmlReturn_t (*PFN_nvmlSystemGetCudaDriverVersion)(int *cudaDriverVersion);
typedef nvmlReturn_t (*PFN_nvmlSystemGetCudaDriverVersion_v2)(int *cudaDriverVersion);
typedef nvmlReturn_t (*PFN_nvmlSystemGetDriverBranch)(nvmlSystemDriverBranchInfo_t *branchInfo, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlSystemGetDriverVersion)(char *version, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlSystemGetHicVersion)(unsigned int *hwbcCount, nvmlHwbcEntry_t *hwbcEntries);
typedef nvmlReturn_t (*PFN_nvmlSystemGetNVMLVersion)(char *version, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlSystemGetNvlinkBwMode)(unsigned int *nvlinkBwMode);
typedef nvmlReturn_t (*PFN_nvmlSystemGetProcessName)(unsigned int pid, char *name, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlSystemGetTopologyGpuSet)(unsigned int cpuNumber, unsigned int *count,
    nvmlDevice_t *deviceArray);
typedef nvmlReturn_t (*PFN_nvmlSystemRegisterEvents)(nvmlSystemRegisterEventRequest_t *request);
typedef nvmlReturn_t (*PFN_nvmlSystemSetNvlinkBwMode)(unsigned int nvlinkBwMode);
typedef nvmlReturn_t (*PFN_nvmlUnitGetCount)(unsigned int *unitCount);
typedef nvmlReturn_t (*PFN_nvmlUnitGetDevices)(nvmlUnit_t unit, unsigned int *deviceCount, nvmlDevice_t *devices);
typedef nvmlReturn_t (*PFN_nvmlUnitGetFanSpeedInfo)(nvmlUnit_t unit, nvmlUnitFanSpeeds_t *fanSpeeds);
typedef nvmlReturn_t (*PFN_nvmlUnitGetHandleByIndex)(unsigned int index, nvmlUnit_t *unit);
typedef nvmlReturn_t (*PFN_nvmlUnitGetLedState)(nvmlUnit_t unit, nvmlLedState_t *state);
typedef nvmlReturn_t (*PFN_nvmlUnitGetPsuInfo)(nvmlUnit_t unit, nvmlPSUInfo_t *psu);
typedef nvmlReturn_t (*PFN_nvmlUnitGetTemperature)(nvmlUnit_t unit, unsigned int type, unsigned int *temp);
typedef nvmlReturn_t (*PFN_nvmlUnitGetUnitInfo)(nvmlUnit_t unit, nvmlUnitInfo_t *info);
typedef nvmlReturn_t (*PFN_nvmlUnitSetLedState)(nvmlUnit_t unit, nvmlLedColor_t color);

#endif
