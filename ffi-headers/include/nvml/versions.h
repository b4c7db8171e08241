/* Values of the version field of versioned structures: the size in the low 24 bits, the number of the layout above. */
#ifndef HAMI_NVML_VERSIONS_H
#define HAMI_NVML_VERSIONS_H

#define VERSION(name, number) static const unsigned int name = (unsigned int)sizeof(name##_t) | (number##u << 24)

VERSION(nvmlC2cModeInfo_v1, 1);
VERSION(nvmlClockOffset_v1, 1);
VERSION(nvmlComputeInstanceProfileInfo_v2, 2);
VERSION(nvmlComputeInstanceProfileInfo_v3, 3);
VERSION(nvmlCoolerInfo_v1, 1);
VERSION(nvmlDeviceCapabilities_v1, 1);
VERSION(nvmlDeviceCurrentClockFreqs_v1, 1);
VERSION(nvmlDevicePerfModes_v1, 1);
VERSION(nvmlDramEncryptionInfo_v1, 1);
VERSION(nvmlEccSramErrorStatus_v1, 1);
VERSION(nvmlFanSpeedInfo_v1, 1);
VERSION(nvmlGpuFabricInfo_v2, 2);
VERSION(nvmlGpuInstanceProfileInfo_v2, 2);
VERSION(nvmlGpuInstanceProfileInfo_v3, 3);
VERSION(nvmlMarginTemperature_v1, 1);
VERSION(nvmlMemory_v2, 2);
VERSION(nvmlNvlinkGetBwMode_v1, 1);
VERSION(nvmlNvlinkSetBwMode_v1, 1);
VERSION(nvmlNvlinkSupportedBwModes_v1, 1);
VERSION(nvmlPciInfoExt_v1, 1);
VERSION(nvmlPlatformInfo_v2, 2);
VERSION(nvmlPowerValue_v2, 2);
VERSION(nvmlProcessDetailList_v1, 1);
VERSION(nvmlProcessesUtilizationInfo_v1, 1);
VERSION(nvmlSystemDriverBranchInfo_v1, 1);
VERSION(nvmlSystemEventSetCreateRequest_v1, 1);
VERSION(nvmlSystemEventSetFreeRequest_v1, 1);
VERSION(nvmlSystemEventSetWaitRequest_v1, 1);
VERSION(nvmlSystemRegisterEventRequest_v1, 1);
VERSION(nvmlTemperature_v1, 1);
VERSION(nvmlUUID_v1, 1);

#undef VERSION

#endif
