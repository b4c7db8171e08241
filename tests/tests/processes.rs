//! Processes that fork, exec, daemonise, re-exec and end without freeing: the tenant's sum follows what the device has given.

use hami_tests::tenant::{REGION, cuda_program, with_books};
use hami_tests::{Output, Run, Tenant, poll_until};

/// Runs one case of `tests/programs/processes.c` under a quota; it compares views and books itself. Answers what it held.
fn held(words: &[&str]) -> Vec<String> {
    let program = cuda_program("processes");
    let tenant = Tenant::new("8g");
    let run = tenant.hold(with_books(Run::new(program.path()))).args(words);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output.stdout.lines().map(|line| line.strip_prefix("held ").unwrap_or(line).to_owned()).collect()
}

#[test]
fn processes_forked_before_cuda_starts_are_accounted_alone() {
    for case in ["fork-before", "fork-before-asked", "fork-before-nvml"] {
        assert_eq!(held(&[case]), ["both 342", "parent 146", "context 96"], "{case}");
    }
}

#[test]
fn a_child_forked_while_memory_is_held_changes_nothing() {
    let mut expected = vec!["after-child 196"; 6];
    expected.push("freed 96");
    assert_eq!(held(&["fork-after"]), expected);
}

#[test]
fn a_fork_in_the_middle_of_other_threads_calls_hangs_nobody() {
    assert_eq!(held(&["fork-busy"]), ["after-forks 96"]);
}

#[test]
fn a_killed_process_whose_child_lives_is_accounted_as_the_device_has_it() {
    assert_eq!(held(&["orphan"]), ["both 292", "after-both 96"]);
}

#[test]
fn children_that_exec_are_accounted_alone() {
    for case in ["fork-exec", "vfork-exec", "spawn"] {
        let mut expected = ["with-child 332", "without-child 196"].repeat(3);
        expected.push("freed 96");
        assert_eq!(held(&[case]), expected, "{case}");
    }
}

#[test]
fn a_daemon_is_accounted_as_long_as_it_lives() {
    for case in ["daemon", "daemon-exec"] {
        assert_eq!(held(&[case]), ["with-daemon 262", "without-daemon 96"], "{case}");
    }
}

#[test]
fn an_exec_of_itself_gives_back_what_was_held() {
    assert_eq!(held(&["reexec", "4"]), ["before-exec 608"; 5]);
}

#[test]
fn who_ends_without_freeing_leaves_nothing() {
    assert_eq!(held(&["exits"]), ["after-exit 96"; 4]);
}

/// Runs a parent that holds 596 MiB of a quota, and its child with these settings. Answers the child's line.
fn child_with(limit: &str, settings: &[&str]) -> String {
    let program = cuda_program("processes");
    let tenant = Tenant::new(limit);
    let run = tenant.hold(with_books(Run::new(program.path()))).arg("other-limits").args(settings);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [first, child, last] = lines[..] else { panic!("{output}") };
    assert_eq!((first, last), ("parent view 596", "parent view 596"), "{output}");
    child.to_owned()
}

#[test]
fn a_child_with_a_limit_of_its_own_is_held_to_it() {
    // In the same region the sum of all counts: 596 + 96 + 3 × 64 of 900 MiB.
    assert_eq!(child_with("8g", &["CUDA_DEVICE_MEMORY_LIMIT=900m"]), "retain 0 granted 3 total 900 free 16 own 288");
    // Nothing is left of a limit below what the parent holds: no context either.
    assert_eq!(child_with("8g", &["CUDA_DEVICE_MEMORY_LIMIT=590m"]), "retain 2 granted 0 total 590 free 0 own 0");
    // A child may ask for more than its parent may have; the parent is still held to its own.
    assert_eq!(child_with("600m", &["CUDA_DEVICE_MEMORY_LIMIT=800m"]), "retain 0 granted 1 total 800 free 44 own 160");
}

#[test]
fn a_child_with_a_region_of_its_own_shares_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let region = format!("{REGION}={}", folder.path().join("other").display());
    // 96 + 12 × 64 of 900 MiB.
    let child = child_with("8g", &["CUDA_DEVICE_MEMORY_LIMIT=900m", &region]);
    assert_eq!(child, "retain 0 granted 12 total 900 free 36 own 864");
}

/// Two tenants on one device, as two pods have them: each holds, then each is asked what it sees.
#[test]
fn two_tenants_on_a_device_do_not_count_each_other() {
    let program = cuda_program("processes");
    let (one, other) = (Tenant::new("600m"), Tenant::new("1g"));
    let text = r#"
        exec 8<> first.fifo
        env CUDA_DEVICE_MEMORY_LIMIT=600m CUDA_DEVICE_MEMORY_SHARED_CACHE="$ONE" "$PROGRAM" hold 400 8 & holder=$!
        read -r -N 1 -u 8
        for region in "$ONE" "$OTHER"; do
            for limit in 600m 1g; do
                env CUDA_DEVICE_MEMORY_LIMIT=$limit CUDA_DEVICE_MEMORY_SHARED_CACHE="$region" "$PROGRAM" tell
            done
        done
        kill -KILL $holder
    "#;
    let run = with_books(Run::new("bash").args(["-euc", &format!("mkfifo first.fifo\n{text}")]));
    let run = run.folder(program.folder()).env("PROGRAM", program.path());
    let run = run.env("ONE", one.region()).env("OTHER", other.region()).preloaded();
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            // 496 MiB are held by the first tenant's other process.
            "retain 0 granted 0 total 600 free 8 own 96",
            "retain 0 granted 6 total 1024 free 48 own 480",
            // The second tenant has all of its own.
            "retain 0 granted 7 total 600 free 56 own 544",
            "retain 0 granted 14 total 1024 free 32 own 992",
        ],
        "{output}"
    );
    assert!(output.stderr.lines().all(|line| line.contains("Killed")), "{output}");
}

/// Runs a shell line that leaves a daemon behind, then looks what another process of the tenant sees.
#[test]
fn a_daemon_of_a_program_that_has_ended_is_still_counted() {
    let program = cuda_program("processes");
    let tenant = Tenant::new("600m");
    let text = r#"
        mkfifo ready
        exec 8<> ready
        bash -c 'setsid "$PROGRAM" hold 300 8 < /dev/null & echo $! > daemon'
        read -r -N 1 -u 8
        "$PROGRAM" tell
        kill -KILL "$(cat daemon)"
    "#;
    let run = with_books(Run::new("bash").args(["-euc", text])).folder(program.folder()).env("PROGRAM", program.path());
    let started = tenant.hold(run).simulated([] as [&str; 0]).start();
    poll_until("the line of figures", std::time::Duration::from_secs(20), || started.stdout().contains("retain"));
    let output: Output = started.finish().succeeded();
    // 96 + 300 of the daemon, and its own context: 108 MiB are left of 600.
    assert_eq!(output.stdout, "retain 0 granted 1 total 600 free 44 own 160\n", "{output}");
    assert_eq!(output.stderr, "", "{output}");
}
