//! What the environment says, read once; a value that cannot be read means "nothing is granted".

use std::path::PathBuf;

use shared_region::limits::Limit;
use shared_region::share::{self, Policy};
pub(crate) use shared_region::size::{ACCEPTED as ACCEPTED_SIZES, parse as parse_size};
use shared_region::switch;

use crate::{log, visible};

/// Names of environment variables that the library reads, as HAMi has them. `_0`, `_1`, … may follow the first two.
pub(crate) mod names {
    /// Bytes of device memory granted, per device.
    pub(crate) const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
    /// Percent of compute granted, per device.
    pub(crate) const SM_LIMIT: &str = "CUDA_DEVICE_SM_LIMIT";
    /// How the share of compute is held.
    pub(crate) const POLICY: &str = "GPU_CORE_UTILIZATION_POLICY";
    /// Whose work goes first.
    pub(crate) const PRIORITY: &str = "CUDA_TASK_PRIORITY";
    /// Path of the file in which tenants take turns at devices; ours, HAMi has none.
    pub(crate) const TURNS: &str = "HAMI_TURNS";
    /// Whether a quota may exceed the device's memory.
    pub(crate) const OVERSUBSCRIBE: &str = "CUDA_OVERSUBSCRIBE";
    /// Whether a request over the quota ends the process that makes it.
    pub(crate) const OOM_KILLER: &str = "ACTIVE_OOM_KILLER";
    /// Path of the shared region.
    pub(crate) const SHARED_CACHE: &str = "CUDA_DEVICE_MEMORY_SHARED_CACHE";
    /// Devices that the container was given, in the order in which limits are numbered.
    pub(crate) const GRANTED_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";
    /// Which devices CUDA shows, and in which order.
    pub(crate) const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";
}

/// Most devices for which a variable with an index is looked up.
const MAX_INDEX: usize = shared_region::MAX_DEVICES;

/// The environment's wishes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Config {
    /// Bytes per device where no index says otherwise; `None`: no limit.
    memory: Option<u64>,
    /// By index: `Some(None)` is "no limit on this device", whatever `memory` says.
    memory_by_index: Vec<Option<Option<u64>>>,
    /// Hundredths of a percent of compute per device where no index says otherwise; `None`: no limit.
    cores: Option<u16>,
    /// By index, as with memory.
    cores_by_index: Vec<Option<Option<u16>>>,
    /// How shares of compute are held, if that is said.
    policy: Option<Policy>,
    /// Whose work goes first, if that is said.
    priority: Option<u8>,
    /// Whether a quota may exceed the device, and what does not fit is spilled to the host.
    pub(crate) oversubscribe: bool,
    /// Whether a request over the quota ends the process.
    pub(crate) oom_killer: bool,
    /// `CUDA_VISIBLE_DEVICES` as it is when CUDA reads it.
    visible: Option<String>,
    /// `NVIDIA_VISIBLE_DEVICES`, of which only lists of UUIDs count.
    granted: Option<String>,
    /// The shared region's file, if one is named.
    pub(crate) region: Option<PathBuf>,
    /// The file in which tenants take turns, if one is named.
    pub(crate) turns: Option<PathBuf>,
}

/// What is asked for on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wish {
    /// Bytes of memory; `None`: no limit.
    pub(crate) memory: Option<u64>,
    /// Hundredths of a percent of compute, 1 to 9999; `None`: no limit.
    pub(crate) cores: Option<u16>,
    /// How that share is held, if it is said.
    pub(crate) policy: Option<Policy>,
    /// Whose work goes first, if it is said.
    pub(crate) priority: Option<u8>,
}

impl Wish {
    /// Nothing is asked for.
    pub(crate) const NONE: Self = Self { memory: None, cores: None, policy: None, priority: None };

    /// This wish, but for what a file of limits says.
    pub(crate) fn under(self, limit: Limit) -> Self {
        Self {
            memory: limit.memory.map_or(self.memory, |bytes| (bytes != 0).then_some(bytes)),
            cores: limit.cores.map_or(self.cores, |cores| (1..share::WHOLE).contains(&cores).then_some(cores)),
            policy: limit.policy.or(self.policy),
            priority: limit.priority.or(self.priority),
        }
    }

