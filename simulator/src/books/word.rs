//! One client's use of one device in a single atomic word, so that any instruction may be the client's last.

use std::sync::atomic::{AtomicU64, Ordering};

/// Pages in use and pages granted, packed as `used | credit << 32`. Invariant: used ≤ credit.
///
/// All accesses are relaxed: the word stands alone, no other memory is published through it, and read-modify-write
/// operations on one location have a single order whatever their ordering. Both sides change it by compare-and-swap, so a
/// revocation is safe while its owner is stopped between two instructions: the owner's next swap fails and it looks again.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct PageWord(AtomicU64);

/// A reading of a [`PageWord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageCount {
    /// Pages in use.
    pub used: u32,
    /// Pages that may be in use without asking.
    pub credit: u32,
}

impl PageCount {
    fn unpack(word: u64) -> Self {
        Self { used: word as u32, credit: (word >> 32) as u32 }
    }

    fn pack(self) -> u64 {
        u64::from(self.used) | u64::from(self.credit) << 32
    }

    /// Pages granted and not in use.
    pub fn idle(self) -> u32 {
        self.credit.saturating_sub(self.used)
    }
}

impl PageWord {
    /// The present reading.
    pub fn load(&self) -> PageCount {
        PageCount::unpack(self.0.load(Ordering::Relaxed))
    }

    /// Client: takes `pages` within the credit; false when the credit does not reach.
    pub fn try_use(&self, pages: u32) -> bool {
        self.update(|now| {
            let used = now.used.checked_add(pages).filter(|used| *used <= now.credit)?;
            Some(PageCount { used, ..now })
        })
        .is_some()
    }

    /// Client: gives `pages` back; they stay in the credit. More than is in use gives back what is in use.
    pub fn give_back(&self, pages: u32) {
        self.update(|now| Some(PageCount { used: now.used.saturating_sub(pages), ..now }));
    }

    /// Server: uses `pages` on the client's behalf, raising the credit by at most `spare` where it does not reach, and by
    /// `extra` beyond that if any raise was needed. Returns the raise, or the shortfall that stood in the way.
    pub fn grant(&self, pages: u32, spare: u32, extra: u32) -> Result<u32, u32> {
        let mut short = 0;
        let mut raise = 0;
        self.update(|now| {
            let used = now.used.saturating_add(pages);
            raise = used.saturating_sub(now.credit);
            if raise > spare {
                short = raise - spare;
                return None;
            }
            if raise > 0 {
                raise += extra.min(spare - raise);
            }
            Some(PageCount { used, credit: now.credit + raise })
        })
        .map_or(Err(short), |_| Ok(raise))
    }

    /// Server: takes back up to `most` pages of credit that are not in use. Returns how many.
    pub fn revoke_idle(&self, most: u32) -> u32 {
        let mut taken = 0;
        self.update(|now| {
            taken = now.idle().min(most);
            Some(PageCount { credit: now.credit - taken, ..now })
        });
        taken
    }

    /// Server: `pages` in use come from another client, with their credit.
    pub fn receive(&self, pages: u32) {
        self.update(|now| Some(PageCount { used: now.used + pages, credit: now.credit + pages }));
    }

    /// Server: `pages` in use go to another client, with their credit. Returns how many the client really had.
    pub fn hand_over(&self, pages: u32) -> u32 {
        let mut given = 0;
        self.update(|now| {
            given = pages.min(now.used);
            Some(PageCount { used: now.used - given, credit: now.credit - given })
        });
        given
    }

    /// Server: empties the word of a client that is gone. Returns the credit it had.
    pub fn wipe(&self) -> u32 {
        PageCount::unpack(self.0.swap(0, Ordering::Relaxed)).credit
    }

