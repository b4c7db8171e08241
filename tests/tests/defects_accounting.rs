//! Defects 9 to 16 of the older library, each of which counted memory wrongly: not here.

use std::time::Duration;

use hami_tests::audit::{MIB, figure};
use hami_tests::cast::{play, play_words};
use hami_tests::tenant::{cuda_program, program, with_books};
use hami_tests::{Run, Tenant, artefacts};

const NONE: [&str; 0] = [];

/// There: the slots of living processes moved while they were used, frees went below zero, and 16 GiB were granted of 10.
#[test]
fn defect_09_slots_of_the_dead_between_those_of_the_living() {
    // A and C die around B and D; E and F come into their places; B and D free, and take again what the quota leaves.
    let steps = play(
        "10g",
        "141g",
        "A:start B:start C:start D:start A:alloc:1000 B:alloc:2000 C:alloc:1500 D:alloc:2500 A:kill C:kill E:start F:start \
         E:alloc:500 B:free D:free B:alloc:9000 B:alloc:9000 D:alloc:300 F:alloc:56 F:alloc:1 B:kill E:free D:free F:free",
    );
    let results: Vec<_> = steps.iter().map(|(result, _)| *result).collect();
    assert_eq!(results[..15], [0; 15], "{steps:?}");
    // 4 contexts and 500 MiB are held of 10,240: 9,000 fit once; then 356 MiB are left.
    assert_eq!(results[15..], [0, 2, 0, 0, 2, 0, 0, 0, 0], "{steps:?}");
    assert_eq!(steps[18].1, 10 * 1024, "{steps:?}");
    assert_eq!(steps.last(), Some(&(0, 3 * 96)), "{steps:?}");
}

/// There: a free of memory that it had not counted never reached the driver.
#[test]
fn defect_10_frees_by_another_family() {
    let steps = play(
        "8g",
        "141g",
        "A:start A:pool:40 A:free-async A:sync A:async:50 A:free A:sync A:alloc:60 A:free-async A:sync A:pool:70 A:free A:sync",
    );
    assert!(steps.iter().all(|(result, _)| *result == 0), "{steps:?}");
    let after_sync: Vec<_> = [3, 6, 9, 12].map(|at| steps[at].1).into();
    assert_eq!(after_sync, [96; 4], "{steps:?}");
    let held: Vec<_> = [1, 4, 7, 10].map(|at| steps[at].1 >= 96 + 40).into();
    assert_eq!(held, [true; 4], "{steps:?}");
}

/// There: 4 GiB were mapped and 0 counted, 4 MiB counted of a pitched allocation of 512, and no array at all.
#[test]
fn defect_11_physical_memory_pitch_and_arrays() {
    let physical = cuda_program("physical");
    let tenant = Tenant::new("8g");
    let run = tenant.hold(with_books(Run::new(physical.path()))).args(["mapped", "4096"]);
    let output = run.simulated(NONE).output().succeeded();
    let lines: Vec<_> = output.stdout.lines().collect();
    let both = |mib: u64| format!("= 0 view {mib} books {mib}");
    let (held, freed) = (both(96 + 4096), both(96));
    let expected = [("create", &held), ("release", &held), ("retain", &held), ("unmap", &held), ("release", &freed)];
    assert_eq!(lines, expected.map(|(step, figures)| format!("{step} {figures}")), "{output}");
    // Over the quota, nothing is made.
    let run = tenant.hold(with_books(Run::new(physical.path()))).args(["mapped", "8192"]);
    assert_eq!(run.simulated(NONE).output().succeeded().stdout, "create = 2 view 96 books 96\n");

    // A row of one byte takes a pitch of 512.
    let client = cuda_program("client");
    let run =
        tenant.hold(with_books(Run::new(client.path()))).args(["--audit", "init", "retain", "pitch", "a", "1", "1M"]);
    let audit = hami_tests::audit::Audit::of(run.simulated(NONE).output().succeeded());
    audit.agrees(8 << 30);
    assert_eq!(audit.steps[2].own, (96 + 512) * MIB, "{audit:#?}");

    let arrays = cuda_program("arrays");
    let run = tenant.hold(with_books(Run::new(arrays.path()))).arg("32768");
    let output = run.simulated(NONE).output().succeeded();
    // 32,768 × 32,768 elements of four bytes.
    let lines: Vec<_> = output.stdout.lines().collect();
    let [made, second, destroyed] = lines[..] else { panic!("{output}") };
    assert_eq!(figure(made, "create"), 0, "{output}");
    assert!(figure(made, "view") >= 96 + 4096 && figure(made, "view") == figure(made, "books"), "{output}");
    assert!(second.starts_with("create 2 "), "{output}");
    assert_eq!(destroyed, "destroy 0 view 96 books 96", "{output}");
}

