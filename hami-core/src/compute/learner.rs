//! What commands cost: learnt from measured spans, by function and size of the launch. Knows no clock and no driver.

use super::Command;
use crate::books::AddressMap;

/// Most commands that are remembered; at that number all are forgotten, and learnt anew.
const MOST: usize = 8192;
/// What an unknown command is charged until it was measured, in nanoseconds. More than most take: what is never measured, as
/// its process ends or everything it launches is new, must not be a way round the cap. What is measured gets the rest back
/// at once.
const GUESS: u64 = 10_000_000;
/// The same where the process has several devices: a kernel may spin there for one on another device, which a large debt would
/// hold back, and what it took meanwhile would be a larger one.
const GUESS_AMONG_DEVICES: u64 = 20_000;
/// What a fill or a copy takes beside its bytes, in nanoseconds.
const TRANSFER: u64 = 2_000;
/// Bytes per nanosecond at which fills and copies are taken to run until they were measured: a device of today does some
/// 2000 (fills) or half of it (copies), one of ten years ago a fifth of that.
const BYTES_PER_NS: u64 = 400;
/// Least that anything costs, in nanoseconds.
pub(super) const LEAST: u64 = 500;
/// Most that one command is charged beforehand, in nanoseconds: a debt that can still be repaid.
const MOST_CHARGED: u64 = 60_000_000_000;
/// An unknown function may be in flight this often before one of its launches was measured.
pub(super) const UNMEASURED: u32 = 2;
/// So many launches of a function are measured one by one.
const WANTED: u32 = 3;
/// So many starts from an idle device in a row are believed less than the gapless measurement before them.
const BETTER: u32 = 16;
/// What a command may take on its way to an idle device, in nanoseconds: some 5,000, and more where the host is slow.
const WAY: u64 = 50_000;
/// Blocks of a kernel that may fill a device.
const NARROW: u64 = 64;
/// The first measurements of a function are averaged; later ones move the estimate by this part at most.
const SETTLED: u32 = 8;

/// Names a function with a size of launch, a graph, or a size of fill or copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(super) u64);

impl Key {
    /// No command has this one.
    pub(super) const NONE: Self = Self(0);

    /// Whether it is a kernel with fewer blocks than most devices have multiprocessors: several of them run at once.
    pub(super) fn is_narrow(self) -> bool {
        self != Self::NONE && self.0 >> 56 < class(NARROW)
    }
}

/// Sizes in classes, four to each power of two: what differs by less costs about the same. Less than 244.
fn class(size: u64) -> u64 {
    let size = size.clamp(1, 1 << 60);
    let power = u64::from(size.ilog2());
    (power << 2) | ((size << 2 >> power) & 3)
}

impl Command {
    /// Handles are addresses of 47 bits (57 at most, whose top ones user space does not have in use together), so the class
    /// fits above them. A mistake would mix up two estimates, no more.
    #[inline]
    pub(super) fn key(self) -> Key {
        let (kind, value) = match self {
            Self::Kernel { function, blocks } => (class(blocks), function as u64),
            Self::Graph { exec } => (0xff, exec as u64),
            Self::Fill { bytes } => (0xfe, class(bytes) + 1),
            Self::Copy { bytes } => (0xfd, class(bytes) + 1),
        };
        Key((kind << 56) ^ value)
    }

    /// What it is taken to cost before anything was measured; `None`: nobody can tell.
    fn guess(self) -> Option<u64> {
        match self {
            Self::Kernel { .. } | Self::Graph { .. } => None,
            Self::Fill { bytes } | Self::Copy { bytes } => Some(TRANSFER + bytes / BYTES_PER_NS),
        }
    }
}

/// What is known of one command.
#[derive(Debug, Clone, Copy)]
struct Known {
    estimate: u64,
    /// What threads were last told; they keep it until they are told that it is stale.
    told: u64,
    /// Measurements that went into the estimate, [`SETTLED`] at most.
    samples: u32,
    /// How many of these were gapless.
    exact: u32,
    /// Measurements that began with an idle device since the last gapless one; more than any at first.
    idle_starts: u32,
    /// Launches on their way while there is no measurement.
    in_flight: u32,
}

/// What a command is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// Nanoseconds of device-time.
    pub(super) cost: u64,
    /// Launches on their way of a command that was never measured; `None`: it was.
    pub(super) unmeasured: Option<u32>,
    /// Whether there are few measurements yet, so that this launch should be one.
    pub(super) wanted: bool,
}

/// What a measurement says of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// It took so many nanoseconds of device-time at least.
    pub(super) least: u64,
    /// It took so many at most.
    pub(super) most: u64,
    pub(super) source: Source,
}

/// Where a measurement comes from: what else may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A stream that was never empty: nothing.
    Gapless,
    /// A stream that was empty before: the way to the device. Or a turn that was mostly over: a part of another's.
    FromIdle,
    /// The same, where the bounds lie so far apart that only what is outside of them is news.
    Open,
    /// A device that others used meanwhile, or on which it waited for another: their time.
    Shared,
}

/// The costs of one device's commands.
#[derive(Debug, Default)]
pub(super) struct Learner {
    known: AddressMap<Known>,
    /// Grows when an estimate that threads were told has gone stale.
    version: u64,
    /// Whether the process has more than one device.
    pub(super) several_devices: bool,
}

