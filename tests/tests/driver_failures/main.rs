//! Driver calls that fail, by the simulator's plan: the program gets the driver's answer, and the books stay true.

mod bench;
mod scenarios;

use std::collections::BTreeSet;

use bench::{Bench, CONTEXT, Life, MIB, QUOTA, Shown, Step};
use scenarios::{CODE, EVERYTHING, SCENARIOS, orders};

/// What the driver answers, one after the other: unknown error, out of memory, invalid value, a launch that failed.
const CODES: [i32; 4] = [999, 2, 1, 719];
/// Calls of one function in a scenario, those included that hooks make.
const MOST_CALLS: u32 = 40;
/// Accounted functions of drivers later than the simulated one.
const LATER: [&str; 2] = ["cuMulticastBindAddr_v2", "cuMulticastBindMem_v2"];

/// From which of its calls on a function fails that hooks call themselves.
const FROM_CALLS: [u32; 5] = [1, 2, 3, 6, 12];

/// The functions of class "account", by the documentation's table.
fn accounted() -> BTreeSet<&'static str> {
    let rows = include_str!("../../../docs/hooked-functions.md").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("| ")?.split_once(" | account |"));
    rows.map(|(name, _)| name).collect()
}

fn is_exported(function: &str) -> bool {
    simulator::EXPORTED.lines().any(|line| line.split_once(' ') == Some(("libcuda.so.1", function)))
}

/// Functions at which a driver may load code: what it takes is noticed when somebody looks at the memory.
fn loading_lazily() -> BTreeSet<&'static str> {
    let rows = include_str!("../../../hami-core/src/table/cuda.rs").split("account ").skip(1);
    let lazy = rows.filter(|row| row.contains("overhead::may_load"));
    lazy.map(|row| row.split(' ').next().expect("a name")).collect()
}

/// All figures are the simulator's, and what is shown as the device's size is the quota.
fn agrees(life: &Life, hooked: bool) -> Result<(), String> {
    if (life.status, life.said.as_str()) != (0, "") {
        return Err(format!("ended with {}, having said {:?}", life.status, life.said));
    }
    let lazily = loading_lazily();
    for step in &life.steps {
        let own = step.own;
        let exact = step.region[1] == own && (step.region[0] == own || lazily.contains(step.function()));
        let total = if hooked { QUOTA } else { bench::MEMORY };
        let holders = if own == 0 || !hooked { vec![] } else { vec![(life.pid, own)] };
        let shown = step.info.is_none_or(|shown| shown == (own, total)) && step.nvml == Some((own, total));
        if !exact || step.holders != holders || !shown {
            return Err(format!("figures differ: {step:?}"));
        }
    }
    match life.steps.last() {
        Some(last) if last.own == 0 => Ok(()),
        last => Err(format!("not nothing at the end: {last:?}")),
    }
}

/// The one call that failed, after which nothing had changed, and which succeeded the second time.
fn failed_once(steps: &[Step], function: &str, code: i32) -> Result<(), String> {
    let failed: Vec<_> = (0..steps.len()).filter(|at| !steps[*at].succeeded()).collect();
    let &[at] = &failed[..] else {
        return Err(format!("these failed: {:?}", failed.iter().map(|at| &steps[*at]).collect::<Vec<_>>()));
    };
    let before = at.checked_sub(1).map_or(0, |before| steps[before].own);
    if (steps[at].function(), steps[at].result, steps[at].own) != (function, code, before) {
        return Err(format!("{before} in use before, then {:?}", steps[at]));
    }
    Ok(())
}

/// Lets one call of a function after the other fail, until `wanted` of those that the program makes have. Between them may be
/// calls that hooks make.
fn fails(bench: &mut Bench, function: &str, code: i32, orders: &[&str], wanted: usize) -> Result<(), String> {
    let mut found = 0;
    for call in 1..MOST_CALLS {
        let life = bench.live(&format!("{function}@{call}={code}"), orders);
        let at = |fault: String| format!("{function}, call {call}, {code}: {fault}");
        if life.steps.iter().any(|step| step.function() == function && step.result == code) {
            agrees(&life, bench.hooked).and_then(|()| failed_once(&life.steps, function, code)).map_err(at)?;
            found += 1;
        } else if bench.hooked {
            stays_within(&life).map_err(at)?;
        } else {
            return Err(at("no call of the program failed".to_owned()));
        }
        if found == wanted {
            return Ok(());
        }
    }
    Err(format!("{function} failed {found} times, was to fail {wanted} times"))
}

/// Lets every call of every accounted function fail, in every scenario, once; the first one of each with every code.
fn every_call_fails(hooked: bool) {
    let mut bench = Bench::start(hooked, CONTEXT);
    let accounted = accounted();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for scenario in SCENARIOS {
        let orders = orders(scenario);
        let names = orders.iter().filter_map(|order| order.split(' ').next());
        let functions: Vec<_> = names.filter(|name| name.starts_with("cu")).collect();
        if functions.iter().any(|function| !is_exported(function)) {
            seen.extend(functions.into_iter().filter(|function| !is_exported(function)));
            continue; // said at the end
        }
        for function in functions.iter().copied().collect::<BTreeSet<_>>() {
            if !accounted.contains(function) {
                continue;
            }
            let times = functions.iter().filter(|other| **other == function).count();
            faults.extend(fails(&mut bench, function, CODES[0], &orders, times).err());
            if seen.insert(function) {
                faults
                    .extend(CODES[1..].iter().filter_map(|code| fails(&mut bench, function, *code, &orders, 1).err()));
            }
        }
    }
    faults.extend(accounted.difference(&seen).map(|function| format!("{function} is in no scenario")));
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    // Functions of later drivers than the ones that are simulated.
    let absent: Vec<_> = accounted.iter().filter(|function| !is_exported(function)).collect();
    assert!(absent.iter().all(|function| LATER.contains(function)), "not simulated: {absent:?}");
}

