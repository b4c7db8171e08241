//! Row 7: processor time of tenants that wait, most of the time, for their share.

use super::{SPARE_SECONDS, Situation};
use crate::compute::cell::Bound;
use crate::compute::tenant::{Bench, Said, Tenant};

const SECONDS: f64 = 5.0;
const MOST: Bound = Bound::AtMost(1.0);

pub(super) fn situations(bench: &Bench) -> Vec<Situation<'_>> {
    let mut found = Vec::new();
    for (count, share, policy) in
        [(1, 10.0, "fixed-share"), (1, 50.0, "fixed-share"), (8, 12.5, "fixed-share"), (8, 12.5, "burst-share")]
    {
        let key = format!("{count} x {share}, 1000 us, {policy}");
        found.push(Situation::new(7, key, move |cell| {
            let tenant = |index| loaded(format!("tenant-{index}"), 1_000).cores(share).policy(policy);
            let tenants: Vec<_> = (0..count).map(tenant).collect();
            let run = bench.run(&[], &tenants, SECONDS + SPARE_SECONDS)?;
            let most = run.said.iter().map(Said::processor_percent).fold(0.0, f64::max);
            Ok(vec![cell.check("processor, the most of all", most, "% of a core", MOST)])
        }));
    }
    // Short kernels: what their launches themselves take counts apart, as the same program takes it without us.
    found.push(Situation::new(7, "1 x 10, 20 us, launches' own time apart".to_owned(), move |cell| {
        let limit = SECONDS + SPARE_SECONDS;
        let native = bench.run(&[], &[loaded("tenant".to_owned(), 20).native()], limit)?;
        let capped = bench.run(&[], &[loaded("tenant".to_owned(), 20).cores(10.0)], limit)?;
        let (native, capped) = (&native.said[0], &capped.said[0]);
        let each = native.processor_ns as f64 / native.submissions as f64;
        let own = 100.0 * each * capped.submissions as f64 / (capped.end_ns - capped.started_ns) as f64;
        let cell = cell.check("processor", capped.processor_percent() - own, "% of a core", MOST);
        Ok(vec![cell.note("launches' own", own, "% of a core")])
    }));
    found
}

fn loaded(name: String, kernel_us: u64) -> Tenant {
    Tenant::new(name).kernel_us(kernel_us).set("active", format!("0-{SECONDS}"))
}
