//! Model check of turns: every interleaving of few seats at one device, and every order of memory accesses.
//!
//! Run by `make model-check`. The real code of the seats runs here on words in memory. Time passes when a seat looks at the
//! clock, by a step that the model tries several values of; so how late each is, and who is preempted between looking and acting,
//! is the model's choice. Nobody sleeps: a sleep that is promised is compared, once all others are done, with how the turn
//! stands then.
//!
//! Figures (virtual times, classes, presence) are plain memory: nothing hangs on their order, and their values are given.

use std::array;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use ::loom::sync::atomic as checked;
use ::loom::thread;

use super::order::Lease;
use super::*;

/// Sleepers are not modelled; what would wake them is the bell, another value of which ends a sleep.
pub(super) mod futex {
    pub(in crate::turns) fn wake(_bell: &super::AtomicU32) {}
}

/// When all begins.
const BEGIN: u64 = 10_000_000_000;
const MS: u64 = 1_000_000;
const US: u64 = 1_000;
/// The word has microseconds.
const ROUNDING: u64 = US;

::std::thread_local! {
    /// The time of the present execution, which runs on one thread of the system. For notes; seats ask the clock.
    static NOW: Cell<u64> = const { Cell::new(BEGIN) };
}

::loom::thread_local! {
    /// Accesses after which this thread dies.
    static LEFT: Cell<Option<u32>> = Cell::new(None);
}

struct Died;

/// Comes before each access.
fn step() {
    let due = LEFT.with(|left| left.replace(left.get().map(|left| left.saturating_sub(1))) == Some(0));
    if due {
        // Only once: unwinding drops nothing that accesses a word.
        LEFT.with(|left| left.set(None));
        std::panic::resume_unwind(Box::new(Died));
    }
}

