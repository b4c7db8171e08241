//! Row 3: burst-share. One tenant has the device while the others sleep; each has its share again soon after it wakes.

use super::{SECOND, SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell};
use crate::compute::tenant::{Bench, Run, Tenant};
use crate::compute::usage::Window;

/// The first tenant never sleeps; the others are awake from the third second to the sixth.
const GROUPS: [&[f64]; 3] = [&[30.0, 70.0], &[70.0, 30.0], &[20.0, 30.0, 50.0]];
const KERNELS_US: [u64; 2] = [20, 10_000];
/// Shares are looked at over this long, and are there when each is within so many points.
const LOOK: u64 = SECOND / 5;
const POINTS: f64 = 5.0;
const STEP: u64 = SECOND / 100;

pub(super) fn situations(bench: &Bench) -> Vec<Situation<'_>> {
    let mut found = Vec::new();
    for shares in GROUPS {
        for turned in 0..2 {
            let names: Vec<_> = shares.iter().map(f64::to_string).collect();
            let (first, other) = (KERNELS_US[turned], KERNELS_US[1 - turned]);
            let key = format!("burst-share {}, first {first} us, others {other} us", names.join("/"));
            let tenants: Vec<_> = (shares.iter().enumerate())
                .map(|(index, share)| {
                    let tenant = Tenant::new(format!("tenant-{index}")).cores(*share).policy("burst-share");
                    let (active, kernel) = if index == 0 { ("0-8", first) } else { ("3-6", other) };
                    tenant.kernel_us(kernel).set("active", active)
                })
                .collect();
            found.push(Situation::new(3, key, move |cell| {
                let run = bench.run(&[], &tenants, 8.0 + SPARE_SECONDS)?;
                Ok(judged(&cell, shares, &run))
            }));
        }
    }
    found
}

fn judged(cell: &Cell, shares: &[f64], run: &Run) -> Vec<Cell> {
    let first = &run.said[0];
    let start = first.started_ns;
    let wake = run.said[1..].iter().filter_map(|said| said.woken_ns.first()).min().copied().unwrap_or_default();
    let named = |what: &str| Cell::new(cell.row, format!("{}: {what}", cell.key));
    let mut cells = Vec::new();
    for (what, window) in [
        ("others asleep", Window { from: start + SECOND / 2, until: wake }),
        ("others asleep again", Window { from: start + 13 * SECOND / 2, until: start + 39 * SECOND / 5 }),
    ] {
        let achieved = run.usage.share(0, &[first.pid], window);
        cells.push(named(what).share(100.0, achieved).check("of the device", achieved, "%", Bound::AtLeast(97.0)));
    }
    for (index, (asked, said)) in shares.iter().zip(&run.said).enumerate() {
        let window = Window { from: wake + LOOK, until: start + 6 * SECOND - LOOK };
        let what = format!("all awake, tenant {}", index + 1);
        cells.push(named(&what).share(*asked, run.usage.share(0, &[said.pid], window)).within_points(2.0));
    }
    let recovered = recovery(shares, run, wake).map_or(f64::NAN, |time| time as f64 / 1e6);
    cells.push(named("after waking").check("each has its share after", recovered, "ms", Bound::AtMost(200.0)));
    cells
}

/// How long after `wake` a stretch begins in which each has its share.
fn recovery(shares: &[f64], run: &Run, wake: u64) -> Option<u64> {
    let settled = |from: u64| {
        let had = |said: &crate::compute::tenant::Said| run.usage.share(0, &[said.pid], Window::of(from, LOOK));
        shares.iter().zip(&run.said).all(|(asked, said)| (had(said) - asked).abs() <= POINTS)
    };
    (0..2 * SECOND).step_by(STEP as usize).find(|delay| settled(wake + delay))
}
