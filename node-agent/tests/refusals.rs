//! Wishes that cannot be met: the exit status is 2, the message names the value and what is accepted, nothing runs.

mod common;

use common::{Place, assert_refused, stderr};

#[test]
fn sizes_that_cannot_be_read() {
    let place = Place::new();
    for text in ["abc", "-1", "12q", "5gg", "", "1e9"] {
        let output = place.run(["--memory", text, "--", "echo", "ran"]);
        assert_refused(&output, 2, &["--memory", &format!("'{text}'"), "4g, 1.5GiB, 80GB", "0 means no limit"]);
    }
}

#[test]
fn devices_that_cannot_be_read() {
    let place = Place::new();
    for text in ["x", "-1", "0,,1", "GPU-", "GPU-xyz", "GPU-0a1b2c3d4", "99999", "MIG-1", "+1"] {
        let output = place.run(["--device", text, "--", "echo", "ran"]);
        assert_refused(&output, 2, &["--device", "an index (0, 1, …) or a UUID"]);
    }
    assert_refused(&place.run(["--device", "1,0", "1", "--", "echo", "ran"]), 2, &["--device 1", "twice"]);
}

#[test]
fn shares_policies_and_priorities_that_cannot_be_read() {
    let place = Place::new();
    for text in ["x", "-1", "50%", "", "0.001", "1e1"] {
        let output = place.run(["--cores", text, "--", "echo", "ran"]);
        assert_refused(&output, 2, &["--cores", &format!("'{text}'"), "12.5", "0, and 100 or more, mean no limit"]);
    }
    for text in ["hard", "", "-1", "fixed"] {
        let output = place.run(["--cores", "30", "--policy", text, "--", "echo", "ran"]);
        assert_refused(&output, 2, &["--policy", &format!("'{text}'"), "fixed-share", "burst-share", "best-effort"]);
    }
    for text in ["10", "-1", "high", "", "0.5"] {
        let output = place.run(["--cores", "30", "--priority", text, "--", "echo", "ran"]);
        assert_refused(&output, 2, &["--priority", &format!("'{text}'"), "from 0 to 9"]);
    }
}

#[test]
fn a_policy_without_a_share_to_hold() {
    let place = Place::new();
    for policy in ["fixed-share", "burst-share"] {
        let output = place.run(["--policy", policy, "--", "echo", "ran"]);
        assert_refused(&output, 2, &[&format!("--policy {policy}"), "no share to hold", "--cores"]);
        // Who writes a share that is no limit has asked for one.
        for cores in ["0", "100", "250"] {
            assert!(
                place.run(["--cores", cores, "--policy", policy, "--", "true"]).status.success(),
                "{cores} {policy}"
            );
        }
    }
    for policy in ["best-effort", "disable"] {
        assert!(place.run(["--policy", policy, "--", "true"]).status.success(), "{policy}");
    }
}

/// The library grants nothing under them, so a run that leaves them in force would fail at its first allocation.
#[test]
fn variables_around_the_run_that_cannot_be_read() {
    let place = Place::new();
    let unreadable = [
        ("CUDA_DEVICE_MEMORY_LIMIT", "lots", "4g, 1.5GiB"),
        ("CUDA_DEVICE_MEMORY_LIMIT_1", "-1", "4g, 1.5GiB"),
        ("CUDA_DEVICE_SM_LIMIT", "50%", "number of percent"),
        ("CUDA_DEVICE_SM_LIMIT_0", "half", "number of percent"),
        ("GPU_CORE_UTILIZATION_POLICY", "hard", "burst-share"),
        ("CUDA_TASK_PRIORITY", "10", "from 0 to 9"),
        ("CUDA_OVERSUBSCRIBE", "yes", "true, 1, false and 0"),
        ("ACTIVE_OOM_KILLER", "on", "true, 1, false and 0"),
    ];
    for (name, value, accepted) in unreadable {
        for asked in [&["--memory", "1g"][..], &["--cores", "10"], &["--priority", "2"], &["--device", "0"], &[]] {
            let mut run = place.hami_run([asked, &["--", "echo", "ran"]].concat());
            let output = run.env(name, value).output().expect("hami");
            assert_refused(&output, 2, &[&format!("{name}={value:?}"), "cannot be read", accepted]);
        }
        for unset in ["", " "] {
            let mut run = place.hami_run(["--memory", "1g", "--", "true"]);
            let output = run.env(name, unset).output().expect("hami");
            assert!(output.status.success(), "{name}={unset:?}: {}", stderr(&output));
        }
    }
    let mut readable = place.hami_run(["--memory", "1g", "--", "true"]);
    readable.env("CUDA_OVERSUBSCRIBE", "FALSE").env("ACTIVE_OOM_KILLER", "1").env("CUDA_DEVICE_SM_LIMITS", "lots");
    assert!(readable.status().expect("hami").success());
}

