//! Environment variables that `hami` reads and sets. Those of the library have the names that HAMi gave them.

/// Bytes of device memory granted, per device. `_0`, `_1`, … may follow: then it is about the device with that index.
pub const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
/// Percent of compute granted, per device. An index may follow as well.
pub const SM_LIMIT: &str = "CUDA_DEVICE_SM_LIMIT";
/// How the share of compute is held.
pub const POLICY: &str = "GPU_CORE_UTILIZATION_POLICY";
/// Whose work goes first.
pub const PRIORITY: &str = "CUDA_TASK_PRIORITY";
/// Whether a quota may exceed the device's memory: a switch.
pub const OVERSUBSCRIBE: &str = "CUDA_OVERSUBSCRIBE";
/// Whether a request over the quota ends the process that makes it: a switch.
pub const OOM_KILLER: &str = "ACTIVE_OOM_KILLER";
/// Path of the shared region, in which the processes of one tenant account together.
pub const SHARED_CACHE: &str = "CUDA_DEVICE_MEMORY_SHARED_CACHE";
/// Which devices CUDA shows, and in which order: indices or UUIDs, separated by commas.
pub const VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";
/// Libraries that the dynamic loader loads first, separated by spaces or colons.
pub const PRELOAD: &str = "LD_PRELOAD";
/// Where libhami_core.so lies, when it is not at its usual places.
pub const LIBRARY: &str = "HAMI_CORE_LIBRARY";
/// A folder of this user's own that is emptied when the user logs out (XDG Base Directory Specification).
pub const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// A folder for temporary files.
pub const TEMPORARY_DIR: &str = "TMPDIR";

/// Whether `name` sets the limit of one device: the general variable's name, an underscore, and the device's index.
pub fn is_indexed(general: &str, name: &str) -> bool {
    let index = name.strip_prefix(general).and_then(|rest| rest.strip_prefix('_'));
    index.is_some_and(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}
