//! `make demo` shows what is true: it ends well with the library, and says FAILED with one that does nothing.

use hami_tests::{Program, Run, artefacts};

fn demo() -> Run {
    let artefacts_folder = artefacts::hami();
    let folder = artefacts_folder.parent().expect("a file lies in a folder");
    Run::new(artefacts::repository().join("demo/run")).arg("--simulated").env(artefacts::ARTEFACTS_VARIABLE, folder)
}

#[test]
fn all_is_as_asked() {
    let output = demo().output().succeeded();
    assert!(output.stdout.contains(" as asked.") && !output.stdout.contains("FAILED"), "{output}");
    assert!(!output.stdout.contains('\x1b'), "colours without a terminal: {output}");
    assert_eq!(output.stderr, "");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let demo = artefacts::repository().join("demo/run");
    let pipeline = r#""$0" --simulated | head -3; echo "${PIPESTATUS[0]}""#;
    let folder = artefacts::hami().parent().expect("a file lies in a folder").to_owned();
    let output = Run::new("bash").args(["-c", pipeline]).arg(demo).env(artefacts::ARTEFACTS_VARIABLE, folder).output();
    assert_eq!(output.stdout.lines().collect::<Vec<_>>().split_off(3), ["141"], "{output}");
    assert_eq!(output.stderr, "", "{output}");
}

#[test]
fn a_library_that_does_nothing_is_found_out() {
    let inert = Program::gcc("", &["-shared"]);
    let output = demo().env("HAMI_CORE_LIBRARY", inert.path()).output();
    assert_eq!(output.status.code(), Some(1), "{output}");
    let failed = |what: &str| output.stdout.lines().any(|line| line.contains(what) && line.ends_with("FAILED"));
    assert!(failed("size in A's nvidia-smi") && failed("A2 takes 2048 MiB over A's quota"), "{output}");
}
