//! A limit for one device is on that device, in whatever order and by whatever names CUDA shows the devices.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{cuda_program, program};
use hami_tests::{Output, Program, Run, Tenant, artefacts};

/// Limits by index, in MiB, of four devices.
const LIMITS: [u64; 4] = [200, 340, 410, 610];
/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96;
const PIECE: u64 = 64;

fn devices_program() -> Program {
    let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| artefacts::built("simgpu-libs").join(name));
    program("devices", &libraries.each_ref().map(|path| path.to_str().expect("a path in UTF-8")))
}

/// Sets each of the limits.
fn with_limits(run: Run) -> Run {
    let limits = LIMITS.iter().enumerate();
    limits.fold(run, |run, (index, limit)| run.env(&format!("CUDA_DEVICE_MEMORY_LIMIT_{index}"), format!("{limit}m")))
}

/// The lines of one library: its number of the device, the UUID, the line.
fn lines<'a>(output: &'a Output, library: &str) -> Vec<(u64, &'a str, &'a str)> {
    let of_it = output.stdout.lines().filter(|line| line.starts_with(library));
    of_it.map(|line| (figure(line, library), line.split(' ').nth(3).expect("a UUID"), line)).collect()
}

/// Runs the program with each of the limits and checks both libraries' answers; `order` are the devices CUDA shows.
fn each_has_its_limit(program: &Program, index_of: &BTreeMap<String, usize>, visible: &str, order: &[usize]) {
    for first in ["cuda", "nvml"] {
        let tenant = Tenant::new("");
        let run = tenant.hold(Run::new(program.path())).args([first, "64"]).env("CUDA_VISIBLE_DEVICES", visible);
        let run = with_limits(run);
        let output = run.simulated(["--devices", "4"]).output().succeeded();
        assert_eq!(output.stderr, "", "{visible:?}: {output}");
        let cuda = lines(&output, "cuda");
        let shown: Vec<_> = cuda.iter().map(|(_, uuid, _)| index_of[*uuid]).collect();
        assert_eq!(shown, order, "{visible:?}: {output}");
        for (_, uuid, line) in cuda {
            let limit = LIMITS[index_of[uuid]];
            assert_eq!(
                (figure(line, "total"), figure(line, "info")),
                (limit * MIB, limit * MIB),
                "{visible:?}: {output}"
            );
            assert_eq!(figure(line, "granted"), (limit - CONTEXT) / PIECE, "{visible:?}: {output}");
        }
        let nvml = lines(&output, "nvml");
        assert_eq!(nvml.len(), if first == "nvml" { 8 } else { 4 }, "{output}");
        for (at, (index, uuid, line)) in nvml.iter().enumerate() {
            assert_eq!(*index, index_of[*uuid] as u64);
            let limit = LIMITS[index_of[*uuid]];
            assert_eq!(
                (figure(line, "total"), figure(line, "v2")),
                (limit * MIB, limit * MIB),
                "{visible:?}: {output}"
            );
            let used = if order.contains(&index_of[*uuid]) && (first == "cuda" || at >= 4) {
                CONTEXT + (limit - CONTEXT) / PIECE * PIECE
            } else {
                0
            };
            assert_eq!(figure(line, "used"), used * MIB, "{visible:?}: {output}");
        }
    }
}

/// The index in NVML's order of each device, by its UUID without hyphens, and the name of each as CUDA's lists have it.
fn devices(program: &Program) -> (BTreeMap<String, usize>, [String; 4]) {
    let native = Run::new(program.path()).args(["nvml", "1"]).simulated(["--devices", "4"]).output().succeeded();
    let index_of: BTreeMap<_, _> =
        lines(&native, "nvml").iter().map(|(index, uuid, _)| ((*uuid).to_owned(), *index as usize)).collect();
    assert_eq!(index_of.len(), 4, "{native}");
    let mut names = [const { String::new() }; 4];
    for (uuid, index) in &index_of {
        names[*index] = name(uuid);
    }
    (index_of, names)
}

/// What CUDA names a device, as nvidia-smi prints it: with hyphens.
fn name(plain: &str) -> String {
    let [a, b, c, d, e] = [&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]];
    format!("GPU-{a}-{b}-{c}-{d}-{e}")
}

