//! What we count is what the device has given: after each call cuMemGetInfo agrees with the simulator's own books.

use hami_tests::audit::{Audit, MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Run, Tenant};

const QUOTA: u64 = 8 << 30;
/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96 * MIB;

/// Runs the client under the quota and checks each line: view, books, result, errno.
fn audited(script: &str) -> Audit {
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    let run = tenant.hold(with_books(Run::new(client.path()))).arg("--audit").args(script.split(' '));
    let audit = Audit::of(run.simulated([] as [&str; 0]).output().succeeded());
    audit.agrees(QUOTA);
    audit
}

/// Checks results and bytes in use of each step; bytes in MiB beyond the first context's.
fn expect(script: &str, expected: &[(i32, u64)]) {
    let audit = audited(script);
    let found: Vec<_> = audit.steps.iter().map(|step| (step.result, step.own.saturating_sub(CONTEXT) / MIB)).collect();
    assert_eq!(found, expected, "{audit:#?}");
}

#[test]
fn linear_memory_is_counted_by_pages() {
    expect(
        "init retain alloc a 100M alloc b 3M alloc c 1 free a free c free b free b",
        &[(0, 0), (0, 0), (0, 100), (0, 104), (0, 106), (0, 6), (0, 4), (0, 0), (1, 0)],
    );
}

#[test]
fn pitched_and_managed_memory_is_counted() {
    // A pitch is a multiple of 512 bytes: 1024 × 5000 bytes are three pages.
    expect(
        "init retain pitch a 1000 5000 managed b 33M free a free b",
        &[(0, 0), (0, 0), (0, 6), (0, 40), (0, 34), (0, 0)],
    );
}

#[test]
fn pools_are_counted_by_what_they_keep_reserved() {
    // A pool grows by 32 MiB; what is free in it stays with it until the context is synchronised.
    expect(
        "init retain async a 1M async b 20M async c 40M free-async a free-async b free-async c sync async a 1M free a sync",
        &[(0, 0), (0, 0), (0, 32), (0, 32), (0, 96), (0, 96), (0, 96), (0, 96), (0, 0), (0, 32), (0, 32), (0, 0)],
    );
}

#[test]
fn memory_may_be_freed_by_the_other_family() {
    let audit = audited("init retain alloc a 10M async b 10M free-async a sync free b sync");
    assert_eq!(audit.steps.iter().map(|step| step.result).collect::<Vec<_>>(), [0; 8], "{audit:#?}");
    assert_eq!(audit.steps.last().expect("steps").own, CONTEXT, "{audit:#?}");
}

#[test]
fn what_is_no_memory_changes_nothing() {
    expect(
        "init retain alloc a 10M free-at 7f0000001234 free-at 0 free a free a free-async a alloc a 0",
        &[(0, 0), (0, 0), (0, 10), (1, 10), (0, 10), (0, 0), (1, 0), (1, 0), (1, 0)],
    );
}

#[test]
fn small_memory_is_counted_by_the_pages_it_shares() {
    // 1,000 × 4 KiB fill two pages of 2 MiB.
    expect("init retain many 1000 4096 alloc a 1 free a free-many", &[(0, 0), (0, 0), (0, 4), (0, 4), (0, 4), (0, 0)]);
}

#[test]
fn contexts_are_counted_and_given_back_with_what_lived_in_them() {
    let audit = audited(
        "init retain retain alloc a 10M create2 alloc b 20M create3 alloc c 1M destroy destroy current release current release",
    );
    let found: Vec<_> = audit.steps.iter().map(|step| (step.result, step.contexts, step.own / MIB)).collect();
    let context = CONTEXT / MIB;
    assert_eq!(
        found,
        [
            (0, 0, 0),
            (0, 1, context),
            (0, 1, context),
            (0, 1, context + 10),
            (0, 2, 2 * context + 10),
            (0, 2, 2 * context + 30),
            (0, 3, 3 * context + 30),
            (0, 3, 3 * context + 32),
            (0, 2, 2 * context + 30),
            (0, 1, context + 10),
            (0, 1, context + 10),
            (0, 1, context + 10), // the first of two releases leaves it
            (0, 1, context + 10),
            (0, 0, 0),
        ]
    );
}

#[test]
fn a_reset_gives_everything_back() {
    let audit = audited("init retain alloc a 10M pitch b 1000 5000 managed c 5M reset retain alloc a 4M");
    let own: Vec<_> = audit.steps.iter().map(|step| step.own / MIB).collect();
    let context = CONTEXT / MIB;
    assert_eq!(own, [0, context, context + 10, context + 16, context + 22, 0, context, context + 4], "{audit:#?}");
}

#[test]
fn over_the_quota_is_refused_and_changes_nothing() {
    let room = QUOTA / MIB - CONTEXT / MIB;
    let fill = format!("alloc a {room}M");
    let audit = audited(&format!(
        "init retain alloc a {}M {fill} alloc b 1 pitch b 1 1 managed b 1 async b 1 create2 create3 free a {fill} free a",
        room + 1
    ));
    let results: Vec<_> = audit.steps.iter().map(|step| step.result).collect();
    assert_eq!(results, [0, 0, 2, 0, 2, 2, 2, 2, 2, 2, 0, 0, 0], "{audit:#?}");
    assert!(audit.steps[3..10].iter().all(|step| step.own == QUOTA), "{audit:#?}");
}

