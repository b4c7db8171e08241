//! Ways past the preloaded library that it cannot close: what happens today, and that the device's own figures show it.

use hami_tests::audit::figure;
use hami_tests::tenant::{program, with_books};
use hami_tests::{Program, Run, Tenant, artefacts};

const NONE: [&str; 0] = [];
/// MiB that are taken, of a quota of 1 GiB.
const TAKEN: u64 = 3000;

fn vendor(name: &str) -> String {
    artefacts::built("simgpu-libs").join(name).display().to_string()
}

fn around() -> Program {
    program("around", &[&vendor("libcuda.so.1"), &vendor("libnvidia-ml.so.1"), "-ldl"])
}

/// The line of figures for one way, with the library made by these options.
fn figures(way: &str, options: &[&str]) -> String {
    let driver = vendor("libcuda.so.1");
    let library = program("around_library", &[&["-shared", "-ldl"], options, &[&driver]].concat());
    let around = around();
    let tenant = Tenant::new("1g");
    let run = tenant.hold(with_books(Run::new(around.path()))).arg(way).arg(library.path()).arg(TAKEN.to_string());
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output.stdout
}

#[test]
fn a_library_opened_in_the_common_way_is_held_to_the_quota() {
    for options in [&[][..], &["-DLOOKED_UP"]] {
        assert_eq!(figures("plain", options), "taken 2 view 96 device 96 listed 96\n");
    }
}

/// Checks that the memory was granted beside the quota, and that NVML's figures by process have it.
fn seen_from_outside(line: &str) {
    assert_eq!(figure(line, "taken"), 0, "closed by now: move it out of docs/limits.md: {line}");
    let (view, device) = (figure(line, "view"), figure(line, "device"));
    assert!(view < TAKEN && device >= view + TAKEN, "{line}");
    assert!(figure(line.trim_end(), "listed") >= TAKEN, "{line}");
}

#[test]
fn a_library_opened_with_deepbind_reaches_the_driver() {
    for options in [&[][..], &["-DLOOKED_UP"]] {
        seen_from_outside(&figures("deepbind", options));
    }
}

#[test]
fn a_library_in_a_namespace_of_its_own_reaches_the_driver() {
    for options in [&[][..], &["-DLOOKED_UP"]] {
        seen_from_outside(&figures("namespace", options));
    }
}

#[test]
fn a_child_without_the_preload_reaches_the_driver() {
    seen_from_outside(&figures("unset", &[]));
}

#[test]
fn a_program_started_with_an_empty_list_of_preloads_reaches_the_driver() {
    // As `env -u LD_PRELOAD` does; a variable of its own does not get rid of /etc/ld.so.preload.
    let around = around();
    let tenant = Tenant::new("1g");
    let text = r#"LD_PRELOAD= exec "$0" plain "$1" 3000"#;
    let library = program("around_library", &["-shared", "-ldl", &vendor("libcuda.so.1")]);
    let run = Run::new("bash").args(["-c", text]).arg(around.path()).arg(library.path());
    let output = tenant.hold(with_books(run)).simulated(NONE).output().succeeded();
    assert_eq!(output.stdout, "taken 0 view 3096 device 3096 listed 3096\n", "{output}");
}

#[test]
fn a_static_program_starts_as_without_us() {
    // There is no loader that would preload anything. (A driver cannot be linked in statically either.)
    let source = "#include <stdio.h>\n#include <stdlib.h>\n\
        int main(void) { char line[4096]; int ours = 0; FILE *maps = fopen(\"/proc/self/maps\", \"r\");\n\
        while (fgets(line, sizeof line, maps)) ours |= __builtin_strstr(line, \"libhami_core\") != 0;\n\
        printf(\"ours %d\\n\", ours); return 3; }\n";
    for (options, mapped) in [(&["-static"][..], 0), (&[], 1)] {
        let program = Program::gcc(source, options);
        let tenant = Tenant::new("1g");
        let output = tenant.hold(Run::new(program.path())).output();
        assert_eq!((output.status.code(), output.stdout), (Some(3), format!("ours {mapped}\n")));
    }
}
