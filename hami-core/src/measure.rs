//! What the device says a context takes, through NVML: the driver itself does not tell what it needs for a context.
// UNSAFETY: vendor calls.
#![expect(unsafe_code)]

/// NVML, opened for our own use.
mod nvml;

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

use ffi_headers::cuda::{CUDA_SUCCESS, CUcontext};

use crate::{books, vendor};
use nvml::{Device, Holder, Nvml};

/// A context that takes more than this is a wrong measurement: others allocated meanwhile.
const MOST_PLAUSIBLE: u64 = 4 << 30;

/// Contexts commonly take less: the bound where nothing can be measured.
const COMMON_MOST: u64 = 512 << 20;

/// What is known of a device before a context is made.
pub(crate) enum Before {
    /// Nothing yet: NVML lists this process, so asking it afterwards will do.
    Unseen([u8; 16]),
    /// What it looked like.
    Seen(Seen),
}

/// A look at a device.
pub(crate) struct Seen {
    nvml: Nvml,
    device: Device,
    used: u64,
}

/// NVML, kept started for one device after the other: starting it takes milliseconds on a real device.
struct Kept {
    /// The process that started it. A forked child has handles that its parent opened, and uses none of them.
    process: u32,
    nvml: Nvml,
    devices: Vec<([u8; 16], Device)>,
}

impl Kept {
    fn start() -> Option<Self> {
        Some(Self { process: std::process::id(), nvml: Nvml::start()?, devices: Vec::new() })
    }

    fn device(&mut self, uuid: [u8; 16]) -> Option<Device> {
        if let Some((_, device)) = self.devices.iter().find(|(known, _)| *known == uuid) {
            return Some(*device);
        }
        let device = self.nvml.device(uuid)?;
        self.devices.push((uuid, device));
        Some(device)
    }

    fn own_used(&mut self, uuid: [u8; 16], pid: u32) -> Option<u64> {
        let device = self.device(uuid)?;
        of(&self.nvml.holders(device)?, pid)
    }
}

/// Bytes that NVML says this process holds of a device, all that it holds together: contexts, code, allocations. `None`
/// where there is no NVML, where it does not list this process, or where the PID under which it does is not known (yet:
/// see [`context_took`]).
///
/// The first call starts NVML, which stays started; each later one asks it twice for a list.
pub(crate) fn own_used(uuid: [u8; 16]) -> Option<u64> {
    static KEPT: Mutex<Option<Kept>> = Mutex::new(None);
    let pid = nvml_pid()?;
    // Never waited for: a forked child's copy of the lock may be held for ever.
    let Ok(mut kept) = KEPT.try_lock() else { return Kept::start()?.own_used(uuid, pid) };
    if kept.as_ref().is_some_and(|kept| kept.process != std::process::id()) {
        core::mem::forget(kept.take()); // the parent's, and the parent shuts it down
    }
    if kept.is_none() {
        *kept = Kept::start();
    }
    let used = kept.as_mut()?.own_used(uuid, pid);
    if used.is_some() {
        return used;
    }
    // The program may have shut down NVML more often than it has started it: then starting it anew helps.
    *kept = None;
    *kept = Kept::start();
    kept.as_mut()?.own_used(uuid, pid)
}

/// Own PID and the PID under which NVML lists this process, 32 bits each, once both are known: so a forked child, whose
/// own PID is another, does not take its parent's.
static NVML_PID: AtomicU64 = AtomicU64::new(0);

/// The PID under which NVML lists this process, if that is known.
fn nvml_pid() -> Option<u32> {
    let own = std::process::id();
    // Relaxed, here and in `learn_nvml_pid`: one word, and nothing hangs on it.
    let known = NVML_PID.load(Ordering::Relaxed);
    if known >> 32 == u64::from(own) {
        return Some(known as u32);
    }
    in_first_pid_namespace().then(|| learn_nvml_pid(own))
}

