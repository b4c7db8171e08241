//! `make gpu-check`'s program tests itself: what it does without a device is held to here, the rest needs hardware.

use hami_tests::{Run, artefacts};

#[test]
fn gpu_check_passes_its_self_test() {
    let output = Run::new("python3")
        .arg(artefacts::repository().join("gpu-check/gpu_check.py"))
        .arg("--self-test")
        .output()
        .succeeded();
    let passed: u32 = output
        .stdout
        .strip_prefix("self-test: ")
        .and_then(|rest| rest.split(' ').next())
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("no count of tests in {:?}", output.stdout));
    assert!(passed > 20, "only {passed} of the self-test's tests ran");
    assert!(output.stdout.contains(" 0 failed, 0 skipped"), "{}", output.stdout);
}
