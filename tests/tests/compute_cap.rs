//! A cap on compute holds: by every function that submits work, through every door, for several processes and threads, and
//! from the moment that it changes.

use hami_tests::Run;
use hami_tests::cores::{Share, Sharing, figures, only, words};
use hami_tests::tenant::{cuda_program, with_books};
use shared_region::Access;
use shared_region::limits::{Limit, LimitsWriter};

const NONE: [&str; 0] = [];

/// The part of the device that a lone load of kernels of `us` microseconds has over `seconds`, in percent.
fn share_of(share: Option<&Share>, us: &str, seconds: &str, threads: &str) -> f64 {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    let run = Run::new(load.path()).args(["loop", us, seconds, threads]);
    let run = share.map_or(run.clone(), |share| sharing.hold(share, run));
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    only(&output.stdout, "share ")
}

#[test]
fn without_a_limit_a_load_has_the_device() {
    assert!(share_of(None, "10000", "2", "1") > 85.0);
    assert!(share_of(Some(&Share::new("tenant")), "10000", "2", "1") > 85.0);
}

#[test]
fn a_cap_holds_for_short_and_long_kernels() {
    for us in ["200", "2000", "20000"] {
        let share = share_of(Some(&Share::new("tenant").cores("30")), us, "2", "1");
        assert!((15.0..=40.0).contains(&share), "kernels of {us} us: {share}");
    }
}

#[test]
fn force_and_default_cap_a_tenant_that_is_alone() {
    for policy in ["default", "force", "FORCE", "fixed-share"] {
        let share = share_of(Some(&Share::new("tenant").cores("30").policy(policy)), "2000", "2", "1");
        assert!((15.0..=40.0).contains(&share), "{policy}: {share}");
    }
}

#[test]
fn what_means_no_limit_limits_nothing() {
    let limited = |cores: &str| Share::new("tenant").cores(cores);
    for share in [limited("0"), limited("100"), limited(""), limited("30").policy("disable")] {
        let had = share_of(Some(&share), "10000", "2", "1");
        assert!(had > 85.0, "{share:?}: {had}");
    }
}

#[test]
fn threads_share_their_process_s_cap() {
    let share = share_of(Some(&Share::new("tenant").cores("30")), "2000", "2", "4");
    assert!((15.0..=40.0).contains(&share), "{share}");
}

#[test]
fn processes_share_their_tenant_s_cap() {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    let tenant = Share::new("tenant").cores("30");
    let command = || words(&load.path(), &["loop", "2000", "3"]);
    let commands = ["a", "b", "c"].map(|name| (Some(&tenant), name, command()));
    let shares: Vec<f64> = sharing.start(&[], &commands).finish().iter().map(|said| only(said, "share ")).collect();
    let sum: f64 = shares.iter().sum();
    assert!((15.0..=40.0).contains(&sum), "{shares:?}");
}

#[test]
fn a_limit_that_cannot_be_read_grants_nothing() {
    let program = cuda_program("compute_program");
    for (name, value) in [
        ("CUDA_DEVICE_SM_LIMIT", "abc"),
        ("CUDA_DEVICE_SM_LIMIT", "-5"),
        ("CUDA_DEVICE_SM_LIMIT", "30 percent"),
        ("GPU_CORE_UTILIZATION_POLICY", "sometimes"),
        ("CUDA_TASK_PRIORITY", "high"),
    ] {
        let sharing = Sharing::new();
        let share = Share::new("tenant").cores("30").env(name, value);
        let run = sharing.hold(&share, Run::new(program.path()).arg("refused")).simulated(NONE);
        let output = run.output();
        // Either no context, since that takes memory, or no allocation in it.
        let refused = output.stdout == "alloc 2\n" || output.stderr.contains("cuDevicePrimaryCtxRetain: error 2");
        assert!(refused, "{name}={value}: {output}");
        let ours: Vec<_> = output.stderr.lines().filter(|line| line.starts_with("hami-core")).collect();
        assert!(ours.len() == 1 && ours[0].contains(name) && ours[0].contains(value), "{name}={value}: {output}");
    }
}

#[test]
fn a_changed_limit_counts_while_the_program_runs() {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    let tenant = Share::new("tenant");
    let cores = |percent: u16| Limit { cores: Some(100 * percent), ..Limit::default() };
    let limits = LimitsWriter::create(&sharing.region(&tenant), Access::default()).expect("a limits file");
    limits.set(None, cores(80)).expect("a limit");
    let together = sharing.start(&[], &[(Some(&tenant), "load", words(&load.path(), &["loop", "2000", "60"]))]);
    let mut seen = together.until("load", "now ", 2, |share| (60.0..=90.0).contains(&share));
    for (percent, wanted) in [(20, 10.0..=30.0), (70, 55.0..=80.0), (10, 5.0..=18.0)] {
        limits.set(None, cores(percent)).expect("a limit");
        // A line or two may hold some of both.
        seen = together.until("load", "now ", seen + 2, |share| wanted.contains(&share));
    }
    limits.clear(None).expect("no limit");
    together.until("load", "now ", seen + 2, |share| share > 85.0);
}

