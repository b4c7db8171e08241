//! Environment variables that `hami` reads and sets. Those of the library have the names that HAMi gave them.

/// Bytes of device memory granted, per device. `_0`, `_1`, … may follow: then it is about the device with that index.
pub const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
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
