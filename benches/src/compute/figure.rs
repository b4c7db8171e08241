//! The figure's data: three tenants that wake and sleep, and what share each has over time, under each policy.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::tenant::{Bench, Tenant};
use super::usage::Window;

const POLICIES: [&str; 3] = ["fixed-share", "burst-share", "best-effort"];
/// Asked share, kernel in microseconds, seconds in which it is awake. Under best-effort it is the first that has this policy,
/// the others are burst-share.
const TENANTS: [(f64, u64, &str); 3] = [(20.0, 1_000, "0-6"), (30.0, 20, "1-4"), (50.0, 10_000, "2-5")];
const SECONDS: u64 = 6;
/// One point of a line.
const STEP_NS: u64 = 50_000_000;
/// How much longer than its load the run may take, in seconds.
const SPARE_SECONDS: f64 = 30.0;

/// One panel.
#[derive(Serialize)]
struct Panel {
    policy: &'static str,
    step_ms: f64,
    tenants: Vec<Line>,
}

/// One tenant's line.
#[derive(Serialize)]
struct Line {
    asked: f64,
    kernel_us: u64,
    awake: &'static str,
    policy: &'static str,
    /// Percent of the device in each step.
    share: Vec<f64>,
}

/// Measures the panels and writes them as JSON.
pub(crate) fn write(bench: &Bench, out: &Path) -> anyhow::Result<()> {
    let panels = POLICIES.iter().map(|policy| panel(bench, policy)).collect::<anyhow::Result<Vec<_>>>()?;
    std::fs::write(out, serde_json::to_string(&panels)? + "\n").with_context(|| out.display().to_string())
}

fn panel(bench: &Bench, policy: &'static str) -> anyhow::Result<Panel> {
    let of = |index: usize| if policy == "best-effort" && index > 0 { "burst-share" } else { policy };
    let tenants: Vec<_> = (TENANTS.iter().enumerate())
        .map(|(index, (share, kernel, awake))| {
            let tenant = Tenant::new(format!("tenant-{index}")).cores(*share).policy(of(index));
            tenant.kernel_us(*kernel).set("active", awake)
        })
        .collect();
    let run = bench.run(&[], &tenants, SECONDS as f64 + SPARE_SECONDS)?;
    let start = run.said.iter().map(|said| said.started_ns).min().context("three tenants")?;
    let steps = SECONDS * 1_000_000_000 / STEP_NS;
    let line = |(index, said): (usize, &super::tenant::Said)| {
        let (asked, kernel_us, awake) = TENANTS[index];
        let share = |step| run.usage.share(0, &[said.pid], Window::of(start + step * STEP_NS, STEP_NS));
        Line { asked, kernel_us, awake, policy: of(index), share: (0..steps).map(share).collect() }
    };
    let tenants = run.said.iter().enumerate().map(line).collect();
    Ok(Panel { policy, step_ms: STEP_NS as f64 / 1e6, tenants })
}
