//! A short run of the whole benchmark: every row is there with finite figures. How fast they are is no test.

use std::time::Duration;

use hami_tests::{Run, artefacts};
use serde_json::Value;

/// Rows that must be there, one of each kind; the program itself refuses to report a row without figures.
const EXPECTED: &[&str] = &[
    "pair-4KiB-1/direct",
    "pair-4KiB-100000/dlsym",
    "pair-2MiB-100000/direct",
    "refusal/direct",
    "cuMemGetInfo/dlsym",
    "nvmlDeviceGetMemoryInfo/direct",
    "nvmlDeviceGetMemoryInfo_v2/direct",
    "cuGetProcAddress-cuMemAlloc/direct",
    "cuGetProcAddress-cuEventQuery/dlsym",
    "launch/direct",
    "launch-saturated/dlsym",
    "active-16",
    "idle-63",
    "bin-true",
    "first-resident/direct",
    "first-threads/direct",
    "start-16-worst/direct",
];

/// Rows of which instructions are counted in a quick run as well. The library adds some to each, with no limit too.
const COUNTED: &[&str] = &["pair-4KiB-1000/direct", "pair-2MiB-1/direct", "cuMemGetInfo/direct"];

fn number(value: &Value) -> f64 {
    // A figure that is not finite is written as null.
    value.as_f64().unwrap_or_else(|| panic!("{value} is no finite number"))
}

#[test]
fn a_quick_run_has_every_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let report = folder.path().join("bench.json");
    let output = Run::new(env!("CARGO_BIN_EXE_hami-bench"))
        .args(["--quick", "--rounds", "1", "--out"])
        .arg(&report)
        .env(artefacts::ARTEFACTS_VARIABLE, artefacts::built("."))
        .within(Duration::from_secs(300))
        .output()
        .succeeded();

    let text = std::fs::read_to_string(&report).expect("the report");
    let report: Value = serde_json::from_str(&text).expect("a report in JSON");
    let rows = report["rows"].as_array().expect("rows");
    for expected in EXPECTED {
        assert!(rows.iter().any(|row| row["key"] == *expected), "no row {expected} in {text}");
    }
    for row in rows {
        for mode in ["native", "hooked"] {
            for part in ["median", "min", "max", "first_quartile", "third_quartile"] {
                assert!(number(&row[mode][part]) > 0.0, "{mode} {part} in {row}");
            }
        }
        if COUNTED.contains(&row["key"].as_str().expect("a key")) {
            let [native, hooked, unlimited] =
                ["native", "hooked", "unlimited"].map(|mode| number(&row["instructions"][mode]));
            assert!(hooked > native && unlimited > native && native > 1.0, "instructions in {row}");
        }
        number(&row["difference"]);
        number(&row["ratio"]);
    }
    // Each row stands somewhere, and the closing lines name those that are worse or were not compared.
    let standing = |name: &str| report["standing"][name].as_array().unwrap_or_else(|| panic!("no {name} in {text}"));
    let named = ["worse", "not_comparable", "no_figure"].map(standing);
    assert_eq!(standing("not_worse").len() + named.iter().map(|keys| keys.len()).sum::<usize>(), rows.len(), "{text}");
    let (_, closing) = output.stdout.split_once("\nCompared with the reference: ").expect("closing lines");
    for key in named.into_iter().flatten() {
        assert!(closing.contains(key.as_str().expect("a key")), "{key} is not named: {closing}");
    }
}
