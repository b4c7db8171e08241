//! What the device says a context takes, through NVML: the driver itself does not tell what it needs for a context.
// UNSAFETY: dlopen and vendor calls.
#![expect(unsafe_code)]

use core::ffi::c_uint;
use core::mem::MaybeUninit;
use core::ptr;
use std::ffi::CString;

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext};
use ffi_headers::nvml::{NVML_SUCCESS, nvmlDevice_t, nvmlMemory_t, nvmlProcessInfo_t};

use crate::table::Library;
use crate::{books, find, vendor};

/// Most processes on one device that are looked through.
const MAX_PROCESSES: usize = 1024;
/// A context that takes more than this is a wrong measurement: others allocated meanwhile.
const MOST_PLAUSIBLE: u64 = 4 << 30;

/// Contexts commonly take less: the bound where nothing can be measured.
const COMMON_MOST: u64 = 512 << 20;

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
        // It stays loaded: addresses in it are remembered.
        if find::in_library(Library::Nvml.soname(), c"nvmlInit_v2").is_none()
            && !find::open_library(Library::Nvml.soname(), 0)
        {
            return None;
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

    /// What NVML says that processes hold of a device: PID, as NVML counts them, and bytes.
    fn processes(&self, device: nvmlDevice_t) -> Option<Vec<(c_uint, u64)>> {
        let mut processes = vec![nvmlProcessInfo_t::default(); MAX_PROCESSES];
        let mut count = MAX_PROCESSES as c_uint;
        // SAFETY: a handle from NVML, and room for `count` entries.
        let answer = unsafe { vendor::nvml_compute_processes(device, &raw mut count, processes.as_mut_ptr()) };
        if answer != NVML_SUCCESS {
            return None;
        }
        processes.truncate(count as usize);
        // NVML_VALUE_NOT_AVAILABLE is all ones.
        let known = processes.iter().filter(|process| process.usedGpuMemory != u64::MAX);
        Some(known.map(|process| (process.pid, process.usedGpuMemory)).collect())
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

/// What a context was found to take.
pub(crate) enum Took {
    /// By NVML's figure for this process: right for every process of the tenant.
    Exactly(u64),
    /// There is no NVML: no more than this, by what the driver says of the device.
    AtMost(u64),
    /// By what the whole device had less afterwards: others may have moved meanwhile, so it is good for this one alone.
    Roughly(u64),
}

/// What the context took that was just made. `held` is what this process had taken before, `others` what the whole tenant
/// had, `budget` what was taken for the context.
pub(crate) fn context_took(before: Option<Before>, context: CUcontext, held: u64, others: u64, budget: u64) -> Took {
    let Some(before) = before else { return Took::AtMost(at_most(context, others)) };
    let own = if in_first_pid_namespace() {
        let processes = before.nvml.processes(before.device);
        let own = |(pid, _): &&(c_uint, u64)| *pid == std::process::id();
        processes.as_ref().and_then(|processes| processes.iter().find(own)).map(|(_, used)| *used)
    } else {
        found_by_moving(&before, context, budget)
    };
    match own {
        Some(used) if used.saturating_sub(held) <= MOST_PLAUSIBLE => Took::Exactly(used.saturating_sub(held)),
        _ => Took::Roughly(before.less_now().min(MOST_PLAUSIBLE)),
    }
}

impl Before {
    /// Bytes that the device has less than before.
    fn less_now(&self) -> u64 {
        self.nvml.device_used(self.device).unwrap_or(self.used).saturating_sub(self.used)
    }
}

/// A bound on what a context takes, without NVML: all that is used of the device and not by the tenant's other
/// allocations, but no more than contexts commonly take.
fn at_most(context: CUcontext, others: u64) -> u64 {
    let (mut free, mut total) = (0_usize, 0_usize);
    let asked = with_current(context, || {
        // SAFETY: two locals to write.
        unsafe { vendor::mem_get_info(&raw mut free, &raw mut total) }
    });
    let used = if asked == Some(CUDA_SUCCESS) { (total - free.min(total)) as u64 } else { u64::MAX };
    used.saturating_sub(others).min(COMMON_MOST)
}

/// Runs `work` with a context that is the current one meanwhile.
fn with_current<T>(context: CUcontext, work: impl FnOnce() -> T) -> Option<T> {
    // SAFETY: a context that was just made; what is pushed is popped.
    if unsafe { vendor::ctx_push_current(context) } != CUDA_SUCCESS {
        return None;
    }
    let done = work();
    let mut popped = ptr::null_mut();
    // SAFETY: a local to write.
    let _popped = unsafe { vendor::ctx_pop_current(&raw mut popped) };
    Some(done)
}

/// Whether PIDs here are those of the machine, as NVML lists them. The number is the kernel's PROC_PID_INIT_INO.
fn in_first_pid_namespace() -> bool {
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

/// Bytes of a device that this process holds, where it does not know the PID by which NVML lists it: the process whose
/// figure goes up by just as much as we allocate, and down again when we free it, is us. Several tries, each of another
/// size, since others allocate as well.
fn found_by_moving(before: &Before, context: CUcontext, budget: u64) -> Option<u64> {
    const TRIES: u64 = 8;
    (0..TRIES).find_map(|attempt| {
        // 1 to 8 pages, in an order that differs between processes that start together.
        let bytes = books::PAGE * (1 + (u64::from(std::process::id()) + 3 * attempt) % 8);
        // Within what was taken for the context: what it needs is commonly less, or not more than the device has lost.
        let needs = COMMON_MOST.min(before.less_now());
        (needs + bytes <= budget).then(|| moved_by(before, context, bytes)).flatten()
    })
}

/// The bytes of the one process whose figure followed an allocation of ours; `None` if none did, or more than one.
fn moved_by(before: &Before, context: CUcontext, bytes: u64) -> Option<u64> {
    let list = || before.nvml.processes(before.device);
    let first = list()?;
    let second = with_current(context, || {
        let mut pointer = 0;
        // SAFETY: a local to write.
        if unsafe { vendor::mem_alloc(&raw mut pointer, bytes as usize) } != CUDA_SUCCESS {
            return None;
        }
        let second = list();
        // SAFETY: allocated just now, and nobody else knows it.
        let _freed = unsafe { vendor::mem_free(pointer) };
        second
    });
    let (second, third) = (second??, list()?);
    let of = |list: &[(c_uint, u64)], pid| list.iter().find(|(known, _)| *known == pid).map(|(_, used)| *used);
    let mut followed =
        first.iter().filter(|(pid, used)| of(&second, *pid) == Some(used + bytes) && of(&third, *pid) == Some(*used));
    match (followed.next(), followed.next()) {
        (Some((_, used)), None) => Some(*used),
        _ => None,
    }
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
