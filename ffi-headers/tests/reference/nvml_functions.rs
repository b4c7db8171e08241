//! Every NVML function type of ours against the methods of nvml-wrapper-sys.
use std::collections::BTreeSet;

use ffi_headers::nvml;
use nvml_wrapper_sys::bindings::NvmlLib;

use crate::compare::{self, Comparison};
use crate::signature::{self, Method, Signature};

/// Function types of ours against theirs, grouped by the number of arguments: the compiler infers the types behind `_`.
macro_rules! functions {
    ($found:ident, $arguments:tt: { $($name:ident),* $(,)? }) => {
        pastey::paste! {
            $($found.agree(
                stringify!($name),
                <nvml::[<PFN_ $name>]>::signature(),
                signature::of(Method(NvmlLib::$name as unsafe fn $arguments -> _)),
            );)*
        }
    };
}

/// Names that only the library's symbol table still has: the same as nvmlGetExcludedDevice*, under their first name.
const FORMER_NAMES: &[&str] = &["nvmlGetBlacklistDeviceCount", "nvmlGetBlacklistDeviceInfoByIndex"];

#[test]
fn every_function_type_has_the_reference_signature() {
    let mut found = Comparison::default();
    from_nvml_wrapper_sys(&mut found);
    let exceptions: BTreeSet<&str> = FORMER_NAMES.iter().copied().collect();
    found.finish(&compare::functions(include_str!("../../src/nvml.rs")), &exceptions);
}

