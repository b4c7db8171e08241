//! A device behind its handle.

use crate::session;
use ffi_headers::nvml::*;
use simulator::client::Simulation;
use simulator::device::DeviceInfo;
use simulator::presets::MAX_DEVICES;

/// One device of the simulation this process runs in.
#[derive(Clone, Copy)]
pub struct Device {
    /// The simulation.
    pub simulation: &'static Simulation,
    /// Position in it.
    pub index: usize,
    /// What does not change.
    pub info: &'static DeviceInfo,
}

/// Handles are addresses in this array, so a handle of another kind, or a made-up one, is told without reading
/// through it.
static HANDLES: [u64; MAX_DEVICES] = [0; MAX_DEVICES];

impl Device {
    fn new(simulation: &'static Simulation, index: usize) -> Self {
        Self { simulation, index, info: simulation.device(index) }
    }

    /// The device of a handle.
    #[inline]
    pub fn of(handle: nvmlDevice_t) -> Result<Self, nvmlReturn_t> {
        let simulation = session::simulation()?;
        let offset = handle.addr().wrapping_sub(HANDLES.as_ptr().addr());
        let index = offset / size_of::<u64>();
        if !offset.is_multiple_of(size_of::<u64>()) || index >= simulation.device_count() {
            return Err(NVML_ERROR_INVALID_ARGUMENT);
        }
        Ok(Self::new(simulation, index))
    }

    /// Every device, in the order of indices.
    pub fn all() -> Result<impl Iterator<Item = Self>, nvmlReturn_t> {
        let simulation = session::simulation()?;
        Ok((0..simulation.device_count()).map(|index| Self::new(simulation, index)))
    }

    /// The handle callers know this device by; the same in every process that loaded the library once.
    pub fn handle(self) -> nvmlDevice_t {
        (&raw const HANDLES[self.index]).cast_mut().cast()
    }

    /// Percent of the last sampling period in which the device worked.
    pub fn utilisation(self) -> u32 {
        self.simulation.utilisation(self.index)
    }

    /// Whether it worked at all in the last sampling period.
    pub fn busy(self) -> bool {
        self.utilisation() > 0
    }

    /// Whether its memory is stacked on the package (HBM): such memory has buses of 1024 bits and more.
    pub fn has_stacked_memory(self) -> bool {
        self.info.memory_bus_width_bits >= 1024
    }

    /// Whether faulty memory is replaced row by row (Ampere and newer) instead of page by page.
    pub fn remaps_rows(self) -> bool {
        self.info.compute_capability >= (8, 0)
    }
}
