//! Model check of the ledger: every interleaving of small histories, with a death at every step.
//!
//! Run by `make model-check`; `docs/region.md` gives the command and what it covers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use loom::thread;

use super::*;
use crate::kill;

const LIMIT: u64 = 10;
const POINTS: [u32; 7] = [1, 2, 3, 4, 5, 6, 7];

struct Device {
    word: AtomicU128,
    records: [Record; 3],
}

impl Device {
    fn new() -> Arc<Self> {
        Arc::new(Self { word: AtomicU128::new(0), records: [Record::zero(), Record::zero(), Record::zero()] })
    }

    fn ledger<'a>(&'a self) -> Ledger<'a, impl Fn(u16) -> Option<&'a Record>> {
        Ledger { word: &self.word, record: move |slot| self.records.get(usize::from(slot)) }
    }
}

/// Runs `work`, which may be killed at the armed point.
fn until_killed(work: impl FnOnce()) -> bool {
    let ended = catch_unwind(AssertUnwindSafe(work));
    match ended {
        Ok(()) => false,
        Err(cause) if cause.is::<kill::Killed>() => true,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    // No bound on preemptions: every interleaving.
    loom::model::Builder::new().check(model);
}

/// Two processes take and give; the limit is never passed, and both end with exactly what they hold.
#[test]
fn two_owners_share_the_word() {
    check(|| {
        let device = Device::new();
        let other = device.clone();
        let thread = thread::spawn(move || {
            let mut cursor = Cursor::default();
            let taken = other.ledger().take(1, &mut cursor, 6, LIMIT).is_ok();
            assert!(other.ledger().used() <= LIMIT);
            if taken {
                other.ledger().give(1, &mut cursor, 2);
            }
            cursor.held()
        });
        let mut cursor = Cursor::default();
        let taken = device.ledger().take(0, &mut cursor, 6, LIMIT).is_ok();
        assert!(device.ledger().used() <= LIMIT);
        if taken {
            device.ledger().give(0, &mut cursor, 2);
        }
        let others = thread.join().unwrap();
        // 6 + 6 does not fit, 6 + 4 does: at least one was granted.
        assert!(cursor.held() + others >= 4);
        assert_eq!(device.ledger().used(), cursor.held() + others);
        assert_eq!((device.ledger().held(0), device.ledger().held(1)), (cursor.held(), others));
    });
}

/// Slot 1's owner dies at each point in turn while slot 0 works; afterwards recovery leaves slot 0's bytes only.
#[test]
fn a_death_at_every_step_loses_nothing() {
    for point in POINTS {
        for nth in 0..2 {
            check(move || {
                let device = Device::new();
                let other = device.clone();
                let thread = thread::spawn(move || {
                    kill::arm(point, nth);
                    until_killed(|| {
                        let mut cursor = Cursor::default();
                        let ledger = other.ledger();
                        if ledger.take(1, &mut cursor, 4, LIMIT).is_ok() {
                            ledger.give(1, &mut cursor, 1);
                        }
                    });
                });
                let mut cursor = Cursor::default();
                let taken = device.ledger().take(0, &mut cursor, 5, LIMIT).is_ok();
                thread.join().unwrap();
                assert!(taken, "4 + 5 fits under 10");
                device.ledger().recover(1, Dead::MySlot);
                assert_eq!(device.ledger().used(), 5);
                assert_eq!((device.ledger().held(0), device.ledger().held(1)), (5, 0));
            });
        }
    }
}

/// Two recover one dead slot at the same time, one of them dying at each point in turn: its bytes come back once.
#[test]
fn bytes_of_the_dead_come_back_once() {
    for point in POINTS {
        check(move || {
            let device = Device::new();
            let mut dead = Cursor::default();
            device.ledger().take(2, &mut dead, 3, LIMIT).unwrap();
            let mut cursor = Cursor::default();
            device.ledger().take(0, &mut cursor, 5, LIMIT).unwrap();
            let other = device.clone();
            let thread = thread::spawn(move || {
                kill::arm(point, 0);
                until_killed(|| {
                    other.ledger().recover(2, Dead::MySlot);
                });
            });
            device.ledger().recover(2, Dead::MySlot);
            thread.join().unwrap();
            assert_eq!(device.ledger().used(), 5);
        });
    }
}

/// A new owner takes the slot while somebody still recovers it from its predecessor: the new owner's bytes are its own.
#[test]
fn a_late_recovery_takes_nothing_from_the_next_owner() {
    check(|| {
        let device = Device::new();
        let generation = Arc::new(AtomicU64::new(0));
        let mut dead = Cursor::default();
        device.ledger().take(1, &mut dead, 3, LIMIT).unwrap();
        let (other, seen) = (device.clone(), generation.clone());
        let thread = thread::spawn(move || {
            // It has seen the owner of generation 0 dead, as `sweep` does.
            other.ledger().recover(1, Dead::Seen(&seen, 0));
        });
        let ledger = device.ledger();
        ledger.recover(1, Dead::MySlot);
        generation.fetch_add(1, Ordering::Release);
        let mut cursor = ledger.adopt(1);
        ledger.take(1, &mut cursor, 7, LIMIT).unwrap();
        thread.join().unwrap();
        assert_eq!(device.ledger().used(), 7);
        assert_eq!(device.ledger().held(1), 7);
    });
}