/// Runs `work`, which dies after so many accesses; whether it did.
fn dying_after(accesses: u32, work: impl FnOnce()) -> bool {
    LEFT.with(|left| left.set(Some(accesses)));
    let ended = catch_unwind(AssertUnwindSafe(work));
    LEFT.with(|left| left.set(None));
    match ended {
        Ok(()) => false,
        Err(cause) if cause.is::<Died>() => true,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// A change of a word: what it was, what it is, when.
type Change = (u64, u64, u64);

/// A word that remembers its changes, and at which a thread may die.
pub(super) struct AtomicU64 {
    word: checked::AtomicU64,
    changes: Mutex<Vec<Change>>,
}

impl AtomicU64 {
    fn new(value: u64) -> Self {
        Self { word: checked::AtomicU64::new(value), changes: Mutex::default() }
    }

    pub(super) fn load(&self, order: Ordering) -> u64 {
        step();
        self.word.load(order)
    }

    pub(super) fn store(&self, value: u64, order: Ordering) {
        step();
        self.word.store(value, order);
    }

    pub(super) fn swap(&self, value: u64, order: Ordering) -> u64 {
        step();
        self.word.swap(value, order)
    }

    pub(super) fn compare_exchange(&self, old: u64, new: u64, ok: Ordering, failed: Ordering) -> Result<u64, u64> {
        step();
        let done = self.word.compare_exchange(old, new, ok, failed);
        if done.is_ok() {
            self.changes.lock().unwrap().push((old, new, NOW.get()));
        }
        done
    }
}

/// A word at which a thread may die.
pub(super) struct AtomicU32(checked::AtomicU32);

impl AtomicU32 {
    pub(super) fn load(&self, order: Ordering) -> u32 {
        step();
        self.0.load(order)
    }

    pub(super) fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
        step();
        self.0.fetch_add(value, order)
    }
}

::loom::lazy_static! {
    static ref FENCES: checked::AtomicU32 = checked::AtomicU32::new(0);
}

/// A fence. The model tries orders of accesses only, so it is made one, which orders nothing by itself: without it, no other
/// thread comes between an access and the fence behind it.
pub(super) fn fence(order: Ordering) {
    FENCES.fetch_add(1, Ordering::Relaxed);
    checked::fence(order);
}

/// As in a file; its other words are checked when that is opened.
pub(super) struct Head {
    pub(super) own: core::sync::atomic::AtomicU32,
}

/// Places in memory mean nothing here.
pub(super) struct Line<T>(pub(super) T);

/// The words of a turns file, without the file.
pub struct Turns {
    content: words::Content,
    clock: checked::AtomicU64,
}

impl Turns {
    fn new() -> Arc<Self> {
        NOW.set(BEGIN);
        let word = || AtomicU64::new(0);
        let count = || AtomicU32(checked::AtomicU32::new(0));
        let wish = || words::Wish { want: word(), time: 0.into(), present: 0.into(), class: 0.into(), bell: count() };
        let content = words::Content {
            head: Head { own: 0.into() },
            devices: array::from_fn(|_| words::Device {
                uuid: portable_atomic::AtomicU128::new(1),
                turn: word(),
                shares: 0.into(),
                best_effort: 0.into(),
                calls: Line(count()),
            }),
            seats: array::from_fn(|_| words::Seat { tenant: 0.into(), wishes: array::from_fn(|_| wish()) }),
        };
        Arc::new(Self { content, clock: checked::AtomicU64::new(BEGIN) })
    }

    pub(super) fn content(&self) -> &words::Content {
        &self.content
    }

    /// The time, after `step` nanoseconds have passed. The clock orders nothing else.
    fn after(&self, step: u64) -> u64 {
        let now = self.clock.fetch_add(step, Ordering::Relaxed) + step;
        NOW.set(now);
        now
    }

    /// A seat of a tenant of its own, whose virtual time is `time`: who has the lowest goes first.
    fn seat(&self, number: u16, time: u64) -> Seat {
        let mut seat = Seat::new(number, u64::from(number));
        seat.configure(self, 0, Standing { weight: 5000, class: 1 });
        seat.used(self, 0, BEGIN, (time / 2) as i64); // at half the device's time it runs twice as fast
        seat.show_seat(self);
        seat
    }

    /// The turn as it stands, once all others are done.
    fn lease(&self) -> Lease {
        Lease::unpack(self.content.devices[0].turn.load(Ordering::Relaxed), NOW.get())
    }

    fn changes(&self) -> Vec<Change> {
        self.content.devices[0].turn.changes.lock().unwrap().clone()
    }

    /// Whether a promised sleep ends at once.
    fn is_rung(&self, waiting: Waiting) -> bool {
        self.content.seats[usize::from(waiting.seat)].wishes[0].bell.load(Ordering::Relaxed) != waiting.bell
    }

    /// Lets the seat sleep as it was told and ask again, until it has the turn; when that is.
    fn until_taken(&self, seat: &mut Seat, mut answer: Turn) -> u64 {
        for _ in 0..8 {
            let Turn::Wait(waiting) = answer else { return NOW.get() };
            let sleep = if self.is_rung(waiting) { 0 } else { waiting.until.saturating_sub(NOW.get()) };
            answer = seat.take(self, 0, self.after(sleep));
        }
        panic!("it asked eight times, alone");
    }

    /// Checks that each change of the turn kept to the rules of the word: nobody takes it from another before its end (but for
    /// the lead), only the holder moves the end, and none is further away than is allowed.
    fn keeps_the_rules(&self) {
        let mut last = 0;
        for (old, new, now) in self.changes() {
            assert_eq!(old, last, "the word was written otherwise");
            last = new;
            let (before, after) = (Lease::unpack(old, now), Lease::unpack(new, now));
            assert!(after.end <= now + MAX_LEASE + ROUNDING, "{after:?} at {now}");
            if before.holder != after.holder {
                assert!(before.end <= now + LEAD, "{after:?} took the turn of {before:?} at {now}");
            }
        }
    }
}

fn taken(answer: Turn) -> bool {
    matches!(answer, Turn::Taken { .. })
}

/// Every interleaving, or all those in which threads are preempted so often at most.
fn check_within(preemptions: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    check_within(None, model);
}

/// Seat 0 has the turn, for 8 ms and the margin.
fn held(turns: &Turns) -> Seat {
    let mut holder = turns.seat(0, 2 * MS);
    assert!(taken(holder.take(turns, 0, turns.after(0))));
    assert!(holder.extend(turns, 0, turns.after(0), BEGIN + 8 * MS));
    holder
}

/// How the holder ends its turn early.
#[derive(Clone, Copy)]
enum End {
    Close,
    Leave,
}

/// Whoever is told to sleep until a lease's end is woken when that comes sooner.
#[test]
fn a_turn_that_ends_early_is_noticed() {
    for end in [End::Close, End::Leave] {
        for asked_before in [false, true] {
            check(move || {
                let turns = Turns::new();
                let mut holder = held(&turns);
                let mut waiter = turns.seat(1, MS);
                if asked_before {
                    assert!(!taken(waiter.take(&turns, 0, turns.after(US))));
                }
                let others = turns.clone();
                let thread = thread::spawn(move || {
                    let now = others.after(US);
                    match end {
                        End::Close => assert!(holder.close(&others, 0, now, now + MS)),
                        End::Leave => holder.leave(&others, 0, now),
                    }
                });
                let answer = waiter.take(&turns, 0, turns.after(US));
                thread.join().unwrap();
                turns.keeps_the_rules();
                if let Turn::Wait(waiting) = answer {
                    let ends = turns.lease().end.max(NOW.get() + FIRST_LEASE);
                    assert!(turns.is_rung(waiting) || waiting.until <= ends, "sleeps until {waiting:?}, not {ends}");
                }
            });
        }
    }
}

/// Whoever is told to look one grace later than the next one is woken when that gives up.
#[test]
fn the_next_one_that_gives_up_is_noticed() {
    check(|| {
        let turns = Turns::new();
        let _holder = held(&turns);
        let (mut next, mut waiter) = (turns.seat(1, 0), turns.seat(2, MS));
        assert!(!taken(next.take(&turns, 0, turns.after(US))));
        let others = turns.clone();
        let thread = thread::spawn(move || next.leave(&others, 0, others.after(US)));
        let Turn::Wait(waiting) = waiter.take(&turns, 0, turns.after(US)) else { panic!("the turn is another's") };
        thread.join().unwrap();
        let end = turns.lease().end;
        assert!(turns.is_rung(waiting) || waiting.until <= end, "sleeps until {waiting:?}, not {end}");
    });
}

/// Two ask for a turn about to end while its holder keeps it for longer: nobody's lease begins before another's has ended.
#[test]
fn leases_do_not_overlap() {
    for steps in [[US, US], [US, 9 * MS], [9 * MS, US]] {
        check_within(Some(3), move || {
            let turns = Turns::new();
            let mut holder = held(&turns);
            let others = [turns.seat(1, MS), turns.seat(2, MS)];
            // The holder's lease may be about to end, or may have ended, when the others look.
            turns.after(8 * MS);
            let asking = others.into_iter().zip(steps).map(|(mut seat, step)| {
                let turns = turns.clone();
                thread::spawn(move || taken(seat.take(&turns, 0, turns.after(step))))
            });
            let asking: Vec<_> = asking.collect();
            let now = turns.after(US);
            let kept = holder.extend(&turns, 0, now, now + 4 * MS);
            let took = asking.into_iter().map(|thread| u32::from(thread.join().unwrap())).sum::<u32>();
            turns.keeps_the_rules();
            let lost = turns.changes().iter().filter(|(old, new, _)| *old != 0 && old >> 48 != new >> 48).count();
            assert_eq!(took as usize, lost, "who took it, and from whom it was taken");
            assert!(kept || took > 0, "nobody took it, and it was not kept");
        });
    }
}

/// A holder that disappears at any step delays who waits no longer than the longest lease that it had.
#[test]
fn a_holder_that_disappears_delays_nobody_beyond_its_lease() {
    const MOST: u32 = 40;
    for accesses in 0..=MOST {
        check_within(Some(2), move || {
            let turns = Turns::new();
            let mut holder = turns.seat(0, 0);
            let mut waiter = turns.seat(1, MS);
            let others = turns.clone();
            let thread = thread::spawn(move || {
                let died = dying_after(accesses, || {
                    let now = others.after(US);
                    if taken(holder.take(&others, 0, now)) {
                        holder.extend(&others, 0, now, now + 20 * MS);
                        holder.close(&others, 0, now, now + MS);
                    }
                });
                assert!(!died || accesses < MOST, "it could have died later as well");
            });
            let answer = waiter.take(&turns, 0, turns.after(US));
            thread.join().unwrap();
            let ends = turns.changes().iter().map(|(_, new, now)| Lease::unpack(*new, *now).end).max();
            let ends = ends.unwrap_or(BEGIN).max(NOW.get());
            let at = turns.until_taken(&mut waiter, answer);
            turns.keeps_the_rules();
            // A grace, since the one that disappeared may have wanted the device, and gone first.
            assert!(at <= ends + GRACE + FIRST_LEASE, "waited until {at}, the leases ended at {ends}");
        });
    }
}

/// Who comes next and disappears delays the one behind it by a grace, once.
#[test]
fn a_next_one_that_disappears_is_waited_for_once() {
    const MOST: u32 = 24;
    for accesses in 0..=MOST {
        check(move || {
            let turns = Turns::new();
            let _holder = held(&turns);
            let (mut next, mut waiter) = (turns.seat(1, 0), turns.seat(2, MS));
            let others = turns.clone();
            let thread = thread::spawn(move || {
                let died = dying_after(accesses, || {
                    next.take(&others, 0, others.after(US));
                });
                assert!(!died || accesses < MOST, "it could have died later as well");
            });
            let answer = waiter.take(&turns, 0, turns.after(US));
            thread.join().unwrap();
            let end = turns.lease().end;
            let at = turns.until_taken(&mut waiter, answer);
            assert!(at <= end + GRACE, "waited until {at}, the lease ended at {end}");
            // It is struck out, and waited for no more.
            let mut again = turns.seat(0, MS);
            let answer = again.take(&turns, 0, turns.after(US));
            let end = turns.lease().end;
            assert!(turns.until_taken(&mut again, answer) <= end, "struck out, and waited for again");
        });
    }
}

/// Who sees that somebody began to want the device finds who it was.
#[test]
fn a_call_that_is_seen_leads_to_the_wish() {
    check(|| {
        let turns = Turns::new();
        let mut holder = held(&turns);
        let mut waiter = turns.seat(1, MS);
        let others = turns.clone();
        let before = turns.calls(0);
        let thread = thread::spawn(move || {
            waiter.take(&others, 0, others.after(US));
        });
        if turns.calls(0) != before {
            assert!(holder.rivals(&turns, 0, turns.after(US)).waiting, "called, and nobody there");
        }
        thread.join().unwrap();
    });
}