#[test]
fn a_call_that_fails_changes_nothing() {
    every_call_fails(true);
}

#[test]
fn without_the_library_a_call_that_fails_changes_nothing_either() {
    every_call_fails(false);
}

/// The vendors' functions that hooks call themselves, by the declarations in the library's source.
fn asked_by_hooks() -> BTreeSet<&'static str> {
    let declared =
        [include_str!("../../../hami-core/src/vendor.rs"), include_str!("../../../hami-core/src/measure/nvml.rs")];
    let names = declared.into_iter().flat_map(|text| text.split(" as c\"").skip(1));
    names.map(|rest| rest.split('"').next().expect("a name")).collect()
}

/// The books say at least what the device gave, but for `uncharged` bytes, and nobody was shown the whole device.
fn is_charged(life: &Life, uncharged: u64) -> Result<(), String> {
    if life.status != 0 {
        return Err(format!("ended with {}", life.status));
    }
    let lazily = loading_lazily();
    for step in &life.steps {
        let least = step.own.saturating_sub(uncharged);
        let charged = step.region[1] >= least && (step.region[0] >= least || lazily.contains(step.function()));
        let whole = |shown: Shown| shown.is_some_and(|(_, total)| total > QUOTA);
        if !charged || whole(step.info) || whole(step.nvml) {
            return Err(format!("{step:?}"));
        }
    }
    Ok(())
}

/// The device gave no more than the quota, the books say at least what it gave, and nobody was shown the whole device.
fn stays_within(life: &Life) -> Result<(), String> {
    is_charged(life, 0)?;
    for step in &life.steps {
        let free = |shown: Shown| shown.map_or(0, |(used, total)| total - used);
        // Of an unknown device nothing is granted, and nothing shown: 0 of 0.
        if step.own > QUOTA || free(step.info).max(free(step.nvml)) > QUOTA - step.own {
            return Err(format!("{step:?}"));
        }
    }
    Ok(())
}

/// What the code in the scenario takes. It is not charged without NVML, since nobody else tells (docs/decisions/0008).
const IMAGES: u64 = 16 * MIB;
/// What the same calls undo when the device has given more than the quota; if that fails as well, it keeps the more.
const UNDOING: [&str; 3] = ["cuCtxSetLimit", "cuLibraryUnload", "cuModuleUnload"];

#[test]
fn what_hooks_cannot_ask_never_grants_more() {
    let mut bench = Bench::start(true, CONTEXT);
    let mut faults = Vec::new();
    for scenario in [EVERYTHING, CODE] {
        let life = bench.live("", &orders(scenario));
        agrees(&life, true).expect("exact where nothing fails");
        let failed: Vec<_> = life.steps.iter().filter(|step| !step.succeeded()).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
    for function in asked_by_hooks() {
        let calls = FROM_CALLS.map(|call| (call, CODES[0])).into_iter();
        for (call, code) in calls.chain(CODES[1..].iter().map(|code| (1, *code))) {
            let plan = format!("{function}@{call}+={code}");
            let everything = bench.live(&plan, &orders(EVERYTHING));
            faults.extend(stays_within(&everything).err().map(|fault| format!("{plan}: {fault}")));
            let code = bench.live(&plan, &orders(CODE));
            let outcome = if function.starts_with("nvml") {
                is_charged(&code, IMAGES)
            } else if UNDOING.contains(&function) {
                is_charged(&code, 0)
            } else {
                stays_within(&code)
            };
            faults.extend(outcome.err().map(|fault| format!("{plan}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_context_that_does_not_fit_and_cannot_be_undone_stays_charged() {
    let mut bench = Bench::start(true, QUOTA + 64 * MIB);
    for (made, undone) in [
        ("cuDevicePrimaryCtxRetain &p 0", "cuDevicePrimaryCtxRelease_v2"),
        ("cuCtxCreate_v2 &c 0 0", "cuCtxDestroy_v2"),
    ] {
        let fits_not = bench.live("", &["cuInit 0", made]);
        stays_within(&fits_not).expect("undone");
        assert_eq!(fits_not.steps[1].result, 2, "{fits_not:?}");
        let life = bench.live(&format!("{undone}@1+=999"), &["cuInit 0", made]);
        is_charged(&life, 0).unwrap_or_else(|fault| panic!("{undone}: {fault}"));
        assert_eq!((life.steps[1].result, life.steps[1].own), (2, QUOTA + 64 * MIB), "{life:?}");
    }
}

#[test]
fn in_a_pid_namespace_a_context_that_cannot_be_measured_is_charged() {
    // There a process finds itself in NVML's list by allocating and freeing a little.
    let mut bench = Bench::start_in_namespace();
    let mut faults = Vec::new();
    agrees(&bench.live("", &orders(SCENARIOS[0])), true).expect("exact where nothing fails");
    for function in asked_by_hooks() {
        for call in [1, 2, 3] {
            let plan = format!("{function}@{call}+=999");
            let life = bench.live(&plan, &orders(SCENARIOS[0]));
            faults.extend(stays_within(&life).err().map(|fault| format!("{plan}: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
