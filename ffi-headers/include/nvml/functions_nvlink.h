/* Function pointer types: links, fabric and topology. */
#ifndef HAMI_NVML_FUNCTIONS_NVLINK_H
#define HAMI_NVML_FUNCTIONS_NVLINK_H

typedef nvmlReturn_t (*PFN_nvmlDeviceFreezeNvLinkUtilizationCounter)(nvmlDevice_t device, unsigned int link,
    unsigned int counter, nvmlEnableState_t freeze);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBridgeChipInfo)(nvmlDevice_t device,
    nvmlBridgeChipHierarchy_t *bridgeHierarchy);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetC2cModeInfoV)(nvmlDevice_t device, nvmlC2cModeInfo_v1_t *c2cModeInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpuFabricInfo)(nvmlDevice_t device, nvmlGpuFabricInfo_t *gpuFabricInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpuFabricInfoV)(nvmlDevice_t device, nvmlGpuFabricInfoV_t *gpuFabricInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkCapability)(nvmlDevice_t device, unsigned int link,
    nvmlNvLinkCapability_t capability, unsigned int *capResult);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkErrorCounter)(nvmlDevice_t device, unsigned int link,
    nvmlNvLinkErrorCounter_t counter, unsigned long long *counterValue);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkRemoteDeviceType)(nvmlDevice_t device, unsigned int link,
    nvmlIntNvLinkDeviceType_t *pNvLinkDeviceType);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkRemotePciInfo)(nvmlDevice_t device, unsigned int link,
    nvmlPciInfo_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkRemotePciInfo_v2)(nvmlDevice_t device, unsigned int link,
    nvmlPciInfo_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkState)(nvmlDevice_t device, unsigned int link,
    nvmlEnableState_t *isActive);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkUtilizationControl)(nvmlDevice_t device, unsigned int link,
    unsigned int counter, nvmlNvLinkUtilizationControl_t *control);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkUtilizationCounter)(nvmlDevice_t device, unsigned int link,
    unsigned int counter, unsigned long long *rxcounter, unsigned long long *txcounter);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvLinkVersion)(nvmlDevice_t device, unsigned int link, unsigned int *version);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvlinkBwMode)(nvmlDevice_t device, nvmlNvlinkGetBwMode_t *getBwMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNvlinkSupportedBwModes)(nvmlDevice_t device,
    nvmlNvlinkSupportedBwModes_t *supportedBwMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetP2PStatus)(nvmlDevice_t device1, nvmlDevice_t device2,
    nvmlGpuP2PCapsIndex_t p2pIndex, nvmlGpuP2PStatus_t *p2pStatus);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTopologyCommonAncestor)(nvmlDevice_t device1, nvmlDevice_t device2,
    nvmlGpuTopologyLevel_t *pathInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTopologyNearestGpus)(nvmlDevice_t device, nvmlGpuTopologyLevel_t level,
    unsigned int *count, nvmlDevice_t *deviceArray);
typedef nvmlReturn_t (*PFN_nvmlDeviceResetNvLinkErrorCounters)(nvmlDevice_t device, unsigned int link);
typedef nvmlReturn_t (*PFN_nvmlDeviceResetNvLinkUtilizationCounter)(nvmlDevice_t device, unsigned int link,
    unsigned int counter);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetNvLinkDeviceLowPowerThreshold)(nvmlDevice_t device,
    nvmlNvLinkPowerThres_t *info);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetNvLinkUtilizationControl)(nvmlDevice_t device, unsigned int link,
    unsigned int counter, nvmlNvLinkUtilizationControl_t *control, unsigned int reset);
typedef nvmlReturn_t (*PFN_nvmlDeviceSetNvlinkBwMode)(nvmlDevice_t device, nvmlNvlinkSetBwMode_t *setBwMode);

#endif
