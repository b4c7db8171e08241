//! Pools of stream-ordered memory: charged to the device they are on, for as long as they hold it, however they are cut up.

mod watched;

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Run, Tenant};
use watched::{most, watched};

/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96 * MIB;
const QUOTA: u64 = 2 << 30;

/// In use on a device, as the client was told.
fn view(stdout: &str, device: u32) -> u64 {
    let start = format!("device {device} view ");
    figure(stdout.lines().find(|line| line.starts_with(&start)).expect("a line of each device"), "view")
}

#[test]
fn memory_of_another_device_than_the_current_is_charged_to_that_device() {
    let client = cuda_program("pools");
    for way in ["stream", "pool"] {
        let tenant = Tenant::new("2g");
        let output = watched(&tenant, &client, &[way], &["--devices", "2"]);
        // Seven pieces of 256 MiB fit beside a context; an eighth does not.
        assert_eq!(output.stdout.lines().next(), Some("granted 7 last 2"), "{way}: {output}");
        let expected = [CONTEXT, CONTEXT + 7 * 256 * MIB];
        assert_eq!([0, 1].map(|device| view(&output.stdout, device)), expected, "{way}: {output}");
        assert_eq!([0, 1].map(|device| most(&output, device)), expected, "{way}: {output}");
    }
}

#[test]
fn memory_of_destroyed_pools_stays_charged() {
    let client = cuda_program("pools");
    let tenant = Tenant::new("2g");
    let output = watched(&tenant, &client, &["destroyed"], &[]);
    let held = CONTEXT + 3 * 512 * MIB;
    let expected = format!("granted 3 view {held} own {held}");
    assert_eq!(output.stdout.lines().next(), Some(expected.as_str()), "{output}");
    assert_eq!(most(&output, 0), held, "{output}");
}

#[test]
fn a_pool_in_pieces_never_leaves_the_device_over_the_quota() {
    let client = cuda_program("pools");
    // Blocks that share a step of the pool's growth, that are one, and that are several.
    for block in ["16", "32", "96"] {
        let tenant = Tenant::new("2g");
        let run = tenant.hold(with_books(Run::new(client.path()))).args(["fragmented", block]);
        let output = run.simulated([] as [&str; 0]).output().succeeded();
        let lines: Vec<_> = output.stdout.lines().collect();
        assert!(figure(lines[0], "blocks") > 16 && lines.len() > 4, "{output}");
        // All that is free is not there in one piece, and the quota has no room for the pool to grow; one block is there.
        assert_eq!(figure(lines[1], "="), 2, "{output}");
        assert_eq!(figure(lines[lines.len() - 1], "="), 0, "{output}");
        for line in &lines[1..] {
            assert!(figure(line, "own") <= QUOTA && figure(line, "own") == figure(line, "view"), "{output}");
        }
    }
}
