//! What a simulated device and its driver say of themselves: constant for the life of a simulation.

use serde::{Deserialize, Serialize};

use crate::timeline::Timing;

/// Everything about a simulation that does not change while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Driver version as NVML shows it, such as `550.163.01`.
    pub driver_version: String,
    /// Newest CUDA version of the driver: 1000 × major + 10 × minor.
    pub cuda_version: i32,
    /// Device memory taken by each context, in bytes. A figure of the model, not measured on hardware.
    pub context_bytes: u64,
    /// How the devices take their time.
    #[serde(default)]
    pub timing: Timing,
    /// The devices, in the order of their indices.
    pub devices: Vec<DeviceInfo>,
}

/// One simulated device. Clocks are MHz, power is milliwatts, temperatures are degrees Celsius, sizes are bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct DeviceInfo {
    /// Position among the devices of the simulation; also the minor number.
    pub index: u32,
    pub name: String,
    pub uuid: [u8; 16],
    pub serial: String,
    pub pci: Pci,
    pub memory_total: u64,
    pub sm_count: u32,
    /// Compute capability, major then minor.
    pub compute_capability: (u32, u32),
    pub memory_bus_width_bits: u32,
    /// Memory bandwidth in bytes per second.
    pub memory_bandwidth: u64,
    pub l2_cache_bytes: u32,
    pub shared_memory_per_block: u32,
    pub shared_memory_per_block_optin: u32,
    pub shared_memory_per_sm: u32,
    pub max_threads_per_sm: u32,
    pub max_blocks_per_sm: u32,
    pub bar1_bytes: u64,
    pub clocks: Clocks,
    pub power: Power,
    pub temperature: Temperature,
    pub vbios: String,
    pub board_part_number: String,
    /// Whether the error-correcting mode is on.
    pub ecc: bool,
    /// Whether the device has a multi-instance (MIG) mode; it is off.
    pub mig_capable: bool,
}

/// Address and identity on the PCI bus.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pci {
    /// PCI domain.
    pub domain: u32,
    /// PCI bus.
    pub bus: u32,
    /// PCI device.
    pub device: u32,
    /// Device id in the upper half, vendor id (0x10DE) in the lower.
    pub device_id: u32,
    /// Subsystem id in the upper half, vendor id in the lower.
    pub subsystem_id: u32,
    /// Highest link generation.
    pub link_generation: u32,
    /// Highest number of lanes.
    pub link_width: u32,
}

/// Clock frequencies in MHz.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Clocks {
    pub graphics_idle: u32,
    pub graphics_max: u32,
    pub memory_idle: u32,
    pub memory_max: u32,
    pub video_max: u32,
}

/// Power in milliwatts.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Power {
    pub idle: u32,
    pub limit_default: u32,
    pub limit_min: u32,
    pub limit_max: u32,
}

/// Temperatures in degrees Celsius.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Temperature {
    pub idle: u32,
    pub full_load: u32,
    pub slowdown: u32,
    pub shutdown: u32,
}

impl DeviceInfo {
    /// The UUID as the vendor's tools print it: `GPU-` and the hexadecimal groups.
    pub fn uuid_string(&self) -> String {
        let hex: String = self.uuid.iter().map(|b| format!("{b:02x}")).collect();
        format!("GPU-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
