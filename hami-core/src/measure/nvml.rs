//! NVML, opened for our own use: closed again after a look at a new context, kept once code is measured.
// UNSAFETY: calls foreign functions through addresses that were looked up by name.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_uint, c_void};
use core::ptr;
use std::ffi::CString;

use ffi_headers::nvml::{
    NVML_ERROR_INSUFFICIENT_SIZE, NVML_SUCCESS, nvmlDevice_t, nvmlMemory_t, nvmlProcessInfo_t, nvmlReturn_t,
};

use crate::find::{self, Opened};
use crate::table::Library;

/// NVML, started. A drop counts one user less, then closes the library.
pub(super) struct Nvml {
    functions: Functions,
    /// Last: nothing of the library is used after it.
    _library: Opened,
}

/// A device as NVML's handle names it, in this process.
#[derive(Clone, Copy)]
pub(super) struct Device(nvmlDevice_t);

// SAFETY: a handle, which serves every thread.
unsafe impl Send for Device {}

/// What one process holds of a device.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    /// Its PID as NVML counts: in the machine's first PID namespace.
    pub(super) pid: u32,
    /// How many bytes.
    pub(super) bytes: u64,
}

/// Declares the functions of NVML that are used here, each with the type that its header documents.
macro_rules! functions {
    ($($name:ident as $symbol:literal ($($ty:ty),*);)*) => {
        struct Functions {
            $($name: unsafe extern "C" fn($($ty),*) -> nvmlReturn_t,)*
        }

        impl Functions {
            /// `None` if the loaded library lacks one: it is too old.
            fn find() -> Option<Self> {
                Some(Self {
                    $($name: {
                        let found = find::in_library(Library::Nvml.soname(), $symbol)?;
                        // SAFETY: NVML defines this name with this signature.
                        unsafe {
                            core::mem::transmute::<*const c_void, unsafe extern "C" fn($($ty),*) -> nvmlReturn_t>(found)
                        }
                    },)*
                })
            }
        }
    };
}

functions! {
    init as c"nvmlInit_v2" ();
    shutdown as c"nvmlShutdown" ();
    by_uuid as c"nvmlDeviceGetHandleByUUID" (*const c_char, *mut nvmlDevice_t);
    index as c"nvmlDeviceGetIndex" (nvmlDevice_t, *mut c_uint);
    memory_info as c"nvmlDeviceGetMemoryInfo" (nvmlDevice_t, *mut nvmlMemory_t);
    processes as c"nvmlDeviceGetComputeRunningProcesses_v3" (nvmlDevice_t, *mut c_uint, *mut nvmlProcessInfo_t);
}

impl Nvml {
    /// Opens NVML and starts it, or counts one user more. `None` where there is none.
    pub(super) fn start() -> Option<Self> {
        let library = Opened::open(Library::Nvml.soname())?;
        let functions = Functions::find()?;
        // SAFETY: no arguments; each start is balanced by a shutdown on drop.
        (unsafe { (functions.init)() } == NVML_SUCCESS).then_some(Self { functions, _library: library })
    }

    pub(super) fn device(&self, uuid: [u8; 16]) -> Option<Device> {
        let text = CString::new(super::uuid_text(uuid)).ok()?;
        let mut device: nvmlDevice_t = ptr::null_mut();
        // SAFETY: a NUL-terminated text, and one handle of ours to write.
        (unsafe { (self.functions.by_uuid)(text.as_ptr(), &raw mut device) } == NVML_SUCCESS).then_some(Device(device))
    }

    /// A device's place in NVML's order.
    pub(super) fn index(&self, device: Device) -> Option<usize> {
        let mut index: c_uint = 0;
        // SAFETY: a handle from NVML, and one number of ours to write.
        (unsafe { (self.functions.index)(device.0, &raw mut index) } == NVML_SUCCESS).then_some(index as usize)
    }

    /// Bytes of a device in use, by whomever.
    pub(super) fn used(&self, device: Device) -> Option<u64> {
        let mut memory = nvmlMemory_t::default();
        // SAFETY: a handle from NVML, and one struct of ours to write.
        (unsafe { (self.functions.memory_info)(device.0, &raw mut memory) } == NVML_SUCCESS).then_some(memory.used)
    }

    /// The processes with a compute context on a device. Those whose figure NVML does not know are left out.
    pub(super) fn holders(&self, device: Device) -> Option<Vec<Holder>> {
        /// Processes that may start between two questions.
        const MARGIN: usize = 16;
        const TRIES: usize = 3;
        let mut processes: Vec<nvmlProcessInfo_t> = Vec::new();
        for _ in 0..TRIES {
            let mut count = processes.len() as c_uint;
            let room = if count == 0 { ptr::null_mut() } else { processes.as_mut_ptr() };
            // SAFETY: a handle from NVML, and room for `count` entries; none is asked for the number alone.
            let answer = unsafe { (self.functions.processes)(device.0, &raw mut count, room) };
            match answer {
                NVML_SUCCESS => {
                    processes.truncate(count as usize);
                    // NVML_VALUE_NOT_AVAILABLE is all ones.
                    let known = processes.iter().filter(|process| process.usedGpuMemory != u64::MAX);
                    return Some(known.map(|one| Holder { pid: one.pid, bytes: one.usedGpuMemory }).collect());
                }
                NVML_ERROR_INSUFFICIENT_SIZE => {
                    processes.resize(count as usize + MARGIN, nvmlProcessInfo_t::default());
                }
                _ => return None,
            }
        }
        None
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        // SAFETY: balances the start. A failure would only leave NVML's count of users too high.
        let _balanced = unsafe { (self.functions.shutdown)() };
    }
}
