//! Programs that find the driver late, again or by another's dlsym, on unusual descriptors and limits: the quota holds, nothing breaks.

use std::os::unix::fs::{MetadataExt, symlink};

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{program, with_books};
use hami_tests::{Program, Run, Tenant, artefacts};

const CONTEXT: u64 = 96 * MIB;

fn fill() -> Program {
    program("fill", &["-ldl"])
}

/// Checks a line of `tests/programs/fill.c` that ran with a quota of 200 MiB: 52 pieces of 2 MiB fit beside a context.
fn is_full(line: &str) {
    let held = CONTEXT + 52 * 2 * MIB;
    assert_eq!(line, format!("init 0 retain 0 granted 52 last 2 view {held} own {held}"));
}

#[test]
fn contexts_are_charged_without_nvml() {
    let libraries = tempfile::tempdir().expect("a temporary folder");
    for name in ["libcuda.so.1", "libcuda.so"] {
        symlink(artefacts::built("simgpu-libs/libcuda.so.1"), libraries.path().join(name)).expect("a link");
    }
    let fill = fill();
    let tenant = Tenant::new("200m");
    let folder = libraries.path().to_str().expect("a path in UTF-8");
    let output = tenant.hold(with_books(Run::new(fill.path()))).simulated(["--libs", folder]).output().succeeded();
    // What a context takes is known roughly then: never too little, and memory is granted all the same.
    assert!(output.stdout.starts_with("init 0 retain 0 granted "), "{output}");
    let line = output.stdout.trim_end();
    assert!((1..=52).contains(&figure(line, "granted")), "{output}");
    assert!(figure(line, "own") <= figure(line, "view") && figure(line, "view") <= 200 * MIB, "{output}");
}

#[test]
fn libraries_closed_and_opened_again_elsewhere_are_found_again() {
    let reopened = program("reopened", &["-ldl"]);
    for order in ["n", "c", "nc", "cn"] {
        let native = Run::new(reopened.path()).arg(order).simulated([] as [&str; 0]).output().succeeded();
        let without_limit = Run::new(reopened.path()).arg(order).preloaded().simulated([] as [&str; 0]);
        assert_eq!(without_limit.output().succeeded().stdout, native.stdout, "{order}");
        let tenant = Tenant::new("200m");
        let ours = tenant.hold(Run::new(reopened.path())).arg(order).simulated([] as [&str; 0]).output().succeeded();
        assert_eq!(ours.stdout.lines().count(), 3 * order.len(), "{ours}");
        let total = format!(" total {} closed 0", 200 * MIB);
        assert!(ours.stdout.lines().all(|line| line.ends_with(&total) && !line.contains(" 999 ")), "{order}: {ours}");
        assert_eq!(ours.stderr, "");
    }
}

#[test]
fn the_region_takes_no_standard_descriptor() {
    let fill = fill();
    let tenant = Tenant::new("200m");
    let told = fill.folder().join("told");
    let run = tenant.hold(with_books(Run::new(fill.path()))).arg("closed").arg(&told);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    let text = std::fs::read_to_string(&told).expect("the client's lines");
    let mut lines = text.lines();
    is_full(lines.next().unwrap_or_else(|| panic!("no line: {output}")));
    let region = std::fs::metadata(tenant.region()).expect("the region").ino();
    assert_eq!(lines.clone().count(), 3, "{text}");
    assert!(lines.all(|line| line.starts_with("standard ") && figure(line, "inode") != region), "{region}: {text}");
}

#[test]
fn a_dlsym_in_front_of_ours_does_not_switch_the_quota_off() {
    let fill = fill();
    let interposer = program("dlsym_interposer", &["-shared", "-ldl"]);
    let us = artefacts::library();
    for order in [[interposer.path(), us.clone()], [us, interposer.path()]] {
        let tenant = Tenant::new("200m");
        let list: Vec<_> = order.iter().map(|path| path.to_str().expect("a path in UTF-8")).collect();
        // The later of two settings of a variable counts.
        let run = tenant.hold(with_books(Run::new(fill.path()))).env("LD_PRELOAD", list.join(":"));
        let output = run.simulated([] as [&str; 0]).output().succeeded();
        is_full(output.stdout.trim_end());
        assert_eq!(output.stderr, "");
    }
}

/// Runs with a limit on the length of files, in bytes, that is below a region's; memory is refused. Answers standard error.
fn with_short_files(bytes: &str) -> (Tenant, String) {
    let fill = fill();
    let tenant = Tenant::new("200m");
    let run = tenant.hold(Run::new(fill.path())).args(["fsize", bytes]);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stdout, "init 0 retain 2 granted 0 last -1 view 0\n", "{output}");
    (tenant, output.stderr)
}

#[test]
fn a_file_size_limit_below_the_region_refuses_memory_and_kills_nothing() {
    let (tenant, stderr) = with_short_files("4096");
    let region = tenant.region();
    assert!(
        stderr.contains(region.to_str().expect("a path in UTF-8")) && stderr.contains("File too large"),
        "{stderr}"
    );
}

#[test]
fn a_line_that_standard_error_has_no_room_for_kills_nothing() {
    // Standard error is a file here, and may not become longer.
    assert_eq!(with_short_files("0").1, "");
}
