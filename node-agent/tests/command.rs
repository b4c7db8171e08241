//! The command is this very process: its id, exit status, signals, mask and descriptors are its own.

mod common;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use common::{Place, assert_refused, stderr, stdout};

#[test]
fn the_exit_status_is_the_commands() {
    let place = Place::new();
    for status in [0, 1, 2, 77, 125, 255] {
        let output = place.run(["--memory", "1g", "--", "sh", "-c", &format!("exit {status}")]);
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn the_process_id_is_the_commands() {
    let place = Place::new();
    let child =
        place.hami_run(["--memory", "1g", "--", "sh", "-c", "echo $$"]).stdout(Stdio::piped()).spawn().expect("hami");
    let pid = child.id();
    assert_eq!(stdout(&child.wait_with_output().expect("the end")), format!("{pid}\n"));
}

#[test]
fn a_signal_ends_the_command_as_if_it_had_been_started_directly() {
    let place = Place::new();
    let output = place.run(["--memory", "1g", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(output.status.signal(), Some(15));
}

#[test]
fn arguments_and_standard_input_arrive_as_they_are() {
    let place = Place::new();
    let script = r#"printf '%s|' "$@"; cat"#;
    let mut run = place.hami_run(["--memory", "1g", "--", "sh", "-c", script, "sh", "--memory", "", "a b", "--", "-x"]);
    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("hami");
    child.stdin.take().expect("piped").write_all(b"input").expect("the command reads");
    assert_eq!(stdout(&child.wait_with_output().expect("the end")), "--memory||a b|--|-x|input");
}

/// Lines of /proc/self/status about signals, as grep itself, run by `runner`, sees them.
fn signals(runner: &mut Command) -> String {
    let output = runner.output().expect("it starts");
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn blocked_and_ignored_signals_are_those_of_the_caller() {
    let place = Place::new();
    let hami = env!("CARGO_BIN_EXE_hami");
    // The shell ignores two; env blocks two more and starts what follows.
    let script = r#"trap '' HUP USR1; exec env --block-signal=USR2,TERM "$@""#;
    let grep = ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    let direct = signals(Command::new("sh").args(["-c", script, "sh"]).args(grep));
    let mut through = Command::new("sh");
    through.args(["-c", script, "sh", hami, "run", "--memory", "1g", "--"]).args(grep);
    through.env("XDG_RUNTIME_DIR", place.path("runtime")).env("HAMI_CORE_LIBRARY", place.library());
    assert!(direct.contains("SigBlk:\t0000000000004800"), "env does not block: the test sees nothing: {direct}");
    assert_eq!(signals(&mut through), direct);
}

/// The files, as device and inode, that a command started by `run` has open beyond the standard ones.
fn inherited(place: &Place, options: &[&str]) -> Vec<String> {
    // The shell's own descriptor of the folder it lists is closed by then, and `stat` says nothing about it.
    let script =
        "for fd in /proc/self/fd/*; do case $fd in */[0-2]) ;; *) stat -L -c %d:%i $fd 2>/dev/null;; esac; done";
    let output = place.run(options.iter().chain(&["--", "sh", "-c", script]));
    stdout(&output).lines().map(str::to_owned).collect()
}

#[test]
fn one_descriptor_is_added_and_it_is_the_regions() {
    let place = Place::new();
    let before = inherited(&place, &[]);
    let mut after = inherited(&place, &["--memory", "1g"]);
    let region = place.regions()[0].metadata().expect("the region");
    let added = after.pop().expect("a descriptor");
    assert_eq!(added, format!("{}:{}", region.dev(), region.ino()));
    assert_eq!(after, before);
}

#[test]
fn a_command_that_cannot_run_has_the_shells_status() {
    let place = Place::new();
    assert_refused(
        &place.run(["--memory", "1g", "--", "no-such-command"]),
        127,
        &["cannot run 'no-such-command'", "No such file"],
    );
    assert_refused(&place.run(["--memory", "1g", "--", "/"]), 126, &["cannot run '/'", "Permission denied"]);
    assert_eq!(place.regions(), Vec::<std::path::PathBuf>::new(), "nobody will use them");
}

#[test]
fn the_version_is_the_packages() {
    let output = Command::new(env!("CARGO_BIN_EXE_hami")).arg("--version").output().expect("hami");
    assert_eq!(stdout(&output), format!("hami {}\n", env!("CARGO_PKG_VERSION")));
}
