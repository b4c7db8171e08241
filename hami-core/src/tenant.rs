//! This process as a tenant: its limits, its place in the shared region, its books.
// UNSAFETY: a page that the kernel wipes in forked children, reached by a raw pointer; vendor calls.
#![expect(unsafe_code)]

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ffi_headers::cuda::{
    CUDA_ERROR_DEINITIALIZED, CUDA_ERROR_INVALID_DEVICE, CUDA_ERROR_NO_DEVICE, CUDA_ERROR_NOT_INITIALIZED,
    CUDA_SUCCESS, CUdevice, CUuuid,
};
use shared_region::{Access, Region, RegionError, kill_point};

use crate::config::Config;
use crate::private::Private;
use crate::{log, measure, vendor};

/// CUDA ordinals for which an answer is kept.
const MAX_ORDINALS: usize = 64;

/// How long a look for dead processes serves, in nanoseconds: refusals and views come in bursts, and each look costs a
/// system call per other process. What a dead one held is back within this time of the next need.
const SWEEP_INTERVAL: u64 = 2_000_000;

/// Whether the environment asks for anything: decided at the first device call.
static MODE: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = 0;
const UNLIMITED: u8 = 1;
const LIMITED: u8 = 2;

/// The tenant of this process, once `MODE` is `LIMITED`.
static TENANT: AtomicPtr<Tenant> = AtomicPtr::new(ptr::null_mut());

/// One device under a quota.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Number of the device in the region.
    pub(crate) device: usize,
    /// Bytes granted; more than the device has only with `CUDA_OVERSUBSCRIBE`. 0 when nothing can be granted.
    pub(crate) limit: u64,
    uuid: [u8; 16],
    /// When the overhead of code was last measured on this device.
    pub(crate) measured: Measured,
}

/// What is known of the last measurement of a device's overhead; see [`crate::shapes`].
#[derive(Debug)]
pub(crate) struct Measured {
    /// How often code may have been loaded, as of then.
    pub(crate) loads: AtomicU64,
    /// Nanoseconds of the coarse monotonic clock.
    pub(crate) at: AtomicU64,
    /// Whether it is still to be confirmed: other threads may have been in the middle of something.
    pub(crate) unconfirmed: AtomicBool,
}

impl Measured {
    const fn never() -> Self {
        Self { loads: AtomicU64::new(0), at: AtomicU64::new(0), unconfirmed: AtomicBool::new(false) }
    }
}

/// The quota on a device that the region does not account for, as long as it does not.
static NOTHING: Quota = Quota { device: 0, limit: 0, uuid: [0; 16], measured: Measured::never() };

