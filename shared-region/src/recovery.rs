//! The slots of the dead: giving back what they held, and taking one over. Pure atomics, model-checked with the ledger.

use crate::ledger::{Cursor, Dead, Ledger, Record};
use crate::sync::{AtomicU64, Ordering};
use crate::{carries_only, kill_point};

/// Gives back what the owner of `slot` held of each device, if it is dead. Returns the bytes that this call gave back.
///
/// `generation` is the slot's; `unowned` asks the kernel whether nobody owns the slot, and is asked only if there is
/// something to give back. Any number of processes may do this for one slot at once.
pub(crate) fn sweep_slot<'a, R: Fn(u16) -> Option<&'a Record>>(
    ledger: impl Fn(usize) -> Ledger<'a, R>,
    devices: usize,
    slot: u16,
    generation: &AtomicU64,
    unowned: impl FnOnce() -> bool,
) -> u64 {
    kill_point(10);
    // Acquire: read before the lock is looked at. An owner changes it only while it holds the lock, so a slot seen
    // unlocked after this has a dead owner for as long as the generation stays the same.
    let seen = generation.load(Ordering::Acquire);
    if !(0..devices).any(|device| ledger(device).held(slot) != 0) || !unowned() {
        return 0;
    }
    let back = |device| ledger(device).recover(slot, Dead::Seen(generation, seen));
    (0..devices).map(back).fold(0, u64::saturating_add) // the sum of nonsense may be past 2⁶⁴
}

/// Empties `slot`, which the caller has just come to own, and answers the cursors with which its new owner starts.
pub(crate) fn take_over<'a, R: Fn(u16) -> Option<&'a Record>, const DEVICES: usize>(
    ledger: impl Fn(usize) -> Ledger<'a, R>,
    slot: u16,
    generation: &AtomicU64,
) -> [Cursor; DEVICES] {
    // Nobody else owns it: whatever is left there is of the dead, and others may be recovering it too.
    for device in 0..DEVICES {
        ledger(device).recover(slot, Dead::MySlot);
        carries_only(5, &[device as u128]);
    }
    kill_point(8);
    // Release: who still reads the old generation behind this point reads an emptied slot; pairs with the Acquires in
    // `sweep_slot`.
    generation.fetch_add(1, Ordering::Release);
    kill_point(9);
    core::array::from_fn(|device| ledger(device).adopt(slot))
}
