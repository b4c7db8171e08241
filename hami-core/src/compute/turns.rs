//! This process's place among those that take turns at devices.
// UNSAFETY: asks the system which file the region is.
#![expect(unsafe_code)]

use core::ptr;
use std::os::fd::{AsFd, AsRawFd};

use shared_region::Region;
use shared_region::share::{Policy, WHOLE};
use shared_region::turns::{self as shared, BEST_EFFORT, Seat, Standing, TurnsAccess, TurnsError};

use super::pace::{Answer, Rivals, Turns};
use crate::config::Share;
use crate::log;
use crate::tenant::{Quota, Tenant};

/// A wait for a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    turns: &'static shared::Turns,
    waiting: shared::Waiting,
}

impl Waiting {
    /// Sleeps until it may be this process's turn, 50 ms at most.
    pub(super) fn wait(self) {
        self.turns.wait(self.waiting);
    }
}

/// One device as the turns' file has it.
struct Place {
    quota: &'static Quota,
    /// `None`: there is no room for it in the file.
    number: Option<usize>,
    /// What the others were told of this tenant.
    told: Option<Share>,
    /// How many of the calls for the device were this seat's own.
    own_calls: u32,
}

/// A seat in the turns' file.
pub(super) struct Seated {
    turns: &'static shared::Turns,
    seat: Seat,
    places: Vec<Place>,
}

/// This process's seat.
#[derive(Default)]
pub(super) enum Seating {
    /// Not asked for yet.
    #[default]
    Unasked,
    /// There is none to be had; each process goes by itself then, as if nobody else used the device.
    Without,
    /// Taken.
    Seated(Box<Seated>),
}

/// A number that the processes of this tenant have in common, and others have not: the identity of the region's file.
fn tenant_number(region: &Region) -> u64 {
    // SAFETY: a structure of numbers, for which zeros are a value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: a descriptor that the region keeps open, and a structure of ours.
    let answer = unsafe { libc::fstat(region.as_fd().as_raw_fd(), &raw mut status) };
    if answer != 0 {
        return u64::from(std::process::id()); // a tenant by itself
    }
    (status.st_dev as u64).rotate_left(40) ^ status.st_ino as u64
}

impl Seating {
    /// Takes a seat at the first need.
    pub(super) fn sit(&mut self, tenant: &'static Tenant) {
        if !matches!(self, Self::Unasked) {
            return;
        }
        *self = Self::Without;
        let Some(region) = tenant.region() else { return };
        let seated = || -> Result<Seated, TurnsError> {
            let turns = shared::Turns::open_or_create(&tenant.turns_path(), TurnsAccess::Owner)?;
            let turns: &'static shared::Turns = Box::leak(Box::new(turns));
            Ok(Seated { turns, seat: turns.join(tenant_number(region))?, places: Vec::new() })
        };
        match seated() {
            Ok(seated) => *self = Self::Seated(Box::new(seated)),
            Err(error) => log::error!("{error}; this process takes no turns, and may get more or less than its share"),
        }
    }

    /// The seat as seen from one device.
    pub(super) fn at(&mut self, quota: &'static Quota) -> AtDevice<'_> {
        AtDevice(match self {
            Self::Seated(seated) => seated.at(quota),
            _ => None,
        })
    }
}

impl Seated {
    /// What is needed to ask for one device.
    fn at(&mut self, quota: &'static Quota) -> Option<Seen<'_>> {
        let Self { turns, seat, places } = self;
        let at = match places.iter().position(|place| ptr::eq(place.quota, quota)) {
            Some(at) => at,
            None => {
                let number = turns.device(quota.uuid()).inspect_err(|error| log::error!("{error}")).ok();
                places.push(Place { quota, number, told: None, own_calls: 0 });
                places.len() - 1
            }
        };
        let place = &mut places[at];
        let number = place.number?;
        let share = quota.share();
        if place.told != Some(share) {
            let class = if share.policy == Policy::BestEffort { BEST_EFFORT } else { share.priority };
            seat.configure(turns, number, Standing { weight: share.cores.unwrap_or(WHOLE), class });
            place.told = Some(share);
        }
        Some(Seen { turns, seat, device: number, own_calls: &mut place.own_calls })
    }
}

/// A seat as seen from one device.
struct Seen<'a> {
    turns: &'static shared::Turns,
    seat: &'a mut Seat,
    device: usize,
    own_calls: &'a mut u32,
}

/// One device's turns; `None`: nobody else is seen.
pub(super) struct AtDevice<'a>(Option<Seen<'a>>);

impl Turns for AtDevice<'_> {
    type Waiting = Waiting;

    fn rivals(&mut self, now: u64) -> Rivals {
        let Some(Seen { turns, seat, device, .. }) = &mut self.0 else { return Rivals::default() };
        let shared::Rivals { waiting, present, higher_present, .. } = seat.rivals(turns, *device, now);
        Rivals { waiting, present, higher: higher_present }
    }

    fn calls(&mut self) -> u32 {
        self.0.as_ref().map_or(0, |seen| seen.turns.calls(seen.device).wrapping_sub(*seen.own_calls))
    }

    fn take(&mut self, now: u64) -> Answer<Waiting> {
        let Some(Seen { turns, seat, device, own_calls }) = &mut self.0 else { return Answer::Taken(shared::SLICE) };
        let before = turns.calls(*device);
        let answer = seat.take(turns, *device, now);
        // Asking is a call too, unless the last one still stands. Should it be somebody else's, that one is seen waiting.
        **own_calls = own_calls.wrapping_add(u32::from(turns.calls(*device) != before));
        match answer {
            shared::Turn::Taken { slice } => Answer::Taken(slice),
            shared::Turn::Wait(waiting) => Answer::Wait(Waiting { turns, waiting }),
        }
    }

    fn extend(&mut self, now: u64, end: u64) -> bool {
        let Some(Seen { turns, seat, device, .. }) = &mut self.0 else { return true };
        seat.extend(turns, *device, now, end)
    }

    fn holds(&mut self, now: u64) -> bool {
        self.0.as_ref().is_some_and(|Seen { turns, seat, device, .. }| seat.holds(turns, *device, now))
    }

    fn close(&mut self, now: u64, end: u64) {
        if let Some(Seen { turns, seat, device, .. }) = &mut self.0 {
            let _too_late = seat.close(turns, *device, now, end);
        }
    }

    fn leave(&mut self, now: u64) {
        if let Some(Seen { turns, seat, device, .. }) = &mut self.0 {
            seat.leave(turns, *device, now);
        }
    }

    fn used(&mut self, now: u64, device_time: i64) {
        if let Some(Seen { turns, seat, device, .. }) = &mut self.0 {
            seat.used(turns, *device, now, device_time);
        }
    }
}