/// This process as a tenant.
pub(crate) struct Tenant {
    /// `None` when a value could not be read: then nothing is granted.
    config: Option<Config>,
    /// Empty while it was not needed or could not be opened: then nothing is granted.
    region: OnceLock<Region>,
    /// Whether it was said that the region cannot be used.
    region_failed: AtomicBool,
    private: Mutex<Private>,
    /// Quotas by UUID; `None`: this device has no limit. They live as long as the process.
    quotas: Mutex<Vec<([u8; 16], Option<&'static Quota>)>>,
    by_ordinal: [OnceLock<Option<&'static Quota>>; MAX_ORDINALS],
    /// When dead processes were last looked for, in nanoseconds of the coarse monotonic clock.
    last_sweep: AtomicU64,
    /// 1 in the process that made this tenant, 0 in a forked child of it.
    not_forked: *const AtomicU8,
    /// Process that made this tenant; asked for only where `not_forked` is NULL.
    maker: u32,
    /// Whether any pool was ever charged: without one, nobody has to look at them.
    pub(crate) uses_pools: AtomicBool,
    /// Whether any graph with memory of its own was ever made.
    pub(crate) uses_graph_memory: AtomicBool,
    /// How often code may have been loaded.
    pub(crate) loads: AtomicU64,
    /// Whether there are libraries, whose code the driver loads when it likes.
    pub(crate) uses_libraries: AtomicBool,
    /// Whether it was said that memory was spilled to the host.
    pub(crate) spilled: AtomicBool,
    /// Quotas by NVML handle, which stays the same for the life of a process.
    by_nvml: Mutex<Vec<(usize, Option<&'static Quota>)>>,
}

// SAFETY: `not_forked` points to a page that is never unmapped, and is only read, atomically.
unsafe impl Sync for Tenant {}
// SAFETY: as above.
unsafe impl Send for Tenant {}

/// The tenant that this process is, or `None` when nothing is limited: then every hook passes straight through.
#[inline]
pub(crate) fn get() -> Option<&'static Tenant> {
    // Relaxed: once UNLIMITED, it stays so, and nothing hangs on it. LIMITED is only a hint; the pointer decides.
    if MODE.load(Ordering::Relaxed) == UNLIMITED {
        return None;
    }
    // Acquire: pairs with the Release in `decide`; the tenant is complete when it can be seen.
    let tenant = TENANT.load(Ordering::Acquire);
    // SAFETY: a tenant, once published, is never freed.
    match unsafe { tenant.as_ref() } {
        Some(tenant) if tenant.is_of_this_process() => Some(tenant),
        _ => decide(tenant),
    }
}

/// Reads the environment and publishes what follows from it. Several threads may come here; one wins. A forked child
/// comes here too: it holds nothing, and its parent's locks may be held for ever.
#[cold]
fn decide(stale: *mut Tenant) -> Option<&'static Tenant> {
    let config = match Config::read() {
        Ok(config) if !config.limits_anything() => {
            MODE.store(UNLIMITED, Ordering::Relaxed); // see `get`
            return None;
        }
        Ok(config) => Some(config),
        Err(unreadable) => {
            if stale.is_null() {
                log::error!("{unreadable}");
            }
            None
        }
    };
    let tenant = Box::into_raw(Box::new(Tenant {
        config,
        region: OnceLock::new(),
        region_failed: AtomicBool::new(false),
        private: Mutex::default(),
        quotas: Mutex::default(),
        by_ordinal: [const { OnceLock::new() }; MAX_ORDINALS],
        last_sweep: AtomicU64::new(0),
        not_forked: fork_mark(),
        maker: std::process::id(),
        uses_pools: AtomicBool::new(false),
        uses_graph_memory: AtomicBool::new(false),
        loads: AtomicU64::new(0),
        uses_libraries: AtomicBool::new(false),
        spilled: AtomicBool::new(false),
        by_nvml: Mutex::default(),
    }));
    // AcqRel: publishes the tenant; on failure Acquire sees the winner's.
    let current = match TENANT.compare_exchange(stale, tenant, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => tenant,
        Err(winner) => {
            // SAFETY: ours was not published, so nobody else has it.
            drop(unsafe { Box::from_raw(tenant) });
            winner
        }
    };
    MODE.store(LIMITED, Ordering::Relaxed); // see `get`
    // SAFETY: a published tenant is never freed.
    Some(unsafe { &*current })
}

/// A byte that is 1 here and 0 in a forked child: the kernel wipes its page there, and no handler has to be registered.
fn fork_mark() -> *const AtomicU8 {
    // SAFETY: sysconf and an anonymous private mapping of one page, checked below.
    let page = unsafe {
        let size = libc::sysconf(libc::_SC_PAGESIZE) as usize;
        let page = libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if page == libc::MAP_FAILED || libc::madvise(page, size, libc::MADV_WIPEONFORK) != 0 {
            ptr::null_mut()
        } else {
            page
        }
    };
    if page.is_null() {
        return ptr::null(); // a kernel before 4.14: `is_of_this_process` asks for the PID instead
    }
    let mark = page.cast::<AtomicU8>().cast_const();
    // SAFETY: the page was just mapped, writable and zero, and is never unmapped.
    unsafe { (*mark).store(1, Ordering::Relaxed) }; // Relaxed: published with the tenant
    mark
}

impl Tenant {
    #[inline]
    fn is_of_this_process(&self) -> bool {
        // SAFETY: NULL, or a page that is never unmapped.
        match unsafe { self.not_forked.as_ref() } {
            Some(mark) => mark.load(Ordering::Relaxed) == 1, // wiped by the kernel before the child runs
            None => self.maker == std::process::id(),
        }
    }

    /// The region, opened at the first need. A failure is said once, and tried again at the next need.
    #[inline]
    pub(crate) fn region(&self) -> Option<&Region> {
        self.region.get().or_else(|| self.open_region())
    }

    #[cold]
    fn open_region(&self) -> Option<&Region> {
        let config = self.config.as_ref()?;
        let path = config.region.clone().unwrap_or_else(default_region);
        match Region::open_or_create(&path, Access::default()) {
            Ok(region) => {
                let _another_thread_was_first = self.region.set(region);
                self.region.get()
            }
            Err(error) => self.region_fails(&error),
        }
    }