    /// What follows for compute. A priority alone makes a tenant take turns: the others cannot give way to who is not seen.
    pub(crate) fn share(self) -> Share {
        let policy = self.policy.unwrap_or_default();
        let asked = self.cores.is_some() || self.priority.is_some() || policy == Policy::BestEffort;
        let gated = asked && policy != Policy::Disabled;
        let cores = self.cores.filter(|_| gated);
        Share { cores, policy, priority: self.priority.unwrap_or(share::DEFAULT_PRIORITY), gated }
    }
}

/// What a tenant is granted of a device's compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Hundredths of a percent of the device's time, 1 to 9999; `None`: no cap.
    pub(crate) cores: Option<u16>,
    /// How it is held.
    pub(crate) policy: Policy,
    /// 0 goes first, [`share::LAST_PRIORITY`] last.
    pub(crate) priority: u8,
    /// Whether work is gated at all: there is a cap, or the tenant was told to give way or to go first.
    pub(crate) gated: bool,
}

impl Share {
    /// In one word, so that it can be replaced while others read it.
    pub(crate) fn to_bits(self) -> u32 {
        let [low, high] = self.cores.unwrap_or(0).to_le_bytes();
        u32::from_le_bytes([low, high, self.policy as u8, self.priority << 1 | u8::from(self.gated)])
    }

    /// From such a word.
    pub(crate) fn from_bits(bits: u32) -> Self {
        let [low, high, policy, last] = bits.to_le_bytes();
        let cores = u16::from_le_bytes([low, high]);
        let policy = Policy::from_u8(policy).unwrap_or_default();
        Self { cores: (cores != 0).then_some(cores), policy, priority: last >> 1, gated: last & 1 != 0 }
    }
}

/// A value that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    variable: String,
    value: String,
    accepted: &'static str,
}

impl core::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { variable, value, accepted } = self;
        write!(f, "{variable}={value:?} cannot be read: {accepted}; no device memory is granted until it is mended")
    }
}

/// A variable that is set and not empty; empty means unset, as in HAMi.
pub(crate) fn variable(name: &core::ffi::CStr) -> Option<String> {
    log::getenv(name).filter(|value| !value.trim().is_empty())
}

