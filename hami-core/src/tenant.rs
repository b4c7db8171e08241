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
use shared_region::limits::Limits;
use shared_region::{Access, Region, RegionError, kill_point};

use crate::config::{Config, Wish};
use crate::private::Private;
use crate::quota::NOTHING;
pub(crate) use crate::quota::{Measured, NO_LIMIT, Quota};
use crate::{compute, guard, log, measure, vendor};

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

/// This process as a tenant.
pub(crate) struct Tenant {
    /// `None` when a value could not be read: then nothing is granted.
    config: Option<Config>,
    /// Limits that may change while the process runs, if there is a file of them. Empty while nobody could tell: then nothing is
    /// granted.
    limits: OnceLock<Option<Limits>>,
    /// Generation of those that are in force.
    followed: AtomicU64,
    /// Whether work on any device is gated.
    gates: AtomicBool,
    /// Empty while it was not needed or could not be opened: then nothing is granted.
    region: OnceLock<Region>,
    /// Whether it was said that the limits cannot be read or that the region cannot be used.
    failed: AtomicBool,
    private: Mutex<Private>,
    /// Quotas by UUID; `None`: this device has no limit, and will have none. They live as long as the process.
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
        Some(tenant) if tenant.is_of_this_process() => {
            tenant.follow();
            Some(tenant)
        }
        _ => guard::keeping_errno(|| decide(tenant)),
    }
}

/// Whether this process has found out what it is. False also in a forked child that has not come here yet: what it has of its
/// parent's may be locked for ever.
pub(crate) fn is_known() -> bool {
    // Acquire: as in `get`. SAFETY: as there.
    unsafe { TENANT.load(Ordering::Acquire).as_ref() }.is_some_and(Tenant::is_of_this_process)
}

