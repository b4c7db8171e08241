//! The board around the chip: its configuration memory (infoROM), firmware, PCI link and bridge chips.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::entry::{Lent, NOT_SUPPORTED, on_device};
use core::ffi::{c_char, c_uint};
use ffi_headers::nvml::*;

/// Board and configuration from the part number, `692-2G520-0280-000`, as image versions are made: `G520.0280.00.05`.
fn image_version(device: Device) -> Option<String> {
    let mut parts = device.info.board_part_number.split('-').skip(1);
    let (board, configuration) = (parts.next()?, parts.next()?);
    Some(format!("{}.{configuration}.00.05", board.get(1..)?))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetInforomImageVersion(
    device: nvmlDevice_t,
    version: Lent<c_char>,
    length: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| version.write_text(length, &image_version(device).ok_or(NVML_ERROR_NOT_SUPPORTED)?))
}

/// The power object exists on boards of earlier generations only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetInforomVersion(
    device: nvmlDevice_t,
    object: nvmlInforomObject_t,
    version: Lent<c_char>,
    length: c_uint,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let generation = device.info.compute_capability.0;
        let text = match object {
            NVML_INFOROM_OEM if generation < 8 => "1.1",
            NVML_INFOROM_OEM => "2.1",
            NVML_INFOROM_ECC if generation < 8 => "5.0",
            NVML_INFOROM_ECC if generation == 8 => "6.16",
            NVML_INFOROM_ECC => "7.16",
            _ if object < NVML_INFOROM_COUNT => return Err(NVML_ERROR_NOT_SUPPORTED),
            _ => return Err(NVML_ERROR_INVALID_ARGUMENT),
        };
        version.write_text(length, text)
    })
}

/// The configuration memory is sound.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceValidateInforom(device: nvmlDevice_t) -> nvmlReturn_t {
    on_device(device, |_| Ok(()))
}

/// The system processor's firmware comes with the driver and has its version. The caller's buffer has 64 bytes, by
/// nvml.h.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGspFirmwareVersion(device: nvmlDevice_t, version: Lent<c_char>) -> nvmlReturn_t {
    on_device(device, |device| {
        version.write_text(NVML_GSP_FIRMWARE_VERSION_BUF_SIZE, device.simulation.driver_version())
    })
}

/// In use by default since Ampere.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGspFirmwareMode(
    device: nvmlDevice_t,
    enabled: Lent<c_uint>,
    default: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        default.check()?;
        let on = c_uint::from(device.info.compute_capability >= (8, 0));
        enabled.write(on)?;
        default.write(on)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxPcieLinkGeneration(
    device: nvmlDevice_t,
    generation: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| generation.write(device.info.pci.link_generation))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetGpuMaxPcieLinkGeneration(
    device: nvmlDevice_t,
    generation: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| generation.write(device.info.pci.link_generation))
}

/// The link is never slowed down to save power.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkGeneration(
    device: nvmlDevice_t,
    generation: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |device| generation.write(device.info.pci.link_generation))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMaxPcieLinkWidth(device: nvmlDevice_t, lanes: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| lanes.write(device.info.pci.link_width))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCurrPcieLinkWidth(device: nvmlDevice_t, lanes: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| lanes.write(device.info.pci.link_width))
}

/// The code of a speed is its generation's number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieLinkMaxSpeed(device: nvmlDevice_t, code: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| code.write(device.info.pci.link_generation))
}

/// Megatransfers per second and lane: 2500, 5000, 8000, then doubling with each generation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieSpeed(device: nvmlDevice_t, speed: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |device| {
        speed.write(match device.info.pci.link_generation {
            generation @ 3.. => 8000 << (generation - 3),
            2 => 5000,
            _ => 2500,
        })
    })
}

/// Traffic in KiB/s; the model does not follow it: 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieThroughput(
    device: nvmlDevice_t,
    counter: nvmlPcieUtilCounter_t,
    kib_per_second: Lent<c_uint>,
) -> nvmlReturn_t {
    on_device(device, |_| {
        if counter < NVML_PCIE_UTIL_COUNT { kib_per_second.write(0) } else { Err(NVML_ERROR_INVALID_ARGUMENT) }
    })
}

/// The link never has to repeat a packet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPcieReplayCounter(device: nvmlDevice_t, replays: Lent<c_uint>) -> nvmlReturn_t {
    on_device(device, |_| replays.write(0))
}

/// Bridge chips sit on boards with several devices.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBridgeChipInfo(
    device: nvmlDevice_t,
    _bridges: Lent<nvmlBridgeChipHierarchy_t>,
) -> nvmlReturn_t {
    on_device(device, |_| NOT_SUPPORTED)
}
