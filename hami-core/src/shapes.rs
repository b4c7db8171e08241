//! What hooked functions do, one file per family; rows of the table name these.
//!
//! Each takes the vendor's own function first and then the arguments. Without a quota each is that function and nothing
//! else. None holds a lock across a driver call that can wait.

/// Device memory taken and given back.
pub(crate) mod allocation;
/// Contexts made and destroyed, and what they take.
pub(crate) mod context;
/// Stream-ordered allocation, charged by what the pool keeps reserved.
pub(crate) mod pool;
/// What CUDA shows of a device.
pub(crate) mod view_cuda;
/// What NVML shows of a device.
pub(crate) mod view_nvml;

use ffi_headers::cuda::{CUDA_ERROR_OUT_OF_MEMORY, CUresult};

/// A number of bytes as a function's signature has it.
pub(crate) trait Bytes: Copy {
    /// As 64 bits.
    fn get(self) -> u64;
    /// From 64 bits; what does not fit becomes the greatest that does.
    fn from_u64(bytes: u64) -> Self;
}

impl Bytes for usize {
    fn get(self) -> u64 {
        self as u64
    }
    fn from_u64(bytes: u64) -> Self {
        bytes.try_into().unwrap_or(Self::MAX)
    }
}

impl Bytes for u32 {
    fn get(self) -> u64 {
        self.into()
    }
    fn from_u64(bytes: u64) -> Self {
        bytes.try_into().unwrap_or(Self::MAX)
    }
}

impl Bytes for u64 {
    fn get(self) -> u64 {
        self
    }
    fn from_u64(bytes: u64) -> Self {
        bytes
    }
}

/// The answer to a request that the quota has no room for.
const REFUSED: CUresult = CUDA_ERROR_OUT_OF_MEMORY;