/// There: until somebody started or ran out of memory, what the dead had held stayed counted.
#[test]
fn defect_12_what_the_dead_held_is_back_at_the_next_look() {
    // B looks and finds it gone: no process starts, nobody is refused.
    let steps = play("8g", "141g", "B:start A:start A:alloc:3000 A:kill A:start A:alloc:2000 A:exit B:alloc:8000");
    let used: Vec<_> = steps.iter().map(|(_, used)| *used).collect();
    assert_eq!(used, [96, 192, 3192, 96, 192, 2192, 96, 8096], "{steps:?}");
}

/// There: 13 of 20 races passed the quota.
#[test]
fn defect_13_processes_that_race_for_the_last_pieces() {
    let race = cuda_program("race");
    let tenant = Tenant::new("10g");
    for (piece, rounds) in [(64, "20"), (1024, "20")] {
        let arguments = ["16".to_owned(), rounds.to_owned(), (piece * MIB).to_string(), (10_u64 << 30).to_string()];
        let run = tenant.hold(with_books(Run::new(race.path()))).args(arguments).within(Duration::from_secs(120));
        // The program ends with 1 when a byte too much is granted, or a piece too few.
        let output = run.simulated(NONE).output().succeeded();
        assert!(figure(&output.stdout, "sampled") <= 10 << 30, "{output}");
    }
}

/// There: a living process with a blank in its name was taken for dead, and 16 GiB were granted of 10.
#[test]
fn defect_14_a_process_named_with_a_blank() {
    let names = ["a Z", "a) Z (b", "Z", "(sd-pam) R 1 1", ")"];
    for name in names {
        let name = format!("A:name:{name}");
        let words =
            ["A:start", &name, "A:alloc:8000", "B:start", "B:alloc:3000", "C:start", "C:alloc:1952", "C:alloc:1"];
        let steps = play_words("10g", "141g", &words);
        let expected = [(0, 96), (0, 96), (0, 8096), (0, 8192), (2, 8192), (0, 8288), (0, 10240), (2, 10240)];
        assert_eq!(steps, expected, "{name}");
    }
}

/// There: memory that the list had no room for lived uncounted, failed allocations stayed counted, frees went below zero.
#[test]
fn defect_15_what_the_device_refuses() {
    // The device has less than the quota: each of these is granted by the quota and refused by the device.
    let steps = play(
        "8g",
        "2g",
        "A:start A:alloc:4000 A:async:4000 A:pool:4000 A:alloc:4000 A:async:10 A:free-async A:sync A:pool:10 A:free A:sync \
         A:alloc:1900 A:async:100 A:alloc:100 A:free A:sync",
    );
    let results: Vec<_> = steps.iter().map(|(result, _)| *result).collect();
    assert_eq!(results, [0, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 0], "{steps:?}");
    assert_eq!(steps.last(), Some(&(0, 96)), "{steps:?}");
}

/// There: the limit of one device was held against the use of another, and more than 16 entries went over the end of arrays.
#[test]
fn defect_16_order_and_number_of_devices() {
    let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| artefacts::built("simgpu-libs").join(name));
    let devices = program("devices", &libraries.each_ref().map(|path| path.to_str().expect("a path in UTF-8")));
    // 16 devices in reverse, and twenty entries that are none behind.
    let visible = (0..16).rev().chain(100..120).map(|index| index.to_string()).collect::<Vec<_>>().join(",");
    let tenant = Tenant::new("");
    let run = tenant.hold(Run::new(devices.path())).args(["cuda", "64"]).env("CUDA_VISIBLE_DEVICES", visible);
    let limit = |index: u64| 200 + 64 * index;
    let run = (0..32)
        .fold(run, |run, index| run.env(&format!("CUDA_DEVICE_MEMORY_LIMIT_{index}"), format!("{}m", limit(index))));
    let output = run.simulated(["--devices", "16"]).output().succeeded();
    let cuda: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("cuda")).collect();
    assert_eq!(cuda.len(), 16, "{output}");
    for line in cuda {
        let index = 15 - figure(line, "cuda");
        assert_eq!(figure(line, "total"), limit(index) * MIB, "{output}");
        assert_eq!(figure(line, "granted"), (limit(index) - 96) / 64, "{output}");
    }
    let nvml: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("nvml")).collect();
    assert_eq!(nvml.len(), 16, "{output}");
    for line in nvml {
        let index = figure(line, "nvml");
        assert_eq!(figure(line, "used"), (96 + (limit(index) - 96) / 64 * 64) * MIB, "{output}");
    }
    assert_eq!(output.stderr, "");
}
