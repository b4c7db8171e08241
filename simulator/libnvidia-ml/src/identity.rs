//! Who a device is: handles by index, UUID, serial number and PCI address, names, versions, board and PCI data.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Lent, fixed_text, initialised, on_device};
use core::ffi::{c_char, c_int, c_uint};
use ffi_headers::nvml::*;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: Lent<c_uint>) -> nvmlReturn_t {
    initialised(|| count.write(Device::all()?.count() as c_uint))
}

/// The old form counts the devices this user may open, and those are all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount(count: Lent<c_uint>) -> nvmlReturn_t {
    initialised(|| count.write(Device::all()?.count() as c_uint))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, handle: Lent<nvmlDevice_t>) -> nvmlReturn_t {
    initialised(|| find(handle, NVML_ERROR_INVALID_ARGUMENT, |device| device.index == index as usize))
}

/// As [`nvmlDeviceGetHandleByIndex_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex(index: c_uint, handle: Lent<nvmlDevice_t>) -> nvmlReturn_t {
    initialised(|| find(handle, NVML_ERROR_INVALID_ARGUMENT, |device| device.index == index as usize))
}

/// Accepts the text `nvmlDeviceGetUUID` gives, in any case.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: Lent<c_char>, handle: Lent<nvmlDevice_t>) -> nvmlReturn_t {
    initialised(|| {
        let wanted = uuid.read_text()?;
        find(handle, NVML_ERROR_NOT_FOUND, |device| device.info.uuid_string().eq_ignore_ascii_case(wanted))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleBySerial(serial: Lent<c_char>, handle: Lent<nvmlDevice_t>) -> nvmlReturn_t {
    initialised(|| {
        let wanted = serial.read_text()?;
        find(handle, NVML_ERROR_NOT_FOUND, |device| device.info.serial == wanted)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    bus_id: Lent<c_char>,
    handle: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    initialised(|| by_bus_id(bus_id, handle))
}

/// As [`nvmlDeviceGetHandleByPciBusId_v2`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId(
    bus_id: Lent<c_char>,
    handle: Lent<nvmlDevice_t>,
) -> nvmlReturn_t {
    initialised(|| by_bus_id(bus_id, handle))
}

fn find(
    handle: Lent<nvmlDevice_t>,
    missing: nvmlReturn_t,
    wanted: impl Fn(&Device) -> bool,
) -> Result<(), nvmlReturn_t> {
    handle.check()?;
    let device = Device::all()?.find(wanted).ok_or(missing)?;
    handle.write(device.handle())
}

fn by_bus_id(bus_id: Lent<c_char>, handle: Lent<nvmlDevice_t>) -> Result<(), nvmlReturn_t> {
    let (domain, bus, slot) = parse_bus_id(bus_id.read_text()?).ok_or(NVML_ERROR_INVALID_ARGUMENT)?;
    find(handle, NVML_ERROR_NOT_FOUND, |device| {
        let pci = device.info.pci;
        (pci.domain, pci.bus, pci.device) == (domain, bus, slot)
    })
}

/// Reads `domain:bus:device.function` or, for domain 0, `bus:device.function`, all hexadecimal; the function is 0 or
/// absent.
fn parse_bus_id(text: &str) -> Option<(u32, u32, u32)> {
    let (address, function) = text.split_once('.').unwrap_or((text, "0"));
    if u32::from_str_radix(function, 16).ok()? != 0 {
        return None;
    }
    let numbers: Vec<u32> = address.split(':').map(|part| u32::from_str_radix(part, 16).ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [bus, device] => Some((0, bus, device)),
        [domain, bus, device] => Some((domain, bus, device)),
        _ => None,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: nvmlDevice_t, name: Lent<c_char>, length: c_uint) -> nvmlReturn_t {
    on_device(device, |device| name.write_text(length, &device.info.name))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: nvmlDevice_t, uuid: Lent<c_char>, length: c_uint) -> nvmlReturn_t {
    on_device(device, |device| uuid.write_text(length, &device.info.uuid_string()))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSerial(
    device: nvmlDevice_t,
    serial: Lent<c_char>,
    length: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| serial.write_text(length, &device.info.serial))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetIndex(device: nvmlDevice_t, index: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| index.write(device.index as c_uint))
}

/// The number in the device node's name, /dev/nvidiaN.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMinorNumber(device: nvmlDevice_t, minor: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| minor.write(device.info.index))
}

/// Position of the module on its baseboard; numbered from 1, as on HGX boards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetModuleId(device: nvmlDevice_t, module: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| module.write(device.info.index + 1))
}

/// Data-centre products have carried the plain brand since the Tesla brand was given up, also those whose name still
/// says Tesla.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBrand(device: nvmlDevice_t, brand: Lent<nvmlBrandType_t>) -> nvmlReturn_t {
    on_device(device, |_| brand.write(NVML_BRAND_NVIDIA))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetArchitecture(
    device: nvmlDevice_t,
    architecture: Lent<nvmlDeviceArchitecture_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        architecture.write(match device.info.compute_capability {
            (7, 0..=4) => NVML_DEVICE_ARCH_VOLTA,
            (7, _) => NVML_DEVICE_ARCH_TURING,
            (8, 9) => NVML_DEVICE_ARCH_ADA,
            (8, _) => NVML_DEVICE_ARCH_AMPERE,
            (9, _) => NVML_DEVICE_ARCH_HOPPER,
            _ => NVML_DEVICE_ARCH_UNKNOWN,
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: nvmlDevice_t,
    major: Lent<c_int>,
    minor: Lent<c_int>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let capability = device.info.compute_capability;
        minor.check()?;
        major.write(capability.0 as c_int)?;
        minor.write(capability.1 as c_int)
    })
}

/// FP32 lanes of all multiprocessors: 64 in each up to compute capability 8.0, 128 in each since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetNumGpuCores(device: nvmlDevice_t, cores: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| {
        let per_sm = if device.info.compute_capability <= (8, 0) { 64 } else { 128 };
        cores.write(device.info.sm_count * per_sm)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryBusWidth(device: nvmlDevice_t, bits: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| bits.write(device.info.memory_bus_width_bits))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetVbiosVersion(
    device: nvmlDevice_t,
    version: Lent<c_char>,
    length: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| version.write_text(length, &device.info.vbios))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBoardPartNumber(
    device: nvmlDevice_t,
    number: Lent<c_char>,
    length: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| number.write_text(length, &device.info.board_part_number))
}

/// Devices on one board share this number; each simulated device is its own board, told by its bus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBoardId(device: nvmlDevice_t, board: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| board.write(device.info.pci.domain << 16 | device.info.pci.bus << 8))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMultiGpuBoard(device: nvmlDevice_t, several: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| several.write(0))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceOnSameBoard(
    one: nvmlDevice_t,
    other: nvmlDevice_t,
    same: Lent<c_int>,
) -> nvmlReturn_t {
    on_device(one, |one| {
        let other = Device::of(other)?;
        same.write(c_int::from(one.index == other.index))
    })
}

