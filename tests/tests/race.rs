//! Processes that race for a quota never pass it by a byte, and get as many pieces as fit, in each round.

use std::time::Duration;

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Output, Run, Tenant};

const QUOTA: u64 = 10 << 30;
const PROCESSES: u64 = 16;

/// 16 processes, pieces of 64 MiB, a quota of 10 GiB; `around` is a command that starts the race.
fn race_within(around: &[&str], rounds: u32, limit: &str, context: &str) -> Output {
    let race = cuda_program("race");
    let tenant = Tenant::new(limit);
    let numbers = [PROCESSES.to_string(), rounds.to_string(), (64 * MIB).to_string(), QUOTA.to_string()];
    let run = Run::new("env").args(around).arg(race.path()).args(numbers).within(Duration::from_secs(300));
    tenant.hold(with_books(run)).simulated(["--context-memory", context]).output()
}

fn race(rounds: u32, limit: &str, context: &str) -> Output {
    race_within(&[], rounds, limit, context)
}

#[test]
fn sixteen_processes_share_ten_gib_to_the_byte() {
    // With contexts of 96 MiB the pieces fill the quota to the last byte; with 90 MiB a rest is left that no piece fits in.
    for (context, rounds) in [(96, 1000), (90, 200)] {
        let output = race(rounds, "10g", &format!("{context}m")).succeeded();
        println!("{}", output.stdout.trim());
        let contexts = PROCESSES * context * MIB;
        let pieces = (QUOTA - contexts) / (64 * MIB);
        assert_eq!(figure(&output.stdout, "contexts"), contexts, "{output}");
        assert_eq!(figure(&output.stdout, "pieces"), pieces, "{output}");
        let full = contexts + pieces * 64 * MIB;
        assert_eq!(figure(&output.stdout, "held"), full, "{output}");
        assert!(figure(&output.stdout, "sampled") <= QUOTA && figure(&output.stdout, "in") > 10, "{output}");
        // It was a race: on average several processes got a part of each round.
        assert!(figure(&output.stdout, "left,") >= u64::from(rounds) * 4, "{output}");
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn a_quota_that_is_not_held_is_noticed() {
    // The program believes 10 GiB while the tenant has a piece more, or less.
    for limit in ["10304m", "10176m"] {
        let output = race(2, limit, "96m");
        assert_eq!(output.status.code(), Some(1), "{output}");
        assert!(output.stderr.contains("round 0:"), "{output}");
    }
}

#[test]
fn a_pid_namespace_changes_nothing() {
    // In a container the numbers of processes are others than those that the driver's tools list.
    let root = nix::unistd::Uid::effective().is_root();
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let around = [&["unshare", "--pid", "--fork", "--mount-proc"], user].concat();
    // All contexts come at once, the first of a region among them: several times, since it depends on their order.
    for _ in 0..8 {
        let output = race_within(&around, 2, "10g", "96m").succeeded();
        assert_eq!(figure(&output.stdout, "held"), QUOTA, "{output}");
        assert_eq!(output.stderr, "");
    }
}
