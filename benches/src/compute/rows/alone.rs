//! Row 1: one tenant under a cap, alone on the device, that submits without pause.

use super::{SECOND, SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell};
use crate::compute::tenant::{Bench, Tenant};
use crate::compute::usage::Window;

const ROW: u8 = 1;
const CAPS: [f64; 6] = [10.0, 25.0, 30.0, 50.0, 75.0, 90.0];
const QUICK_CAPS: [f64; 3] = [10.0, 30.0, 75.0];
const KERNELS_US: [u64; 4] = [20, 200, 1_000, 10_000];
const QUICK_KERNELS_US: [u64; 3] = [20, 1_000, 10_000];
/// One block, as many as an H200 runs at once of this size, and many rounds of them.
const GRIDS: [u32; 3] = [1, 528, 16_384];
/// Kernels longer than any slice, and for how long they are looked at.
const LONG_US: u64 = 200_000;
const LONG_SECONDS: u64 = 30;

/// What one tenant of this row is held to.
#[derive(Clone, Copy)]
struct Terms {
    cap: f64,
    seconds: u64,
    /// Largest error, in points.
    points: f64,
    /// Whether no second may be more than 5 points over the cap.
    each_second: bool,
}

pub(super) fn situations(bench: &Bench, quick: bool) -> Vec<Situation<'_>> {
    let caps: &[f64] = if quick { &QUICK_CAPS } else { &CAPS };
    let kernels: &[u64] = if quick { &QUICK_KERNELS_US } else { &KERNELS_US };
    let grids: &[u32] = if quick { &GRIDS[1..2] } else { &GRIDS };
    let seconds = if quick { 4 } else { 10 };
    let mut found = Vec::new();
    let mut add = |what: String, terms: Terms, tenant: Tenant, processes: usize| {
        let key = format!("{what}, cap {}", terms.cap);
        found.push(Situation::new(ROW, key, move |cell| measured(bench, cell, terms, &tenant, processes)));
    };
    for cap in caps.iter().copied() {
        let terms = Terms { cap, seconds, points: 1.5, each_second: true };
        let tenant = || Tenant::new("tenant").cores(cap);
        for kernel in kernels {
            for grid in grids {
                add(format!("{kernel} us, grid {grid}"), terms, tenant().kernel_us(*kernel).set("grid", grid), 1);
            }
        }
        add("graph of 200 x 20 us".into(), terms, tenant().set("pattern", "graph").kernel_us(20), 1);
        add("captured training step".into(), terms, tenant().set("pattern", "step"), 1);
        add("1000 us, each waited for".into(), terms, tenant().set("pattern", "sync").kernel_us(1_000), 1);
        add("200 us, sync every 50".into(), terms, tenant().set("sync_every", 50).kernel_us(200), 1);
        add("three processes, 200 us".into(), terms, tenant().kernel_us(200), 3);
        if !quick {
            let terms = Terms { cap, seconds: LONG_SECONDS, points: 3.0, each_second: false };
            add("200000 us".into(), terms, tenant().kernel_us(LONG_US), 1);
        }
    }
    found
}

fn measured(bench: &Bench, cell: Cell, terms: Terms, tenant: &Tenant, processes: usize) -> anyhow::Result<Vec<Cell>> {
    // A little longer than what is looked at, which begins with the first launch.
    let load = terms.seconds as f64 + 0.3;
    let tenants = vec![tenant.clone().set("active", format!("0-{load}")); processes];
    let run = bench.run(&[], &tenants, load + SPARE_SECONDS)?;
    let pids: Vec<u32> = run.said.iter().map(|said| said.pid).collect();
    let first = run.said.iter().map(|said| said.first_ns).min().unwrap_or_default();
    let window = Window::of(first, terms.seconds * SECOND);
    let achieved = run.usage.share(0, &pids, window);
    let worst = run.usage.largest_share(0, &pids, window, SECOND) - terms.cap;
    let processor = run.said.iter().map(|said| said.processor_percent()).fold(0.0, f64::max);
    let mut cell = cell.share(terms.cap, achieved).within_points(terms.points);
    cell = cell.check("of the cap", 100.0 * achieved / terms.cap, "%", Bound::AtLeast(98.0));
    cell = if terms.each_second {
        cell.check("worst second over", worst, "points", Bound::AtMost(5.0))
    } else {
        cell.note("worst second over", worst, "points")
    };
    Ok(vec![cell.note("processor", processor, "% of a core")])
}

/// The mean of the errors of this row's cells, kernels of 200 ms excepted; none when none was measured.
pub(super) fn mean_error(cells: &[Cell]) -> Option<Cell> {
    let counted = cells.iter().filter(|cell| cell.row == ROW && !cell.key.starts_with(&LONG_US.to_string()));
    let errors: Vec<f64> = counted.filter_map(Cell::error).map(f64::abs).collect();
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    (!errors.is_empty()).then(|| Cell::new(ROW, "all, mean error").check("mean", mean, "points", Bound::AtMost(0.7)))
}
