//! Rows 2 and 6: tenants that want the device at the same time, with kernels of unequal length.

use super::{SECOND, SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell, jain};
use crate::compute::tenant::{Bench, Run, Tenant};
use crate::compute::usage::Window;

const GROUPS: [&[f64]; 4] = [&[30.0, 70.0], &[10.0, 90.0], &[10.0, 20.0, 30.0, 40.0], &[12.5; 8]];
/// Tenants have the shorter and the longer in turn, and the other way round in a second run.
const KERNELS_US: [u64; 2] = [20, 10_000];

pub(super) fn situations(bench: &Bench, quick: bool) -> Vec<Situation<'_>> {
    let seconds = if quick { 4 } else { 10 };
    let mut found = Vec::new();
    for shares in GROUPS {
        for turned in 0..if quick { 1 } else { 2 } {
            let tenants = tenants(shares, turned, seconds as f64 + 0.5, None);
            found.push(Situation::new(2, key(shares, turned), move |cell| {
                let run = bench.run(&[], &tenants, seconds as f64 + SPARE_SECONDS)?;
                // From when the last one has launched.
                let first = run.said.iter().map(|said| said.first_ns).max().unwrap_or_default();
                Ok(judged(&cell, shares, &run, Window::of(first, seconds * SECOND)))
            }));
        }
    }
    for turned in 0..if quick { 1 } else { 2 } {
        let shares = GROUPS[3];
        let tenants = tenants(shares, turned, 7.0, Some("early"));
        found.push(Situation::new(6, format!("at one instant, {}", key(shares, turned)), move |cell| {
            let run = bench.run(&[], &tenants, 7.0 + SPARE_SECONDS)?;
            // They start the device when the gate opens: the first second counts from the first of them that can launch.
            let start = run.said.iter().map(|said| said.started_ns).min().unwrap_or_default();
            Ok(judged(&cell, shares, &run, Window::of(start + SECOND, 5 * SECOND)))
        }));
    }
    found
}

fn key(shares: &[f64], turned: usize) -> String {
    let kernels = [KERNELS_US[turned], KERNELS_US[1 - turned]];
    let shares: Vec<_> = shares.iter().map(f64::to_string).collect();
    format!("{} ({} us, {} us, …)", shares.join("/"), kernels[0], kernels[1])
}

fn tenants(shares: &[f64], turned: usize, seconds: f64, gate: Option<&str>) -> Vec<Tenant> {
    let tenant = |(index, share): (usize, &f64)| {
        let tenant = Tenant::new(format!("tenant-{index}")).cores(*share).kernel_us(KERNELS_US[(index + turned) % 2]);
        let tenant = tenant.set("active", format!("0-{seconds}"));
        gate.map_or(tenant.clone(), |gate| tenant.set("gate", gate))
    };
    shares.iter().enumerate().map(tenant).collect()
}

/// A cell for each tenant, and one for all together.
fn judged(cell: &Cell, shares: &[f64], run: &Run, window: Window) -> Vec<Cell> {
    let mut pairs = Vec::new();
    let mut cells = Vec::new();
    for (index, (asked, said)) in shares.iter().zip(&run.said).enumerate() {
        let achieved = run.usage.share(0, &[said.pid], window);
        pairs.push((*asked, achieved));
        let own = Cell::new(cell.row, format!("{}: tenant {}", cell.key, index + 1)).share(*asked, achieved);
        cells.push(own.within_points(2.0).note("processor", said.processor_percent(), "% of a core"));
    }
    let busy = run.usage.share(0, &[], window);
    let all = Cell::new(cell.row, format!("{}: all", cell.key)).check("Jain", jain(&pairs), "", Bound::AtLeast(0.995));
    cells.push(all.check("device busy", busy, "%", Bound::AtLeast(95.0)));
    cells
}
