//! A region used by real processes: races for a limit, deaths at any moment, forks, and files that are no regions.
// UNSAFETY: forks children, which a test of deaths cannot do without.
#![expect(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared_region::{Access, Region, RegionError};

const UUID: [u8; 16] = *b"0123456789abcdef";
const LIMIT: u64 = 1000;

/// A child process; killed and reaped when dropped.
struct Child(libc::pid_t);

impl Child {
    /// Forks a child that runs `work` and ends. The child never returns into the test harness.
    fn run(work: impl FnOnce()) -> Self {
        // SAFETY: the child calls only `work` and _exit. `work` maps files and allocates, which glibc allows after a
        // fork of a process with threads.
        match unsafe { libc::fork() } {
            0 => {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                // SAFETY: ends the child at once, without the harness's destructors.
                unsafe { libc::_exit(i32::from(done.is_err())) }
            }
            pid => {
                assert!(pid > 0, "fork failed");
                Self(pid)
            }
        }
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a child of ours that was not reaped yet.
        assert_eq!(unsafe { libc::kill(self.0, signal) }, 0);
    }

    /// Waits for the end; answers the raw status.
    fn wait(self) -> i32 {
        let mut status = 0;
        // SAFETY: a child of ours that was not reaped yet, and an int to write.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        std::mem::forget(self);
        status
    }

    fn kill(self) {
        self.signal(libc::SIGKILL);
        assert!(libc::WIFSIGNALED(self.wait()));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: a child of ours that was not reaped yet; only reached when a test fails.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

/// A forked child has copies of all files that any test has open, their locks with them: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Place(tempfile::TempDir, #[expect(dead_code)] MutexGuard<'static, ()>);

impl Place {
    fn new() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self(tempfile::tempdir().unwrap(), alone)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("region")
    }

    fn region(&self) -> Region {
        Region::open_or_create(&self.path(), Access::default()).unwrap()
    }
}

/// Starts a child that takes `bytes`, says so, and then waits for its death.
fn holder(path: &Path, bytes: u64) -> Child {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let child = Child::run(|| {
        let region = Region::open_or_create(path, Access::default()).unwrap();
        let device = region.device(UUID).unwrap();
        region.join().unwrap().take(&region, device, bytes, LIMIT).unwrap();
        there.write_all(b"x").unwrap();
        loop {
            // SAFETY: waits for a signal; the test kills this process.
            unsafe { libc::pause() };
        }
    });
    here.read_exact(&mut [0]).unwrap();
    child
}

#[test]
fn processes_see_one_sum() {
    let place = Place::new();
    let (one, two) = (holder(&place.path(), 300), holder(&place.path(), 200));
    let region = place.region();
    let device = region.device(UUID).unwrap();
    assert_eq!(region.used(device), 500);
    assert!(region.join().unwrap().take(&region, device, 501, LIMIT).is_err());
    one.kill();
    assert_eq!(region.sweep(None).bytes, 300);
    assert_eq!(region.used(device), 200);
    two.kill();
    assert_eq!((region.sweep(None).bytes, region.used(device)), (200, 0));
}

#[test]
fn the_living_and_the_stopped_keep_what_they_hold() {
    let place = Place::new();
    let child = holder(&place.path(), 300);
    let region = place.region();
    let device = region.device(UUID).unwrap();
    assert_eq!(region.sweep(None).bytes, 0);
    child.signal(libc::SIGSTOP);
    assert_eq!((region.sweep(None).bytes, region.used(device)), (0, 300));
    child.kill();
    assert_eq!(region.sweep(None).bytes, 300);
}

#[test]
fn a_forked_child_keeps_its_parents_bytes_as_the_driver_does() {
    let place = Place::new();
    let path = place.path();
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let parent = Child::run(|| {
        let region = Region::open_or_create(&path, Access::default()).unwrap();
        let device = region.device(UUID).unwrap();
        region.join().unwrap().take(&region, device, 300, LIMIT).unwrap();
        // SAFETY: the grandchild only waits for its end of the stream to close.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let _closed = there.read(&mut [0]);
            return;
        }
        there.write_all(&pid.to_ne_bytes()).unwrap();
        loop {
            // SAFETY: waits for a signal; the test kills this process.
            unsafe { libc::pause() };
        }
    });
    let mut pid = [0; 4];
    here.read_exact(&mut pid).unwrap();
    parent.kill();
    let region = place.region();
    let device = region.device(UUID).unwrap();
    assert_eq!((region.sweep(None).bytes, region.used(device)), (0, 300));
    // SAFETY: the grandchild's PID; it was reparented and still waits.
    unsafe { libc::kill(i32::from_ne_bytes(pid), libc::SIGKILL) };
    let deadline = Instant::now() + Duration::from_secs(5);
    while region.used(device) != 0 {
        assert!(Instant::now() < deadline, "its bytes did not come back");
        region.sweep(None);
        std::thread::yield_now();
    }
}

