//! Devices and what they can do.

use std::ffi::c_char;

use ffi_headers::cuda::*;
use simulator::device::DeviceInfo;

use crate::abi::{In, Out, Outcome, driver_functions};
use crate::driver::driver;

driver_functions! {
    extern "C" fn cuDeviceGetCount(count: Out<i32>) {
        count.set(driver()?.devices.len() as i32)?;
    }

    extern "C" fn cuDeviceGet(device: Out<CUdevice>, ordinal: i32) {
        device.set(driver()?.device(ordinal)?.index as CUdevice)?;
    }

    extern "C" fn cuDeviceGetName(name: Out<c_char>, length: i32, device: CUdevice) {
        let device = driver()?.device(device)?;
        write_text(name, length, &device.info.name)?;
    }

    extern "C" fn cuDeviceGetUuid, extern "C" fn cuDeviceGetUuid_v2 (uuid: Out<CUuuid>, device: CUdevice) {
        let device = driver()?.device(device)?;
        uuid.set(CUuuid { bytes: device.info.uuid.map(|byte| byte as c_char) })?;
    }

    extern "C" fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: CUdevice) {
        bytes.set(driver()?.device(device)?.info.memory_total as usize)?;
    }

    extern "C" fn cuDeviceTotalMem(bytes: Out<u32>, device: CUdevice) {
        bytes.set(u32::try_from(driver()?.device(device)?.info.memory_total).unwrap_or(u32::MAX))?;
    }

    extern "C" fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: CUdevice) {
        let (a, b) = driver()?.device(device)?.info.compute_capability;
        major.set(a as i32)?;
        minor.set(b as i32)?;
    }

    extern "C" fn cuDeviceGetAttribute(value: Out<i32>, attribute: CUdevice_attribute, device: CUdevice) {
        let device = driver()?.device(device)?;
        value.set(self::attribute(device.info, attribute)?)?;
    }

    extern "C" fn cuDeviceGetProperties(properties: Out<CUdevprop>, device: CUdevice) {
        let info = driver()?.device(device)?.info;
        let get = |which| attribute(info, which);
        properties.set(CUdevprop {
            maxThreadsPerBlock: get(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            maxThreadsDim: [
                get(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X)?,
                get(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y)?,
                get(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z)?,
            ],
            maxGridSize: [
                get(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X)?,
                get(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y)?,
                get(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)?,
            ],
            sharedMemPerBlock: get(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK)?,
            totalConstantMemory: get(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY)?,
            SIMDWidth: get(CU_DEVICE_ATTRIBUTE_WARP_SIZE)?,
            memPitch: get(CU_DEVICE_ATTRIBUTE_MAX_PITCH)?,
            regsPerBlock: get(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK)?,
            clockRate: get(CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?,
            textureAlign: get(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT)?,
        })?;
    }

    extern "C" fn cuDeviceGetPCIBusId(text: Out<c_char>, length: i32, device: CUdevice) {
        let device = driver()?.device(device)?;
        write_text(text, length, &bus_id(device.info))?;
    }

    extern "C" fn cuDeviceGetByPCIBusId(device: Out<CUdevice>, text: In<c_char>) {
        let wanted = text.text()?.to_string_lossy().to_ascii_uppercase();
        // The domain may be left out, and so may the function.
        let same = |info: &DeviceInfo| {
            let full = bus_id(info);
            [&full[..], &full[..10], &full[5..], &full[5..10]].contains(&&wanted[..])
        };
        let found = driver()?.devices.iter().find(|d| same(d.info)).ok_or(CUDA_ERROR_INVALID_DEVICE)?;
        device.set(found.index as CUdevice)?;
    }

    extern "C" fn cuDeviceGetExecAffinitySupport(supported: Out<i32>, _kind: CUexecAffinityType, device: CUdevice) {
        driver()?.device(device)?;
        supported.set(0)?;
    }

    extern "C" fn cuDeviceCanAccessPeer(can: Out<i32>, device: CUdevice, peer: CUdevice) {
        let driver = driver()?;
        let (device, peer) = (driver.device(device)?, driver.device(peer)?);
        can.set(i32::from(device.index != peer.index))?;
    }

    extern "C" fn cuDeviceGetP2PAttribute(value: Out<i32>, attribute: CUdevice_P2PAttribute, device: CUdevice, peer: CUdevice) {
        let driver = driver()?;
        let (device, peer) = (driver.device(device)?, driver.device(peer)?);
        if device.index == peer.index {
            return Err(CUDA_ERROR_INVALID_DEVICE);
        }
        value.set(match attribute {
            CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED => 1,
            CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK
            | CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED
            | CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED => 0,
            _ => return Err(CUDA_ERROR_INVALID_VALUE),
        })?;
    }

    extern "C" fn cuCtxEnablePeerAccess(peer: CUcontext, flags: u32) {
        let (bits, bit) = peer_bit(peer)?;
        if flags != 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if bits.fetch_or(bit, std::sync::atomic::Ordering::Relaxed) & bit != 0 {
            return Err(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
        }
    }

    extern "C" fn cuCtxDisablePeerAccess(peer: CUcontext) {
        let (bits, bit) = peer_bit(peer)?;
        if bits.fetch_and(!bit, std::sync::atomic::Ordering::Relaxed) & bit == 0 {
            return Err(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
        }
    }
}

/// Where the current context notes the peers that it has enabled (relaxed: lone bits), and the bit of `peer`'s device.
fn peer_bit(peer: CUcontext) -> Outcome<(&'static std::sync::atomic::AtomicU64, u64)> {
    let (driver, context) = crate::driver::in_context()?;
    let peer = driver.context(peer)?;
    if peer.device == context.device {
        return Err(CUDA_ERROR_INVALID_DEVICE);
    }
    Ok((&context.peers, 1 << peer.device))
}

/// Writes as much of `text` as fits with its NUL into `length` bytes.
fn write_text(place: Out<c_char>, length: i32, text: &str) -> Outcome {
    let room = usize::try_from(length).ok().filter(|room| *room > 0).ok_or(CUDA_ERROR_INVALID_VALUE)?;
    let bytes = text.bytes().take(room - 1).chain(std::iter::once(0));
    place.required()?.set_slice(bytes.map(|byte| byte as c_char));
    Ok(())
}

fn bus_id(info: &DeviceInfo) -> String {
    format!("{:04X}:{:02X}:{:02X}.0", info.pci.domain, info.pci.bus, info.pci.device)
}

/// The value of a device attribute. An attribute of a feature that is not modelled is 0; an unknown one is an error.
fn attribute(info: &DeviceInfo, attribute: CUdevice_attribute) -> Outcome<i32> {
    let (major, minor) = info.compute_capability;
    Ok(match attribute {
        CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK
        | CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X
        | CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y => 1024,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z => 64,
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X | CU_DEVICE_ATTRIBUTE_MAX_PITCH => i32::MAX,
        CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y | CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z => 65_535,
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK => info.shared_memory_per_block as i32,
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN => info.shared_memory_per_block_optin as i32,
        CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR => info.shared_memory_per_sm as i32,
        CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK => 1024,
        CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY => 65_536,
        CU_DEVICE_ATTRIBUTE_WARP_SIZE => 32,
        CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK | CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR => 65_536,
        CU_DEVICE_ATTRIBUTE_CLOCK_RATE => info.clocks.graphics_max as i32 * 1000,
        CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE => info.clocks.memory_max as i32 * 1000,
        CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT | CU_DEVICE_ATTRIBUTE_SURFACE_ALIGNMENT => 512,
        CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT => 32,
        CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT => info.sm_count as i32,
        CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR => info.max_threads_per_sm as i32,
        CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR => info.max_blocks_per_sm as i32,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR => major as i32,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR => minor as i32,
        CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH => info.memory_bus_width_bits as i32,
        CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE => info.l2_cache_bytes as i32,
        CU_DEVICE_ATTRIBUTE_PCI_BUS_ID => info.pci.bus as i32,
        CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID => info.pci.device as i32,
        CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID => info.pci.domain as i32,
        CU_DEVICE_ATTRIBUTE_ECC_ENABLED => i32::from(info.ecc),
        CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT => 3,
        CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES => super::virtual_memory::HANDLE_TYPES as i32,
        CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED => i32::from(major >= 9),
        CU_DEVICE_ATTRIBUTE_SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO => {
            if minor == 0 {
                2
            } else {
                32
            }
        }
        CU_DEVICE_ATTRIBUTE_GPU_OVERLAP
        | CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY
        | CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS
        | CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING
        | CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_GLOBAL_L1_CACHE_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_LOCAL_L1_CACHE_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY
        | CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS
        | CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM
        | CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH
        | CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED
        | CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED => 1,
        1..=LAST_ATTRIBUTE => crate::array::largest(attribute).unwrap_or(0),
        _ => return Err(CUDA_ERROR_INVALID_VALUE),
    })
}

/// The last attribute that the modelled drivers know.
const LAST_ATTRIBUTE: CUdevice_attribute = CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID;
