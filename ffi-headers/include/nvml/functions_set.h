/* Function pointer types: what is set on a device. */
#ifndef HAMI_NVML_FUNCTIONS_SET_H
#define HAMI_NVML_FUNCTIONS_SET_H

typedef nvmlReturn_t (*PFN_nvmlDeviceClearAccountingPids)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceClearCpuAffinity)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceClearEccErrorCounts)(nvmlDevice_t device, nvmlEccCounterType_t counterType);
typedef nvmlReturn_t (*PFN_nvmlDeviceClearFieldValues)(nvmlDevice_t device, int valuesCount,
    nvmlFieldValue_t *values);
typedef nvmlReturn_t (*PFN_nvmlDeviceDiscoverGpus)(nvmlPciInfo_t *pciInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceModifyDrainState)(nvmlPciInfo_t *pciInfo, nvmlEnableState_t newState);
typedef nvmlReturn_t (*PFN_nvmlDeviceRemoveGpu)(nvmlPciInfo_t *pciInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceRemoveGpu_v2)(nvmlPciInfo_t *pciInfo, nvmlDetachGpuState_t gpuState,
    nvmlPcieLinkState_t linkState);
typedef nvmlReturn_t (*PFN_nvmlDeviceResetApplicationsClocks)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceResetGpuLockedClocks)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceResetMemoryLockedClocks)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetAPIRestriction)(nvmlDevice_t device, nvmlRestrictedAPI_t apiType,
    nvmlEnableState_t isRestricted);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetAccountingMode)(nvmlDevice_t device, nvmlEnableState_t mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetApplicationsClocks)(nvmlDevice_t device, unsigned int memClockMHz,
    unsigned int graphicsClockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetAutoBoostedClocksEnabled)(nvmlDevice_t device, nvmlEnableState_t enabled);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetClockOffsets)(nvmlDevice_t device, nvmlClockOffset_t *info);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetComputeMode)(nvmlDevice_t device, nvmlComputeMode_t mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetCpuAffinity)(nvmlDevice_t device);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetDefaultAutoBoostedClocksEnabled)(nvmlDevice_t device,
    nvmlEnableState_t enabled, unsigned int flags);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetDefaultFanSpeed_v2)(nvmlDevice_t device, unsigned int fan);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetDramEncryptionMode)(nvmlDevice_t device,
    const nvmlDramEncryptionInfo_t *dramEncryption);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetDriverModel)(nvmlDevice_t device, nvmlDriverModel_t driverModel,
    unsigned int flags);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetEccMode)(nvmlDevice_t device, nvmlEnableState_t ecc);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetFanControlPolicy)(nvmlDevice_t device, unsigned int fan,
    nvmlFanControlPolicy_t policy);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetFanSpeed_v2)(nvmlDevice_t device, unsigned int fan, unsigned int speed);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetGpcClkVfOffset)(nvmlDevice_t device, int offset);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetGpuLockedClocks)(nvmlDevice_t device, unsigned int minGpuClockMHz,
    unsigned int maxGpuClockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetGpuOperationMode)(nvmlDevice_t device, nvmlGpuOperationMode_t mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetMemClkVfOffset)(nvmlDevice_t device, int offset);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetMemoryLockedClocks)(nvmlDevice_t device, unsigned int minMemClockMHz,
    unsigned int maxMemClockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetPersistenceMode)(nvmlDevice_t device, nvmlEnableState_t mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetPowerManagementLimit)(nvmlDevice_t device, unsigned int limit);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetPowerManagementLimit_v2)(nvmlDevice_t device,
    nvmlPowerValue_v2_t *powerValue);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetTemperatureThreshold)(nvmlDevice_t device,
    nvmlTemperatureThresholds_t thresholdType, int *temp);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetVirtualizationMode)(nvmlDevice_t device,
    nvmlGpuVirtualizationMode_t virtualMode);

#endif
