//! What the device says a context takes, through NVML: the driver itself does not tell what it needs for a context.
// UNSAFETY: dlopen and vendor calls.
#![expect(unsafe_code)]

use core::ffi::{c_char, c_int, c_uint, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use std::ffi::CString;

use ffi_headers::nvml::{NVML_SUCCESS, nvmlDevice_t, nvmlMemory_t, nvmlProcessInfo_t};

use crate::table::Library;
use crate::{find, log, vendor};

/// Most processes on one device that are looked through.
const MAX_PROCESSES: usize = 1024;
/// A context that takes more than this is a wrong measurement: others allocated meanwhile.
const MOST_PLAUSIBLE: u64 = 4 << 30;

/// A look at one device before a context is made.
pub(crate) struct Before {
    nvml: Nvml,
    device: nvmlDevice_t,
    used: u64,
}

/// One use of NVML.
struct Nvml;

impl Nvml {
    /// Loads NVML if need be, and starts it. `None` where there is none.
    fn start() -> Option<Self> {
        if find::in_library(Library::Nvml.soname(), c"nvmlInit_v2").is_none() {
            let dlopen = find::in_c_library(c"dlopen")?;
            // SAFETY: the C library's dlopen has this signature.
            let dlopen = unsafe {
                core::mem::transmute::<*const c_void, unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void>(dlopen)
            };
            // SAFETY: a NUL-terminated name and valid flags. The library stays loaded, as it would for any NVML client.
            if unsafe { dlopen(Library::Nvml.soname().as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL) }.is_null() {
                return None;
            }
        }
        // SAFETY: no arguments; each start is balanced by a shutdown on drop.
        (unsafe { vendor::nvml_init() } == NVML_SUCCESS).then_some(Self)
    }

    fn device(&self, uuid: [u8; 16]) -> Option<nvmlDevice_t> {
        let text = CString::new(uuid_text(uuid)).ok()?;
        let mut device: nvmlDevice_t = ptr::null_mut();
        // SAFETY: a NUL-terminated text, and one handle of ours to write.
        (unsafe { vendor::nvml_device_by_uuid(text.as_ptr(), &raw mut device) } == NVML_SUCCESS).then_some(device)
    }

    fn device_used(&self, device: nvmlDevice_t) -> Option<u64> {
        let mut memory = nvmlMemory_t::default();
        // SAFETY: a handle from NVML, and one struct of ours to write.
        (unsafe { vendor::nvml_memory_info(device, &raw mut memory) } == NVML_SUCCESS).then_some(memory.used)
    }

    /// Bytes of a device that this process holds, by NVML's own list; `None` when the list does not have it (in a PID
    /// namespace NVML may list other numbers than ours).
    fn process_used(&self, device: nvmlDevice_t) -> Option<u64> {
        let mut processes = vec![nvmlProcessInfo_t::default(); MAX_PROCESSES];
        let mut count = MAX_PROCESSES as c_uint;
        // SAFETY: a handle from NVML, and room for `count` entries.
        let answer = unsafe { vendor::nvml_compute_processes(device, &raw mut count, processes.as_mut_ptr()) };
        if answer != NVML_SUCCESS {
            return None;
        }
        let own = processes.iter().take(count as usize).find(|process| process.pid == std::process::id())?;
        // NVML_VALUE_NOT_AVAILABLE is all ones.
        Some(own.usedGpuMemory).filter(|used| *used != u64::MAX)
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        // SAFETY: balances the start. A failure would only leave NVML's count of users too high.
        let _balanced = unsafe { vendor::nvml_shutdown() };
    }
}

/// The UUID as NVML writes it: `GPU-` and groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn uuid_text(uuid: [u8; 16]) -> String {
    let mut text = String::from("GPU");
    for (index, byte) in uuid.iter().enumerate() {
        if [0, 4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The UUID out of NVML's text.
pub(crate) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.strip_prefix(b"GPU-")?.iter().copied().filter(|byte| *byte != b'-').collect();
    let digits = core::str::from_utf8(&digits).ok().filter(|digits| digits.len() == 32 && digits.is_ascii())?;
    let mut uuid = [0; 16];
    for (index, byte) in uuid.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(uuid)
}

/// Place in NVML's order of the device with this UUID.
pub(crate) fn nvml_index(uuid: [u8; 16]) -> Option<usize> {
    let nvml = Nvml::start()?;
    let device = nvml.device(uuid)?;
    let mut index = MaybeUninit::<c_uint>::uninit();
    // SAFETY: a handle from NVML, and one number of ours to write.
    if unsafe { vendor::nvml_device_index(device, index.as_mut_ptr()) } != NVML_SUCCESS {
        return None;
    }
    // SAFETY: written, since the call succeeded.
    Some(unsafe { index.assume_init() } as usize)
}

/// Looks at a device, before a context is made on it.
pub(crate) fn before_context(uuid: [u8; 16]) -> Option<Before> {
    let nvml = Nvml::start()?;
    let device = nvml.device(uuid)?;
    let used = nvml.device_used(device)?;
    Some(Before { nvml, device, used })
}

/// Bytes that the context took which was made since `before`. `held` is what this process had taken already.
pub(crate) fn context_took(before: &Before, held: u64) -> Option<u64> {
    let by_process = before.nvml.process_used(before.device).map(|used| used.saturating_sub(held));
    let took = by_process.or_else(|| Some(before.nvml.device_used(before.device)?.saturating_sub(before.used)))?;
    if took > MOST_PLAUSIBLE {
        log::warning!("a context seems to take {took} bytes; not believed, contexts are not charged");
        return None;
    }
    Some(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_come_back_from_their_text() {
        let uuid = core::array::from_fn(|index| index as u8 * 17);
        assert_eq!(uuid_text(uuid), "GPU-00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(parse_uuid(uuid_text(uuid).as_bytes()), Some(uuid));
        for text in
            [&b"GPU-"[..], b"MIG-00112233-4455-6677-8899-aabbccddeeff", b"GPU-zz112233-4455-6677-8899-aabbccddeeff"]
        {
            assert_eq!(parse_uuid(text), None);
        }
    }
}
