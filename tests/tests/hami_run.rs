//! `hami run` with the real library: programs without a device, nvidia-smi, and who shares a quota with whom.

use std::path::Path;

use hami_tests::{Output, Program, Run, artefacts};

fn hami_run(arguments: &[&str]) -> Run {
    Run::new(artefacts::hami()).arg("run").args(arguments)
}

#[test]
fn programs_without_a_device_behave_the_same() {
    let commands: [&[&str]; 6] = [
        &["ls", "-la", "/usr"],
        &["ls", "/nowhere"],
        &["bash", "-c", "echo out; echo err >&2; ulimit -n; umask; trap; (exit 3); exit $(($? + 4))"],
        &["bash", "-c", "kill -TERM $$"],
        &["python3", "-c", "import signal; print(signal.getsignal(signal.SIGPIPE), signal.pthread_sigmask(0, []))"],
        &["sh", "-c", "cat /etc/hostname /nowhere | grep -c ."],
    ];
    for command in commands {
        let native = Run::new(command[0]).args(&command[1..]).output();
        hami_run(&["--memory", "4g", "--"]).args(command).output().same_as(&native);
    }
}

#[test]
fn nvidia_smi_shows_the_quota_and_no_line_of_ours() {
    for size in ["4g", "4096m", "4Gi", "4294967296"] {
        let run = hami_run(&["--memory", size, "--"]).arg(artefacts::client("nvidia-550/nvidia-smi"));
        let output = run.simulated::<&str>([]).output().succeeded();
        assert!(output.stdout.contains("/   4096MiB |"), "{output}");
        assert_eq!(output.stderr, "");
        assert!(output.stdout.lines().all(|line| !line.to_lowercase().contains("hami")), "{output}");
    }
}

/// The demo's program, which takes orders and answers each.
fn holder() -> Program {
    let libcuda = artefacts::built("simgpu-libs/libcuda.so.1");
    let libcuda = libcuda.to_str().expect("a path in UTF-8");
    Program::gcc(include_str!("../../demo/holder.c"), &[libcuda, "-Wl,--allow-shlib-undefined"])
}

/// Runs shell text on a simulated device, with the holder as `$HOLDER` and hami as `$HAMI`. `start COMMAND…` leaves it running
/// and `order` gives it an order.
fn script(holder: &Path, folder: &Path, text: &str) -> Output {
    let functions = r#"
        start() { mkfifo in out; "$@" <in >out & exec 3>in 4<out; }
        order() { echo "$*" >&3; read -r answer <&4; echo "first: $answer"; }
        second() { echo "take 600" | "$@" | sed "s/^/second: /"; }
        cd "$XDG_RUNTIME_DIR"
    "#;
    let run = Run::new("bash").args(["-euc", &format!("{functions}\n{text}\nexec 3>&- 4<&-; wait")]);
    let run = run.env("HOLDER", holder).env("HAMI", artefacts::hami()).env("XDG_RUNTIME_DIR", folder);
    run.simulated::<&str>([]).output().succeeded()
}

const SHARED: &str = "first: granted\nsecond: CUDA_ERROR_OUT_OF_MEMORY\n";
const SEPARATE: &str = "first: granted\nsecond: granted\n";

#[test]
fn the_programs_of_one_run_share_its_quota() {
    let holder = holder();
    let inner = r#"start "$HOLDER"; order take 600; second "$HOLDER"; exec 3>&- 4<&-"#;
    let text = format!(
        "export -f start order second\n$HAMI run --memory 1g -- bash -c '{inner}'\nexec 3>/dev/null 4</dev/null"
    );
    let output = script(&holder.path(), holder.folder(), &text);
    assert_eq!(output.stdout, SHARED, "{output}");
}

#[test]
fn two_runs_have_a_quota_each() {
    let holder = holder();
    let text = r#"start $HAMI run --memory 1g -- "$HOLDER"; order take 600; second $HAMI run --memory 1g -- "$HOLDER""#;
    let output = script(&holder.path(), holder.folder(), text);
    assert_eq!(output.stdout, SEPARATE, "{output}");
}

#[test]
fn a_run_within_a_run_shares_the_quota_unless_it_asks_for_its_own() {
    for (options, expected) in [("", SHARED), ("--memory 1g", SEPARATE)] {
        let holder = holder();
        let inner =
            format!(r#"start "$HOLDER"; order take 600; second $HAMI run {options} -- "$HOLDER"; exec 3>&- 4<&-"#);
        let text = format!(
            "export -f start order second\n$HAMI run --memory 1g -- bash -c '{inner}'\nexec 3>/dev/null 4</dev/null"
        );
        let output = script(&holder.path(), holder.folder(), &text);
        assert_eq!(output.stdout, expected, "{output}");
    }
}