impl Learner {
    fn guess(&self) -> u64 {
        if self.several_devices { GUESS_AMONG_DEVICES } else { GUESS }
    }

    /// Grows when an estimate that was given out has changed by more than an eighth.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// What `command` is expected to cost now.
    pub(super) fn expect(&mut self, command: Command) -> Expected {
        let guess = self.guess();
        match self.known.get_mut(&command.key().0) {
            Some(known) => {
                known.told = known.estimate;
                let measured = known.samples > 0 || command.guess().is_some();
                Expected {
                    cost: known.estimate.clamp(LEAST, MOST_CHARGED),
                    unmeasured: (!measured).then_some(known.in_flight),
                    wanted: known.samples < WANTED,
                }
            }
            None => Expected {
                cost: command.guess().unwrap_or(guess).clamp(LEAST, MOST_CHARGED),
                unmeasured: command.guess().is_none().then_some(0),
                wanted: true,
            },
        }
    }

    /// A command is launched which nobody has measured yet.
    pub(super) fn launched_unmeasured(&mut self, command: Command) {
        if self.known.len() >= MOST {
            self.known.clear();
            self.version += 1;
        }
        let estimate = command.guess().unwrap_or(self.guess());
        let fresh = Known { estimate, told: estimate, samples: 0, exact: 0, idle_starts: BETTER, in_flight: 0 };
        self.known.entry(command.key().0).or_insert(fresh).in_flight += 1;
    }

    /// Nobody could measure it in time: it takes this long at least, and is asked no more.
    pub(super) fn give_up(&mut self, key: Key, elapsed: u64) {
        if let Some(known) = self.known.get_mut(&key.0).filter(|known| known.samples == 0) {
            known.estimate = known.estimate.max(elapsed);
            known.samples = 1;
            self.version += 1;
        }
    }

    /// A launch of it will not be measured after all.
    pub(super) fn lost(&mut self, key: Key, launches: u32) {
        if let Some(known) = self.known.get_mut(&key.0) {
            known.in_flight = known.in_flight.saturating_sub(launches);
        }
    }

    /// Learns from a measurement of `launches` launches of one command, which says this of each.
    pub(super) fn learn(&mut self, key: Key, launches: u32, sample: Sample) {
        let Some(known) = self.known.get_mut(&key.0) else { return };
        known.in_flight = known.in_flight.saturating_sub(launches);
        let Sample { least, most, source } = sample;
        let before = known.estimate;
        let first = known.samples == 0;
        known.idle_starts = match source {
            Source::Gapless => 0,
            Source::FromIdle => known.idle_starts.saturating_add(1),
            _ => known.idle_starts,
        };
        // The first counts as it is: a guess is worth nothing against it. Of the span that is left open the lower end is taken,
        // since what is idle there mostly lies before the command has come to the device; unless that is next to nothing.
        let target = if first && source != Source::Open { least.max(most / 8) } else { before.clamp(least, most) };
        let (target, part) = match source {
            // The first of these stands by itself, however many of the others there were.
            Source::Gapless => (target, known.exact + 1),
            _ if first => (target, 1),
            // While better ones come, a little more is but the way to the device.
            Source::FromIdle if known.idle_starts < BETTER && target > before && target - before < WAY => return,
            // The mean, as kernels differ from one launch to the next; but what was put off the processor on its way proves nothing.
            Source::FromIdle => (target.min(8 * before), known.samples + 1),
            // What others had in it can only have made it longer, so what is shorter is nearer to the truth; and what is far
            // longer is no news of the command.
            Source::Open | Source::Shared if target < before => (target, 2),
            Source::Open | Source::Shared => (target.min(2 * before), known.samples + 1),
        };
        let part = u64::from(part);
        known.estimate = if target >= before {
            before + (target - before).div_ceil(part)
        } else {
            before - (before - target).div_ceil(part)
        };
        if source == Source::Gapless {
            known.exact = (known.exact + 1).min(SETTLED);
        }
        // Bounds alone are as good as it gets for what is shorter than the way to the device, but settle nothing.
        if source != Source::Open || known.samples < WANTED {
            known.samples = (known.samples + 1).min(SETTLED);
        }
        if known.estimate.abs_diff(known.told) > known.told / 8 {
            self.version += 1;
            known.told = known.estimate;
        }
    }

    /// What is known of this command is no longer true.
    pub(super) fn forget(&mut self, key: Key) {
        if self.known.remove(&key.0).is_some() {
            self.version += 1;
        }
    }

    /// The command was changed, mostly into its like: what is known stands until it is measured again.
    pub(super) fn doubt(&mut self, key: Key) {
        if let Some(known) = self.known.get_mut(&key.0).filter(|known| known.samples > 0) {
            (known.samples, known.exact, known.idle_starts) = (1, 0, BETTER);
            self.version += 1;
        }
    }

    /// Handles may mean other functions from now on.
    pub(super) fn forget_functions(&mut self) {
        self.known.retain(|key, _| key >> 56 >= 0xfd);
        self.version += 1;
    }
}

#[cfg(test)]
#[path = "learner_tests.rs"]
mod tests;