    fn region_fails<T>(&self, error: &RegionError) -> Option<T> {
        // Relaxed: only counts.
        if !self.region_failed.swap(true, Ordering::Relaxed) {
            log::error!("{error}; no device memory is granted until it is mended");
        }
        None
    }

    pub(crate) fn private(&self) -> MutexGuard<'_, Private> {
        self.private.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quota on the CUDA device with this ordinal; `None`: it has no limit, or there is no such device.
    pub(crate) fn of_ordinal(&self, ordinal: CUdevice) -> Option<&'static Quota> {
        let known = self.by_ordinal.get(usize::try_from(ordinal).ok()?)?;
        if let Some(quota) = known.get() {
            return *quota;
        }
        let mut uuid = CUuuid::default();
        let mut total = 0_usize;
        // SAFETY: both write one value through a pointer to a local.
        let answers = unsafe {
            [vendor::device_get_uuid(&raw mut uuid, ordinal), vendor::device_total_mem(&raw mut total, ordinal)]
        };
        match answers.into_iter().find(|answer| *answer != CUDA_SUCCESS) {
            None => {}
            // The driver will tell the program so itself.
            Some(
                CUDA_ERROR_NOT_INITIALIZED
                | CUDA_ERROR_DEINITIALIZED
                | CUDA_ERROR_NO_DEVICE
                | CUDA_ERROR_INVALID_DEVICE,
            ) => {
                return None;
            }
            // Nobody knows which limit is meant.
            Some(_) => return Some(&NOTHING),
        }
        let uuid = uuid.bytes.map(|byte| byte as u8);
        let quota = self.of_uuid(uuid, total as u64, || {
            let listed = || self.config.as_ref()?.container_index(ordinal as usize);
            measure::nvml_index(uuid).or_else(listed)
        });
        if Quota::may_change(quota) { quota } else { *known.get_or_init(|| quota) }
    }

    /// Whether any device has a limit on its memory, or none can be told.
    pub(crate) fn limits_memory(&self) -> bool {
        self.config.as_ref().is_none_or(Config::limits_memory)
    }