/// Reads the environment and publishes what follows from it. Several threads may come here; one wins. A forked child
/// comes here too: it holds nothing, and its parent's locks may be held for ever.
#[cold]
fn decide(stale: *mut Tenant) -> Option<&'static Tenant> {
    let (config, limits) = match Config::read() {
        Ok(config) => {
            let limits = open_limits(&config, stale.is_null());
            if matches!(limits, Some(None)) && !config.limits_anything() {
                MODE.store(UNLIMITED, Ordering::Relaxed); // see `get`
                return None;
            }
            (Some(config), limits)
        }
        Err(unreadable) => {
            if stale.is_null() {
                log::error!("{unreadable}");
            }
            (None, Some(None))
        }
    };
    if !stale.is_null() {
        compute::forked();
    }
    let gates = config.as_ref().is_some_and(Config::limits_compute);
    let failed = AtomicBool::new(limits.is_none());
    let limits = limits.map_or_else(OnceLock::new, OnceLock::from);
    let tenant = Box::into_raw(Box::new(Tenant {
        config,
        limits,
        followed: AtomicU64::new(u64::MAX), // none yet
        gates: AtomicBool::new(gates),
        region: OnceLock::new(),
        failed,
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

/// The file of limits that may change, if the region that the environment names has one. `None`: nobody could tell, which
/// it `says`.
fn open_limits(config: &Config, says: bool) -> Option<Option<Limits>> {
    let Some(region) = &config.region else { return Some(None) };
    match Limits::open(region) {
        Ok(limits) => Some(limits),
        Err(error) => {
            if says {
                log::error!("{error}; no device memory is granted until it is mended");
            }
            None
        }
    }
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
        self.region.get().or_else(|| guard::uncancelled(|| self.open_region()))
    }

    #[cold]
    fn open_region(&self) -> Option<&Region> {
        let config = self.config.as_ref()?;
        let path = config.region.clone().unwrap_or_else(|| default_file("region"));
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
        if !self.failed.swap(true, Ordering::Relaxed) {
            log::error!("{error}; no device memory is granted until it is mended");
        }
        None
    }

    pub(crate) fn private(&self) -> MutexGuard<'_, Private> {
        self.private.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The quota on the memory of the CUDA device with this ordinal; `None`: it has none, or there is no such device.
    pub(crate) fn of_ordinal(&self, ordinal: CUdevice) -> Option<&'static Quota> {
        self.device(ordinal).filter(|quota| quota.counted)
    }

    /// What the tenant may have of the compute of the CUDA device with this ordinal; `None`: there is no limit, and will be none,
    /// or it cannot be told.
    pub(crate) fn sharing(&self, ordinal: CUdevice) -> Option<&'static Quota> {
        self.device(ordinal).filter(|quota| !Quota::may_change(Some(quota)))
    }

    /// The tenant's part of the CUDA device with this ordinal.
    fn device(&self, ordinal: CUdevice) -> Option<&'static Quota> {
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
        let quota = self.part_of(uuid, total as u64, || {
            let listed = || self.config.as_ref()?.container_index(ordinal as usize);
            measure::nvml_index(uuid).or_else(listed)
        });
        if Quota::may_change(quota) { quota } else { *known.get_or_init(|| quota) }
    }

    /// Whether work on any device may ever be gated in this process.
    pub(crate) fn may_gate(&self) -> bool {
        // As long as nobody could tell, there may be some.
        !matches!(self.limits.get(), Some(None)) || self.config.as_ref().is_some_and(Config::limits_compute)
    }

    /// Whether work on any device is gated.
    #[inline]
    pub(crate) fn gates(&self) -> bool {
        // Relaxed: a change counts from some launch on soon after it.
        self.gates.load(Ordering::Relaxed)
    }

    /// Lets limits that have changed since the last call take effect. Every hook comes by here; who waits calls it meanwhile.
    #[inline]
    pub(crate) fn follow(&self) {
        // Relaxed: the number of a generation; what belongs to it is read with care by `Limits`.
        if let Some(Some(limits)) = self.limits.get()
            && limits.generation() != self.followed.load(Ordering::Relaxed)
        {
            guard::keeping_errno(|| self.follow_now(limits)); // it may write a line
        }
    }

    #[cold]
    fn follow_now(&self, limits: &Limits) {
        // This very thread may have it locked: then the next call follows.
        let Ok(quotas) = self.quotas.try_lock() else { return };
        // Read before what belongs to it: a newer one makes the next call come here again.
        let generation = limits.generation();
        let parts = || quotas.iter().filter_map(|(_, quota)| *quota);
        for quota in parts() {
            quota.grant(self.wish(limits, quota.asked, quota.uuid()), self.oversubscribes());
        }
        let gates =
            self.config.as_ref().is_some_and(Config::limits_compute) || parts().any(|quota| quota.share().gated);
        self.gates.store(gates, Ordering::Relaxed); // see `gates`
        self.followed.store(generation, Ordering::Relaxed); // see `follow`
    }

    /// What is asked for on a device: the environment's wish, but for what the file of limits says.
    fn wish(&self, limits: &Limits, asked: Wish, uuid: [u8; 16]) -> Wish {
        match limits.of(uuid) {
            Ok(limit) => asked.under(limit),
            Err(error) => {
                // Relaxed: only counts.
                if !self.failed.swap(true, Ordering::Relaxed) {
                    log::error!("{error}; no device memory is granted until it is mended");
                }
                Wish { memory: Some(0), ..asked }
            }
        }
    }

    /// The file of limits, tried again as long as nobody could tell whether there is one: that is `None`.
    fn limits(&self) -> Option<Option<&Limits>> {
        if self.limits.get().is_none() {
            let opened = open_limits(self.config.as_ref()?, false)?;
            let _another_thread_was_first = self.limits.set(opened);
        }
        self.limits.get().map(Option::as_ref)
    }

    /// Generation of the limits in force; changes whenever they do.
    pub(crate) fn generation(&self) -> u64 {
        self.followed.load(Ordering::Relaxed) // see `follow`
    }

    /// The file in which tenants take turns at devices.
    pub(crate) fn turns_path(&self) -> PathBuf {
        let named = self.config.as_ref().and_then(|config| config.turns.clone());
        named.unwrap_or_else(|| default_file("turns"))
    }

    /// Whether memory that the device has no room for may come from the host.
    pub(crate) fn oversubscribes(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.oversubscribe)
    }

    /// Whether a request over the quota ends the process.
    pub(crate) fn ends_process_over_quota(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.oom_killer)
    }

    /// The quota on the memory of a device, given its size and a way to find its index among the container's devices.
    /// `None` from that way: nobody knows, and the smallest limit counts.
    pub(crate) fn of_uuid(
        &self,
        uuid: [u8; 16],
        total: u64,
        index: impl FnOnce() -> Option<usize>,
    ) -> Option<&'static Quota> {
        self.part_of(uuid, total, index).filter(|quota| quota.counted)
    }

    /// The tenant's part of a device.
    fn part_of(&self, uuid: [u8; 16], total: u64, index: impl FnOnce() -> Option<usize>) -> Option<&'static Quota> {
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, quota)) = quotas.iter().find(|(known, _)| *known == uuid) {
            return *quota;
        }
        let Some(config) = &self.config else { return Some(&NOTHING) };
        let asked = if config.differs_by_index() {
            config.wish(config.granted_index(uuid).unwrap_or_else(index))
        } else {
            config.wish(Some(0))
        };
        let Some(limits) = self.limits() else { return Some(&NOTHING) };
        let wish = limits.map_or(asked, |limits| self.wish(limits, asked, uuid));
        let counted = wish.memory.is_some() || limits.is_some();
        let quota = if counted || wish.share().gated {
            let device = self
                .region()
                .and_then(|region| region.device(uuid).or_else(|error| self.region_fails(&error).ok_or(())).ok());
            let Some(device) = device else { return Some(&NOTHING) };
            let quota = &*Box::leak(Box::new(Quota::new(device, uuid, total, asked, counted)));
            quota.grant(wish, self.oversubscribes());
            if quota.share().gated {
                self.gates.store(true, Ordering::Relaxed); // see `gates`
            }
            Some(quota)
        } else {
            None
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
        let fits = || region.used(quota.device).checked_add(bytes).is_some_and(|sum| sum <= quota.limit());
        let granted = || fits() && self.take_from(region, quota, bytes);
        // A refusal is clear, unless somebody died: no lock and no system call, most of the time.
        granted()
            || (bytes <= quota.limit() && {
                self.sweep(region);
                granted()
            })
    }

    fn take_from(&self, region: &Region, quota: &Quota, bytes: u64) -> bool {
        let mut private = self.private();
        let Some(member) = private.member(region) else { return false };
        member.take(region, quota.device, bytes, quota.limit()).is_ok()
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
}

/// Where processes of one user share a file when nobody names one. Another release with another layout finds another.
fn default_file(kind: &str) -> PathBuf {
    // SAFETY: geteuid cannot fail.
    let user = unsafe { libc::geteuid() };
    let directory = ["/dev/shm", "/tmp"].into_iter().find(|path| std::path::Path::new(path).is_dir()).unwrap_or("/tmp");
    PathBuf::from(format!("{directory}/hami-{user}-{:08x}.{kind}", shared_region::LAYOUT))
}

/// Nanoseconds of the coarse monotonic clock: a read of memory, no system call, steps of a few milliseconds at most.
pub(crate) fn coarse_clock() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec of ours; the clock exists since Linux 2.6.32.
    let _always = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
