//! A value that cannot be read grants nothing, and one clear line says which and why. The program goes on.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program};
use hami_tests::{Output, Run, Tenant, artefacts};

/// A run of the client that tries everything and ends with a status of its own.
const TRIES: &[&str] = &["init", "count", "retain", "create2", "alloc", "a", "1", "info", "init", "exit", "7"];

/// The value that each unreadable setting has, by variable.
const UNREADABLE: &[(&str, &str)] = &[
    (MEMORY_LIMIT, "abc"),
    (MEMORY_LIMIT, "-1"),
    (MEMORY_LIMIT, "12q"),
    (MEMORY_LIMIT, "5gg"),
    (MEMORY_LIMIT, "4g abc"),
    (MEMORY_LIMIT, "1e3"),
    (MEMORY_LIMIT, "99999999999999999999999"),
    ("CUDA_DEVICE_MEMORY_LIMIT_0", "abc"),
    ("CUDA_DEVICE_MEMORY_LIMIT_3", "-5g"),
    ("CUDA_DEVICE_SM_LIMIT", "abc"),
    ("CUDA_DEVICE_SM_LIMIT", "-5"),
    ("CUDA_DEVICE_SM_LIMIT_1", "50%"),
    ("CUDA_DEVICE_SM_LIMIT", "0.001"),
    ("GPU_CORE_UTILIZATION_POLICY", "hard"),
    ("CUDA_TASK_PRIORITY", "high"),
    ("CUDA_TASK_PRIORITY", "10"),
];

fn in_simulation(run: Run) -> Output {
    run.simulated([] as [&str; 0]).output()
}

/// Checks that nothing was granted, that the program ran to its end, and that standard error is one line with all of `names`.
fn grants_nothing(output: &Output, names: &[&str]) {
    let said = "init = 0\ndevices 1\ncount = 0\nretain = 2\ncreate2 = 2\nalloc a 1 = 201\nfree 7 total 7\ninfo = 201\ninit = 0\n";
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), said), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    for name in names {
        assert!(output.stderr.contains(name), "not named: {name}: {output}");
    }
}

#[test]
fn an_unreadable_value_grants_nothing_and_is_named() {
    let client = cuda_program("client");
    for (variable, value) in UNREADABLE {
        // Whatever else is set and good.
        for other in [&[][..], &[("CUDA_DEVICE_MEMORY_LIMIT_1", "4g")]] {
            let tenant = Tenant::new("");
            let run = tenant.hold(Run::new(client.path())).args(TRIES).env(variable, value);
            let run = other.iter().fold(run, |run, (name, value)| run.env(name, value));
            grants_nothing(&in_simulation(run), &[variable, value, "accepted"]);
        }
    }
}

#[test]
fn nvidia_smi_shows_an_unreadable_limit_as_nothing() {
    let tenant = Tenant::new("12q");
    let smi = artefacts::client("nvidia-550/nvidia-smi");
    let query = ["--query-gpu=memory.total,memory.used,memory.free", "--format=csv,noheader"];
    let output = in_simulation(tenant.hold(Run::new(smi)).args(query)).succeeded();
    assert_eq!(output.stdout, "0 MiB, 0 MiB, 0 MiB\n");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    assert!(output.stderr.contains(MEMORY_LIMIT) && output.stderr.contains("12q"), "{output}");
}

#[test]
fn empty_means_unset_and_zero_means_no_limit() {
    let client = cuda_program("client");
    let native = in_simulation(Run::new(client.path()).args(TRIES));
    assert!(native.stdout.contains("alloc a 1 = 0"), "{native}");
    for limit in ["", " ", "0", "0g"] {
        let tenant = Tenant::new(limit);
        in_simulation(tenant.hold(Run::new(client.path())).args(TRIES)).same_as(&native);
        assert!(!tenant.region().exists(), "{limit:?}: a region where nothing is limited");
    }
    // HAMi reads 100 percent of compute and more as no limit.
    for percent in ["", "0", "100", "101", "120"] {
        let tenant = Tenant::new("");
        let run = tenant.hold(Run::new(client.path())).args(TRIES).env("CUDA_DEVICE_SM_LIMIT", percent);
        in_simulation(run).same_as(&native);
        assert!(!tenant.region().exists(), "{percent:?}: a region where nothing is limited");
    }
    // One device without limit, whatever is said for all.
    let tenant = Tenant::new("1g");
    let run = tenant.hold(Run::new(client.path())).args(TRIES).env("CUDA_DEVICE_MEMORY_LIMIT_0", "0");
    in_simulation(run).same_as(&native);
}

#[test]
fn a_value_for_one_device_goes_before_that_for_all() {
    let client = cuda_program("client");
    let tenant = Tenant::new("1g");
    let run = tenant.hold(Run::new(client.path())).env("CUDA_DEVICE_MEMORY_LIMIT_0", "2g").args(["init", "total"]);
    assert_eq!(in_simulation(run).succeeded().stdout, "init = 0\ndevice-total 2147483648\ntotal = 0\n");
}

/// Runs the client with this region file and checks that nothing is granted, and that one line names it.
fn region_refused(client: &Path, region: &Path, why: &str) {
    let run = Run::new(client).preloaded().env(MEMORY_LIMIT, "4g").env(REGION, region).args(TRIES);
    let output = in_simulation(run);
    grants_nothing(&output, &[region.to_str().expect("UTF-8"), why]);
}

#[test]
fn a_region_that_cannot_be_used_grants_nothing_and_is_named() {
    let client = cuda_program("client");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    region_refused(&client.path(), &at("missing/region"), "No such file");
    region_refused(&client.path(), folder.path(), "directory");
    std::fs::write(at("garbage"), [0xa5; 8192]).expect("a file");
    region_refused(&client.path(), &at("garbage"), "not a region");
    std::fs::write(at("empty"), []).expect("a file");
    region_refused(&client.path(), &at("empty"), "not a region");
    assert_eq!(std::fs::read(at("garbage")).expect("the file"), [0xa5; 8192], "a foreign file was written to");

    let tenant = Tenant::new("4g");
    in_simulation(tenant.hold(Run::new(client.path())).args(["init", "retain"])).succeeded();
    let good = std::fs::read(tenant.region()).expect("the region");
    // The version is the word behind the eight bytes of the magic.
    let mut other = good.clone();
    other[8] ^= 0x40;
    std::fs::write(at("other"), &other).expect("a file");
    region_refused(&client.path(), &at("other"), "version");
    std::fs::write(at("short"), &good[..good.len() / 2]).expect("a file");
    region_refused(&client.path(), &at("short"), "not a region");
    symlink(tenant.region(), at("link")).expect("a link");
    region_refused(&client.path(), &at("link"), "symbolic link");
}

#[test]
fn a_region_without_permission_grants_nothing_and_is_named() {
    let client = cuda_program("client");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let region = folder.path().join("region");
    std::fs::write(&region, [0; 4096]).expect("a file");
    // Root may open everything, so there the file is another's, whose content nobody should believe.
    if chown(&region, Some(65534), None).is_ok() {
        region_refused(&client.path(), &region, "belongs to user 65534");
    } else {
        std::fs::set_permissions(&region, std::fs::Permissions::from_mode(0o000)).expect("our own file");
        region_refused(&client.path(), &region, "Permission denied");
    }
}
