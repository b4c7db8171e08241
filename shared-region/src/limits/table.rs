//! The words of a limits file: two tables, and the generation that says which one counts.
// UNSAFETY: the mapped file is seen as these words.
#![expect(unsafe_code)]

use core::array;
use core::mem::{offset_of, size_of};
use std::path::Path;

use crate::file::{Head, Kind, SharedFile};
use crate::layout::fnv1a;
use crate::limits::{Limit, LimitsError};
use crate::share::{LAST_PRIORITY, Policy};
use core::sync::atomic::{AtomicU64, Ordering, fence};

/// Entries of a table: one for all devices, which is the first, and 32 devices.
pub(crate) const ENTRIES: usize = 33;
const WORDS: usize = 8;

const VERSION: u32 = 1;

/// A limits file, for whoever opens one.
pub(crate) static KIND: Kind = Kind {
    name: "limits file",
    magic: *b"HAMI-LIM",
    version: VERSION,
    layout_hash: fnv1a(&[
        size_of::<Content>(),
        offset_of!(Content, generation),
        offset_of!(Content, tables),
        ENTRIES,
        WORDS,
        VERSION as usize,
    ]),
    size: size_of::<Content>(),
    set_aside: size_of::<Content>(),
};

/// The whole file. Only a writer that keeps the others out writes anything of it.
#[repr(C, align(4096))]
pub(crate) struct Content {
    head: Head,
    /// Number of changes; its lowest bit is the table that counts.
    generation: AtomicU64,
    tables: [[[AtomicU64; WORDS]; ENTRIES]; 2],
}

/// The content of an opened file.
pub(crate) fn content(opened: &SharedFile) -> &Content {
    // SAFETY: Content is repr(C), page-aligned, and consists of atomics.
    unsafe { opened.content() }
}

impl Content {
    #[inline]
    pub fn generation(&self) -> u64 {
        // Relaxed: who sees a change goes and reads, which acquires.
        self.generation.load(Ordering::Relaxed)
    }

    /// The table that counts; `None`: writers have gone on meanwhile.
    pub fn read(&self) -> Option<[Entry; ENTRIES]> {
        // Acquire: the table was filled before this generation was stored.
        let generation = self.generation.load(Ordering::Acquire);
        let table = &self.tables[(generation & 1) as usize];
        // Relaxed: if it is torn, that shows below.
        let entries = array::from_fn(|entry| Entry(array::from_fn(|word| table[entry][word].load(Ordering::Relaxed))));
        // The loads above stay above: had one of them met a store of the change after the next, which comes after the
        // store of the next generation, then the load below sees at least that generation.
        fence(Ordering::Acquire);
        (self.generation.load(Ordering::Relaxed) == generation).then_some(entries)
    }

    /// Fills the other table and makes it the one that counts. `goes_on` is asked before each step, with its number: a test
    /// ends a writer there.
    pub fn write(&self, entries: &[Entry; ENTRIES], mut goes_on: impl FnMut(usize) -> bool) {
        // Relaxed: only this process writes.
        let next = self.generation.load(Ordering::Relaxed).wrapping_add(1);
        let table = &self.tables[(next & 1) as usize];
        // The stores below stay below the last change's store of the generation: see `read`.
        fence(Ordering::Release);
        let words = table.iter().zip(entries).flat_map(|(to, from)| to.iter().zip(from.0));
        for (step, (to, from)) in words.enumerate() {
            if !goes_on(step) {
                return;
            }
            to.store(from, Ordering::Relaxed); // see `read`
        }
        if goes_on(ENTRIES * WORDS) {
            // Release: who sees this generation sees its table.
            self.generation.store(next, Ordering::Release);
        }
    }
}

/// One target and its limits, as eight words: the UUID (2), what is given (a bit for each limit), memory, cores, policy,
/// priority, and one that is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Entry(pub [u64; WORDS]);