#[test]
fn a_context_that_does_not_fit_is_refused_and_leaves_nothing() {
    let client = cuda_program("client");
    let tenant = Tenant::new("150m");
    let run = |script: &str, size: &str| {
        let run = tenant.hold(with_books(Run::new(client.path()))).arg("--audit").args(script.split(' '));
        Audit::of(run.simulated(["--context-memory", size]).output().succeeded())
    };
    // The first of a region is measured after it was made, and undone.
    let audit = run("init retain create2 create3 retain", "151m");
    let found: Vec<_> = audit.steps.iter().map(|step| (step.result, step.own, step.contexts)).collect();
    assert_eq!(found, [(0, 0, 0), (2, 0, 0), (2, 0, 0), (2, 0, 0), (2, 0, 0)], "{audit:#?}");
}

#[test]
fn a_region_that_outlives_its_processes_charges_what_contexts_take_now() {
    // A new driver takes another amount; the region is still the old one.
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    for size in ["200m", "96m", "300m"] {
        let run = tenant.hold(with_books(Run::new(client.path()))).args(["--audit", "init", "retain", "create2"]);
        Audit::of(run.simulated(["--context-memory", size]).output().succeeded()).agrees(QUOTA);
    }
}

#[test]
fn what_the_device_refuses_is_given_back() {
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    let script = [
        "init",
        "retain",
        "native",
        "init retain alloc x 9g",
        "alloc",
        "a",
        "1g",
        "alloc",
        "b",
        "3g",
        "pitch",
        "b",
        "1000",
        "2M",
    ];
    let rest = ["async", "b", "3g", "create2", "end-native", "alloc", "b", "3g", "free", "a", "free", "b"];
    let run = tenant.hold(with_books(Run::new(client.path()))).arg("--audit").args(script).args(rest);
    let audit = Audit::of(run.simulated(["--memory", "12500m", "--context-memory", "200m"]).output().succeeded());
    audit.agrees(QUOTA);
    let results: Vec<_> = audit.steps.iter().map(|step| step.result).collect();
    assert_eq!(results[..6], [0, 0, 0, 2, 2, 2], "{audit:#?}");
    assert_eq!(results[6..], [0, 0, 0, 0], "{audit:#?}");
    assert_eq!(audit.steps[2].own, audit.steps[5].own, "{audit:#?}");
}

#[test]
fn a_forked_child_gets_the_drivers_answers_and_harms_nothing() {
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    let script = "init retain alloc a 100M fork free a alloc a 50M".split(' ');
    let run = with_books(Run::new(client.path())).arg("--audit").args(script);
    let native = run.clone().simulated([] as [&str; 0]).output().succeeded();
    let ours = tenant.hold(run).simulated([] as [&str; 0]).output().succeeded();
    let child = |output: &hami_tests::Output| {
        output.stdout.lines().filter(|line| line.starts_with("child")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(child(&native), ["child 3 3 3 3 3 3", "child-status 0"], "{native}");
    assert_eq!(child(&ours), child(&native), "{ours}");
    Audit::of(ours).agrees(QUOTA);
}

#[test]
fn a_child_that_execs_shares_the_quota() {
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    let script = ["init", "retain", "alloc", "a", "4g", "again", "init retain info alloc b 3g info alloc c 1g", "info"];
    let output = tenant.hold(Run::new(client.path())).args(script).simulated([] as [&str; 0]).output().succeeded();
    let free = |mib: u64| format!("free {} total {QUOTA}", mib * MIB);
    let room = (QUOTA - 2 * CONTEXT) / MIB - 4096;
    let expected = [
        "init = 0".to_owned(),
        "retain = 0".to_owned(),
        "alloc a 4g = 0".to_owned(),
        "init = 0".to_owned(),
        "retain = 0".to_owned(),
        free(room),
        "info = 0".to_owned(),
        "alloc b 3g = 0".to_owned(),
        free(room - 3072),
        "info = 0".to_owned(),
        "alloc c 1g = 2".to_owned(),
        "again-status 0".to_owned(),
        free(room + CONTEXT / MIB),
        "info = 0".to_owned(),
    ];
    assert_eq!(output.stdout.lines().collect::<Vec<_>>(), expected, "{output}");
}

#[test]
fn threads_at_random_leave_true_books() {
    let threads = cuda_program("threads");
    for (quota, bytes) in [("8g", QUOTA), ("400m", 400 * MIB)] {
        let tenant = Tenant::new(quota);
        let run = tenant.hold(with_books(Run::new(threads.path()))).simulated([] as [&str; 0]);
        let output = run.output().succeeded();
        let figures: Vec<(u64, u64)> =
            output.stdout.lines().map(|line| (figure(line, "view"), figure(line, "own"))).collect();
        assert_eq!(figures.len(), 3, "{output}");
        assert!(figures[1].1 > figures[0].1, "nothing was held at the end: {output}");
        assert!(figures.iter().all(|(view, own)| view == own) && figures[0] == figures[2], "{output}");
        assert!(output.stdout.lines().all(|line| figure(line, "total") == bytes), "{output}");
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn the_process_around_the_library_stays_as_it_was() {
    let footprint = cuda_program("footprint");
    let tenant = Tenant::new("8g");
    let native = Run::new(footprint.path()).simulated([] as [&str; 0]).output().succeeded();
    assert!(native.stdout.contains("after: umask 27\n") && native.stdout.contains("after: Threads:"), "{native}");
    let ours = tenant.hold(Run::new(footprint.path())).simulated([] as [&str; 0]).output().succeeded();
    // The two simulations have folders of their own.
    let lines = |output: &hami_tests::Output| {
        output.stdout.lines().filter(|line| !line.contains("SIMGPU_SOCKET=")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&ours), lines(&native));
    assert_eq!(ours.stderr, "");
    assert!(tenant.region().exists(), "the library did nothing here");
}
