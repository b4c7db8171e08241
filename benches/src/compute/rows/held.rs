//! Row 5: a tenant that holds the device's turn is stopped, killed, or launches a kernel that never ends; the others go on. And
//! tenants whose kernels wait for one another on two devices finish.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use super::{SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell};
use crate::compute::simulation::Simulation;
use crate::compute::tenant::{Bench, Tenant};

/// How long after the event the others are watched.
const WATCHED: Duration = Duration::from_millis(150);
/// The others go on within this time, in milliseconds.
const BOUND_MS: f64 = 20.0;
/// Pairs of kernels of each tenant on two devices.
const MEETINGS: u32 = 500;

/// What befalls the holder.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Stopped,
    Killed,
    Endless,
}

pub(super) fn situations(bench: &Bench, quick: bool) -> Vec<Situation<'_>> {
    let rounds = if quick { 5 } else { 20 };
    let mut found = Vec::new();
    for policy in ["fixed-share", "burst-share"] {
        for (fate, word) in
            [(Fate::Stopped, "SIGSTOP"), (Fate::Killed, "SIGKILL"), (Fate::Endless, "a kernel that never ends")]
        {
            found.push(Situation::new(5, format!("{word}, {policy}"), move |cell| {
                others_go_on(bench, cell, fate, policy, rounds)
            }));
        }
        found.push(Situation::new(5, format!("collectives of two tenants, {policy}"), move |cell| {
            collectives(bench, cell, policy)
        }));
    }
    found
}

/// Now by the clock that load programs read.
fn now() -> anyhow::Result<u64> {
    let time: Duration = TimeSpec::into(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(u64::try_from(time.as_nanos())?)
}

fn others_go_on(bench: &Bench, cell: Cell, fate: Fate, policy: &str, rounds: u32) -> anyhow::Result<Vec<Cell>> {
    let tenant = |name: String, share: f64| Tenant::new(name).cores(share).policy(policy);
    let each = 0.2 + 3.0 * WATCHED.as_secs_f64();
    let seconds = 1.0 + f64::from(rounds) * each;
    let simulation = Simulation::start(&[])?;
    let other = |index: u32| {
        let other = tenant(format!("other-{index}"), 30.0).kernel_us(200).set("pattern", "sync");
        other.set("active", format!("0-{seconds}"))
    };
    let others = bench.at_gate(&simulation, &[other(1), other(2)])?.open();
    let mut events = Vec::new();
    for round in 0..rounds {
        let mut holder = tenant(format!("holder-{round}"), 40.0).kernel_us(1_000).set("active", "0-60");
        if fate == Fate::Endless {
            holder = holder.set("endless", 0.2);
        }
        let holder = bench.at_gate(&simulation, &[holder])?.open();
        // A different moment in each round: the turn goes round in a few milliseconds.
        std::thread::sleep(Duration::from_micros(200_000 + u64::from(round) * 1_700));
        events.push(now()?);
        match fate {
            Fate::Stopped => holder[0].signal(Signal::SIGSTOP)?,
            Fate::Killed => holder[0].signal(Signal::SIGKILL)?,
            Fate::Endless => {}
        }
        std::thread::sleep(WATCHED);
    }
    let said = others.into_iter().map(|other| other.finish(seconds + SPARE_SECONDS));
    let said = said.collect::<anyhow::Result<Vec<_>>>()?;
    drop(simulation);
    let watched = u64::try_from(WATCHED.as_nanos())?;
    let seen: Vec<_> = events.into_iter().filter(|event| said.iter().all(|one| event + watched < one.end_ns)).collect();
    anyhow::ensure!(!seen.is_empty(), "the others ended before the first event");
    let held = seen.iter().flat_map(|event| said.iter().map(|one| one.held_up_ns(*event, watched)));
    let worst = held.max().unwrap_or_default() as f64 / 1e6;
    let cell = cell.check("others go on within", worst, "ms", Bound::AtMost(BOUND_MS));
    Ok(vec![cell.note("events", seen.len() as f64, "")])
}

fn collectives(bench: &Bench, cell: Cell, policy: &str) -> anyhow::Result<Vec<Cell>> {
    const DEVICES: [&str; 2] = ["--devices", "2"];
    let tenant = |name: &str| {
        let tenant = Tenant::new(name).cores(50.0).policy(policy).set("pattern", "meet").set("count", MEETINGS);
        // Kernels of one name meet: a name for each tenant.
        tenant.set("kernel", format!("{name}_meet2_us200")).set("sync_every", 20)
    };
    let time = |said: &crate::compute::tenant::Said| (said.end_ns - said.started_ns) as f64 / 1e9;
    let native = bench.run(&DEVICES, &[tenant("red").native()], SPARE_SECONDS)?;
    let both = bench.run(&DEVICES, &[tenant("red"), tenant("blue")], SPARE_SECONDS)?;
    let done = both.said.iter().map(|said| said.submissions).min().unwrap_or_default() as f64;
    let cell = cell.check("kernels done by each", done, "", Bound::AtLeast(f64::from(2 * MEETINGS)));
    let longest = both.said.iter().map(time).fold(0.0, f64::max);
    Ok(vec![cell.note("both done after", longest, "s").note("one alone, no library", time(&native.said[0]), "s")])
}
