//! Real numba under a quota, and the real nvidia-ml-py beside it: refused in numba's own terms, and all agree on the figures.

use std::time::Duration;

use hami_tests::{Output, Run, Tenant, artefacts};

const MIB: u64 = 1 << 20;
const CONTEXT: u64 = 96 * MIB;

fn run(limit: Option<&str>) -> Output {
    let program = artefacts::repository().join("tests/programs/numba_quota.py");
    let python = Run::new(artefacts::client("venv/bin/python")).arg(program).within(Duration::from_secs(180));
    let tenant = limit.map(Tenant::new);
    let run = tenant.iter().fold(python, |python, tenant| tenant.hold(python));
    let output = run.simulated(["--memory", "16g"]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output
}

/// The rest of the lines that begin with this word.
fn said<'a>(output: &'a Output, word: &str) -> Vec<&'a str> {
    output.stdout.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

/// Data copied to the device comes back as it was, after a launch whose kernel changes nothing.
fn data_came_back(output: &Output) {
    for way in ["copied_back_after_launch", "copied_back_to_pinned"] {
        assert_eq!(said(output, way), ["True"], "{way}: {output}");
    }
}

#[test]
fn numba_lives_within_one_gib() {
    let output = run(Some("1g"));
    let total = 1024 * MIB;
    for (when, used) in [
        ("empty", CONTEXT),
        ("large", CONTEXT + 900 * MIB),
        ("after_refusal", CONTEXT + 900 * MIB),
        ("freed", CONTEXT),
        ("again", CONTEXT + 900 * MIB),
    ] {
        let figures = format!("{used} {total} {}", total - used);
        let expected = ["cuda", "nvml", "nvml_v2", "elsewhere"].map(|who| format!("{who} {figures}"));
        assert_eq!(said(&output, when), expected, "{output}");
    }
    let refused = said(&output, "refused");
    assert!(
        refused.len() == 1 && refused[0].starts_with("2 ") && refused[0].contains("CUDA_ERROR_OUT_OF_MEMORY"),
        "{output}"
    );
    data_came_back(&output);
}

#[test]
fn without_a_quota_numba_gets_what_it_asks_for() {
    let output = run(None);
    assert_eq!(said(&output, "refused"), ["not"], "{output}");
    assert!(said(&output, "empty")[0].contains(&(16_384 * MIB).to_string()), "{output}");
    data_came_back(&output);
}