fn from_nvml_wrapper_sys(found: &mut Comparison) {
    functions!(found, (&NvmlLib): {
        nvmlInit, nvmlInit_v2, nvmlShutdown,
    });
    functions!(found, (&NvmlLib, _): {
        nvmlDeviceGetCount, nvmlDeviceGetCount_v2, nvmlErrorString, nvmlEventSetCreate, nvmlEventSetFree,
        nvmlGetExcludedDeviceCount, nvmlInitWithFlags, nvmlSystemEventSetCreate, nvmlSystemEventSetFree,
        nvmlSystemEventSetWait, nvmlSystemGetCudaDriverVersion, nvmlSystemGetCudaDriverVersion_v2,
        nvmlSystemGetNvlinkBwMode, nvmlSystemRegisterEvents, nvmlSystemSetNvlinkBwMode, nvmlUnitGetCount,
        nvmlDeviceValidateInforom, nvmlDeviceClearAccountingPids, nvmlDeviceClearCpuAffinity, nvmlDeviceDiscoverGpus,
        nvmlDeviceRemoveGpu, nvmlDeviceResetApplicationsClocks, nvmlDeviceResetGpuLockedClocks,
        nvmlDeviceResetMemoryLockedClocks, nvmlDeviceSetCpuAffinity, nvmlComputeInstanceDestroy,
        nvmlGpuInstanceDestroy,
    });
    functions!(found, (&NvmlLib, _, _): {
        nvmlDeviceGetHandleByIndex, nvmlDeviceGetHandleByIndex_v2, nvmlDeviceGetHandleByPciBusId,
        nvmlDeviceGetHandleByPciBusId_v2, nvmlDeviceGetHandleBySerial, nvmlDeviceGetHandleByUUID,
        nvmlDeviceGetHandleByUUIDV, nvmlDeviceGetSupportedEventTypes, nvmlGetExcludedDeviceInfoByIndex,
        nvmlSystemGetDriverBranch, nvmlSystemGetDriverVersion, nvmlSystemGetHicVersion, nvmlSystemGetNVMLVersion,
        nvmlUnitGetFanSpeedInfo, nvmlUnitGetHandleByIndex, nvmlUnitGetLedState, nvmlUnitGetPsuInfo,
        nvmlUnitGetUnitInfo, nvmlUnitSetLedState, nvmlDeviceGetAccountingBufferSize, nvmlDeviceGetAccountingMode,
        nvmlDeviceGetAdaptiveClockInfoStatus, nvmlDeviceGetArchitecture, nvmlDeviceGetAttributes,
        nvmlDeviceGetAttributes_v2, nvmlDeviceGetBAR1MemoryInfo, nvmlDeviceGetBoardId, nvmlDeviceGetBrand,
        nvmlDeviceGetBusType, nvmlDeviceGetCapabilities, nvmlDeviceGetClkMonStatus, nvmlDeviceGetClockOffsets,
        nvmlDeviceGetComputeMode, nvmlDeviceGetCoolerInfo, nvmlDeviceGetCurrPcieLinkGeneration,
        nvmlDeviceGetCurrPcieLinkWidth, nvmlDeviceGetCurrentClockFreqs, nvmlDeviceGetCurrentClocksEventReasons,
        nvmlDeviceGetCurrentClocksThrottleReasons, nvmlDeviceGetDefaultEccMode, nvmlDeviceGetDisplayActive,
        nvmlDeviceGetDisplayMode, nvmlDeviceGetDynamicPstatesInfo, nvmlDeviceGetEnforcedPowerLimit,
        nvmlDeviceGetFBCStats, nvmlDeviceGetFanSpeed, nvmlDeviceGetFanSpeedRPM, nvmlDeviceGetGpcClkVfOffset,
        nvmlDeviceGetGpuMaxPcieLinkGeneration, nvmlDeviceGetGspFirmwareVersion, nvmlDeviceGetHostVgpuMode,
        nvmlDeviceGetIndex, nvmlDeviceGetInforomConfigurationChecksum, nvmlDeviceGetIrqNum,
        nvmlDeviceGetMarginTemperature, nvmlDeviceGetMaxPcieLinkGeneration, nvmlDeviceGetMaxPcieLinkWidth,
        nvmlDeviceGetMemClkVfOffset, nvmlDeviceGetMemoryBusWidth, nvmlDeviceGetMemoryInfo, nvmlDeviceGetMemoryInfo_v2,
        nvmlDeviceGetMinorNumber, nvmlDeviceGetModuleId, nvmlDeviceGetMultiGpuBoard, nvmlDeviceGetNumFans,
        nvmlDeviceGetNumGpuCores, nvmlDeviceGetNumaNodeId, nvmlDeviceGetPciInfo, nvmlDeviceGetPciInfoExt,
        nvmlDeviceGetPciInfo_v2, nvmlDeviceGetPciInfo_v3, nvmlDeviceGetPcieLinkMaxSpeed,
        nvmlDeviceGetPcieReplayCounter, nvmlDeviceGetPcieSpeed, nvmlDeviceGetPerformanceModes,
        nvmlDeviceGetPerformanceState, nvmlDeviceGetPersistenceMode, nvmlDeviceGetPlatformInfo,
        nvmlDeviceGetPowerManagementDefaultLimit, nvmlDeviceGetPowerManagementLimit, nvmlDeviceGetPowerManagementMode,
        nvmlDeviceGetPowerSource, nvmlDeviceGetPowerState, nvmlDeviceGetPowerUsage,
        nvmlDeviceGetProcessesUtilizationInfo, nvmlDeviceGetRetiredPagesPendingStatus,
        nvmlDeviceGetRowRemapperHistogram, nvmlDeviceGetRunningProcessDetailList, nvmlDeviceGetSramEccErrorStatus,
        nvmlDeviceGetSupportedClocksEventReasons, nvmlDeviceGetSupportedClocksThrottleReasons,
        nvmlDeviceGetTemperatureV, nvmlDeviceGetTotalEnergyConsumption, nvmlDeviceGetUtilizationRates,
        nvmlDeviceGetVirtualizationMode, nvmlDeviceQueryDrainState, nvmlDeviceClearEccErrorCounts,
        nvmlDeviceModifyDrainState, nvmlDeviceSetAccountingMode, nvmlDeviceSetAutoBoostedClocksEnabled,
        nvmlDeviceSetClockOffsets, nvmlDeviceSetComputeMode, nvmlDeviceSetDefaultFanSpeed_v2,
        nvmlDeviceSetDramEncryptionMode, nvmlDeviceSetEccMode, nvmlDeviceSetGpcClkVfOffset,
        nvmlDeviceSetGpuOperationMode, nvmlDeviceSetMemClkVfOffset, nvmlDeviceSetPersistenceMode,
        nvmlDeviceSetPowerManagementLimit, nvmlDeviceSetPowerManagementLimit_v2, nvmlDeviceSetVirtualizationMode,
        nvmlDeviceGetBridgeChipInfo, nvmlDeviceGetC2cModeInfoV, nvmlDeviceGetGpuFabricInfo,
        nvmlDeviceGetGpuFabricInfoV, nvmlDeviceGetNvlinkBwMode, nvmlDeviceGetNvlinkSupportedBwModes,
        nvmlDeviceResetNvLinkErrorCounters, nvmlDeviceSetNvLinkDeviceLowPowerThreshold, nvmlDeviceSetNvlinkBwMode,
        nvmlComputeInstanceGetInfo, nvmlComputeInstanceGetInfo_v2, nvmlDeviceGetComputeInstanceId,
        nvmlDeviceGetDeviceHandleFromMigDeviceHandle, nvmlDeviceGetGpuInstanceId, nvmlDeviceGetMaxMigDeviceCount,
        nvmlDeviceIsMigDeviceHandle, nvmlGpuInstanceGetInfo,
    });
    functions!(found, (&NvmlLib, _, _, _): {
        nvmlDeviceRegisterEvents, nvmlEventSetWait, nvmlEventSetWait_v2, nvmlSystemGetProcessName,
        nvmlSystemGetTopologyGpuSet, nvmlUnitGetDevices, nvmlUnitGetTemperature, nvmlDeviceGetAPIRestriction,
        nvmlDeviceGetAccountingPids, nvmlDeviceGetAccountingStats, nvmlDeviceGetApplicationsClock,
        nvmlDeviceGetAutoBoostedClocksEnabled, nvmlDeviceGetBoardPartNumber, nvmlDeviceGetClockInfo,
        nvmlDeviceGetComputeRunningProcesses, nvmlDeviceGetComputeRunningProcesses_v2,
        nvmlDeviceGetComputeRunningProcesses_v3, nvmlDeviceGetCpuAffinity, nvmlDeviceGetCudaComputeCapability,
        nvmlDeviceGetDecoderUtilization, nvmlDeviceGetDefaultApplicationsClock, nvmlDeviceGetDramEncryptionMode,
        nvmlDeviceGetDriverModel, nvmlDeviceGetDriverModel_v2, nvmlDeviceGetEccMode, nvmlDeviceGetEncoderCapacity,
        nvmlDeviceGetEncoderSessions, nvmlDeviceGetEncoderUtilization, nvmlDeviceGetFBCSessions,
        nvmlDeviceGetFanControlPolicy_v2, nvmlDeviceGetFanSpeed_v2, nvmlDeviceGetFieldValues,
        nvmlDeviceGetGpcClkMinMaxVfOffset, nvmlDeviceGetGpuOperationMode, nvmlDeviceGetGraphicsRunningProcesses,
        nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlDeviceGetGraphicsRunningProcesses_v3,
        nvmlDeviceGetGspFirmwareMode, nvmlDeviceGetInforomImageVersion, nvmlDeviceGetJpgUtilization,
        nvmlDeviceGetLastBBXFlushTime, nvmlDeviceGetMPSComputeRunningProcesses,
        nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlDeviceGetMPSComputeRunningProcesses_v3,
        nvmlDeviceGetMaxClockInfo, nvmlDeviceGetMaxCustomerBoostClock, nvmlDeviceGetMemClkMinMaxVfOffset,
        nvmlDeviceGetMinMaxFanSpeed, nvmlDeviceGetName, nvmlDeviceGetOfaUtilization, nvmlDeviceGetPcieThroughput,
        nvmlDeviceGetPgpuMetadataString, nvmlDeviceGetPowerManagementLimitConstraints, nvmlDeviceGetSerial,
        nvmlDeviceGetSupportedMemoryClocks, nvmlDeviceGetSupportedPerformanceStates, nvmlDeviceGetTargetFanSpeed,
        nvmlDeviceGetTemperature, nvmlDeviceGetTemperatureThreshold, nvmlDeviceGetThermalSettings, nvmlDeviceGetUUID,
        nvmlDeviceGetVbiosVersion, nvmlDeviceGetViolationStatus, nvmlDeviceOnSameBoard, nvmlDeviceClearFieldValues,
        nvmlDeviceRemoveGpu_v2, nvmlDeviceSetAPIRestriction, nvmlDeviceSetApplicationsClocks,
        nvmlDeviceSetDefaultAutoBoostedClocksEnabled, nvmlDeviceSetDriverModel, nvmlDeviceSetFanControlPolicy,
        nvmlDeviceSetFanSpeed_v2, nvmlDeviceSetGpuLockedClocks, nvmlDeviceSetMemoryLockedClocks,
        nvmlDeviceSetTemperatureThreshold, nvmlDeviceGetNvLinkRemoteDeviceType, nvmlDeviceGetNvLinkRemotePciInfo,
        nvmlDeviceGetNvLinkRemotePciInfo_v2, nvmlDeviceGetNvLinkState, nvmlDeviceGetNvLinkVersion,
        nvmlDeviceGetTopologyCommonAncestor, nvmlDeviceResetNvLinkUtilizationCounter, nvmlDeviceCreateGpuInstance,
        nvmlDeviceGetGpuInstanceById, nvmlDeviceGetGpuInstanceProfileInfo, nvmlDeviceGetGpuInstanceProfileInfoV,
        nvmlDeviceGetGpuInstanceRemainingCapacity, nvmlDeviceGetMigDeviceHandleByIndex, nvmlDeviceGetMigMode,
        nvmlDeviceSetMigMode, nvmlGpuInstanceCreateComputeInstance, nvmlGpuInstanceGetComputeInstanceById,
        nvmlGpuInstanceGetComputeInstanceRemainingCapacity,
    });
    functions!(found, (&NvmlLib, _, _, _, _): {
        nvmlDeviceGetClock, nvmlDeviceGetCpuAffinityWithinScope, nvmlDeviceGetDetailedEccErrors,
        nvmlDeviceGetEncoderStats, nvmlDeviceGetInforomVersion, nvmlDeviceGetMemoryAffinity,
        nvmlDeviceGetProcessUtilization, nvmlDeviceGetRetiredPages, nvmlDeviceGetSupportedGraphicsClocks,
        nvmlDeviceGetTotalEccErrors, nvmlDeviceFreezeNvLinkUtilizationCounter, nvmlDeviceGetNvLinkCapability,
        nvmlDeviceGetNvLinkErrorCounter, nvmlDeviceGetNvLinkUtilizationControl, nvmlDeviceGetP2PStatus,
        nvmlDeviceGetTopologyNearestGpus, nvmlDeviceCreateGpuInstanceWithPlacement,
        nvmlDeviceGetGpuInstancePossiblePlacements, nvmlDeviceGetGpuInstancePossiblePlacements_v2,
        nvmlDeviceGetGpuInstances, nvmlGpuInstanceCreateComputeInstanceWithPlacement,
        nvmlGpuInstanceGetComputeInstancePossiblePlacements, nvmlGpuInstanceGetComputeInstanceProfileInfo,
        nvmlGpuInstanceGetComputeInstances,
    });
    functions!(found, (&NvmlLib, _, _, _, _, _): {
        nvmlDeviceGetMemoryErrorCounter, nvmlDeviceGetMinMaxClockOfPState, nvmlDeviceGetRemappedRows,
        nvmlDeviceGetRetiredPages_v2, nvmlDeviceGetNvLinkUtilizationCounter, nvmlDeviceSetNvLinkUtilizationControl,
    });
    functions!(found, (&NvmlLib, _, _, _, _, _, _): {
        nvmlDeviceGetSamples,
    });
}