/// What the program printed of each function.
fn by_name(stdout: &str, start: &str) -> Vec<(String, u64)> {
    let lines = stdout.lines().filter_map(|line| line.strip_prefix(start));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, figure)| Some((name.to_owned(), figure.parse().ok()?))).collect()
}

fn ways(share: Option<&Share>, arguments: &[&str]) -> String {
    let program = cuda_program("compute_ways");
    let sharing = Sharing::new();
    let run = with_books(Run::new(program.path())).args(arguments).within(std::time::Duration::from_secs(120));
    let run = share.map_or(run.clone(), |share| sharing.hold(share, run));
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output.stdout
}

/// A kernel of 60 ms under a cap of 20 % takes 300 ms of the tenant's time: 240 ms are left when it is done, 140 when it found
/// all the credit that there can be.
const LEAST_MS: u64 = 80;

fn every_function_waits_through(door: &str) {
    let capped = ways(Some(&Share::new("tenant").cores("20")), &[door, "debts"]);
    let waited = by_name(&capped, "cu");
    assert!(waited.len() > 35, "{capped}");
    let quick: Vec<_> = waited.iter().filter(|(_, ms)| *ms < LEAST_MS).collect();
    assert!(quick.is_empty(), "these did not wait: {quick:?}");
    // Copies over the link, host functions, events and allocations do not: there is 1.2 s to wait, before them and, but for
    // what they took, after them.
    let passed = by_name(&capped, "pass ");
    assert!(passed.len() > 30 && passed.iter().all(|(_, ms)| *ms < LEAST_MS), "{capped}");
    assert!(only(&capped, "left ") > 600.0, "{capped}");
}

#[test]
fn every_function_that_submits_work_waits_linked() {
    every_function_waits_through("linked");
}

#[test]
fn every_function_that_submits_work_waits_through_dlsym() {
    every_function_waits_through("dlsym");
}

#[test]
fn every_function_that_submits_work_waits_through_proc_address() {
    every_function_waits_through("address");
}

#[test]
fn without_a_cap_no_function_waits() {
    let native = by_name(&ways(None, &["linked", "debts"]), "cu");
    let slow: Vec<_> = native.iter().filter(|(_, ms)| *ms >= LEAST_MS).collect();
    assert!(native.len() > 35 && slow.is_empty(), "{slow:?}");
}

#[test]
fn a_cap_holds_by_every_function() {
    let native = by_name(&ways(None, &["linked", "shares", "200"]), "cu");
    let capped = by_name(&ways(Some(&Share::new("tenant").cores("10")), &["linked", "shares", "800"]), "cu");
    assert!(native.len() > 35 && native.len() == capped.len(), "{native:?} {capped:?}");
    // Fills that are waited for one by one leave the device idle; what is only submitted keeps it busy.
    let busy = native.iter().filter(|(_, share)| *share > 60).count();
    assert!(busy > 15, "{native:?}");
    let over: Vec<_> = capped.iter().filter(|(_, share)| *share > 20).collect();
    assert!(over.is_empty(), "over 10 percent: {over:?}");
}

#[test]
fn the_first_second_is_not_over_the_cap() {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    let run = Run::new(load.path()).args(["loop", "2000", "2"]);
    let run = sharing.hold(&Share::new("tenant").cores("20"), run).simulated(NONE);
    let output = run.output().succeeded();
    let now = figures(&output.stdout, "now ");
    let first = now[..5].iter().sum::<f64>() / 5.0;
    assert!((5.0..=35.0).contains(&first), "{output}");
}

#[test]
fn an_unlimited_program_leaves_no_file() {
    let program = cuda_program("compute_program");
    let (sharing, share) = (Sharing::new(), Share::new("tenant"));
    let native = Run::new(program.path()).arg("traces").simulated(NONE).output().succeeded();
    let run = sharing.hold(&share, Run::new(program.path()).arg("traces")).simulated(NONE);
    // The same threads and the same open files as without the library.
    run.output().same_as(&native);
    assert!(!sharing.region(&share).exists() && !sharing.turns().exists());
    let limited = share.clone().cores("50");
    sharing.hold(&limited, Run::new(program.path()).arg("traces")).simulated(NONE).output().succeeded();
    assert!(sharing.region(&limited).exists(), "what shows that the check above can fail");
}
