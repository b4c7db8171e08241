//! Turns taken by real processes and threads: sleeping and waking, and deaths and stops at the worst moments.
// UNSAFETY: forks children, which a test of deaths cannot do without, and shares counters with them.
#![expect(unsafe_code)]

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shared_region::clock::now;
use shared_region::turns::{Seat, Standing, Turn, Turns, TurnsAccess};

const UUID: [u8; 16] = *b"0123456789abcdef";
const US: u64 = 1_000;
const MS: u64 = 1_000_000;
const PROGRAMS: usize = 4;
/// Long against all that may delay a turn, short against the wait after which it is taken in any case (2 s).
const SOON: Duration = Duration::from_millis(1500);

fn join(path: &Path, tenant: u64, weight: u16) -> (Turns, Seat, usize) {
    let turns = Turns::open_or_create(path, TurnsAccess::Owner).unwrap();
    let device = turns.device(UUID).unwrap();
    let mut seat = turns.join(tenant).unwrap();
    seat.configure(&turns, device, Standing { weight, class: 1 });
    (turns, seat, device)
}

/// What the test and its children share.
#[repr(C)]
struct Shared {
    turns: [AtomicU64; PROGRAMS],
    /// When the program is to stop itself: [`AS_HOLDER`] or [`AS_WAITER`]; 0 otherwise, and again once it has.
    stop: [AtomicU32; PROGRAMS],
}

const AS_HOLDER: u32 = 1;
const AS_WAITER: u32 = 2;

impl Shared {
    fn new() -> &'static Self {
        // SAFETY: a new mapping of its own, never unmapped.
        let place = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Self>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(place, libc::MAP_FAILED);
        // SAFETY: zeros, which are values of atomics; page-aligned and long enough; stays for ever.
        unsafe { &*place.cast::<Self>() }
    }

    fn stop_if_told(&self, program: usize, moment: u32) {
        if self.stop[program].load(Ordering::Relaxed) == moment {
            self.stop[program].store(0, Ordering::Relaxed);
            // SAFETY: stops this very process, until its parent continues or kills it.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
    }
}

/// Takes turns for ever, with 500 µs of work each.
fn program(path: &Path, number: usize, shared: &Shared) -> ! {
    let (turns, mut seat, device) = join(path, number as u64, 2500);
    loop {
        match seat.take(&turns, device, now()) {
            Turn::Wait(waiting) => {
                shared.stop_if_told(number, AS_WAITER);
                turns.wait(waiting);
            }
            Turn::Taken { .. } => {
                shared.turns[number].fetch_add(1, Ordering::Relaxed);
                let time = now();
                seat.used(&turns, device, time, 500 * US as i64);
                // As if a kernel of 10 ms ran, if it stops: the longest that nobody cuts short.
                seat.extend(&turns, device, time, time + 10 * MS);
                shared.stop_if_told(number, AS_HOLDER);
                seat.close(&turns, device, time, time + 500 * US);
            }
        }
    }
}

struct Children<'a> {
    path: &'a Path,
    shared: &'static Shared,
    pids: [libc::pid_t; PROGRAMS],
}

impl<'a> Children<'a> {
    fn start(path: &'a Path) -> Self {
        let mut children = Self { path, shared: Shared::new(), pids: [0; PROGRAMS] };
        (0..PROGRAMS).for_each(|number| children.fork(number));
        children
    }

    fn fork(&mut self, number: usize) {
        // SAFETY: the child only runs `program`, which maps a file and allocates, which glibc allows after fork, and _exit.
        self.pids[number] = match unsafe { libc::fork() } {
            0 => {
                let ended = std::panic::catch_unwind(|| program(self.path, number, self.shared));
                // SAFETY: ends the child at once, without the harness's destructors.
                unsafe { libc::_exit(i32::from(ended.is_err())) }
            }
            pid => pid,
        };
        assert!(self.pids[number] > 0);
    }

    fn signal(&self, number: usize, signal: libc::c_int) {
        // SAFETY: a child of ours that was not reaped yet.
        assert_eq!(unsafe { libc::kill(self.pids[number], signal) }, 0);
    }

    /// Waits until the child has stopped, or has ended.
    fn wait(&self, number: usize) -> i32 {
        let mut status = 0;
        // SAFETY: a child of ours that was not reaped yet, and an int to write.
        assert_eq!(unsafe { libc::waitpid(self.pids[number], &raw mut status, libc::WUNTRACED) }, self.pids[number]);
        status
    }

