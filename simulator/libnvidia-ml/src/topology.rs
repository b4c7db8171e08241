//! Where devices are: processors and memory near them, and the paths between them. Every device hangs on a host
//! bridge of its own in one NUMA node, and no NVLink connects them.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Answer, Lent, NOT_SUPPORTED, initialised, on_device, write_list};
use core::ffi::{c_uint, c_ulong, c_ulonglong};
use ffi_headers::nvml::*;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTopologyCommonAncestor(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    level: Lent<nvmlGpuTopologyLevel_t>,
) -> nvmlReturn_t {
    on_device(one, |one| {
        let other = Device::of(other)?;
        level.write(if one.index == other.index { NVML_TOPOLOGY_INTERNAL } else { NVML_TOPOLOGY_NODE })
    })
}

/// The devices whose path to this one is exactly `level`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTopologyNearestGpus(
    device: nvmlDevice_t,
    level: nvmlGpuTopologyLevel_t,
    count: Lent<c_uint>,
    devices: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let others = Device::all()?.filter(|other| level == NVML_TOPOLOGY_NODE && other.index != device.index);
        write_list(count, devices, &others.map(Device::handle).collect::<Vec<_>>())
    })
}

/// All devices are near every processor of the one node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetTopologyGpuSet(
    cpu: c_uint,
    count: Lent<c_uint>,
    devices: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    initialised(|| {
        if cpu as usize >= processors() {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        write_list(count, devices, &Device::all()?.map(Device::handle).collect::<Vec<_>>())
    })
}

/// No path for direct access between devices is modelled, by NVLink or PCI.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetP2PStatus(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    capability: nvmlGpuP2PCapsIndex_t,
    status: Lent<nvmlGpuP2PStatus_t>,
) -> nvmlReturn_t {
    on_device(one, |_| {
        Device::of(other)?;
        if capability >= NVML_P2P_CAPS_INDEX_UNKNOWN {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        status.write(NVML_P2P_STATUS_NOT_SUPPORTED)
    })
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Fills a bit set of `words` words with ones for the first `members` numbers.
fn write_set(words: c_uint, set: Lent<c_ulong>, members: usize) -> Answer {
    if words == 0 {
        return Err(NVML_ERROR_INVALID_ARGUMENT);
    }
    set.check()?;
    let bits = c_ulong::BITS as usize;
    for word in 0..words as usize {
        let here = members.saturating_sub(word * bits).min(bits);
        set.element(word).write(if here == bits { c_ulong::MAX } else { (1 << here) - 1 })?;
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCpuAffinity(
    device: nvmlDevice_t,
    words: c_uint,
    set: Lent<c_ulong>,
) -> nvmlReturn_t {
    on_device(device, |_| write_set(words, set, processors()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCpuAffinityWithinScope(
    device: nvmlDevice_t,
    words: c_uint,
    set: Lent<c_ulong>,
    scope: nvmlAffinityScope_t,
) -> nvmlReturn_t {
    on_device(device, |_| {
        if scope <= NVML_AFFINITY_SCOPE_SOCKET {
            write_set(words, set, processors())
        } else {
            Err(NVML_ERROR_INVALID_ARGUMENT)
        }
    })
}

/// NUMA node 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryAffinity(
    device: nvmlDevice_t,
    words: c_uint,
    set: Lent<c_ulong>,
    scope: nvmlAffinityScope_t,
) -> nvmlReturn_t {
    on_device(device, |_| {
        if scope <= NVML_AFFINITY_SCOPE_SOCKET { write_set(words, set, 1) } else { Err(NVML_ERROR_INVALID_ARGUMENT) }
    })
}

/// Links are numbered from 0; a number the library does not know is an invalid argument before the link is looked for.
fn no_link(link: c_uint) -> Answer {
    if link >= NVML_NVLINK_MAX_LINKS { Err(NVML_ERROR_INVALID_ARGUMENT) } else { NOT_SUPPORTED }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkState(
    device: nvmlDevice_t,
    link: c_uint,
    _active: Lent<nvmlEnableState_t>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkVersion(
    device: nvmlDevice_t,
    link: c_uint,
    _version: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkCapability(
    device: nvmlDevice_t,
    link: c_uint,
    _capability: nvmlNvLinkCapability_t,
    _answer: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkRemotePciInfo_v2(
    device: nvmlDevice_t,
    link: c_uint,
    _pci: Lent<nvmlPciInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkRemotePciInfo(
    device: nvmlDevice_t,
    link: c_uint,
    _pci: Lent<nvmlPciInfo_t>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkErrorCounter(
    device: nvmlDevice_t,
    link: c_uint,
    _counter: nvmlNvLinkErrorCounter_t,
    _errors: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkRemoteDeviceType(
    device: nvmlDevice_t,
    link: c_uint,
    _type: Lent<nvmlIntNvLinkDeviceType_t>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNvLinkUtilizationCounter(
    device: nvmlDevice_t,
    link: c_uint,
    _counter: c_uint,
    _received: Lent<c_ulonglong>,
    _sent: Lent<c_ulonglong>,
) -> nvmlReturn_t {
    on_device(device, |_| no_link(link))
}
