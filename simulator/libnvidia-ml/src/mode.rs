//! Modes a device is in: how a data-centre device stands after boot.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Lent, NOT_SUPPORTED, on_device};
use core::ffi::c_uint;
use ffi_headers::nvml::*;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPersistenceMode(
    device: nvmlDevice_t,
    mode: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_FEATURE_ENABLED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeMode(device: nvmlDevice_t, mode: Lent<nvmlComputeMode_t>) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_COMPUTEMODE_DEFAULT))
}

/// Data-centre products report this mode as enabled although no display can be attached;
/// [`nvmlDeviceGetDisplayActive`] says there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDisplayMode(device: nvmlDevice_t, mode: Lent<nvmlEnableState_t>) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_FEATURE_ENABLED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDisplayActive(
    device: nvmlDevice_t,
    active: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| active.write(NVML_FEATURE_DISABLED))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetVirtualizationMode(
    device: nvmlDevice_t,
    mode: Lent<nvmlGpuVirtualizationMode_t>,
) -> nvmlReturn_t {
    on_device(device, |_| mode.write(NVML_GPU_VIRTUALIZATION_MODE_NONE))
}

/// No vGPU host.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHostVgpuMode(
    device: nvmlDevice_t,
    _mode: Lent<nvmlHostVgpuMode_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Driver models exist on Windows only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetDriverModel(
    device: nvmlDevice_t,
    _current: Lent<nvmlDriverModel_t>,
    _pending: Lent<nvmlDriverModel_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Operation modes belong to a Kepler product.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuOperationMode(
    device: nvmlDevice_t,
    _current: Lent<nvmlGpuOperationMode_t>,
    _pending: Lent<nvmlGpuOperationMode_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}

/// Setting clocks is left to root: see `settings`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetAPIRestriction(
    device: nvmlDevice_t,
    api: nvmlRestrictedAPI_t,
    restricted: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| match api {
        NVML_RESTRICTED_API_SET_APPLICATION_CLOCKS => restricted.write(NVML_FEATURE_ENABLED),
        NVML_RESTRICTED_API_SET_AUTO_BOOSTED_CLOCKS => Err(NVML_ERROR_NOT_SUPPORTED),
        _ => Err(NVML_ERROR_INVALID_ARGUMENT),
    })
}

/// Multi-node fabrics: the device is part of none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuFabricInfo(
    device: nvmlDevice_t,
    info: Lent<nvmlGpuFabricInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |_| {
        let state = NVML_GPU_FABRIC_STATE_NOT_SUPPORTED as nvmlGpuFabricState_t;
        info.write(nvmlGpuFabricInfo_t { state, ..Default::default() })
    })
}

/// Links to the processor's memory (as on Grace Hopper): none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetC2cModeInfoV(
    device: nvmlDevice_t,
    info: Lent<nvmlC2cModeInfo_v1_t>,
) -> nvmlReturn_t {
    on_device(device, |_| info.write(nvmlC2cModeInfo_v1_t { isC2cEnabled: 0 }))
}

/// Device memory is no NUMA node of the host's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNumaNodeId(device: nvmlDevice_t, _node: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}
