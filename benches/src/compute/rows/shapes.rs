//! Row 8: programs that are no endless row of launches: limited by the host, waiting for each kernel or in a stream, with many
//! threads or streams, beside a neighbour that submits without pause, with kernels that wait for another device's.

use super::{SECOND, SPARE_SECONDS, Situation};
use crate::compute::cell::{Bound, Cell, jain};
use crate::compute::tenant::{Bench, Run, Tenant};
use crate::compute::usage::Window;

const ROW: u8 = 8;
/// Largest error of a cap, in points.
const POINTS: f64 = 1.5;
/// What a program keeps of what it has without us, where its cap allows that.
const KEPT: f64 = 95.0;
/// Shares beside one another, in points.
const TOGETHER_POINTS: f64 = 2.0;
/// 10 ms over the host link of a T4 (16 GB/s); an H200's takes four times the bytes in that time, too many to move in fact.
const COPY: (&str, u64) = ("T4", 160_000_000);
/// For how many seconds programs are looked at without us.
const NATIVE: u64 = 2;
/// Tenants that wait for each kernel beside one that does not.
const BESIDE: [f64; 2] = [50.0, 50.0];
/// Unequal shares of equal kernels.
const UNEQUAL: [f64; 2] = [10.0, 90.0];

/// What one program is held to.
#[derive(Clone, Copy, PartialEq)]
enum Held {
    /// To the cap, or to what it has without us if that is less.
    Both,
    /// To no more than the cap. What it is below it stands there as the error.
    FromAbove,
}

pub(super) fn situations(bench: &Bench, quick: bool) -> Vec<Situation<'_>> {
    let seconds = if quick { 3 } else { 10 };
    let mut found = Vec::new();
    for (what, cap, held, options, tenant) in alone() {
        let key = format!("{what}, cap {cap}");
        found.push(Situation::new(ROW, key, move |cell| {
            // Before and after: what else the machine does changes meanwhile.
            let native = || achieved(bench, options, &tenant.clone().native(), NATIVE);
            let before = native()?;
            let capped = achieved(bench, options, &tenant.clone().cores(cap), seconds)?;
            let native = f64::midpoint(before, native()?);
            Ok(vec![judged(cell, cap, held, native, capped)])
        }));
    }
    for policy in ["fixed-share", "burst-share"] {
        let key = format!("200 us, waited for, beside a loop, {policy}");
        found.push(Situation::new(ROW, key, move |cell| beside(bench, &cell, policy, seconds)));
    }
    for (name, kernel) in [("2 ms", 2_000), ("3 ms", 3_000), ("3.5 ms", 3_500)] {
        found.push(Situation::new(ROW, format!("10/90, {name} each"), move |cell| {
            let tenants = UNEQUAL.map(|share| Tenant::new(format!("tenant-{share}")).cores(share).kernel_us(kernel));
            let (run, window) = together(bench, &tenants, seconds)?;
            let cells = pairs(UNEQUAL, &run, window).into_iter().enumerate();
            Ok(cells.map(|(index, pair)| one_of(&cell, index, pair).within_points(TOGETHER_POINTS)).collect())
        }));
    }
    for (name, sync_every) in [("each pair waited for", 1), ("never waited for", 0)] {
        found.push(Situation::new(ROW, format!("collectives, {name}"), move |cell| {
            collectives(bench, &cell, sync_every, seconds)
        }));
    }
    found
}