    /// All programs but `except` get some more turns, soon.
    fn assert_others_go_on(&self, except: Option<usize>, told: &str) {
        let count = |number: usize| self.shared.turns[number].load(Ordering::Relaxed);
        let before: Vec<_> = (0..PROGRAMS).map(count).collect();
        let begin = Instant::now();
        let mut left: Vec<_> = (0..PROGRAMS).filter(|number| Some(*number) != except).collect();
        while !left.is_empty() {
            assert!(begin.elapsed() < SOON, "{told}: {left:?} do not go on");
            std::thread::sleep(Duration::from_millis(1));
            left.retain(|number| count(*number) < before[*number] + 5);
        }
    }
}

impl Drop for Children<'_> {
    fn drop(&mut self) {
        for pid in self.pids.into_iter().filter(|pid| *pid > 0) {
            // SAFETY: children of ours that were not reaped yet.
            unsafe {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

#[test]
fn others_go_on_when_the_holder_or_the_next_one_stops_or_dies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turns");
    let mut children = Children::start(&path);
    children.assert_others_go_on(None, "at the beginning");
    for round in 0..32 {
        let (victim, moment) = (round % PROGRAMS, if round % 8 < 4 { AS_HOLDER } else { AS_WAITER });
        children.shared.stop[victim].store(moment, Ordering::Relaxed);
        let status = children.wait(victim);
        assert!(libc::WIFSTOPPED(status), "ended with status {status:#x}");
        children.assert_others_go_on(Some(victim), "one is stopped");
        if round < 16 {
            children.signal(victim, libc::SIGCONT);
        } else {
            children.signal(victim, libc::SIGKILL);
            assert!(libc::WIFSIGNALED(children.wait(victim)));
            children.fork(victim);
        }
        children.assert_others_go_on(None, "it goes on, or is there again");
    }
}

#[test]
fn a_seat_of_the_dead_is_taken_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turns");
    for _ in 0..2000 {
        let (turns, mut seat, device) = join(&path, 7, 100);
        assert!(matches!(seat.take(&turns, device, now()), Turn::Taken { .. }));
        seat.leave(&turns, device, now());
    }
}

#[test]
fn who_leaves_wakes_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turns");
    let (turns, mut seat, device) = join(&path, 0, 5000);
    assert!(matches!(seat.take(&turns, device, now()), Turn::Taken { .. }));
    assert!(seat.extend(&turns, device, now(), now() + 10 * MS));
    let (others, mut other, _) = join(&path, 1, 5000);
    let Turn::Wait(mut waiting) = other.take(&others, device, now()) else { panic!("two have the turn") };
    // Nothing but the other's leaving ends this sleep.
    waiting.until = now() + 3_600_000 * MS;
    let (done, ended) = std::sync::mpsc::channel();
    let (begin, begun) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // SAFETY: asks for the calling thread's number.
        begin.send(unsafe { libc::gettid() }).unwrap();
        others.wait(waiting);
        done.send(other.take(&others, device, now())).unwrap();
    });
    let stat = format!("/proc/self/task/{}/stat", begun.recv().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_to_string(&stat).unwrap().contains(") S ") {
        assert!(Instant::now() < deadline, "the next one does not sleep");
        std::thread::yield_now();
    }
    seat.leave(&turns, device, now());
    let answer = ended.recv_timeout(Duration::from_secs(60)).expect("nobody woke the next one");
    assert!(matches!(answer, Turn::Taken { .. }), "{answer:?}");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turns");
    std::fs::write(&path, [1; 100]).unwrap();
    let error = Turns::open_or_create(&path, TurnsAccess::Owner).unwrap_err().to_string();
    assert!(error.starts_with(&format!("turns file {}: not a turns file", path.display())), "{error}");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    let error = Turns::open_or_create(&path, TurnsAccess::Everybody).unwrap_err().to_string();
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn the_mode_is_as_asked_for_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    for (access, mode) in [(TurnsAccess::Owner, 0o600), (TurnsAccess::Everybody, 0o666)] {
        let path = folder.path().join(format!("{mode:o}"));
        Turns::open_or_create(&path, access).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_full_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("turns");
    let turns = Turns::open_or_create(&path, TurnsAccess::Owner).unwrap();
    for number in 0..32_u128 {
        assert_eq!(turns.device((number + 1).to_le_bytes()).unwrap(), number as usize);
    }
    assert_eq!(turns.device(5_u128.to_le_bytes()).unwrap(), 4);
    assert!(turns.device(UUID).unwrap_err().to_string().contains("32 devices"));
    let seats: Vec<_> = (0..512).map(|tenant| join_only(&path, tenant).expect("a seat")).collect();
    assert!(join_only(&path, 9).unwrap_err().contains("512 processes"));
    drop(seats);
    join_only(&path, 9).expect("a seat again");
}

fn join_only(path: &Path, tenant: u64) -> Result<(Turns, Seat), String> {
    let turns = Turns::open_or_create(path, TurnsAccess::Owner).map_err(|error| error.to_string())?;
    let seat = turns.join(tenant).map_err(|error| error.to_string())?;
    Ok((turns, seat))
}
