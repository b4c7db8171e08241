//! What befalls programs while they wait for their share: the process replaces itself, streams and contexts go, shares of
//! collectives are far apart. They go on, end, and are held to the cap.

use hami_tests::Run;
use hami_tests::cores::{Share, Sharing, only, words};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Program, artefacts};

const NONE: [&str; 0] = [];

fn program() -> Program {
    cuda_program("compute_edges")
}

/// The last line and the share of a lone run.
fn lone(share: Option<&Share>, arguments: &[&str]) -> (String, f64) {
    let program = program();
    let sharing = Sharing::new();
    let run = with_books(Run::new(program.path())).args(arguments);
    let run = share.map_or(run.clone(), |share| sharing.hold(share, run));
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    (output.stdout.lines().last().unwrap_or_default().to_owned(), only(&output.stdout, "share "))
}

fn capped() -> Share {
    Share::new("tenant").cores("20")
}

#[test]
fn a_program_that_replaces_itself_goes_on_under_its_cap() {
    let (said, without) = lone(None, &["exec", "6"]);
    assert_eq!(said, "rounds 6 same process 1");
    assert!(without > 60.0, "{without}");
    for share in [capped(), capped().policy("burst-share"), capped().memory("4g")] {
        let (said, had) = lone(Some(&share), &["exec", "6"]);
        assert_eq!(said, "rounds 6 same process 1", "{share:?}");
        let lends = format!("{share:?}").contains("burst");
        assert!(if lends { had > 50.0 } else { (10.0..=30.0).contains(&had) }, "{share:?}: {had}");
    }
}

/// The seat that the process had at the turns, and its place in the region, are not its successor's.
#[test]
fn a_program_that_replaces_itself_beside_another_takes_nothing_from_it() {
    let (edges, load) = (program(), cuda_program("compute_load"));
    for policy in ["fixed-share", "burst-share"] {
        let sharing = Sharing::new();
        let share = |name, cores| Share::new(name).cores(cores).policy(policy);
        let (changing, other) = (share("changing", "30"), share("other", "70"));
        let changing = changing.env("SIMGPU", artefacts::simgpu().to_str().expect("a path in UTF-8"));
        let commands = [
            (Some(&changing), "changing", words(&edges.path(), &["exec", "10"])),
            (Some(&other), "other", words(&load.path(), &["loop", "2000", "4"])),
        ];
        let said = sharing.start(&[], &commands).finish();
        assert!(said[0].ends_with("rounds 10 same process 1\n"), "{policy}: {}", said[0]);
        let had = only(&said[1], "share ");
        assert!((55.0..=85.0).contains(&had), "{policy}: {had}");
    }
}

#[test]
fn streams_and_contexts_go_while_a_thread_waits() {
    let expected = "launched 1 streams 1 contexts 1 last 0";
    let (said, without) = lone(None, &["destroy", "2"]);
    assert_eq!(said, expected);
    assert!(without > 60.0, "{without}");
    for share in [capped(), capped().memory("4g")] {
        let (said, had) = lone(Some(&share), &["destroy", "2"]);
        assert_eq!(said, expected, "{share:?}");
        assert!((10.0..=30.0).contains(&had), "{share:?}: {had}");
    }
    // Nobody else is there: a share that is lent has the whole device.
    let (said, _) = lone(Some(&capped().policy("burst-share")), &["destroy", "2"]);
    assert_eq!(said, expected);
}

#[test]
fn collectives_of_tenants_with_shares_far_apart_finish() {
    let load = cuda_program("compute_load");
    for (first, second) in [("10", "90"), ("90", "10")] {
        let sharing = Sharing::new();
        let share = |name, cores| Share::new(name).cores(cores).policy("fixed-share");
        let (red, blue) = (share("red", first), share("blue", second));
        let commands = [
            (Some(&red), "red", words(&load.path(), &["meet", "red", "200"])),
            (Some(&blue), "blue", words(&load.path(), &["meet", "blue", "200"])),
        ];
        let said = sharing.start(&["--devices", "2"], &commands).finish();
        assert_eq!(said, ["met 200\n", "met 200\n"], "{first}/{second}");
    }
}

/// A thread that ends is charged for what it sent, under a lock; so is what is known of a graph that changes. A forked child
/// inherits the lock, maybe held.
#[test]
fn a_forked_child_waits_for_no_lock_of_its_parent_s() {
    let program = program();
    let sharing = Sharing::new();
    let run = sharing.hold(&Share::new("tenant").cores("90"), Run::new(program.path()).args(["fork", "1000"]));
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("children 1000\n", ""), "{output}");
}