fn learn_nvml_pid(pid: u32) -> u32 {
    NVML_PID.store(u64::from(std::process::id()) << 32 | u64::from(pid), Ordering::Relaxed);
    pid
}

/// What the process with this PID holds.
fn of(holders: &[Holder], pid: u32) -> Option<u64> {
    holders.iter().find(|holder| holder.pid == pid).map(|holder| holder.bytes)
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
    nvml.index(nvml.device(uuid)?)
}

/// Looks at a device, before a context is made on it, if that has to be done before: NVML takes as long to open as the
/// context to make, and who knows what it takes by then can do without.
pub(crate) fn before_context(uuid: [u8; 16]) -> Option<Before> {
    if nvml_pid().is_some() {
        return Some(Before::Unseen(uuid));
    }
    let nvml = Nvml::start()?;
    let device = nvml.device(uuid)?;
    let used = nvml.used(device)?;
    Some(Before::Seen(Seen { nvml, device, used }))
}

/// What a context was found to take.
pub(crate) enum Took {
    /// By NVML's figure for this process: right for every process of the tenant.
    Exactly(u64),
    /// There is no NVML: no more than this, by what the driver says of the device.
    AtMost(u64),
    /// By what the whole device had less afterwards, or what it has in use: others may have moved meanwhile, so it is good
    /// for this one alone.
    Roughly(u64),
}

/// What the context took that was just made. `held` is what this process had taken before, `others` what the whole tenant
/// had, `budget` what was taken for the context. Learns the PID under which NVML lists this process, where that takes trying.
pub(crate) fn context_took(before: Option<Before>, context: CUcontext, held: u64, others: u64, budget: u64) -> Took {
    let (own, roughly) = match before {
        None => return Took::AtMost(at_most(context, others)),
        Some(Before::Unseen(uuid)) => {
            let Some(nvml) = Nvml::start() else { return Took::AtMost(at_most(context, others)) };
            let holders = nvml.device(uuid).and_then(|device| nvml.holders(device));
            (nvml_pid().zip(holders).and_then(|(pid, holders)| of(&holders, pid)), None)
        }
        Some(Before::Seen(seen)) => (found_by_moving(&seen, context, budget), Some(seen.less_now())),
    };
    match own.map(|own| own.saturating_sub(held)) {
        Some(took) if took <= MOST_PLAUSIBLE => Took::Exactly(took),
        _ => Took::Roughly(roughly.unwrap_or_else(|| at_most(context, others)).min(MOST_PLAUSIBLE)),
    }
}

impl Seen {
    /// Bytes that the device has less than before.
    fn less_now(&self) -> u64 {
        self.nvml.used(self.device).unwrap_or(self.used).saturating_sub(self.used)
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
/// size, since others allocate as well. The PID is remembered.
fn found_by_moving(before: &Seen, context: CUcontext, budget: u64) -> Option<u64> {
    const TRIES: u64 = 8;
    (0..TRIES).find_map(|attempt| {
        // 1 to 8 pages, in an order that differs between processes that start together.
        let bytes = books::PAGE * (1 + (u64::from(std::process::id()) + 3 * attempt) % 8);
        // Within what was taken for the context: what it needs is commonly less, or not more than the device has lost.
        let needs = COMMON_MOST.min(before.less_now());
        let found = (needs + bytes <= budget).then(|| moved_by(before, context, bytes)).flatten()?;
        learn_nvml_pid(found.pid);
        Some(found.bytes)
    })
}

/// The one process whose figure followed an allocation of ours; `None` if none did, or more than one.
fn moved_by(before: &Seen, context: CUcontext, bytes: u64) -> Option<Holder> {
    let list = || before.nvml.holders(before.device);
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
    let mut followed = first.iter().filter(|holder| {
        of(&second, holder.pid) == Some(holder.bytes + bytes) && of(&third, holder.pid) == Some(holder.bytes)
    });
    match (followed.next(), followed.next()) {
        (Some(found), None) => Some(*found),
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
