/* Function pointer types: what a device tells. */
#ifndef HAMI_NVML_FUNCTIONS_GET_H
#define HAMI_NVML_FUNCTIONS_GET_H

typedef nvmlReturn_t (*PFN_nvmlDeviceGetAPIRestriction)(nvmlDevice_t device, nvmlRestrictedAPI_t apiType,
    nvmlEnableState_t *isRestricted);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAccountingBufferSize)(nvmlDevice_t device, unsigned int *bufferSize);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAccountingMode)(nvmlDevice_t device, nvmlEnableState_t *mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAccountingPids)(nvmlDevice_t device, unsigned int *count, unsigned int *pids);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAccountingStats)(nvmlDevice_t device, unsigned int pid,
    nvmlAccountingStats_t *stats);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAdaptiveClockInfoStatus)(nvmlDevice_t device,
    unsigned int *adaptiveClockStatus);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetApplicationsClock)(nvmlDevice_t device, nvmlClockType_t clockType,
    unsigned int *clockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetArchitecture)(nvmlDevice_t device, nvmlDeviceArchitecture_t *arch);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAttributes)(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAttributes_v2)(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetAutoBoostedClocksEnabled)(nvmlDevice_t device, nvmlEnableState_t *isEnabled,
    nvmlEnableState_t *defaultIsEnabled);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBAR1MemoryInfo)(nvmlDevice_t device, nvmlBAR1Memory_t *bar1Memory);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBoardId)(nvmlDevice_t device, unsigned int *boardId);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBoardPartNumber)(nvmlDevice_t device, char *partNumber, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBrand)(nvmlDevice_t device, nvmlBrandType_t *type);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetBusType)(nvmlDevice_t device, nvmlBusType_t *type);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCapabilities)(nvmlDevice_t device, nvmlDeviceCapabilities_t *caps);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetClkMonStatus)(nvmlDevice_t device, nvmlClkMonStatus_t *status);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetClock)(nvmlDevice_t device, nvmlClockType_t clockType, nvmlClockId_t clockId,
    unsigned int *clockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetClockInfo)(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetClockOffsets)(nvmlDevice_t device, nvmlClockOffset_t *info);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetComputeMode)(nvmlDevice_t device, nvmlComputeMode_t *mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetComputeRunningProcesses)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v1_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetComputeRunningProcesses_v2)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v2_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetComputeRunningProcesses_v3)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCoolerInfo)(nvmlDevice_t device, nvmlCoolerInfo_t *coolerInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCpuAffinity)(nvmlDevice_t device, unsigned int cpuSetSize,
    unsigned long *cpuSet);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCpuAffinityWithinScope)(nvmlDevice_t device, unsigned int cpuSetSize,
    unsigned long *cpuSet, nvmlAffinityScope_t scope);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCudaComputeCapability)(nvmlDevice_t device, int *major, int *minor);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCurrPcieLinkGeneration)(nvmlDevice_t device, unsigned int *currLinkGen);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCurrPcieLinkWidth)(nvmlDevice_t device, unsigned int *currLinkWidth);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCurrentClockFreqs)(nvmlDevice_t device,
    nvmlDeviceCurrentClockFreqs_t *currentClockFreqs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCurrentClocksEventReasons)(nvmlDevice_t device,
    unsigned long long *clocksEventReasons);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetCurrentClocksThrottleReasons)(nvmlDevice_t device,
    unsigned long long *clocksThrottleReasons);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDecoderUtilization)(nvmlDevice_t device, unsigned int *utilization,
    unsigned int *samplingPeriodUs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDefaultApplicationsClock)(nvmlDevice_t device, nvmlClockType_t clockType,
    unsigned int *clockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDefaultEccMode)(nvmlDevice_t device, nvmlEnableState_t *defaultMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDetailedEccErrors)(nvmlDevice_t device, nvmlMemoryErrorType_t errorType,
    nvmlEccCounterType_t counterType, nvmlEccErrorCounts_t *eccCounts);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDisplayActive)(nvmlDevice_t device, nvmlEnableState_t *isActive);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDisplayMode)(nvmlDevice_t device, nvmlEnableState_t *display);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDramEncryptionMode)(nvmlDevice_t device, nvmlDramEncryptionInfo_t *current,
    nvmlDramEncryptionInfo_t *pending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDriverModel)(nvmlDevice_t device, nvmlDriverModel_t *current,
    nvmlDriverModel_t *pending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDriverModel_v2)(nvmlDevice_t device, nvmlDriverModel_t *current,
    nvmlDriverModel_t *pending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetDynamicPstatesInfo)(nvmlDevice_t device,
    nvmlGpuDynamicPstatesInfo_t *pDynamicPstatesInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEccMode)(nvmlDevice_t device, nvmlEnableState_t *current,
    nvmlEnableState_t *pending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEncoderCapacity)(nvmlDevice_t device, nvmlEncoderType_t encoderQueryType,
    unsigned int *encoderCapacity);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEncoderSessions)(nvmlDevice_t device, unsigned int *sessionCount,
    nvmlEncoderSessionInfo_t *sessionInfos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEncoderStats)(nvmlDevice_t device, unsigned int *sessionCount,
    unsigned int *averageFps, unsigned int *averageLatency);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEncoderUtilization)(nvmlDevice_t device, unsigned int *utilization,
    unsigned int *samplingPeriodUs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetEnforcedPowerLimit)(nvmlDevice_t device, unsigned int *limit);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFBCSessions)(nvmlDevice_t device, unsigned int *sessionCount,
    nvmlFBCSessionInfo_t *sessionInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFBCStats)(nvmlDevice_t device, nvmlFBCStats_t *fbcStats);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFanControlPolicy_v2)(nvmlDevice_t device, unsigned int fan,
    nvmlFanControlPolicy_t *policy);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFanSpeed)(nvmlDevice_t device, unsigned int *speed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFanSpeedRPM)(nvmlDevice_t device, nvmlFanSpeedInfo_t *fanSpeed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFanSpeed_v2)(nvmlDevice_t device, unsigned int fan, unsigned int *speed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetFieldValues)(nvmlDevice_t device, int valuesCount, nvmlFieldValue_t *values);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpcClkMinMaxVfOffset)(nvmlDevice_t device, int *minOffset, int *maxOffset);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpcClkVfOffset)(nvmlDevice_t device, int *offset);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpuMaxPcieLinkGeneration)(nvmlDevice_t device,
    unsigned int *maxLinkGenDevice);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGpuOperationMode)(nvmlDevice_t device, nvmlGpuOperationMode_t *current,
    nvmlGpuOperationMode_t *pending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGraphicsRunningProcesses)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v1_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGraphicsRunningProcesses_v2)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v2_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGraphicsRunningProcesses_v3)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGspFirmwareMode)(nvmlDevice_t device, unsigned int *isEnabled,
    unsigned int *defaultMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetGspFirmwareVersion)(nvmlDevice_t device, char *version);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetHostVgpuMode)(nvmlDevice_t device, nvmlHostVgpuMode_t *pHostVgpuMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetIndex)(nvmlDevice_t device, unsigned int *index);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetInforomConfigurationChecksum)(nvmlDevice_t device, unsigned int *checksum);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetInforomImageVersion)(nvmlDevice_t device, char *version, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetInforomVersion)(nvmlDevice_t device, nvmlInforomObject_t object,
    char *version, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetIrqNum)(nvmlDevice_t device, unsigned int *irqNum);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetJpgUtilization)(nvmlDevice_t device, unsigned int *utilization,
    unsigned int *samplingPeriodUs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetLastBBXFlushTime)(nvmlDevice_t device, unsigned long long *timestamp,
    unsigned long *durationUs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMPSComputeRunningProcesses)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v1_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMPSComputeRunningProcesses_v2)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_v2_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMPSComputeRunningProcesses_v3)(nvmlDevice_t device, unsigned int *infoCount,
    nvmlProcessInfo_t *infos);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMarginTemperature)(nvmlDevice_t device,
    nvmlMarginTemperature_t *marginTempInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMaxClockInfo)(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMaxCustomerBoostClock)(nvmlDevice_t device, nvmlClockType_t clockType,
    unsigned int *clockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMaxPcieLinkGeneration)(nvmlDevice_t device, unsigned int *maxLinkGen);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMaxPcieLinkWidth)(nvmlDevice_t device, unsigned int *maxLinkWidth);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemClkMinMaxVfOffset)(nvmlDevice_t device, int *minOffset, int *maxOffset);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemClkVfOffset)(nvmlDevice_t device, int *offset);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemoryAffinity)(nvmlDevice_t device, unsigned int nodeSetSize,
    unsigned long *nodeSet, nvmlAffinityScope_t scope);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemoryBusWidth)(nvmlDevice_t device, unsigned int *busWidth);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemoryErrorCounter)(nvmlDevice_t device, nvmlMemoryErrorType_t errorType,
    nvmlEccCounterType_t counterType, nvmlMemoryLocation_t locationType, unsigned long long *count);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemoryInfo)(nvmlDevice_t device, nvmlMemory_t *memory);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMemoryInfo_v2)(nvmlDevice_t device, nvmlMemory_v2_t *memory);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMinMaxClockOfPState)(nvmlDevice_t device, nvmlClockType_t type,
    nvmlPstates_t pstate, unsigned int *minClockMHz, unsigned int *maxClockMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMinMaxFanSpeed)(nvmlDevice_t device, unsigned int *minSpeed,
    unsigned int *maxSpeed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMinorNumber)(nvmlDevice_t device, unsigned int *minorNumber);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetModuleId)(nvmlDevice_t device, unsigned int *moduleId);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetMultiGpuBoard)(nvmlDevice_t device, unsigned int *multiGpuBool);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetName)(nvmlDevice_t device, char *name, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNumFans)(nvmlDevice_t device, unsigned int *numFans);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNumGpuCores)(nvmlDevice_t device, unsigned int *numCores);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetNumaNodeId)(nvmlDevice_t device, unsigned int *node);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetOfaUtilization)(nvmlDevice_t device, unsigned int *utilization,
    unsigned int *samplingPeriodUs);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPciInfo)(nvmlDevice_t device, nvmlPciInfo_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPciInfoExt)(nvmlDevice_t device, nvmlPciInfoExt_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPciInfo_v2)(nvmlDevice_t device, nvmlPciInfo_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPciInfo_v3)(nvmlDevice_t device, nvmlPciInfo_t *pci);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPcieLinkMaxSpeed)(nvmlDevice_t device, unsigned int *maxSpeed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPcieReplayCounter)(nvmlDevice_t device, unsigned int *value);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPcieSpeed)(nvmlDevice_t device, unsigned int *pcieSpeed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPcieThroughput)(nvmlDevice_t device, nvmlPcieUtilCounter_t counter,
    unsigned int *value);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPerformanceModes)(nvmlDevice_t device, nvmlDevicePerfModes_t *perfModes);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPerformanceState)(nvmlDevice_t device, nvmlPstates_t *pState);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPersistenceMode)(nvmlDevice_t device, nvmlEnableState_t *mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPgpuMetadataString)(nvmlDevice_t device, char *pgpuMetadata,
    unsigned int *bufferSize);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPlatformInfo)(nvmlDevice_t device, nvmlPlatformInfo_t *platformInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerManagementDefaultLimit)(nvmlDevice_t device, unsigned int *defaultLimit);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerManagementLimit)(nvmlDevice_t device, unsigned int *limit);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerManagementLimitConstraints)(nvmlDevice_t device, unsigned int *minLimit,
    unsigned int *maxLimit);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerManagementMode)(nvmlDevice_t device, nvmlEnableState_t *mode);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerSource)(nvmlDevice_t device, nvmlPowerSource_t *powerSource);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerState)(nvmlDevice_t device, nvmlPstates_t *pState);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetPowerUsage)(nvmlDevice_t device, unsigned int *power);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetProcessUtilization)(nvmlDevice_t device,
    nvmlProcessUtilizationSample_t *utilization, unsigned int *processSamplesCount,
    unsigned long long lastSeenTimeStamp);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetProcessesUtilizationInfo)(nvmlDevice_t device,
    nvmlProcessesUtilizationInfo_t *procesesUtilInfo);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRemappedRows)(nvmlDevice_t device, unsigned int *corrRows,
    unsigned int *uncRows, unsigned int *isPending, unsigned int *failureOccurred);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRetiredPages)(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
    unsigned int *pageCount, unsigned long long *addresses);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRetiredPagesPendingStatus)(nvmlDevice_t device, nvmlEnableState_t *isPending);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRetiredPages_v2)(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
    unsigned int *pageCount, unsigned long long *addresses, unsigned long long *timestamps);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRowRemapperHistogram)(nvmlDevice_t device,
    nvmlRowRemapperHistogramValues_t *values);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetRunningProcessDetailList)(nvmlDevice_t device,
    nvmlProcessDetailList_t *plist);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSamples)(nvmlDevice_t device, nvmlSamplingType_t type,
    unsigned long long lastSeenTimeStamp, nvmlValueType_t *sampleValType, unsigned int *sampleCount,
    nvmlSample_t *samples);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSerial)(nvmlDevice_t device, char *serial, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSramEccErrorStatus)(nvmlDevice_t device, nvmlEccSramErrorStatus_t *status);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedClocksEventReasons)(nvmlDevice_t device,
    unsigned long long *supportedClocksEventReasons);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedClocksThrottleReasons)(nvmlDevice_t device,
    unsigned long long *supportedClocksThrottleReasons);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedGraphicsClocks)(nvmlDevice_t device, unsigned int memoryClockMHz,
    unsigned int *count, unsigned int *clocksMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedMemoryClocks)(nvmlDevice_t device, unsigned int *count,
    unsigned int *clocksMHz);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetSupportedPerformanceStates)(nvmlDevice_t device, nvmlPstates_t *pstates,
    unsigned int size);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTargetFanSpeed)(nvmlDevice_t device, unsigned int fan,
    unsigned int *targetSpeed);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTemperature)(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType,
    unsigned int *temp);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTemperatureThreshold)(nvmlDevice_t device,
    nvmlTemperatureThresholds_t thresholdType, unsigned int *temp);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTemperatureV)(nvmlDevice_t device, nvmlTemperature_t *temperature);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetThermalSettings)(nvmlDevice_t device, unsigned int sensorIndex,
    nvmlGpuThermalSettings_t *pThermalSettings);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTotalEccErrors)(nvmlDevice_t device, nvmlMemoryErrorType_t errorType,
    nvmlEccCounterType_t counterType, unsigned long long *eccCounts);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetTotalEnergyConsumption)(nvmlDevice_t device, unsigned long long *energy);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetUUID)(nvmlDevice_t device, char *uuid, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetUtilizationRates)(nvmlDevice_t device, nvmlUtilization_t *utilization);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetVbiosVersion)(nvmlDevice_t device, char *version, unsigned int length);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetViolationStatus)(nvmlDevice_t device, nvmlPerfPolicyType_t perfPolicyType,
    nvmlViolationTime_t *violTime);
typedef nvmlReturn_t (*PFN_nvmlDeviceGetVirtualizationMode)(nvmlDevice_t device,
    nvmlGpuVirtualizationMode_t *pVirtualMode);
typedef nvmlReturn_t (*PFN_nvmlDeviceOnSameBoard)(nvmlDevice_t device1, nvmlDevice_t device2, int *onSameBoard);
typedef nvmlReturn_t (*PFN_nvmlDeviceQueryDrainState)(nvmlPciInfo_t *pciInfo, nvmlEnableState_t *currentState);
typedef nvmlReturn_t (*PFN_nvmlDeviceValidateInforom)(nvmlDevice_t device);

#endif
