//! What hooked functions do, one file per family; rows of the table name these.
//!
//! Each takes the vendor's own function first and then the arguments. Without a quota each is that function and nothing
//! else. None holds a lock across a driver call that can wait.
// UNSAFETY: sends a signal to this process.
#![expect(unsafe_code)]

/// Device memory taken and given back.
pub(crate) mod allocation;
/// Arrays and mipmapped arrays.
pub(crate) mod array;
/// Streams that are captured.
pub(crate) mod capture;
/// Contexts made and destroyed, and what they take.
pub(crate) mod context;
/// Copies within device memory.
pub(crate) mod copy;
/// Device memory that is filled.
pub(crate) mod fill;
/// Graphs that allocate memory.
pub(crate) mod graph;
/// Green contexts: parts of a device's primary context.
pub(crate) mod green;
/// Kernels.
pub(crate) mod launch;
/// Code, and limits of a context, which take device memory too.
pub(crate) mod overhead;
/// Virtual memory management.
pub(crate) mod physical;
/// Stream-ordered allocation, charged by what the pool keeps reserved.
pub(crate) mod pool;
/// What goes into a stream and takes no compute.
pub(crate) mod stream;
/// What CUDA shows of a device.
pub(crate) mod view_cuda;
/// What NVML shows of a device.
pub(crate) mod view_nvml;

use ffi_headers::cuda::{
    CU_MEM_LOCATION_TYPE_DEVICE, CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN, CUDA_ERROR_OUT_OF_MEMORY, CUdevice,
    CUmemLocation, CUresult,
};

use crate::tenant::{Quota, Tenant};
use crate::{compute, log};

/// Whether launches are of no interest: no work is gated, and no code that comes with one takes memory from a quota.
#[inline]
pub(crate) fn launches_pass() -> bool {
    compute::is_off() && !overhead::watches_launches()
}

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

/// The ordinal of the device that a location is on; `None`: memory there takes nothing of a device.
fn device_at(location: CUmemLocation) -> Option<CUdevice> {
    match location.type_ {
        CU_MEM_LOCATION_TYPE_DEVICE => Some(location.id),
        // A part of a device's memory; its ordinal is in the lowest byte (cuda.h of CUDA 13.4).
        CU_MEM_LOCATION_TYPE_DEVICE_LOCALITY_DOMAIN => Some(location.id & 0xff),
        _ => None,
    }
}

/// The answer to a request that the quota has no room for.
const REFUSED: CUresult = CUDA_ERROR_OUT_OF_MEMORY;

/// The answer to a request that the quota has no room for; or the end of the process, where that is asked for.
#[inline]
fn refused(tenant: &Tenant, quota: &Quota) -> CUresult {
    // A quota of 0 is one that could not be told, or a region that could not be opened.
    if quota.limit() > 0 && tenant.ends_process_over_quota() {
        end_process();
    }
    REFUSED
}

/// What `ACTIVE_OOM_KILLER` asks for: SIGKILL, as the kernel does it to who is out of host memory.
#[cold]
fn end_process() {
    log::error!("over the memory quota, and ACTIVE_OOM_KILLER is set: this process ends");
    // SAFETY: a signal to this process; no memory is touched.
    let _ends = unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
}