    /// Whether memory that the device has no room for may come from the host.
    pub(crate) fn oversubscribes(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.oversubscribe)
    }

    /// Whether a request over the quota ends the process.
    pub(crate) fn ends_process_over_quota(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.oom_killer)
    }

    /// The quota on a device, given its size and a way to find its index among the container's devices. `None` from that way:
    /// nobody knows, and the smallest limit counts.
    pub(crate) fn of_uuid(
        &self,
        uuid: [u8; 16],
        total: u64,
        index: impl FnOnce() -> Option<usize>,
    ) -> Option<&'static Quota> {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, quota)) = quotas.iter().find(|(known, _)| *known == uuid) {
            return *quota;
        }
        let limit = match &self.config {
            None => Some(0),
            Some(config) if config.differs_by_index() => {
                config.memory_limit(config.granted_index(uuid).unwrap_or_else(index))
            }
            Some(config) => config.memory_limit(0),
        };
        let quota = match limit {
            None => None,
            Some(limit) => {
                let device = self
                    .region()
                    .and_then(|region| region.device(uuid).or_else(|error| self.region_fails(&error).ok_or(())).ok());
                let Some(device) = device else { return Some(&NOTHING) };
                // Over the device's size only where what does not fit is spilled to the host.
                let limit = if self.oversubscribes() { limit } else { limit.min(total) };
                log::info!("device {uuid:02x?}: {limit} bytes granted of {total}");
                Some(&*Box::leak(Box::new(Quota { device, limit, uuid, measured: Measured::never() })))
            }
        };
        quotas.push((uuid, quota));
        quota
    }

    /// The quota on the device with this number in the region.
    pub(crate) fn numbered(&self, device: usize) -> Option<&'static Quota> {
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        quotas.iter().find_map(|(_, quota)| quota.filter(|quota| quota.device == device))
    }

    /// The quota on the device that NVML means by this handle. `find` is asked once per handle.
    pub(crate) fn of_nvml(
        &self,
        handle: usize,
        find: impl FnOnce() -> Option<Option<&'static Quota>>,
    ) -> Option<&'static Quota> {
        let known = || self.by_nvml.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, quota)) = known().iter().find(|(known, _)| *known == handle) {
            return *quota;
        }
        let quota = find()?; // not kept when NVML would not say: it may later
        if !Quota::may_change(quota) {
            known().push((handle, quota));
        }
        quota
    }

    /// Takes `bytes` for this process, or answers false: then the tenant has no room for them.
    #[inline]
    pub(crate) fn take(&self, quota: &Quota, bytes: u64) -> bool {
        let Some(region) = self.region() else { return false };
        let fits = || region.used(quota.device).checked_add(bytes).is_some_and(|sum| sum <= quota.limit);
        let granted = || fits() && self.take_from(region, quota, bytes);
        // A refusal is clear, unless somebody died: no lock and no system call, most of the time.
        granted()
            || (bytes <= quota.limit && {
                self.sweep(region);
                granted()
            })
    }

    fn take_from(&self, region: &Region, quota: &Quota, bytes: u64) -> bool {
        let mut private = self.private();
        let Some(member) = private.member(region) else { return false };
        member.take(region, quota.device, bytes, quota.limit).is_ok()
    }

    /// Gives back `bytes` of this process.
    #[inline]
    pub(crate) fn give(&self, device: usize, bytes: u64) {
        self.private().give(self.region(), device, bytes);
    }

    /// Takes or gives back the difference between what was taken beforehand and what the device really gave. The device
    /// has given it already, so here no limit is asked.
    pub(crate) fn settle(&self, private: &mut Private, device: usize, taken: u64, really: u64) {
        kill_point(22);
        if taken > really {
            private.give(self.region(), device, taken - really);
        } else if really > taken
            && let Some(region) = self.region()
            && let Some(member) = private.member(region)
        {
            // Only an overflow of 2⁶⁴ could be refused.
            let _granted = member.take(region, device, really - taken, u64::MAX);
        }
        kill_point(23);
    }

    /// Bytes in use by the whole tenant, those of the dead left out.
    pub(crate) fn used(&self, quota: &Quota) -> u64 {
        let Some(region) = self.region() else { return 0 };
        let used = region.used(quota.device);
        if used != 0 {
            self.sweep(region);
        }
        region.used(quota.device)
    }

    /// Looks for dead processes and gives back what they held, unless that was done a moment ago. A thread that comes
    /// while another looks waits for it, and then needs not look itself.
    fn sweep(&self, region: &Region) {
        let due = || {
            let now = coarse_clock();
            // Relaxed: a stale value means one look more.
            (now.wrapping_sub(self.last_sweep.load(Ordering::Relaxed)) >= SWEEP_INTERVAL).then_some(now)
        };
        if due().is_none() {
            return;
        }
        let private = self.private();
        let Some(now) = due() else { return };
        let swept = region.sweep(private.member.as_ref());
        self.last_sweep.store(now, Ordering::Relaxed); // as above
        if swept.bytes > 0 {
            log::info!("{} bytes of {} dead processes are free again", swept.bytes, swept.processes);
        }
    }

    /// Bytes of a device that this process holds.
    pub(crate) fn held(&self, device: usize) -> u64 {
        self.private().member.as_ref().map_or(0, |member| member.held(device))
    }

    /// Says once what was asked for and is not done.
    pub(crate) fn mention_what_has_no_effect(&self) {
        static SAID: AtomicBool = AtomicBool::new(false);
        let Some(config) = &self.config else { return };
        // Relaxed: only counts.
        if config.without_effect().next().is_some() && !SAID.swap(true, Ordering::Relaxed) {
            for name in config.without_effect() {
                log::warning!("{name} is set, but has no effect in this version");
            }
        }
    }
}

impl Quota {
    /// Whether this answer holds only for now.
    pub(crate) fn may_change(quota: Option<&'static Self>) -> bool {
        quota.is_some_and(|quota| ptr::eq(quota, &NOTHING))
    }

    /// The device's UUID as NVML writes it.
    pub(crate) fn uuid(&self) -> [u8; 16] {
        self.uuid
    }
}

/// Where processes of one user share a region when nobody names one. Another release with another layout finds another.
fn default_region() -> PathBuf {
    // SAFETY: geteuid cannot fail.
    let user = unsafe { libc::geteuid() };
    let directory = ["/dev/shm", "/tmp"].into_iter().find(|path| std::path::Path::new(path).is_dir()).unwrap_or("/tmp");
    PathBuf::from(format!("{directory}/hami-{user}-{:08x}.region", shared_region::LAYOUT))
}

/// Nanoseconds of the coarse monotonic clock: a read of memory, no system call, steps of a few milliseconds at most.
pub(crate) fn coarse_clock() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec of ours; the clock exists since Linux 2.6.32.
    let _always = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