/// Base class 3 (display controller), subclass 2 (3D controller): what compute devices without a display report.
const BASE_CLASS: c_uint = 0x03;
const SUB_CLASS: c_uint = 0x02;

fn bus_id(device: Device) -> String {
    let pci = device.info.pci;
    format!("{:08X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device)
}

fn pci_info(device: Device) -> nvmlPciInfo_t {
    let pci = device.info.pci;
    nvmlPciInfo_t {
        busIdLegacy: fixed_text(&format!("{:04X}:{:02X}:{:02X}.0", pci.domain, pci.bus, pci.device)),
        domain: pci.domain,
        bus: pci.bus,
        device: pci.device,
        pciDeviceId: pci.device_id,
        pciSubSystemId: pci.subsystem_id,
        busId: fixed_text(&bus_id(device)),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, pci: Lent<nvmlPciInfo_t>) -> nvmlReturn_t {
    on_device(device, |device| pci.write(pci_info(device)))
}

/// The second form's structure: the legacy bus id, the numbers, and four reserved words, without the long bus id. Its
/// caller has no room for more.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PciInfoV2 {
    bus_id: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
    subsystem_id: c_uint,
    reserved: [c_uint; 4],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo_v2(device: nvmlDevice_t, pci: Lent<PciInfoV2>) -> nvmlReturn_t {
    on_device(device, |device| {
        let full = pci_info(device);
        pci.write(PciInfoV2 {
            bus_id: full.busIdLegacy,
            domain: full.domain,
            bus: full.bus,
            device: full.device,
            device_id: full.pciDeviceId,
            subsystem_id: full.pciSubSystemId,
            reserved: [0; 4],
        })
    })
}

/// The first form's structure ends before the subsystem id.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PciInfoV1 {
    bus_id: [c_char; 16],
    domain: c_uint,
    bus: c_uint,
    device: c_uint,
    device_id: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfo(device: nvmlDevice_t, pci: Lent<PciInfoV1>) -> nvmlReturn_t {
    on_device(device, |device| {
        let full = pci_info(device);
        pci.write(PciInfoV1 {
            bus_id: full.busIdLegacy,
            domain: full.domain,
            bus: full.bus,
            device: full.device,
            device_id: full.pciDeviceId,
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPciInfoExt(device: nvmlDevice_t, pci: Lent<nvmlPciInfoExt_t>) -> nvmlReturn_t {
    on_device(device, |device| {
        pci.edit(|out| {
            crate::entry::version(out.version, size_of::<nvmlPciInfoExt_t>(), 1)?;
            let full = pci_info(device);
            *out = nvmlPciInfoExt_t {
                version: out.version,
                domain: full.domain,
                bus: full.bus,
                device: full.device,
                pciDeviceId: full.pciDeviceId,
                pciSubSystemId: full.pciSubSystemId,
                baseClass: BASE_CLASS,
                subClass: SUB_CLASS,
                busId: full.busId,
            };
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBusType(device: nvmlDevice_t, bus: Lent<nvmlBusType_t>) -> nvmlReturn_t {
    on_device(device, |_| bus.write(NVML_BUS_TYPE_PCIE))
}

#[cfg(test)]
mod tests {
    use super::parse_bus_id;

    #[test]
    fn bus_ids_are_read_with_and_without_domain_and_function() {
        assert_eq!(parse_bus_id("00000000:18:00.0"), Some((0, 0x18, 0)));
        assert_eq!(parse_bus_id("0001:ab:1F"), Some((1, 0xab, 0x1f)));
        assert_eq!(parse_bus_id("18:00.0"), Some((0, 0x18, 0)));
        for wrong in ["", "18", "18:00.1", "zz:00.0", "1:2:3:4", "18:00.x"] {
            assert_eq!(parse_bus_id(wrong), None, "{wrong}");
        }
    }
}
