//! Row 4: a tenant of high priority with a short kernel now and then, beside one of low priority that never pauses.

use super::{SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell, p99};
use crate::compute::tenant::{Bench, Tenant};

/// The simulated device's time slice unless it is told another, in nanoseconds.
const SLICE_NS: f64 = 2e6;

pub(super) fn situations(bench: &Bench, quick: bool) -> Vec<Situation<'_>> {
    let seconds = if quick { 4.0 } else { 10.0 };
    let situation = |policy: &'static str, low_us: u64| {
        let key = format!("500 us every 10 ms, {policy}, beside {low_us} us without pause");
        Situation::new(4, key, move |cell| measured(bench, cell, policy, low_us, seconds))
    };
    vec![situation("burst-share", 20), situation("burst-share", 10_000), situation("fixed-share", 10_000)]
}

fn measured(bench: &Bench, cell: Cell, policy: &str, low_us: u64, seconds: f64) -> anyhow::Result<Vec<Cell>> {
    let tenant = |name: &str, share: f64, priority: u32| {
        let tenant = Tenant::new(name).cores(share).policy(policy).priority(priority);
        tenant.set("active", format!("0-{seconds}"))
    };
    let high = tenant("high", 30.0, 0).set("pattern", "periodic").set("every_us", 10_000).kernel_us(500);
    let low = tenant("low", 70.0, 1).kernel_us(low_us);
    let limit = seconds + SPARE_SECONDS;
    let native = bench.run(&[], &[high.clone().native()], limit)?;
    let alone = bench.run(&[], std::slice::from_ref(&high), limit)?;
    let beside = bench.run(&[], &[high, low], limit)?;
    let (native, alone, beside) =
        (p99(&native.said[0].latencies_ns), p99(&alone.said[0].latencies_ns), p99(&beside.said[0].latencies_ns));
    // What is over the bound, so that one figure tells how far it was missed.
    let most = 1.3 * alone + SLICE_NS;
    let cell = cell.check("P99", beside / 1e6, "ms", Bound::AtMost(most / 1e6));
    Ok(vec![cell.note("alone", alone / 1e6, "ms").note("alone, no library", native / 1e6, "ms")])
}
