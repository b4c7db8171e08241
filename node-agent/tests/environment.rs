//! What the command finds in its environment.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use common::{Place, stderr, stdout};

/// The environment that `command`, which runs `env -0`, prints.
#[track_caller]
fn environment(command: &mut Command) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{}", stderr(&output));
    let settings = output.stdout.split(|byte| *byte == 0).filter(|setting| !setting.is_empty());
    settings
        .map(|setting| {
            let equals = setting.iter().position(|byte| *byte == b'=').expect("name=value");
            (setting[..equals].to_vec(), setting[equals + 1..].to_vec())
        })
        .collect()
}

fn value<'a>(environment: &'a BTreeMap<Vec<u8>, Vec<u8>>, name: &str) -> Option<&'a str> {
    environment.get(name.as_bytes()).map(|value| std::str::from_utf8(value).expect("UTF-8"))
}

#[test]
fn the_library_the_limit_and_a_region_are_set_and_nothing_else_changes() {
    let place = Place::new();
    let strange = OsStr::from_bytes(b"\xff\xfe=\n");
    let before = environment(place.hami_run(["--", "env", "-0"]).env("STRANGE", strange));
    let mut after = environment(place.hami_run(["--memory", "4g", "--", "env", "-0"]).env("STRANGE", strange));
    assert_eq!(value(&after, "LD_PRELOAD"), place.library().to_str());
    assert_eq!(value(&after, "CUDA_DEVICE_MEMORY_LIMIT"), Some("4294967296"));
    let region = value(&after, "CUDA_DEVICE_MEMORY_SHARED_CACHE").expect("a region").to_owned();
    assert_eq!(place.regions(), [std::path::Path::new(&region)]);
    for name in ["CUDA_DEVICE_MEMORY_LIMIT", "CUDA_DEVICE_MEMORY_SHARED_CACHE"] {
        after.remove(name.as_bytes());
    }
    assert_eq!(after, before);
    assert_eq!(after.get(b"STRANGE".as_slice()).map(Vec::as_slice), Some(strange.as_bytes()));
}

#[test]
fn the_library_is_loaded_into_the_command() {
    let place = Place::new();
    let output = place.run(["--memory", "1g", "--", "cat", "/proc/self/maps"]);
    let library = place.library();
    assert!(stdout(&output).contains(library.to_str().expect("UTF-8")), "{}", stdout(&output));
}

#[test]
fn what_is_preloaded_already_comes_behind_and_the_library_comes_once() {
    let place = Place::new();
    let library = place.library().to_str().expect("UTF-8").to_owned();
    let other = place.path("other.so");
    common::build_library(&other);
    let other = other.to_str().expect("UTF-8");
    let both = format!("{library}:{other}");
    for already in [other.to_owned(), both.clone(), format!("{other} {library}"), format!(" :{other}:")] {
        let seen = environment(place.hami_run(["--", "env", "-0"]).env("LD_PRELOAD", &already));
        assert_eq!(value(&seen, "LD_PRELOAD"), Some(both.as_str()), "LD_PRELOAD was {already:?}");
    }
}

#[test]
fn sizes_are_spelled_as_the_library_spells_them() {
    let place = Place::new();
    let spellings = [
        ("4096m", 4 << 30),
        ("4Gi", 4 << 30),
        ("80GB", 80_u64 << 30),
        ("1.5GiB", 3 << 29),
        ("12345", 12_345),
        ("0", 0),
    ];
    for (text, bytes) in spellings {
        let seen = environment(&mut place.hami_run(["--memory", text, "--", "env", "-0"]));
        assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT"), Some(bytes.to_string().as_str()), "{text}");
    }
}

#[test]
fn limits_of_single_devices_give_way_to_the_one_asked_for() {
    let place = Place::new();
    let mut run = place.hami_run(["--memory", "1g", "--", "env", "-0"]);
    run.env("CUDA_DEVICE_MEMORY_LIMIT_0", "2g")
        .env("CUDA_DEVICE_MEMORY_LIMIT_11", "")
        .env("CUDA_DEVICE_MEMORY_LIMIT_X", "x");
    let seen = environment(&mut run);
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT"), Some("1073741824"));
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT_0"), None);
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT_11"), None);
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT_X"), Some("x"), "not a variable of ours");
}

