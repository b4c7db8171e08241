//! What the environment says, read once; a value that cannot be read means "nothing is granted".

use std::path::PathBuf;

pub(crate) use shared_region::size::{ACCEPTED as ACCEPTED_SIZES, parse as parse_size};

use crate::{log, visible};

/// Names of environment variables that the library reads, as HAMi has them. `_0`, `_1`, … may follow the first two.
pub(crate) mod names {
    /// Bytes of device memory granted, per device.
    pub(crate) const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
    /// Percent of compute granted, per device.
    pub(crate) const SM_LIMIT: &str = "CUDA_DEVICE_SM_LIMIT";
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
    /// Whether any compute limit is set.
    compute_limited: bool,
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
        let percent = |name: &str| -> Result<bool, Unreadable> {
            let Some(value) = lookup(name) else { return Ok(false) };
            match value.trim().parse::<u32>() {
                Ok(percent) => Ok((1..100).contains(&percent)),
                Err(_) => Err(Unreadable {
                    variable: name.to_owned(),
                    value,
                    accepted: "accepted is a whole number of percent; 0, and 100 or more, mean no limit",
                }),
            }
        };
        let switch = |name: &str| -> Result<bool, Unreadable> {
            let Some(value) = lookup(name) else { return Ok(false) };
            match value.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true),
                "false" | "0" => Ok(false),
                _ => {
                    Err(Unreadable { variable: name.to_owned(), value, accepted: "accepted are true, 1, false and 0" })
                }
            }
        };
        let indexed = |name: &str, index: usize| format!("{name}_{index}");
        let memory = size(names::MEMORY_LIMIT)?.flatten();
        let mut memory_by_index =
            (0..MAX_INDEX).map(|index| size(&indexed(names::MEMORY_LIMIT, index))).collect::<Result<Vec<_>, _>>()?;
        while memory_by_index.last() == Some(&None) {
            memory_by_index.pop();
        }
        let mut compute_limited = percent(names::SM_LIMIT)?;
        for index in 0..MAX_INDEX {
            compute_limited |= percent(&indexed(names::SM_LIMIT, index))?;
        }
        let region = lookup(names::SHARED_CACHE).map(PathBuf::from);
        let oversubscribe = switch(names::OVERSUBSCRIBE)?;
        let oom_killer = switch(names::OOM_KILLER)?;
        Ok(Self {
            memory,
            memory_by_index,
            compute_limited,
            oversubscribe,
            oom_killer,
            visible: lookup(names::VISIBLE_DEVICES),
            granted: lookup(names::GRANTED_DEVICES),
            region,
        })
    }

    /// Bytes granted on the device with this index; `None`: no limit. Where nobody knows the index, the smallest of all
    /// limits counts.
    pub(crate) fn memory_limit(&self, index: impl Into<Option<usize>>) -> Option<u64> {
        let Some(index) = index.into() else {
            let own = self.memory_by_index.iter().flatten().copied();
            return own.chain([self.memory]).flatten().min();
        };
        match self.memory_by_index.get(index) {
            Some(Some(own)) => *own,
            _ => self.memory,
        }
    }

    /// Whether any device has a limit of any kind.
    pub(crate) fn limits_anything(&self) -> bool {
        self.compute_limited || self.limits_memory()
    }

    /// Variables that ask for what this version does not do.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        self.compute_limited.then_some(names::SM_LIMIT).into_iter()
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
        !self.memory_by_index.is_empty()
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