const GIVEN: usize = 2;
const FIRST_VALUE: usize = 3;
/// In the order of their words.
const LIMITS: u64 = 4;
/// Set in "given" where the entry is in use.
const IN_USE: u64 = 1 << LIMITS;

impl Entry {
    pub fn new(device: Option<[u8; 16]>, limit: Limit) -> Self {
        let mut words = [0; WORDS];
        let uuid = device.map_or(0, u128::from_le_bytes);
        (words[0], words[1], words[GIVEN]) = (uuid as u64, (uuid >> 64) as u64, IN_USE);
        let values = [
            limit.memory,
            limit.cores.map(u64::from),
            limit.policy.map(|policy| u64::from(policy as u8)),
            limit.priority.map(u64::from),
        ];
        for (number, value) in values.into_iter().enumerate().filter_map(|(n, value)| Some((n, value?))) {
            words[GIVEN] |= 1 << number;
            words[FIRST_VALUE + number] = value;
        }
        Self(words)
    }

    pub fn is_free(&self) -> bool {
        self.0[GIVEN] == 0
    }

    /// Whether these are limits of this device, or (`None`) of all.
    pub fn is_for(&self, device: Option<[u8; 16]>) -> bool {
        let uuid = u128::from(self.0[0]) | u128::from(self.0[1]) << 64;
        !self.is_free() && uuid == device.map_or(0, u128::from_le_bytes)
    }

    fn has_device(&self) -> bool {
        (self.0[0], self.0[1]) != (0, 0)
    }

    /// The limits.
    ///
    /// # Errors
    /// [`LimitsError::Unreadable`], for what no writer writes.
    pub fn limit(&self, path: &Path) -> Result<Limit, LimitsError> {
        let checked = |what, value: u64, good: bool, accepted| match good {
            true => Ok(value),
            false => Err(LimitsError::Unreadable { path: path.to_owned(), what, value, accepted }),
        };
        let given = self.0[GIVEN];
        checked("the list of limits", given, given < IN_USE << 1, "a number below 32")?;
        let value = |number: u64| (given & (1 << number) != 0).then_some(self.0[FIRST_VALUE + number as usize]);
        let cores = value(1)
            .map(|cores| checked("cores", cores, cores <= u64::from(u16::MAX), "hundredths of a percent up to 65535"));
        let policy = value(2).map(|number| {
            let policy = u8::try_from(number).ok().and_then(Policy::from_u8);
            checked("the policy", number, policy.is_some(), "a number from 0 to 3").map(|_| policy)
        });
        let priority = value(3).map(|priority| {
            checked("the priority", priority, priority <= u64::from(LAST_PRIORITY), "a number from 0 to 9")
        });
        Ok(Limit {
            memory: value(0),
            cores: cores.transpose()?.map(|cores| cores as u16),
            policy: policy.transpose()?.flatten(),
            priority: priority.transpose()?.map(|priority| priority as u8),
        })
    }
}

/// Checks a whole table: the first entry is the one for all devices, each other one is free or a device's, and all values
/// are such as writers write.
///
/// # Errors
/// [`LimitsError::Unreadable`].
pub(crate) fn check(entries: &[Entry; ENTRIES], generation: u64, path: &Path) -> Result<(), LimitsError> {
    let wrong = |what, value, accepted| Err(LimitsError::Unreadable { path: path.to_owned(), what, value, accepted });
    for (number, entry) in entries.iter().enumerate() {
        if *entry == Entry::default() && (number > 0 || generation == 0) {
            continue;
        }
        entry.limit(path)?;
        if entry.0[GIVEN] & IN_USE == 0 {
            return wrong("the list of limits", entry.0[GIVEN], "0 in an empty entry, and from 16 to 31 in another");
        }
        if entry.has_device() != (number > 0) {
            return wrong(
                "the first half of a UUID",
                entry.0[0],
                "0 in the entry for all devices, and a UUID in another",
            );
        }
        if let Some(last) = entry.0.last().filter(|last| **last != 0) {
            return wrong("the last word of an entry", *last, "0");
        }
    }
    Ok(())
}