/// What holds for a device: its own limit if it has one, and the general one otherwise.
fn of_index<T: Copy + Ord>(general: Option<T>, own: &[Option<Option<T>>], index: Option<usize>) -> Option<T> {
    let Some(index) = index else { return own.iter().flatten().copied().chain([general]).flatten().min() };
    own.get(index).copied().flatten().unwrap_or(general)
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first value that cannot be read.
    pub(crate) fn read() -> Result<Self, Unreadable> {
        Self::from_lookup(|name| variable(&std::ffi::CString::new(name).ok()?))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Unreadable> {
        let size = |name: &str| -> Result<Option<Option<u64>>, Unreadable> {
            let Some(value) = lookup(name) else { return Ok(None) };
            match parse_size(&value) {
                Ok(0) => Ok(Some(None)),
                Ok(bytes) => Ok(Some(Some(bytes))),
                Err(_) => Err(Unreadable { variable: name.to_owned(), value, accepted: ACCEPTED_SIZES }),
            }
        };
        let percent = |name: &str| -> Result<Option<Option<u16>>, Unreadable> {
            let Some(value) = lookup(name) else { return Ok(None) };
            match share::parse_percent(&value) {
                Ok(percent) => Ok(Some((percent != 0).then_some(percent))),
                Err(_) => Err(Unreadable { variable: name.to_owned(), value, accepted: share::ACCEPTED_PERCENT }),
            }
        };
        let switch = |name: &str| -> Result<bool, Unreadable> {
            let Some(value) = lookup(name) else { return Ok(false) };
            switch::parse(&value).map_err(|_| Unreadable {
                variable: name.to_owned(),
                value,
                accepted: switch::ACCEPTED,
            })
        };
        let indexed = |name: &str, index: usize| format!("{name}_{index}");
        let memory = size(names::MEMORY_LIMIT)?.flatten();
        let mut memory_by_index =
            (0..MAX_INDEX).map(|index| size(&indexed(names::MEMORY_LIMIT, index))).collect::<Result<Vec<_>, _>>()?;
        while memory_by_index.last() == Some(&None) {
            memory_by_index.pop();
        }
        let cores = percent(names::SM_LIMIT)?.flatten();
        let mut cores_by_index =
            (0..MAX_INDEX).map(|index| percent(&indexed(names::SM_LIMIT, index))).collect::<Result<Vec<_>, _>>()?;
        while cores_by_index.last() == Some(&None) {
            cores_by_index.pop();
        }
        let read = |name: &str, accepted: &'static str| {
            let value = lookup(name)?;
            Some((value.clone(), Unreadable { variable: name.to_owned(), value, accepted }))
        };
        let policy = match read(names::POLICY, share::ACCEPTED_POLICY) {
            None => None,
            Some((value, unreadable)) => Some(share::parse_policy(&value).map_err(|_| unreadable)?),
        };
        let priority = match read(names::PRIORITY, share::ACCEPTED_PRIORITY) {
            None => None,
            Some((value, unreadable)) => Some(share::parse_priority(&value).map_err(|_| unreadable)?),
        };
        let region = lookup(names::SHARED_CACHE).map(PathBuf::from);
        let oversubscribe = switch(names::OVERSUBSCRIBE)?;
        let oom_killer = switch(names::OOM_KILLER)?;
        Ok(Self {
            memory,
            memory_by_index,
            cores,
            cores_by_index,
            policy,
            priority,
            oversubscribe,
            oom_killer,
            visible: lookup(names::VISIBLE_DEVICES),
            granted: lookup(names::GRANTED_DEVICES),
            region,
            turns: lookup(names::TURNS).map(PathBuf::from),
        })
    }

    /// What is asked for on the device with this index. Where nobody knows the index, the smallest of all limits counts.
    pub(crate) fn wish(&self, index: Option<usize>) -> Wish {
        Wish {
            memory: of_index(self.memory, &self.memory_by_index, index),
            cores: of_index(self.cores, &self.cores_by_index, index),
            policy: self.policy,
            priority: self.priority,
        }
    }

    /// Whether any device has a limit of any kind.
    pub(crate) fn limits_anything(&self) -> bool {
        self.limits_compute() || self.limits_memory()
    }

    /// Whether work on any device is gated.
    pub(crate) fn limits_compute(&self) -> bool {
        let mut any = self.cores_by_index.iter().flatten().copied().chain([self.cores]);
        any.any(|cores| Wish { cores, ..self.wish(Some(0)) }.share().gated)
    }

    /// Index, among the devices that the container has, of the CUDA device with this ordinal, as far as `CUDA_VISIBLE_DEVICES`
    /// tells by itself; `None` where it names the device by UUID. CUDA's indices are NVML's only if `CUDA_DEVICE_ORDER` is
    /// `PCI_BUS_ID` or all devices are of one model, so NVML's own answer goes before this one.
    pub(crate) fn container_index(&self, ordinal: usize) -> Option<usize> {
        match &self.visible {
            None => Some(ordinal),
            Some(list) => visible::container_index(list, ordinal, &[]),
        }
    }

    /// Place of a device in the list of those that the container was given, if that names devices by their UUIDs: HAMi numbers
    /// limits in the order of that list. `Some(None)`: it does, but not this device.
    pub(crate) fn granted_index(&self, uuid: [u8; 16]) -> Option<Option<usize>> {
        visible::place_by_uuid(self.granted.as_ref()?, uuid)
    }

    /// Whether any device has a limit on its memory.
    pub(crate) fn limits_memory(&self) -> bool {
        self.memory.is_some() || self.memory_by_index.iter().any(|own| matches!(own, Some(Some(_))))
    }

    /// Whether devices differ, so that it matters which index a device has.
    pub(crate) fn differs_by_index(&self) -> bool {
        !self.memory_by_index.is_empty() || !self.cores_by_index.is_empty()
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