#[test]
fn a_region_has_room_for_more_dead_than_it_has_slots() {
    let place = Place::new();
    for _ in 0..3 {
        let children: Vec<_> = (0..20).map(|_| holder(&place.path(), 1)).collect();
        children.into_iter().for_each(Child::kill);
    }
    let region = place.region();
    let device = region.device(UUID).unwrap();
    region.join().unwrap().take(&region, device, 1, LIMIT).unwrap();
    assert!(region.holders(device).len() <= 20, "slots of the dead were used again");
}

/// Takers race for the limit in pieces; SIGKILL comes at any moment. Nothing is ever lost and nothing granted twice.
#[test]
fn killed_at_random_moments_they_lose_nothing() {
    const ROUNDS: u64 = 150;
    let place = Place::new();
    let region = place.region();
    let device = region.device(UUID).unwrap();
    let mut member = region.join().unwrap();
    member.take(&region, device, 100, LIMIT).unwrap();
    let mut killed_while_holding = 0;
    for round in 0..ROUNDS {
        let path = place.path();
        let children: Vec<_> = (0..3)
            .map(|_| {
                Child::run(|| {
                    let region = Region::open(&path).unwrap();
                    let device = region.device(UUID).unwrap();
                    let mut member = region.join().unwrap();
                    loop {
                        if member.take(&region, device, 70, LIMIT).is_err() {
                            member.give(&region, device, 70);
                            member.give(&region, device, 70);
                        }
                    }
                })
            })
            .collect();
        let until = Instant::now() + Duration::from_micros(300 + 97 * (round % 31));
        while Instant::now() < until {
            assert!(region.used(device) <= LIMIT);
            member.take(&region, device, 1, u64::MAX).unwrap();
            member.give(&region, device, 1);
        }
        children.into_iter().for_each(Child::kill);
        killed_while_holding += u64::from(region.used(device) > 100);
        let started = Instant::now();
        region.sweep(Some(&member));
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(region.used(device), 100, "round {round}");
    }
    assert!(killed_while_holding > ROUNDS / 2, "only {killed_while_holding} rounds left bytes behind");
}

#[test]
fn of_many_that_create_at_once_all_share_one() {
    for _ in 0..20 {
        let place = Place::new();
        let path = place.path();
        let children: Vec<_> = (0..8)
            .map(|_| {
                Child::run(|| {
                    let region = Region::open_or_create(&path, Access::default()).unwrap();
                    let device = region.device(UUID).unwrap();
                    region.join().unwrap().take(&region, device, 1, LIMIT).unwrap();
                })
            })
            .collect();
        for child in children {
            assert_eq!(child.wait(), 0);
        }
        let region = place.region();
        // A slot may have served several of them, one after the other; the dead among them have been recovered then.
        let device = region.device(UUID).unwrap();
        let left = region.used(device);
        assert!((1..=8).contains(&left) && left == region.holders(device).len() as u64, "{left}");
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "nothing is left behind");
    }
}

#[test]
fn a_measurement_lasts_as_long_as_somebody_uses_the_region() {
    let place = Place::new();
    let first = place.region();
    let device = first.device(UUID).unwrap();
    assert_eq!(first.learn_context_bytes(device, 77), 77);
    assert_eq!(place.region().learn_context_bytes(device, 88), 77, "the first to tell is believed");
    drop(first);
    assert_eq!(place.region().context_bytes(device), None, "the driver may be another one by now");
}

#[test]
fn only_its_user_may_open_it() {
    let place = Place::new();
    drop(place.region());
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_region_goes_only_when_nobody_uses_it() {
    let place = Place::new();
    let region = place.region();
    assert!(!Region::remove_if_unused(&place.path()).unwrap());
    drop(region);
    assert!(Region::remove_if_unused(&place.path()).unwrap());
    assert!(!place.path().exists());
}

#[test]
fn what_is_no_region_is_refused_by_name() {
    let place = Place::new();
    let path = place.path();
    let refused = |expected: &str| {
        let message = Region::open_or_create(&path, Access::default()).unwrap_err().to_string();
        assert!(message.contains(expected) && message.contains(path.to_str().unwrap()), "{message}");
    };
    for bytes in [&b""[..], b"short", &[0; 8192], &[0xff; 8192]] {
        fs::write(&path, bytes).unwrap();
        refused("not a region");
        assert_eq!(fs::read(&path).unwrap(), bytes, "it was left as it was");
    }
    fs::remove_file(&path).unwrap();
    drop(place.region());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused("not a region");
    let mut other = whole.clone();
    other[8] ^= 0x40;
    fs::write(&path, other).unwrap();
    refused("layout version");
    fs::remove_file(&path).unwrap();
    symlink(place.0.path().join("elsewhere"), &path).unwrap();
    refused("cannot open");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("cannot open");
}

#[test]
fn a_second_slot_is_refused() {
    let place = Place::new();
    let region = place.region();
    let _first = region.join().unwrap();
    assert!(matches!(region.join(), Err(RegionError::AlreadyJoined { .. })));
}
