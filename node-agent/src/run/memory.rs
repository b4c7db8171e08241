//! The memory quota asked for, against the one that is in force already.

use shared_region::size;

use super::Environment;
use super::around::Around;
use crate::variables::{MEMORY_LIMIT, is_indexed};

/// Reads `--memory`.
pub fn parse(text: &str) -> Result<u64, String> {
    size::parse(text).map_err(|_| size::ACCEPTED.to_owned())
}

/// Puts a quota of `bytes` on every device into the environment.
pub fn limit(bytes: u64, environment: &mut Environment) {
    environment.retain(|name, _| !name.to_str().is_some_and(|name| is_indexed(MEMORY_LIMIT, name)));
    environment.insert(MEMORY_LIMIT.into(), bytes.to_string().into());
}

/// Refuses a quota larger than one that the environment sets on any device. Limits of single devices count for all,
/// since the quota asked for will be on all.
///
/// # Errors
/// What is asked for, what is in force, and where that stands.
pub fn refuse_wider(bytes: u64, around: &Around) -> Result<(), String> {
    let asked = if bytes == 0 { "0 (no limit)".to_owned() } else { format!("{bytes} bytes") };
    match &around.memory {
        Some((least, setting)) if bytes == 0 || bytes > *least => Err(format!(
            "--memory {asked} is more than the limit around this run, {setting} ({least} bytes); ask for at most that"
        )),
        _ => Ok(()),
    }
}
