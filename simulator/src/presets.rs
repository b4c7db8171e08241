//! The device models that can be simulated, as data.
//!
//! Names, memory sizes, SM counts, limits of a block or SM, bus widths and power limits follow the vendor's data sheets and
//! programming guide; PCI ids follow the public PCI id list. Idle values (clocks, power, temperature), serials, UUIDs and
//! VBIOS versions are figures of the model.

use crate::device::{Clocks, Description, DeviceInfo, Pci, Power, Temperature};
use crate::timeline::Timing;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Device memory of one context unless it is set: a figure of the model, not measured.
pub const DEFAULT_CONTEXT_BYTES: u64 = 96 * MIB;

/// Most devices in one simulation.
pub const MAX_DEVICES: usize = 16;

/// Largest memory of one device in bytes.
pub const MAX_MEMORY: u64 = (1 << 40) - 1;

/// One device model.
pub struct Preset {
    /// What `--model` accepts, in any case.
    pub key: &'static str,
    make: fn() -> DeviceInfo,
}

/// Every model, the default one first.
pub const PRESETS: &[Preset] =
    &[Preset { key: "H200", make: h200 }, Preset { key: "A100-80GB", make: a100 }, Preset { key: "T4", make: t4 }];

/// One driver that can be presented.
pub struct Driver {
    /// What `--driver` accepts.
    pub key: &'static str,
    /// Full version as NVML shows it.
    pub version: &'static str,
    /// Newest CUDA version: 1000 × major + 10 × minor.
    pub cuda_version: i32,
}

/// Every driver, the default one first.
pub const DRIVERS: &[Driver] = &[
    Driver { key: "550", version: "550.163.01", cuda_version: 12040 },
    Driver { key: "535", version: "535.261.03", cuda_version: 12020 },
    Driver { key: "580", version: "580.65.06", cuda_version: 13000 },
];

impl Preset {
    /// The model called `name` (any case).
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|p| p.key.eq_ignore_ascii_case(name))
    }

    /// The description of `count` devices of this model, each with its own UUID, serial and PCI bus.
    ///
    /// `memory` replaces the model's memory size, in bytes.
    pub fn describe(&self, count: usize, memory: Option<u64>, driver: &Driver, context_bytes: u64) -> Description {
        let devices = (0..count).map(|index| {
            let mut device = (self.make)();
            let n = index as u32;
            device.index = n;
            device.uuid = uuid(device.pci.device_id, n);
            device.serial = format!("16{:05}{:06}", device.pci.device_id >> 16, n + 1);
            device.pci.bus = 0x18 + 0x0a * n;
            device.memory_total = memory.unwrap_or(device.memory_total);
            device
        });
        Description {
            driver_version: driver.version.to_owned(),
            cuda_version: driver.cuda_version,
            context_bytes,
            timing: Timing::default(),
            devices: devices.collect(),
        }
    }
}

/// A fixed, well-mixed UUID per model and index, with the version (4) and variant bits of RFC 9562 set.
fn uuid(device_id: u32, index: u32) -> [u8; 16] {
    let mut state = (u64::from(device_id) << 32) | u64::from(index);
    let mut bytes = [0u8; 16];
    for half in bytes.chunks_mut(8) {
        // splitmix64: neighbouring seeds give unrelated words.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes());
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

fn h200() -> DeviceInfo {
    DeviceInfo {
        index: 0,
        name: "NVIDIA H200".into(),
        uuid: [0; 16],
        serial: String::new(),
        pci: pci(0x2335_10de, 0x18be_10de, 5),
        memory_total: 143_771 * MIB,
        sm_count: 132,
        compute_capability: (9, 0),
        memory_bus_width_bits: 6144,
        memory_bandwidth: 4_800_000_000_000,
        l2_cache_bytes: 60 << 20,
        shared_memory_per_block: 48 << 10,
        shared_memory_per_block_optin: 227 << 10,
        shared_memory_per_sm: 228 << 10,
        max_threads_per_sm: 2048,
        max_blocks_per_sm: 32,
        bar1_bytes: 256 * GIB,
        clocks: Clocks { graphics_idle: 345, graphics_max: 1980, memory_idle: 3201, memory_max: 3201, video_max: 1545 },
        power: Power { idle: 75_000, limit_default: 700_000, limit_min: 200_000, limit_max: 700_000 },
        temperature: Temperature { idle: 28, full_load: 65, slowdown: 86, shutdown: 92 },
        vbios: "96.00.BC.00.01".into(),
        board_part_number: "692-2G520-0280-000".into(),
        ecc: true,
        mig_capable: true,
    }
}

fn a100() -> DeviceInfo {
    DeviceInfo {
        name: "NVIDIA A100-SXM4-80GB".into(),
        pci: pci(0x20b2_10de, 0x147f_10de, 4),
        memory_total: 81_920 * MIB,
        sm_count: 108,
        compute_capability: (8, 0),
        memory_bus_width_bits: 5120,
        memory_bandwidth: 2_039_000_000_000,
        l2_cache_bytes: 40 << 20,
        shared_memory_per_block_optin: 163 << 10,
        shared_memory_per_sm: 164 << 10,
        bar1_bytes: 128 * GIB,
        clocks: Clocks { graphics_idle: 210, graphics_max: 1410, memory_idle: 1593, memory_max: 1593, video_max: 1290 },
        power: Power { idle: 60_000, limit_default: 400_000, limit_min: 100_000, limit_max: 400_000 },
        temperature: Temperature { idle: 29, full_load: 62, slowdown: 89, shutdown: 92 },
        vbios: "92.00.45.00.03".into(),
        board_part_number: "692-2G506-0210-002".into(),
        ..h200()
    }
}

fn t4() -> DeviceInfo {
    DeviceInfo {
        name: "Tesla T4".into(),
        pci: pci(0x1eb8_10de, 0x12a2_10de, 3),
        memory_total: 15_360 * MIB,
        sm_count: 40,
        compute_capability: (7, 5),
        memory_bus_width_bits: 256,
        memory_bandwidth: 320_000_000_000,
        l2_cache_bytes: 4 << 20,
        shared_memory_per_block_optin: 64 << 10,
        shared_memory_per_sm: 64 << 10,
        max_threads_per_sm: 1024,
        max_blocks_per_sm: 16,
        bar1_bytes: 256 * MIB,
        clocks: Clocks { graphics_idle: 300, graphics_max: 1590, memory_idle: 405, memory_max: 5001, video_max: 1470 },
        power: Power { idle: 9_000, limit_default: 70_000, limit_min: 60_000, limit_max: 70_000 },
        temperature: Temperature { idle: 30, full_load: 70, slowdown: 93, shutdown: 96 },
        vbios: "90.04.A7.00.01".into(),
        board_part_number: "900-2G183-0000-001".into(),
        mig_capable: false,
        ..h200()
    }
}

fn pci(device_id: u32, subsystem_id: u32, link_generation: u32) -> Pci {
    Pci { domain: 0, bus: 0, device: 0, device_id, subsystem_id, link_generation, link_width: 16 }
}
