//! What the environment says, read once; a value that cannot be read means "nothing is granted".

use std::path::PathBuf;

pub(crate) use shared_region::size::{ACCEPTED as ACCEPTED_SIZES, parse as parse_size};

use crate::log;

/// Names of environment variables that the library reads, as HAMi has them. `_0`, `_1`, … may follow the first two.
pub(crate) mod names {
    /// Bytes of device memory granted, per device.
    pub(crate) const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
    /// Percent of compute granted, per device.
    pub(crate) const SM_LIMIT: &str = "CUDA_DEVICE_SM_LIMIT";
    /// Whether a quota may exceed the device's memory.
    pub(crate) const OVERSUBSCRIBE: &str = "CUDA_OVERSUBSCRIBE";
    /// Path of the shared region.
    pub(crate) const SHARED_CACHE: &str = "CUDA_DEVICE_MEMORY_SHARED_CACHE";
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
    /// Whether a quota may exceed the device.
    oversubscribe: bool,
    /// `CUDA_VISIBLE_DEVICES` as it is when CUDA reads it.
    visible: Option<String>,
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
        let oversubscribe = lookup(names::OVERSUBSCRIBE).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        Ok(Self {
            memory,
            memory_by_index,
            compute_limited,
            oversubscribe,
            visible: lookup(names::VISIBLE_DEVICES),
            region,
        })
    }

    /// Bytes granted on the device with this index; `None`: no limit.
    pub(crate) fn memory_limit(&self, index: usize) -> Option<u64> {
        match self.memory_by_index.get(index) {
            Some(Some(own)) => *own,
            _ => self.memory,
        }
    }

    /// Whether any device has a limit of any kind.
    pub(crate) fn limits_anything(&self) -> bool {
        self.compute_limited
            || self.memory.is_some()
            || self.memory_by_index.iter().any(|own| matches!(own, Some(Some(_))))
    }

    /// Variables that ask for what this version does not do.
    pub(crate) fn without_effect(&self) -> impl Iterator<Item = &'static str> {
        [(self.compute_limited, names::SM_LIMIT), (self.oversubscribe, names::OVERSUBSCRIBE)]
            .into_iter()
            .filter_map(|(asked, name)| asked.then_some(name))
    }

    /// Index, among the devices that the container has, of the CUDA device with this ordinal; `None` when
    /// `CUDA_VISIBLE_DEVICES` named devices in another way than by index.
    pub(crate) fn container_index(&self, ordinal: usize) -> Option<usize> {
        match &self.visible {
            None => Some(ordinal),
            Some(list) => list.split(',').nth(ordinal)?.trim().parse().ok(),
        }
    }

    /// Whether devices differ, so that it matters which index a device has.
    pub(crate) fn differs_by_index(&self) -> bool {
        !self.memory_by_index.is_empty()
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
