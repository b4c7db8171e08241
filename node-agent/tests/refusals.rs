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
fn options_that_this_version_does_not_enforce() {
    let place = Place::new();
    for (option, value) in [("--cores", "50"), ("--policy", "fixed-share"), ("--priority", "0"), ("--priority", "-1")] {
        let output = place.run([option, value, "--memory", "1g", "--", "echo", "ran"]);
        assert_refused(&output, 2, &[&format!("{option} {value}"), "this version does not limit compute"]);
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
