//! Every NVML structure of ours against nvml-wrapper-sys: size, alignment, offsets and field sizes.
use std::collections::BTreeSet;
use std::mem::offset_of;

use ffi_headers::nvml::*;
use nvml_wrapper_sys::bindings;

use crate::compare::{self, Comparison};

#[test]
fn every_structure_is_laid_out_as_in_the_reference() {
    let mut found = Comparison::default();
    from_nvml_wrapper_sys(&mut found);
    found.finish(&compare::structures(include_str!("../../src/nvml.rs")), &BTreeSet::new());
}

fn from_nvml_wrapper_sys(found: &mut Comparison) {
    layout!(found, struct nvmlDeviceAddressingMode_v1_t == bindings::nvmlDeviceAddressingMode_v1_t {
        version, value,
    });
    layout!(found, struct nvmlDeviceCapabilities_v1_t == bindings::nvmlDeviceCapabilities_v1_t {
        version, capMask,
    });
    layout!(found, struct nvmlDramEncryptionInfo_v1_t == bindings::nvmlDramEncryptionInfo_v1_t {
        version, encryptionState,
    });
    layout!(found, struct nvmlPciInfo_t == bindings::nvmlPciInfo_st {
        busIdLegacy, domain, bus, device, pciDeviceId, pciSubSystemId, busId,
    });
    layout!(found, struct nvmlExcludedDeviceInfo_t == bindings::nvmlExcludedDeviceInfo_st { pciInfo, uuid });
    layout!(found, struct nvmlPciInfoExt_v1_t == bindings::nvmlPciInfoExt_v1_t {
        version, domain, bus, device, pciDeviceId, pciSubSystemId, baseClass, subClass, busId,
    });
    layout!(found, struct nvmlPdi_v1_t == bindings::nvmlPdi_v1_t { version, value });
    layout!(found, struct nvmlPlatformInfo_v2_t == bindings::nvmlPlatformInfo_v2_t {
        version, ibGuid, chassisSerialNumber, slotNumber, trayIndex, hostId, peerType, moduleId,
    });
    layout!(found, struct nvmlSystemDriverBranchInfo_v1_t == bindings::nvmlSystemDriverBranchInfo_v1_t {
        version, branch,
    });
    layout!(found, union nvmlUUIDValue_t == bindings::nvmlUUIDValue_t { str_, bytes });
    layout!(found, struct nvmlUUID_v1_t == bindings::nvmlUUID_v1_t { version, type_, value });
    layout!(found, struct nvmlBAR1Memory_t == bindings::nvmlBAR1Memory_st { bar1Total, bar1Free, bar1Used });
    layout!(found, struct nvmlEccErrorCounts_t == bindings::nvmlEccErrorCounts_st {
        l1Cache, l2Cache, deviceMemory, registerFile,
    });
    layout!(found, struct nvmlEccSramErrorStatus_v1_t == bindings::nvmlEccSramErrorStatus_v1_t {
        version, aggregateUncParity, aggregateUncSecDed, aggregateCor, volatileUncParity, volatileUncSecDed,
        volatileCor, aggregateUncBucketL2, aggregateUncBucketSm, aggregateUncBucketPcie, aggregateUncBucketMcu,
        aggregateUncBucketOther, bThresholdExceeded,
    });
    layout!(found, struct nvmlEccSramUniqueUncorrectedErrorEntry_v1_t == bindings::nvmlEccSramUniqueUncorrectedErrorEntry_v1_t {
        unit, location, sublocation, extlocation, address, isParity, count,
    });
    layout!(found, struct nvmlEccSramUniqueUncorrectedErrorCounts_v1_t == bindings::nvmlEccSramUniqueUncorrectedErrorCounts_v1_t {
        version, entryCount, entries,
    });
    layout!(found, union nvmlValue_t == bindings::nvmlValue_st {
        dVal, siVal, uiVal, ulVal, ullVal, sllVal, usVal,
    });
    layout!(found, struct nvmlFieldValue_t == bindings::nvmlFieldValue_st {
        fieldId, scopeId, timestamp, latencyUsec, valueType, nvmlReturn, value,
    });
    layout!(found, struct nvmlMemory_t == bindings::nvmlMemory_st { total, free, used });
    layout!(found, struct nvmlMemory_v2_t == bindings::nvmlMemory_v2_st { version, total, reserved, free, used });
    layout!(found, struct nvmlProcessDetail_v1_t == bindings::nvmlProcessDetail_v1_t {
        pid, usedGpuMemory, gpuInstanceId, computeInstanceId, usedGpuCcProtectedMemory,
    });
    layout!(found, struct nvmlProcessDetailList_v1_t == bindings::nvmlProcessDetailList_v1_t {
        version, mode, numProcArrayEntries, procArray,
    });
    layout!(found, struct nvmlProcessInfo_v2_t == bindings::nvmlProcessInfo_v2_st {
        pid, usedGpuMemory, gpuInstanceId, computeInstanceId,
    });
    layout!(found, struct nvmlProcessInfo_v1_t == bindings::nvmlProcessInfo_v1_st { pid, usedGpuMemory });
    layout!(found, struct nvmlProcessUtilizationSample_t == bindings::nvmlProcessUtilizationSample_st {
        pid, timeStamp, smUtil, memUtil, encUtil, decUtil,
    });
    layout!(found, struct nvmlProcessUtilizationInfo_v1_t == bindings::nvmlProcessUtilizationInfo_v1_t {
        timeStamp, pid, smUtil, memUtil, encUtil, decUtil, jpgUtil, ofaUtil,
    });
    layout!(found, struct nvmlProcessesUtilizationInfo_v1_t == bindings::nvmlProcessesUtilizationInfo_v1_t {
        version, processSamplesCount, lastSeenTimeStamp, procUtilArray,
    });
    layout!(found, struct nvmlRepairStatus_v1_t == bindings::nvmlRepairStatus_v1_t {
        version, bChannelRepairPending, bTpcRepairPending,
    });
    layout!(found, struct nvmlRowRemapperHistogramValues_t == bindings::nvmlRowRemapperHistogramValues_st {
        max, high, partial, low, none,
    });
    layout!(found, struct nvmlSample_t == bindings::nvmlSample_st { timeStamp, sampleValue });
    layout!(found, struct nvmlUtilization_t == bindings::nvmlUtilization_st { gpu, memory });
    layout!(found, struct nvmlClkMonFaultInfo_t == bindings::nvmlClkMonFaultInfo_struct {
        clkApiDomain, clkDomainFaultMask,
    });
    layout!(found, struct nvmlClkMonStatus_t == bindings::nvmlClkMonStatus_status {
        bGlobalStatus, clkMonListSize, clkMonList,
    });
    layout!(found, struct nvmlClockOffset_v1_t == bindings::nvmlClockOffset_v1_t {
        version, type_, pstate, clockOffsetMHz, minClockOffsetMHz, maxClockOffsetMHz,
    });
    layout!(found, struct nvmlCoolerInfo_v1_t == bindings::nvmlCoolerInfo_v1_t {
        version, index, signalType, target,
    });
    layout!(found, struct nvmlDeviceCurrentClockFreqs_v1_t == bindings::nvmlDeviceCurrentClockFreqs_v1_t {
        version, str_,
    });
    layout!(found, struct nvmlDevicePerfModes_v1_t == bindings::nvmlDevicePerfModes_v1_t { version, str_ });
    layout!(found, struct nvmlFanSpeedInfo_v1_t == bindings::nvmlFanSpeedInfo_v1_t { version, fan, speed });
    layout!(found, struct nvmlGpuDynamicPstatesInfo_t == bindings::nvmlGpuDynamicPstatesInfo_st {
        flags, utilization,
    });
    layout!(found, struct nvmlGpuDynamicPstatesInfo_t__bindgen_ty_1 == bindings::nvmlGpuDynamicPstatesInfo_st__bindgen_ty_1 {
        bIsPresent, percentage, incThreshold, decThreshold,
    });
    layout!(found, struct nvmlGpuThermalSettings_t == bindings::nvmlGpuThermalSettings_t { count, sensor });
    layout!(found, struct nvmlGpuThermalSettings_t__bindgen_ty_1 == bindings::nvmlGpuThermalSettings_t__bindgen_ty_1 {
        controller, defaultMinTemp, defaultMaxTemp, currentTemp, target,
    });
    layout!(found, struct nvmlMarginTemperature_v1_t == bindings::nvmlMarginTemperature_v1_t {
        version, marginTemperature,
    });
    layout!(found, struct nvmlPowerValue_v2_t == bindings::nvmlPowerValue_v2_t {
        version, powerScope, powerValueMw,
    });
    layout!(found, struct nvmlTemperature_v1_t == bindings::nvmlTemperature_v1_t {
        version, sensorType, temperature,
    });
    layout!(found, struct nvmlViolationTime_t == bindings::nvmlViolationTime_st { referenceTime, violationTime });
    layout!(found, struct nvmlEventData_t == bindings::nvmlEventData_st {
        device, eventType, eventData, gpuInstanceId, computeInstanceId,
    });
    layout!(found, struct nvmlSystemEventSetCreateRequest_v1_t == bindings::nvmlSystemEventSetCreateRequest_v1_t {
        version, set,
    });
    layout!(found, struct nvmlSystemEventSetFreeRequest_v1_t == bindings::nvmlSystemEventSetFreeRequest_v1_t {
        version, set,
    });
    layout!(found, struct nvmlSystemEventData_v1_t == bindings::nvmlSystemEventData_v1_t { eventType, gpuId });
    layout!(found, struct nvmlSystemEventSetWaitRequest_v1_t == bindings::nvmlSystemEventSetWaitRequest_v1_t {
        version, timeoutms, set, data, dataSize, numEvent,
    });
    layout!(found, struct nvmlSystemRegisterEventRequest_v1_t == bindings::nvmlSystemRegisterEventRequest_v1_t {
        version, eventTypes, set,
    });
    layout!(found, struct nvmlComputeInstancePlacement_t == bindings::nvmlComputeInstancePlacement_st {
        start, size,
    });
    layout!(found, struct nvmlComputeInstanceInfo_t == bindings::nvmlComputeInstanceInfo_st {
        device, gpuInstance, id, profileId, placement,
    });
    layout!(found, struct nvmlComputeInstanceProfileInfo_t == bindings::nvmlComputeInstanceProfileInfo_st {
        id, sliceCount, instanceCount, multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount,
        sharedEncoderCount, sharedJpegCount, sharedOfaCount,
    });
    layout!(found, struct nvmlComputeInstanceProfileInfo_v2_t == bindings::nvmlComputeInstanceProfileInfo_v2_st {
        version, id, sliceCount, instanceCount, multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount,
        sharedEncoderCount, sharedJpegCount, sharedOfaCount, name,
    });
    layout!(found, struct nvmlComputeInstanceProfileInfo_v3_t == bindings::nvmlComputeInstanceProfileInfo_v3_st {
        version, id, sliceCount, instanceCount, multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount,
        sharedEncoderCount, sharedJpegCount, sharedOfaCount, name, capabilities,
    });
    layout!(found, struct nvmlDeviceAttributes_t == bindings::nvmlDeviceAttributes_st {
        multiprocessorCount, sharedCopyEngineCount, sharedDecoderCount, sharedEncoderCount, sharedJpegCount,
        sharedOfaCount, gpuInstanceSliceCount, computeInstanceSliceCount, memorySizeMB,
    });
    layout!(found, struct nvmlGpuInstancePlacement_t == bindings::nvmlGpuInstancePlacement_st { start, size });
    layout!(found, struct nvmlGpuInstanceInfo_t == bindings::nvmlGpuInstanceInfo_st {
        device, id, profileId, placement,
    });
    layout!(found, struct nvmlGpuInstanceProfileInfo_t == bindings::nvmlGpuInstanceProfileInfo_st {
        id, isP2pSupported, sliceCount, instanceCount, multiprocessorCount, copyEngineCount, decoderCount,
        encoderCount, jpegCount, ofaCount, memorySizeMB,
    });
    layout!(found, struct nvmlGpuInstanceProfileInfo_v2_t == bindings::nvmlGpuInstanceProfileInfo_v2_st {
        version, id, isP2pSupported, sliceCount, instanceCount, multiprocessorCount, copyEngineCount, decoderCount,
        encoderCount, jpegCount, ofaCount, memorySizeMB, name,
    });
    layout!(found, struct nvmlGpuInstanceProfileInfo_v3_t == bindings::nvmlGpuInstanceProfileInfo_v3_st {
        version, id, sliceCount, instanceCount, multiprocessorCount, copyEngineCount, decoderCount, encoderCount,
        jpegCount, ofaCount, memorySizeMB, name, capabilities,
    });
    layout!(found, struct nvmlBridgeChipInfo_t == bindings::nvmlBridgeChipInfo_st { type_, fwVersion });
    layout!(found, struct nvmlBridgeChipHierarchy_t == bindings::nvmlBridgeChipHierarchy_st {
        bridgeCount, bridgeChipInfo,
    });
    layout!(found, struct nvmlC2cModeInfo_v1_t == bindings::nvmlC2cModeInfo_v1_t { isC2cEnabled });
    layout!(found, struct nvmlGpuFabricInfo_v3_t == bindings::nvmlGpuFabricInfo_v3_t {
        version, clusterUuid, status, cliqueId, state, healthMask, healthSummary,
    });
    layout!(found, struct nvmlGpuFabricInfo_t == bindings::nvmlGpuFabricInfo_t {
        clusterUuid, status, cliqueId, state,
    });
    layout!(found, struct nvmlNvlinkFirmwareVersion_t == bindings::nvmlNvlinkFirmwareVersion_t {
        ucodeType, major, minor, subMinor,
    });
    layout!(found, struct nvmlNvlinkFirmwareInfo_t == bindings::nvmlNvlinkFirmwareInfo_t {
        firmwareVersion, numValidEntries,
    });
    layout!(found, struct nvmlNvLinkInfo_v2_t == bindings::nvmlNvLinkInfo_v2_t {
        version, isNvleEnabled, firmwareInfo,
    });
    layout!(found, struct nvmlNvLinkPowerThres_t == bindings::nvmlNvLinkPowerThres_st { lowPwrThreshold });
    layout!(found, struct nvmlNvLinkUtilizationControl_t == bindings::nvmlNvLinkUtilizationControl_st {
        units, pktfilter,
    });
    layout!(found, struct nvmlNvlinkGetBwMode_v1_t == bindings::nvmlNvlinkGetBwMode_v1_t {
        version, bIsBest, bwMode,
    });
    layout!(found, struct nvmlNvlinkSetBwMode_v1_t == bindings::nvmlNvlinkSetBwMode_v1_t {
        version, bSetBest, bwMode,
    });
    layout!(found, struct nvmlNvlinkSupportedBwModes_v1_t == bindings::nvmlNvlinkSupportedBwModes_v1_t {
        version, bwModes, totalBwModes,
    });
    layout!(found, struct nvmlGpuFabricInfo_v2_t == bindings::nvmlGpuFabricInfo_v2_t {
        version, clusterUuid, status, cliqueId, state, healthMask,
    });
    layout!(found, struct nvmlAccountingStats_t == bindings::nvmlAccountingStats_st {
        gpuUtilization, memoryUtilization, maxMemoryUsage, time, startTime, isRunning, reserved,
    });
    layout!(found, struct nvmlEncoderSessionInfo_t == bindings::nvmlEncoderSessionInfo_st {
        sessionId, pid, vgpuInstance, codecType, hResolution, vResolution, averageFps, averageLatency,
    });
    layout!(found, struct nvmlFBCSessionInfo_t == bindings::nvmlFBCSessionInfo_st {
        sessionId, pid, vgpuInstance, displayOrdinal, sessionType, sessionFlags, hMaxResolution, vMaxResolution,
        hResolution, vResolution, averageFPS, averageLatency,
    });
    layout!(found, struct nvmlFBCStats_t == bindings::nvmlFBCStats_st {
        sessionsCount, averageFPS, averageLatency,
    });
    layout!(found, struct nvmlHwbcEntry_t == bindings::nvmlHwbcEntry_st { hwbcId, firmwareVersion });
    layout!(found, struct nvmlLedState_t == bindings::nvmlLedState_st { cause, color });
    layout!(found, struct nvmlPSUInfo_t == bindings::nvmlPSUInfo_st { state, current, voltage, power });
    layout!(found, struct nvmlUnitFanInfo_t == bindings::nvmlUnitFanInfo_st { speed, state });
    layout!(found, struct nvmlUnitFanSpeeds_t == bindings::nvmlUnitFanSpeeds_st { fans, count });
    layout!(found, struct nvmlUnitInfo_t == bindings::nvmlUnitInfo_st { name, id, serial, firmwareVersion });
}