#[test]
fn each_spelling_of_the_visible_devices_leads_to_the_right_limit() {
    let program = devices_program();
    let (index_of, names) = devices(&program);
    // The shortest beginning that no other device has.
    let beginning = |index: usize| {
        let own = &names[index];
        let alone = |length: &usize| names.iter().filter(|other| other.starts_with(&own[..*length])).count() == 1;
        own[..("GPU-".len() + 1..own.len()).find(alone).expect("UUIDs differ")].to_owned()
    };

    each_has_its_limit(&program, &index_of, "0,1,2,3", &[0, 1, 2, 3]);
    each_has_its_limit(&program, &index_of, "3,1", &[3, 1]);
    each_has_its_limit(&program, &index_of, " 2 , 0", &[2, 0]);
    each_has_its_limit(&program, &index_of, "1,-1,0", &[1]);
    each_has_its_limit(&program, &index_of, "2,9,0", &[2]);
    each_has_its_limit(&program, &index_of, &names[2], &[2]);
    each_has_its_limit(&program, &index_of, &[3, 0, 2, 1].map(|index| names[index].clone()).join(","), &[3, 0, 2, 1]);
    each_has_its_limit(&program, &index_of, &[2, 3, 1].map(beginning).join(","), &[2, 3, 1]);
    each_has_its_limit(&program, &index_of, &format!("{},0,{}", names[3], beginning(1)), &[3, 0, 1]);
    each_has_its_limit(&program, &index_of, &format!("2,{},MIG-{}", names[0], &names[1][4..]), &[2, 0]);
}

#[test]
fn all_devices_are_there_when_nothing_is_said_of_them() {
    let program = devices_program();
    let tenant = Tenant::new("200m");
    let run = tenant.hold(Run::new(program.path())).args(["cuda", "64"]).env("CUDA_DEVICE_MEMORY_LIMIT_15", "300m");
    let output = run.simulated(["--devices", "16"]).output().succeeded();
    let (cuda, nvml) = (lines(&output, "cuda"), lines(&output, "nvml"));
    assert_eq!((cuda.len(), nvml.len()), (16, 16), "{output}");
    for (number, _, line) in cuda.iter().chain(&nvml) {
        assert_eq!(figure(line, "total"), if *number == 15 { 300 * MIB } else { 200 * MIB }, "{output}");
    }
}

#[test]
fn limits_are_numbered_as_the_container_was_given_the_devices() {
    let program = devices_program();
    let (index_of, names) = devices(&program);
    let order = [2, 0, 3, 1];
    let uuids = order.map(|index| names[index].clone()).join(",");
    // A list of UUIDs numbers the limits, as HAMi writes it; other values say nothing of an order.
    for (granted, numbered) in [(&*uuids, order), ("all", [0, 1, 2, 3]), ("3,2,1,0", [0, 1, 2, 3]), ("", [0, 1, 2, 3])]
    {
        let tenant = Tenant::new("");
        let run = tenant.hold(Run::new(program.path())).args(["cuda", "0"]).env("NVIDIA_VISIBLE_DEVICES", granted);
        let run = with_limits(run);
        let output = run.env("CUDA_VISIBLE_DEVICES", "3,1").simulated(["--devices", "4"]).output().succeeded();
        for (_, uuid, line) in lines(&output, "cuda").into_iter().chain(lines(&output, "nvml")) {
            let place = numbered.iter().position(|index| *index == index_of[uuid]).expect("a device of the list");
            assert_eq!(figure(line, "total"), LIMITS[place] * MIB, "{granted:?}: {output}");
        }
    }
}

#[test]
fn without_nvml_a_device_that_cannot_be_placed_has_the_smallest_limit() {
    let (_, names) = devices(&devices_program());
    let libraries = tempfile::tempdir().expect("a temporary folder");
    symlink(artefacts::built("simgpu-libs/libcuda.so.1"), libraries.path().join("libcuda.so.1")).expect("a link");
    let folder = libraries.path().to_str().expect("a path in UTF-8");
    let client = cuda_program("client");
    let smallest = LIMITS.into_iter().min().expect("limits");
    for (visible, limit) in [("2,1", LIMITS[2]), ("3", LIMITS[3]), (&*names[3], smallest), (&names[1][..12], smallest)]
    {
        let tenant = Tenant::new("");
        let run = tenant.hold(Run::new(client.path())).args(["init", "total"]).env("CUDA_VISIBLE_DEVICES", visible);
        let run = with_limits(run);
        let output = run.simulated(["--devices", "4", "--libs", folder]).output().succeeded();
        assert_eq!(
            output.stdout,
            format!("init = 0\ndevice-total {}\ntotal = 0\n", limit * MIB),
            "{visible}: {output}"
        );
    }
}