    /// Swaps in `change` of the present reading until it holds or `change` declines.
    fn update(&self, mut change: impl FnMut(PageCount) -> Option<PageCount>) -> Option<PageCount> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                change(PageCount::unpack(word)).map(PageCount::pack)
            })
            .ok()
            .map(PageCount::unpack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Use(usize, u32),
        GiveBack(usize, u32),
        Grant(usize, u32, u32),
        Revoke(usize, u32),
        Move(usize, usize, u32),
        Die(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let client = 0..3usize;
        let pages = 0..12u32;
        prop::collection::vec(
            prop_oneof![
                (client.clone(), pages.clone()).prop_map(|(c, p)| Step::Use(c, p)),
                (client.clone(), pages.clone()).prop_map(|(c, p)| Step::GiveBack(c, p)),
                (client.clone(), pages.clone(), 0..4u32).prop_map(|(c, p, e)| Step::Grant(c, p, e)),
                (client.clone(), pages.clone()).prop_map(|(c, p)| Step::Revoke(c, p)),
                (client.clone(), client.clone(), pages).prop_map(|(c, d, p)| Step::Move(c, d, p)),
                client.prop_map(Step::Die),
            ],
            0..60,
        )
    }

    proptest! {
        /// Against a plain model: what each client uses, and a capacity that credits never exceed.
        #[test]
        fn used_and_credit_follow_the_model(steps in steps()) {
            const CAPACITY: u32 = 20;
            let words: [PageWord; 3] = Default::default();
            let mut used = [0u32; 3];
            for step in steps {
                let credits = || words.iter().map(|w| w.load().credit).sum::<u32>();
                match step {
                    Step::Use(c, p) => {
                        let fits = used[c] + p <= words[c].load().credit;
                        prop_assert_eq!(words[c].try_use(p), fits);
                        used[c] += if fits { p } else { 0 };
                    }
                    Step::GiveBack(c, p) => {
                        words[c].give_back(p);
                        used[c] -= p.min(used[c]);
                    }
                    Step::Grant(c, p, extra) => {
                        let spare = CAPACITY - credits();
                        let idle = words[c].load().idle();
                        let fits = p <= spare + idle;
                        let answer = words[c].grant(p, spare, extra);
                        prop_assert_eq!(answer.is_ok(), fits);
                        if let Err(short) = answer { prop_assert_eq!(short, p - spare - idle); }
                        used[c] += if fits { p } else { 0 };
                    }
                    Step::Revoke(c, most) => {
                        let idle = words[c].load().idle();
                        prop_assert_eq!(words[c].revoke_idle(most), most.min(idle));
                    }
                    Step::Move(from, to, p) => {
                        let given = words[from].hand_over(p);
                        prop_assert_eq!(given, p.min(used[from]));
                        words[to].receive(given);
                        used[from] -= given;
                        used[to] += given;
                    }
                    Step::Die(c) => {
                        let had = words[c].load().credit;
                        prop_assert_eq!(words[c].wipe(), had);
                        used[c] = 0;
                    }
                }
                prop_assert!(credits() <= CAPACITY);
                for (word, used) in words.iter().zip(used) {
                    let now = word.load();
                    prop_assert_eq!(now.used, used);
                    prop_assert!(now.used <= now.credit);
                }
            }
        }
    }

    /// Owner and revoker on one word at once: no page is both in use and revoked.
    #[test]
    fn a_racing_revocation_never_takes_pages_in_use() {
        let word = PageWord::default();
        assert_eq!(word.grant(0, 64, 0), Ok(0));
        assert_eq!(word.grant(64, 64, 0), Ok(64));
        word.give_back(64);
        let revoked = std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let mut held = 0;
                for round in 0..100_000u32 {
                    if word.try_use(round % 7) {
                        held += round % 7;
                        assert!(word.load().credit >= held, "credit fell below what is in use");
                    }
                    if held > 40 {
                        word.give_back(held);
                        held = 0;
                    }
                }
                held
            });
            let revoker = scope.spawn(|| (0..64).map(|_| word.revoke_idle(1)).sum::<u32>());
            assert_eq!(word_used_after(&word, owner.join().expect("owner")), word.load().used);
            revoker.join().expect("revoker")
        });
        assert_eq!(word.load().credit, 64 - revoked);
    }

    fn word_used_after(word: &PageWord, held: u32) -> u32 {
        assert!(word.load().used <= word.load().credit);
        held
    }
}
