//! Moves bytes between host and simulated device memory, after checking that the device side is allocated.
//!
#![expect(unsafe_code)]
// UNSAFETY: reads and writes at addresses that callers pass, as copies do; and allocates the host memory that is handed out.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use ffi_headers::cuda::*;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::abi::Outcome;
use crate::driver::Driver;

/// Host memory that the driver allocated or pinned: by first address.
#[derive(Default)]
pub struct HostMemory {
    ranges: BTreeMap<u64, HostRange>,
}

/// One range of host memory.
#[derive(Clone, Copy, Debug)]
pub struct HostRange {
    pub base: u64,
    pub bytes: usize,
    pub flags: u32,
    /// Allocated here, as opposed to registered by the program.
    pub allocated: bool,
}

/// Which side an address is meant to be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Host,
    Device,
    /// The address itself says.
    Unified,
}

/// Lines of bytes: what 1D, 2D and 3D copies have in common.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    pub side: Side,
    pub base: u64,
    /// Bytes from one line to the next.
    pub pitch: u64,
    /// Bytes from one plane of lines to the next.
    pub plane: u64,
}

/// Size of a copy: bytes of a line, lines of a plane, planes.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    pub width: u64,
    pub height: u64,
    pub depth: u64,
}

impl Extent {
    pub fn bytes(&self) -> Option<u64> {
        self.width.checked_mul(self.height)?.checked_mul(self.depth)
    }
}

impl Lines {
    fn line(&self, plane: u64, line: u64) -> u64 {
        self.base.wrapping_add(plane.wrapping_mul(self.plane)).wrapping_add(line.wrapping_mul(self.pitch))
    }

    /// Bytes from the first to the last that a copy of this extent touches.
    fn reach(&self, extent: &Extent) -> Option<u64> {
        let planes = self.plane.checked_mul(extent.depth - 1)?;
        let lines = self.pitch.checked_mul(extent.height - 1)?;
        planes.checked_add(lines)?.checked_add(extent.width)
    }

    /// Refuses a device side that is not within one live allocation.
    fn check(&self, driver: &Driver, extent: &Extent, write: bool) -> Outcome {
        if (extent.height > 1 && self.pitch < extent.width) || self.base == 0 {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let reach = self.reach(extent).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        check(driver, self.side, self.base, reach, write)
    }

    /// Whether the bytes lie in device memory.
    pub fn on_device(&self, driver: &Driver) -> bool {
        let mapped = || driver.mapped.read().find(self.base).is_some_and(|mapped| mapped.backing.device().is_some());
        self.side != Side::Host && (driver.device_at(self.base).is_some() || mapped())
    }
}

/// Refuses `bytes` from `address` on if they are meant to be, or are, device memory that is not within one allocation.
pub fn check(driver: &Driver, side: Side, address: u64, bytes: u64, write: bool) -> Outcome {
    if driver.device_at(address).is_none()
        && let Some(good) = driver.mapped.read().covers(address, bytes, write)
    {
        return if good { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) };
    }
    let good = match (side, driver.device_at(address)) {
        (_, Some(device)) => device.space_at(address).covers(address, bytes, write),
        (Side::Device, None) => driver.host.lock().holds(address, bytes),
        (Side::Host | Side::Unified, None) => true,
    };
    if good { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// Checks both sides of a copy.
pub fn check_copy(driver: &Driver, target: &Lines, source: &Lines, extent: &Extent) -> Outcome {
    source.check(driver, extent, false)?;
    target.check(driver, extent, true)
}

/// Moves the bytes. Sides that overlap are copied line by line as if each line were read first.
pub fn run(target: &Lines, source: &Lines, extent: &Extent) {
    for plane in 0..extent.depth {
        for line in 0..extent.height {
            let from = source.line(plane, line) as *const u8;
            let to = target.line(plane, line) as *mut u8;
            // SAFETY: device sides were checked to be allocated, and device memory is mapped for the life of the process; host
            // sides are what the caller promised to be readable or writable for the whole copy, as the API demands.
            unsafe { std::ptr::copy(from, to, extent.width as usize) };
        }
    }
}

/// Writes `bytes` to allocated device memory.
pub fn write(address: CUdeviceptr, bytes: &[u8]) {
    // SAFETY: callers pass memory they have just allocated in that size.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
}

/// Fills `count` elements from `address` on, which was checked to be allocated.
pub fn fill<T: Copy>(address: CUdeviceptr, value: T, count: usize) {
    let place = address as *mut T;
    for index in 0..count {
        // SAFETY: callers have checked `count * size_of::<T>()` bytes; unaligned, as an address need not fit the element.
        unsafe { place.add(index).write_unaligned(value) };
    }
}

impl HostMemory {
    /// Maps `bytes` of page-locked memory. It is not really locked: a process may lock little.
    pub fn allocate(&mut self, bytes: usize, flags: u32) -> Outcome<u64> {
        let length = NonZeroUsize::new(bytes).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
        let place = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) };
        let base = place.map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?.as_ptr() as u64;
        self.ranges.insert(base, HostRange { base, bytes, flags, allocated: true });
        Ok(base)
    }

    /// Frees what [`Self::allocate`] gave.
    pub fn free(&mut self, base: u64) -> Outcome {
        let range = self.ranges.get(&base).filter(|range| range.allocated).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let place = NonNull::new(base as *mut libc::c_void).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        // SAFETY: mapped by `allocate` with this length and not freed since.
        unsafe { munmap(place, range.bytes) }.map_err(|_| CUDA_ERROR_INVALID_VALUE)?;
        self.ranges.remove(&base);
        Ok(())
    }

    /// Notes memory that the program has pinned.
    pub fn register(&mut self, base: u64, bytes: usize, flags: u32) -> Outcome {
        if base == 0 || bytes == 0 || base.checked_add(bytes as u64).is_none() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let end = base + bytes as u64;
        let before = self.ranges.range(..end).next_back();
        if before.is_some_and(|(_, range)| range.base + range.bytes as u64 > base) {
            return Err(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
        }
        self.ranges.insert(base, HostRange { base, bytes, flags, allocated: false });
        Ok(())
    }

    pub fn unregister(&mut self, base: u64) -> Outcome {
        match self.ranges.get(&base) {
            None => Err(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED),
            Some(range) if range.allocated => Err(CUDA_ERROR_INVALID_VALUE),
            Some(_) => {
                self.ranges.remove(&base);
                Ok(())
            }
        }
    }

    /// The range that holds `address`.
    pub fn find(&self, address: u64) -> Option<HostRange> {
        let (_, range) = self.ranges.range(..=address).next_back()?;
        (address - range.base < range.bytes as u64).then_some(*range)
    }

    fn holds(&self, address: u64, bytes: u64) -> bool {
        self.find(address).is_some_and(|range| bytes <= range.bytes as u64 - (address - range.base))
    }
}