/// Programs that are alone: what they do, their cap, what they are held to, options of `simgpu`, and the load.
fn alone() -> Vec<(&'static str, f64, Held, &'static [&'static str], Tenant)> {
    let tenant = |pattern: &str, kernel: u64| Tenant::new("tenant").set("pattern", pattern).kernel_us(kernel);
    let paced = |kernel| tenant("paced", kernel).set("every_us", 100);
    let behind = |pattern| tenant(pattern, 1_000).set("host_us", 50_000);
    let threads = |count: u32| tenant("threads", 20).set("threads", count).set("launches", 3);
    let copies = tenant("copies", 1_000).set("bytes", COPY.1);
    const ONE_T4: [&str; 2] = ["--model", COPY.0];
    vec![
        ("20 us every 100 us", 30.0, Held::Both, &[], paced(20)),
        ("5 us every 100 us", 10.0, Held::Both, &[], paced(5)),
        ("20 us, each waited for", 30.0, Held::Both, &[], tenant("sync", 20)),
        ("200 us, each waited for", 30.0, Held::Both, &[], tenant("sync", 200)),
        ("1 ms, host function of 50 ms behind each", 20.0, Held::Both, &[], behind("host-function")),
        ("1 ms before and behind a wait of 50 ms", 20.0, Held::Both, &[], behind("wait-event")),
        ("1 ms between copies of 10 ms", 30.0, Held::Both, &ONE_T4, copies),
        ("a new thread for every 3 x 20 us", 10.0, Held::FromAbove, &[], threads(1)),
        ("eight new threads at once, 3 x 20 us each", 10.0, Held::FromAbove, &[], threads(8)),
        (
            "32 streams of one-block 1 ms",
            30.0,
            Held::Both,
            &[],
            tenant("streams", 1_000).set("streams", 32).set("grid", 1),
        ),
    ]
}

/// A tenant's share of the first device when it is alone for so many seconds, from its gate on.
fn achieved(bench: &Bench, options: &[&str], tenant: &Tenant, seconds: u64) -> anyhow::Result<f64> {
    let run = bench.run(options, &[loaded(tenant, seconds)], seconds as f64 + SPARE_SECONDS)?;
    let said = &run.said[0];
    Ok(run.usage.share(0, &[said.pid], Window::of(said.started_ns, seconds * SECOND)))
}

/// With a load that is a little longer than what is looked at.
fn loaded(tenant: &Tenant, seconds: u64) -> Tenant {
    tenant.clone().set("active", format!("0-{}", seconds as f64 + 0.3))
}

fn judged(cell: Cell, cap: f64, held: Held, native: f64, achieved: f64) -> Cell {
    let cell = cell.share(cap.min(native), achieved);
    let cell = if held == Held::Both && native > cap {
        cell.within_points(POINTS)
    } else if held == Held::Both {
        cell.check("of what it has without us", 100.0 * achieved / native, "%", Bound::AtLeast(KEPT))
    } else {
        cell.check("over the cap", achieved - cap, "points", Bound::AtMost(POINTS))
    };
    cell.note("without us", native, "%")
}

/// Two tenants for so many seconds from when the last has passed its gate.
fn together(bench: &Bench, tenants: &[Tenant; 2], seconds: u64) -> anyhow::Result<(Run, Window)> {
    // Both are looked at in the same time, in which both load.
    let tenants = tenants.each_ref().map(|tenant| loaded(tenant, seconds));
    let run = bench.run(&[], &tenants, seconds as f64 + SPARE_SECONDS)?;
    let from = run.said.iter().map(|said| said.started_ns).max().unwrap_or_default();
    Ok((run, Window::of(from, seconds * SECOND)))
}

/// Asked and achieved, of both.
fn pairs(asked: [f64; 2], run: &Run, window: Window) -> [(f64, f64); 2] {
    [0, 1].map(|index| (asked[index], run.usage.share(0, &[run.said[index].pid], window)))
}

fn one_of(cell: &Cell, index: usize, (asked, achieved): (f64, f64)) -> Cell {
    Cell::new(cell.row, format!("{}: tenant {}", cell.key, index + 1)).share(asked, achieved)
}

fn beside(bench: &Bench, cell: &Cell, policy: &str, seconds: u64) -> anyhow::Result<Vec<Cell>> {
    let tenant = |index: usize, pattern: &str| {
        let tenant = Tenant::new(format!("tenant-{index}")).cores(BESIDE[index]).policy(policy);
        tenant.set("pattern", pattern).kernel_us(200)
    };
    let waits = tenant(0, "sync");
    let native = achieved(bench, &[], &waits.clone().native(), NATIVE)?;
    let (run, window) = together(bench, &[waits, tenant(1, "loop")], seconds)?;
    // While it waits for its kernel, the one that waits has the turn and the device has nothing: nobody can have that time. So
    // both have as much when each has its turns long enough for that.
    let alone = native / 100.0;
    let asked = [100.0 * alone / (1.0 + alone); 2];
    let [waits, loops] = pairs(asked, &run, window);
    let index = jain(&[waits, loops]);
    let busy = run.usage.share(0, &[], window);
    let held = |index: usize, pair| {
        let cell = one_of(cell, index, pair);
        let error = cell.error().unwrap_or(f64::NAN);
        cell.check("error", error, "points", Bound::AtLeast(-TOGETHER_POINTS))
    };
    let (waits, loops) = (held(0, waits), held(1, loops));
    Ok(vec![waits.note("without us, alone", native, "%"), loops.note("Jain", index, "").note("device busy", busy, "%")])
}

/// Kernels that spin until their like on the other device runs, of one program with unequal caps: a cell for each device.
fn collectives(bench: &Bench, cell: &Cell, sync_every: u32, seconds: u64) -> anyhow::Result<Vec<Cell>> {
    const DEVICES: [&str; 2] = ["--devices", "2"];
    let tenant = Tenant::new("tenant").set("pattern", "meet").set("count", 0).set("kernel", "load_meet2_us200");
    let tenant = tenant.set("sync_every", sync_every);
    let run = |tenant: &Tenant, seconds: u64| {
        let run = bench.run(&DEVICES, &[loaded(tenant, seconds)], seconds as f64 + SPARE_SECONDS)?;
        let said = &run.said[0];
        let window = Window::of(said.started_ns, seconds * SECOND);
        let shares = [0, 1].map(|device| run.usage.share(device, &[said.pid], window));
        let pairs = said.submissions as f64 / 2e-9 / (said.end_ns - said.started_ns) as f64;
        anyhow::Ok((shares, pairs))
    };
    let (native, native_pairs) = run(&tenant.clone().native(), NATIVE)?;
    let (shares, pairs) = run(&tenant.cores_of_two(UNEQUAL), seconds)?;
    let of = |device: usize| {
        let cap = UNEQUAL[device];
        let cell = Cell::new(cell.row, format!("{}, device {device}, cap {cap}", cell.key)).share(cap, shares[device]);
        let cell = cell.check("over the cap", shares[device] - cap, "points", Bound::AtMost(POINTS));
        let cell = cell.note("pairs", pairs, "/s").note("without us, pairs", native_pairs, "/s");
        cell.note("without us", native[device], "%")
    };
    Ok(vec![of(0), of(1)])
}
