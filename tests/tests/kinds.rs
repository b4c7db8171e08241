//! Memory of every other kind is counted as the device gives it: physical memory, arrays, graphs, pools, code.

use hami_tests::audit::{Audit, MIB};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Run, Tenant};

const QUOTA: u64 = 1 << 30;
/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96 * MIB;

/// Runs the steps under a quota of 1 GiB and checks results and bytes in use after each; bytes in MiB beyond the context's.
/// Each step's view and the books must agree as well.
fn expect(steps: &[(&str, i32, u64)]) {
    let client = cuda_program("kinds");
    let tenant = Tenant::new("1g");
    let words = steps.iter().flat_map(|(step, ..)| step.split(' '));
    let run = tenant.hold(with_books(Run::new(client.path()))).args(["--audit", "start"]).args(words);
    let audit = Audit::of(run.simulated([] as [&str; 0]).output().succeeded());
    audit.agrees(QUOTA);
    for (found, (step, result, used)) in audit.steps[1..].iter().zip(steps) {
        assert_eq!((found.result, found.own - CONTEXT), (*result, used * MIB), "{step}: {}", found.line);
    }
}

#[test]
fn physical_memory_is_charged_until_released_and_unmapped() {
    expect(&[
        ("mem a 64M", 0, 64),
        ("reserve r 256M", 0, 64),
        ("map r 0 a 64M", 0, 64),
        ("release a", 0, 64),
        ("retain-at r 1M b", 0, 64),
        ("unmap r 0 64M", 0, 64),
        ("release b", 0, 0),
        // Two pieces side by side go in one call; the one that is still held stays.
        ("mem a 4M", 0, 4),
        ("mem b 6M", 0, 10),
        ("map r 0 a 4M", 0, 10),
        ("map r 4M b 6M", 0, 10),
        ("release a", 0, 10),
        ("unmap r 0 10M", 0, 6),
        ("release b", 0, 0),
        // What the driver refuses changes nothing.
        ("mem a 3", 1, 0),
        ("mem a 2M", 0, 2),
        ("unmap r 0 2M", 1, 2),
        ("release a", 0, 0),
        ("release a", 1, 0),
    ]);
}

#[test]
fn physical_memory_over_the_quota_is_refused() {
    expect(&[
        ("mem a 928M", 0, 928),
        ("mem b 2M", 2, 928),
        ("release a", 0, 0),
        ("mem b 930M", 2, 0),
        ("mem b 928M", 0, 928),
    ]);
}

#[test]
fn a_multicast_object_takes_nothing_and_keeps_what_is_bound() {
    expect(&[
        ("multicast m 32M", 0, 0),
        ("mem a 32M", 0, 32),
        ("bind m a 32M", 0, 32),
        ("release a", 0, 32),
        ("release m", 0, 0),
        ("multicast m 32M", 0, 0),
        ("mem a 32M", 0, 32),
        ("bind m a 32M", 0, 32),
        ("unbind m 32M", 0, 32),
        ("release a", 0, 0),
        ("release m", 0, 0),
    ]);
}

#[test]
fn arrays_are_charged_by_what_they_take() {
    expect(&[
        ("array a 1024 1024 0", 0, 4),
        ("array b 5 0 0", 0, 6),
        ("array c 1024 1024 16", 0, 70),
        ("array-later d 1024 1024 0", 0, 70),
        ("destroy-array a", 0, 66),
        ("destroy-array c", 0, 2),
        ("destroy-array d", 0, 2),
        ("mipmap m 1024 1024 0 11", 0, 8),
        ("destroy-mipmap m", 0, 2),
        ("array c 16384 16384 0", 2, 2),
        ("destroy-array b", 0, 0),
    ]);
}

#[test]
fn graph_memory_is_taken_at_the_first_launch_and_kept_until_trimmed() {
    expect(&[
        ("graph g", 0, 0),
        ("node-alloc g 64M x", 0, 0),
        ("node-free g x", 0, 0),
        ("instantiate g", 0, 0),
        ("launch g", 0, 64),
        ("launch g", 0, 64),
        ("sync s", 0, 64),
        ("trim-graphs g", 0, 0),
        ("upload g", 0, 64),
        ("launch g", 0, 64),
        ("sync s", 0, 64),
        ("destroy-exec g", 0, 64),
        ("trim-graphs g", 0, 0),
        ("destroy-graph g", 0, 0),
    ]);
}

#[test]
fn a_graph_over_the_quota_is_refused_at_its_launch() {
    expect(&[
        ("alloc a 900M", 0, 900),
        ("graph g", 0, 900),
        ("node-alloc g 64M x", 0, 900),
        ("node-free g x", 0, 900),
        ("instantiate g", 0, 900),
        ("launch g", 2, 900),
        ("free a", 0, 0),
        ("launch g", 0, 64),
        ("sync s", 0, 64),
    ]);
}

#[test]
fn a_captured_allocation_takes_nothing_until_its_graph_is_launched() {
    expect(&[
        ("alloc a 920M", 0, 920),
        ("capture c", 0, 920),
        ("async x 32M", 0, 920),
        ("free-async x", 0, 920),
        ("end-capture g", 0, 920),
        ("free a", 0, 0),
        ("instantiate g", 0, 0),
        ("launch g", 0, 32),
        ("sync s", 0, 32),
    ]);
}

#[test]
fn a_destroyed_pool_is_charged_until_its_last_allocation_is_freed() {
    expect(&[
        ("pool p", 0, 0),
        ("from-pool p 10M a", 0, 32),
        ("from-pool p 40M b", 0, 96),
        ("trim-pool p 0", 0, 96),
        ("free-async b", 0, 96),
        ("trim-pool p 0", 0, 32),
        ("destroy-pool p", 0, 32),
        ("free-async a", 0, 0),
        ("sync s", 0, 0),
    ]);
}

#[test]
fn a_handle_that_is_no_pool_charges_nothing() {
    expect(&[
        ("from-pool n 10M a", 1, 0),
        ("pool p", 0, 0),
        ("destroy-pool p", 0, 0),
        ("from-pool p 100M a", 1, 0),
        ("from-pool p 100M a", 1, 0),
        ("alloc a 928M", 0, 928),
    ]);
}

#[test]
fn code_and_raised_limits_are_charged_as_the_device_takes_them() {
    expect(&[
        ("module m 1M", 0, 0),
        ("module n 8M", 0, 8),
        ("unload n", 0, 0),
        ("unload m", 0, 0),
        // A library is loaded when it is first used.
        ("library l 8M", 0, 0),
        ("use-library l", 0, 8),
        ("unload-library l", 0, 0),
        ("heap 72M", 0, 64),
        ("alloc a 864M", 0, 928),
        ("heap 136M", 2, 928),
        ("module n 8M", 2, 928),
        ("free a", 0, 64),
        ("heap 8M", 0, 0),
    ]);
}

#[test]
fn code_that_comes_with_a_launch_is_noticed() {
    let client = cuda_program("lazy_code");
    let tenant = Tenant::new("1g");
    let run = tenant.hold(Run::new(client.path())).simulated(["--devices", "2"]);
    assert_eq!(run.output().succeeded().stdout, format!("{}\n", 8 * MIB));
}
