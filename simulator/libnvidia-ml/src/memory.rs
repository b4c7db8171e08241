//! Device memory: how much there is, is used and is free; the PCI window onto it; its faults.
// UNSAFETY: exports C functions.
#![expect(unsafe_code)]

use crate::entry::{Lent, on_device, version};
use ffi_headers::nvml::*;

/// Memory that the driver keeps for itself. The model keeps none: what no process uses is free.
const RESERVED: u64 = 0;

/// In the first form the driver's own part counts as used. A few loads from shared memory: no system call, no
/// allocation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo(device: nvmlDevice_t, memory: Lent<nvmlMemory_t>) -> nvmlReturn_t {
    on_device(device, |device| {
        let total = device.info.memory_total;
        let used = device.simulation.used_bytes(device.index) + RESERVED;
        memory.write(nvmlMemory_t { total, free: total - used, used })
    })
}

/// In the second form it stands apart.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    device: nvmlDevice_t,
    memory: Lent<nvmlMemory_v2_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        memory.edit(|out| {
            version(out.version, size_of::<nvmlMemory_v2_t>(), 2)?;
            let total = device.info.memory_total;
            let used = device.simulation.used_bytes(device.index);
            *out = nvmlMemory_v2_t {
                version: out.version,
                total,
                reserved: RESERVED,
                free: total - used - RESERVED,
                used,
            };
            Ok(())
        })
    })
}

/// What an idle driver maps of the window, by nvidia-smi on data-centre devices: 1 MiB; each context maps 2 MiB more
/// in this model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetBAR1MemoryInfo(
    device: nvmlDevice_t,
    bar1: Lent<nvmlBAR1Memory_t>,
) -> nvmlReturn_t {
    on_device(device, |device| {
        let contexts: u64 =
            device.simulation.processes(device.index).iter().map(|process| u64::from(process.contexts)).sum();
        let total = device.info.bar1_bytes;
        let used = ((1 << 20) + contexts * (2 << 20)).min(total);
        bar1.write(nvmlBAR1Memory_t { bar1Total: total, bar1Free: total - used, bar1Used: used })
    })
}