#[test]
fn a_share_a_policy_and_a_priority_are_spelled_as_hami_spells_them() {
    let place = Place::new();
    let names = ["CUDA_DEVICE_SM_LIMIT", "GPU_CORE_UTILIZATION_POLICY", "CUDA_TASK_PRIORITY"];
    let cases: [(&[&str], [Option<&str>; 3]); 5] = [
        (&["--cores", "30"], [Some("30"), None, None]),
        (&["--cores", "12.50"], [Some("12.5"), None, None]),
        (&["--cores", "250"], [Some("0"), None, None]),
        (&["--cores=7.05", "--policy", "FORCE", "--priority", "0"], [Some("7.05"), Some("fixed-share"), Some("0")]),
        (&["--policy", "best-effort"], [None, Some("best-effort"), None]),
    ];
    for (options, values) in cases {
        let mut run = place.hami_run([options, &["--", "env", "-0"]].concat());
        let seen = environment(&mut run);
        assert_eq!(names.map(|name| value(&seen, name)), values, "{options:?}");
        assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT"), None);
        assert!(value(&seen, "CUDA_DEVICE_MEMORY_SHARED_CACHE").is_some(), "programs share the cap in a region");
    }
    let mut run = place.hami_run(["--cores", "30", "--", "env", "-0"]);
    let seen = environment(run.env("CUDA_DEVICE_SM_LIMIT_0", "40").env("CUDA_DEVICE_SM_LIMIT_X", "x"));
    assert_eq!(value(&seen, "CUDA_DEVICE_SM_LIMIT_0"), None);
    assert_eq!(value(&seen, "CUDA_DEVICE_SM_LIMIT_X"), Some("x"), "not a variable of ours");
}

#[test]
fn without_a_size_the_quota_around_the_run_stays_with_its_region() {
    let place = Place::new();
    let mut run = place.hami_run(["--", "env", "-0"]);
    run.env("CUDA_DEVICE_MEMORY_LIMIT", "3g").env("CUDA_DEVICE_MEMORY_SHARED_CACHE", "/somewhere/region");
    let seen = environment(&mut run);
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_LIMIT"), Some("3g"));
    assert_eq!(value(&seen, "CUDA_DEVICE_MEMORY_SHARED_CACHE"), Some("/somewhere/region"));
}

#[test]
fn a_run_within_a_run_has_a_smaller_quota_and_its_own_region() {
    let place = Place::new();
    let hami = env!("CARGO_BIN_EXE_hami");
    let outer = environment(&mut place.hami_run(["--memory", "4g", "--", "env", "-0"]));
    let inner =
        environment(&mut place.hami_run(["--memory", "4g", "--", hami, "run", "--memory", "4096m", "--", "env", "-0"]));
    assert_eq!(value(&inner, "CUDA_DEVICE_MEMORY_LIMIT"), Some("4294967296"));
    assert_ne!(value(&inner, "CUDA_DEVICE_MEMORY_SHARED_CACHE"), value(&outer, "CUDA_DEVICE_MEMORY_SHARED_CACHE"));
    assert_eq!(value(&inner, "LD_PRELOAD"), place.library().to_str());
}

#[test]
fn devices_become_the_list_that_cuda_reads() {
    let place = Place::new();
    let uuid = "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    let spellings: [(&[&str], &str); 5] = [
        (&["--device", "1"], "1"),
        (&["--device", "2,0"], "2,0"),
        (&["--device", "2", "0"], "2,0"),
        (&["--device", "2", "--device", "0,1"], "2,0,1"),
        (&["--device", uuid, "--device=GPU-0a1b2c3e"], "GPU-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9,GPU-0a1b2c3e"),
    ];
    for (options, list) in spellings {
        let seen = environment(&mut place.hami_run(options.iter().chain(&["--", "env", "-0"])));
        assert_eq!(value(&seen, "CUDA_VISIBLE_DEVICES"), Some(list), "{options:?}");
    }
    let mut narrower = place.hami_run(["--device", "3", "--", "env", "-0"]);
    assert_eq!(value(&environment(narrower.env("CUDA_VISIBLE_DEVICES", "1, 3")), "CUDA_VISIBLE_DEVICES"), Some("3"));
}
