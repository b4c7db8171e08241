//! The harness itself: limits kill, outputs are whole, the environment is clean.

use std::time::{Duration, Instant};

use hami_tests::{Program, Run, poll_until};

#[test]
#[should_panic(expected = "ran longer than")]
fn a_command_over_its_limit_is_killed() {
    Run::new("sh").args(["-c", "echo begun; sleep 600 & wait"]).within(Duration::from_millis(300)).output();
}

#[test]
fn children_are_killed_with_the_command() {
    let started = Instant::now();
    let output = Run::new("sh").args(["-c", "sleep 600 & echo $!"]).output().succeeded();
    assert!(started.elapsed() < Duration::from_secs(60), "waited for a child that the command left");
    let child = format!("/proc/{}/stat", output.stdout.trim());
    poll_until("the child's end", Duration::from_secs(10), || {
        // Nobody may have reaped it: a zombie is dead as well.
        std::fs::read_to_string(&child).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn status_and_outputs_are_the_commands() {
    let output = Run::new("sh").args(["-c", "echo out; echo err >&2; exit 7"]).output();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(7), "out\n", "err\n"));
}

#[test]
#[should_panic(expected = "exit status: 7")]
fn a_failure_is_shown() {
    Run::new("sh").args(["-c", "exit 7"]).output().succeeded();
}

#[test]
fn a_running_command_is_seen_as_it_writes() {
    let running = Run::new("sh").args(["-c", "echo ready; exec sleep 600"]).start();
    poll_until("the first line", Duration::from_secs(10), || running.stdout() == "ready\n");
    let pid = running.pid();
    drop(running);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it outlived its value");
}

#[test]
fn c_programs_are_compiled_and_run() {
    let program = Program::gcc("#include <stdio.h>\nint main(void) { puts(\"hello\"); return 3; }\n", &[]);
    let output = Run::new(program.path()).output();
    assert_eq!((output.status.code(), &*output.stdout), (Some(3), "hello\n"));
}

#[test]
#[should_panic(expected = "unused variable")]
fn a_warning_of_the_compiler_fails() {
    Program::gcc("int main(void) { int unused; }\n", &[]);
}
