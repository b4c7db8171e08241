//! The ledger alone, in one thread: sums, refusals, death at every step of an operation, recovery by several.

use proptest::prelude::*;

use super::*;

struct Device {
    word: AtomicU128,
    records: Vec<Record>,
}

impl Device {
    fn new(slots: usize) -> Self {
        Self { word: AtomicU128::new(0), records: (0..slots).map(|_| Record::zero()).collect() }
    }

    fn ledger<'a>(&'a self) -> Ledger<'a, impl Fn(u16) -> Option<&'a Record>> {
        Ledger { word: &self.word, record: move |slot| self.records.get(usize::from(slot)) }
    }
}

#[test]
fn takes_up_to_the_limit_and_not_a_byte_more() {
    let device = Device::new(1);
    let mut cursor = Cursor::default();
    assert_eq!(device.ledger().take(0, &mut cursor, 100, 100), Ok(()));
    assert_eq!(device.ledger().take(0, &mut cursor, 1, 100), Err(OverLimit { used: 100 }));
    device.ledger().give(0, &mut cursor, 1);
    assert_eq!(device.ledger().take(0, &mut cursor, 1, 100), Ok(()));
    assert_eq!((device.ledger().used(), device.ledger().held(0)), (100, 100));
}

#[test]
fn a_sum_that_overflows_is_over_the_limit() {
    let device = Device::new(1);
    let mut cursor = Cursor::default();
    device.ledger().take(0, &mut cursor, 10, u64::MAX).unwrap();
    assert_eq!(device.ledger().take(0, &mut cursor, u64::MAX, u64::MAX), Err(OverLimit { used: 10 }));
}

#[test]
fn a_tag_that_names_no_slot_is_survived() {
    let device = Device::new(1);
    let hostile = Word { used: 5, slot: 999, seq: 7 }.pack();
    device.word.compare_exchange(0, hostile, Ordering::AcqRel, Ordering::Relaxed).unwrap();
    let mut cursor = Cursor::default();
    device.ledger().take(0, &mut cursor, 3, 100).unwrap();
    assert_eq!(device.ledger().used(), 8);
}

/// Found by the exploration of all states: the next owner's first outcome lay where its predecessor's was looked for.
#[test]
fn a_new_owner_that_dies_as_it_begins_held_nothing() {
    let device = Device::new(2);
    let ledger = device.ledger();
    let mut other = Cursor::default();
    ledger.take(1, &mut other, 5, 10).unwrap();
    // The first owner of slot 0 dies when it has only tried.
    device.records[0].after[1].store(4, Ordering::Relaxed);
    device.records[0].intent.store(1, Ordering::Release);
    assert_eq!(ledger.recover(0, Dead::MySlot), 0);
    // The next one dies when it has written its outcome and not yet its intent.
    let seq = ledger.adopt(0).seq + 1;
    device.records[0].after[(seq & 1) as usize].store(3, Ordering::Relaxed);
    assert_eq!((ledger.held(0), ledger.recover(0, Dead::MySlot), ledger.used()), (0, 0, 5));
}

/// Found by fuzzing: numbers that no operation ever had.
#[test]
fn a_record_of_nonsense_gives_nothing_back() {
    let device = Device::new(2);
    let ledger = device.ledger();
    let mut other = Cursor::default();
    ledger.take(1, &mut other, 5, 10).unwrap();
    for number in [u64::MAX, SEQ_MASK] {
        device.records[0].after[1].store(3, Ordering::Relaxed);
        device.records[0].intent.store(number, Ordering::Release);
        device.records[0].acked.store(number, Ordering::Release);
        assert_eq!((ledger.recover(0, Dead::MySlot), ledger.used()), (0, 5));
    }
    assert_eq!((ledger.adopt(0).held(), ledger.held(0)), (0, 0));
}

/// What a slot does, for the property test. Slots are taken over by a new owner after `Die`.
#[derive(Debug, Clone, Copy)]
enum Step {
    Take(u16, u64),
    Give(u16, u64),
    /// The owner dies having written its intent, without having touched the word.
    DieTrying(u16, u64),
    Die(u16),
    Recover(u16),
}

fn step(slots: u16) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..slots, 0..60_u64).prop_map(|(slot, bytes)| Step::Take(slot, bytes)),
        3 => (0..slots, 0..60_u64).prop_map(|(slot, bytes)| Step::Give(slot, bytes)),
        1 => (0..slots, 1..60_u64).prop_map(|(slot, bytes)| Step::DieTrying(slot, bytes)),
        1 => (0..slots).prop_map(Step::Die),
        1 => (0..slots).prop_map(Step::Recover),
    ]
}

proptest! {
    #[test]
    fn the_word_is_the_sum_of_what_slots_hold(steps in prop::collection::vec(step(4), 0..200)) {
        const LIMIT: u64 = 100;
        let device = Device::new(4);
        let ledger = device.ledger();
        let mut cursors = [Some(Cursor::default()); 4];
        let mut model = [0_u64; 4]; // what each slot must hold
        let adopt = |cursors: &mut [Option<Cursor>; 4], model: &mut [u64; 4], slot: usize| {
            if cursors[slot].is_none() {
                prop_assert_eq!(ledger.recover(slot as u16, Dead::MySlot), model[slot]);
                model[slot] = 0;
                cursors[slot] = Some(ledger.adopt(slot as u16));
            }
            Ok(())
        };
        for step in steps {
            match step {
                Step::Take(slot, bytes) => {
                    let index = usize::from(slot);
                    adopt(&mut cursors, &mut model, index)?;
                    let fits = model.iter().sum::<u64>() + bytes <= LIMIT;
                    let taken = ledger.take(slot, cursors[index].as_mut().unwrap(), bytes, LIMIT).is_ok();
                    prop_assert_eq!(taken, fits);
                    model[index] += if fits { bytes } else { 0 };
                }
                Step::Give(slot, bytes) => {
                    let index = usize::from(slot);
                    adopt(&mut cursors, &mut model, index)?;
                    ledger.give(slot, cursors[index].as_mut().unwrap(), bytes);
                    model[index] -= bytes.min(model[index]);
                }
                Step::DieTrying(slot, bytes) => {
                    let index = usize::from(slot);
                    if let Some(cursor) = cursors[index].take() {
                        let seq = cursor.seq + 1;
                        device.records[index].after[(seq & 1) as usize].store(cursor.held + bytes, Ordering::Relaxed);
                        device.records[index].intent.store(seq, Ordering::Release);
                    }
                }
                Step::Die(slot) => cursors[usize::from(slot)] = None,
                Step::Recover(slot) => {
                    let index = usize::from(slot);
                    if cursors[index].is_none() {
                        prop_assert_eq!(ledger.recover(slot, Dead::MySlot), model[index]);
                        prop_assert_eq!(ledger.recover(slot, Dead::MySlot), 0);
                        model[index] = 0;
                    }
                }
            }
            prop_assert_eq!(ledger.used(), model.iter().sum::<u64>());
            for (slot, held) in model.iter().enumerate() {
                prop_assert_eq!(ledger.held(slot as u16), *held);
            }
        }
    }
}