#[test]
fn a_share_wider_than_the_one_around_it() {
    let place = Place::new();
    let refused = |around: &[(&str, &str)], asked: &[&str], words: &[&str]| {
        let run = || {
            let mut run = place.hami_run([asked, &["--", "echo", "ran"]].concat());
            run.envs(around.iter().copied());
            run.output().expect("hami")
        };
        assert_refused(&run(), 2, words);
    };
    let allowed = |around: &[(&str, &str)], asked: &[&str]| {
        let mut run = place.hami_run([asked, &["--", "true"]].concat());
        let output = run.envs(around.iter().copied()).output().expect("hami");
        assert!(output.status.success(), "{around:?} {asked:?}: {}", stderr(&output));
    };
    let half = ("CUDA_DEVICE_SM_LIMIT", "50");
    let third = ("CUDA_DEVICE_SM_LIMIT_3", "33.3");
    let policy = |name| ("GPU_CORE_UTILIZATION_POLICY", name);
    refused(&[half], &["--cores", "50.01"], &["--cores 50.01", "CUDA_DEVICE_SM_LIMIT=50"]);
    refused(&[half], &["--cores", "0"], &["--cores 0 or 100 (no limit)", "CUDA_DEVICE_SM_LIMIT=50"]);
    refused(&[half, third], &["--cores", "40"], &["--cores 40", "CUDA_DEVICE_SM_LIMIT_3=33.3"]);
    allowed(&[half, third], &["--cores", "33.3"]);
    refused(&[half, policy("disable")], &["--cores", "90"], &["--cores 90 has no effect", "=disable", "--policy"]);
    refused(&[], &["--cores", "30", "--policy", "disable"], &["--cores 30 has no effect", "--policy disable"]);
    allowed(&[half, policy("disable")], &["--cores", "90", "--policy", "fixed-share"]);
    allowed(&[("CUDA_DEVICE_SM_LIMIT", "0")], &["--cores", "90"]);
    refused(&[half], &["--policy", "burst-share"], &["--policy burst-share", "CUDA_DEVICE_SM_LIMIT=50 (fixed-share)"]);
    refused(&[half, policy("force")], &["--policy", "disable"], &["--policy disable", "=force (fixed-share)"]);
    refused(
        &[policy("best-effort")],
        &["--cores", "9", "--policy", "force"],
        &["--policy fixed-share", "=best-effort"],
    );
    allowed(&[half, policy("burst-share")], &["--policy", "best-effort"]);
    allowed(&[half, policy("burst-share")], &["--policy", "fixed-share"]);
    refused(&[half], &["--priority", "0"], &["--priority 0", "1, by CUDA_DEVICE_SM_LIMIT=50"]);
    refused(&[("CUDA_TASK_PRIORITY", "2")], &["--priority", "1"], &["--priority 1", "2, by CUDA_TASK_PRIORITY=2"]);
    allowed(&[half], &["--priority", "1"]);
    allowed(&[], &["--priority", "0"]);
    for (name, value) in [("CUDA_DEVICE_SM_LIMIT", "lots"), ("CUDA_TASK_PRIORITY", "high"), policy("hard")] {
        refused(&[(name, value)], &["--cores", "10"], &[&format!("{name}={value:?}"), "cannot be read"]);
    }
}

#[test]
fn a_quota_wider_than_the_one_around_it() {
    let place = Place::new();
    for (name, around) in [("CUDA_DEVICE_MEMORY_LIMIT", "2g"), ("CUDA_DEVICE_MEMORY_LIMIT_3", "2GiB")] {
        for (asked, shown) in [("2147483649", "2147483649 bytes"), ("4g", "4294967296 bytes"), ("0", "0 (no limit)")] {
            let output =
                place.hami_run(["--memory", asked, "--", "echo", "ran"]).env(name, around).output().expect("hami");
            assert_refused(&output, 2, &[shown, &format!("{name}={around}"), "2147483648 bytes"]);
        }
        let equal = place.hami_run(["--memory", "2g", "--", "true"]).env(name, around).output().expect("hami");
        assert!(equal.status.success(), "{}", stderr(&equal));
    }
    let mut unlimited = place.hami_run(["--memory", "2g", "--", "true"]);
    unlimited.env("CUDA_DEVICE_MEMORY_LIMIT", "0").env("CUDA_DEVICE_MEMORY_LIMIT_1", " ");
    assert!(unlimited.status().expect("hami").success());
    let mut unreadable = place.hami_run(["--memory", "2g", "--", "echo", "ran"]);
    let output = unreadable.env("CUDA_DEVICE_MEMORY_LIMIT", "lots").output().expect("hami");
    assert_refused(&output, 2, &["CUDA_DEVICE_MEMORY_LIMIT=\"lots\"", "cannot be read"]);
}

#[test]
fn a_device_that_is_hidden_already() {
    let place = Place::new();
    for visible in ["0,2", "", "GPU-0a1b2c3d"] {
        let mut run = place.hami_run(["--device", "1", "--", "echo", "ran"]);
        let output = run.env("CUDA_VISIBLE_DEVICES", visible).output().expect("hami");
        assert_refused(&output, 2, &["--device 1", &format!("CUDA_VISIBLE_DEVICES={visible:?}")]);
    }
}

#[test]
fn a_command_that_is_missing_or_not_behind_the_dashes() {
    let place = Place::new();
    assert_refused(&place.run(["--memory", "1g"]), 2, &["<CMD>", "Usage"]);
    assert_refused(&place.run(["--memory", "1g", "echo", "ran"]), 2, &["'echo'", "Usage"]);
}
