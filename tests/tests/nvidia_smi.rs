//! The real nvidia-smi under a quota: the part is shown as if it were the device, and nothing else changes.

use std::path::PathBuf;

use hami_tests::tenant::{MEMORY_LIMIT, cuda_program};
use hami_tests::{Output, Run, Tenant, artefacts};

/// Drivers whose real binary runs, by the name that the simulation gives them.
const DRIVERS: &[&str] = &["535", "550"];

const TOTAL: &[&str] = &["--query-gpu=memory.total,memory.used,memory.free", "--format=csv"];

/// The device's own size, and the quota's, in MiB.
const DEVICE: u32 = 143_771;
const QUOTA: u32 = 4096;

fn smi(driver: &str) -> PathBuf {
    artefacts::client(&format!("nvidia-{driver}/nvidia-smi"))
}

fn on(driver: &str, run: Run) -> Output {
    let output = run.simulated(["--driver", driver]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output
}

/// One word between all words: columns move when a figure gets shorter.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The lines that differ, the time of the run left out.
fn differences(native: &Output, ours: &Output) -> Vec<(String, String)> {
    let (native, ours): (Vec<_>, Vec<_>) = (native.stdout.lines().collect(), ours.stdout.lines().collect());
    assert_eq!(native.len(), ours.len(), "another number of lines:\n{native:#?}\n{ours:#?}");
    let is_time = |at: usize, line: &str| {
        line.trim_start().starts_with("<timestamp>") || line.starts_with("Timestamp") || at == 0 && line.contains(" 20")
    };
    let pairs = native.iter().zip(&ours).enumerate().filter(|(at, (a, b))| !(is_time(*at, a) && is_time(*at, b)));
    pairs.filter(|(_, (a, b))| a != b).map(|(_, (a, b))| (words(a), words(b))).collect()
}

/// The device's size as the plain table shows it; that of 535 has too narrow a column for it.
fn table_size(driver: &str) -> &'static str {
    if driver == "535" { "14377..." } else { "143771MiB" }
}

/// What the same line says with the quota in the place of the device.
fn with_quota(driver: &str, line: &str) -> String {
    let quota = QUOTA.to_string();
    line.replace(table_size(driver), &format!("{quota}MiB")).replace(&DEVICE.to_string(), &quota)
}

#[test]
fn two_devices_without_us() {
    for driver in DRIVERS {
        let output = Run::new(smi(driver)).simulated(["--devices", "2", "--driver", driver]).output().succeeded();
        assert_eq!(output.stdout.matches("NVIDIA H200").count(), 2, "{output}");
        assert_eq!(output.stdout.matches(&format!("0MiB / {}", table_size(driver))).count(), 2, "{output}");
        assert_eq!(output.stderr, "", "{output}");
    }
}

#[test]
fn hami_run_shows_the_quota() {
    for driver in DRIVERS {
        let native = on(driver, Run::new(smi(driver)));
        let run = Run::new(artefacts::hami()).args(["run", "--memory", "4g", "--"]).arg(smi(driver));
        let ours = on(driver, run);
        assert!(words(&ours.stdout).contains("| 0MiB / 4096MiB |"), "{ours}");
        let changed = differences(&native, &ours);
        assert_eq!(changed.len(), 1, "{changed:#?}");
        assert_eq!(with_quota(driver, &changed[0].0), changed[0].1);
    }
}

#[test]
fn only_the_memory_figures_change() {
    for driver in DRIVERS {
        let tenant = Tenant::new("4g");
        for (arguments, lines) in
            [(&["-L"][..], 0), (&[], 1), (&["-q"], 2), (&["-q", "-x"], 2), (&["-q", "-d", "MEMORY"], 2), (TOTAL, 1)]
        {
            let run = Run::new(smi(driver)).args(arguments);
            let native = on(driver, run.clone());
            let changed = differences(&native, &on(driver, tenant.hold(run)));
            assert_eq!(changed.len(), lines, "{arguments:?} {changed:#?}");
            for (before, after) in changed {
                assert_ne!(with_quota(driver, &before), before, "no figure of memory");
                assert_eq!(with_quota(driver, &before), after, "{arguments:?}");
            }
        }
    }
}

#[test]
fn sizes_are_read_as_people_write_them() {
    let sizes = [
        ("4g", 4096),
        ("4096m", 4096),
        ("4Gi", 4096),
        ("4294967296", 4096),
        ("1.5GiB", 1536),
        ("80GB", 81920),
        ("0.5G", 512),
        (" 4 gib ", 4096),
        ("2097152k", 2048),
        ("1t", DEVICE), // more than the device has is the device
    ];
    for (limit, mib) in sizes {
        let tenant = Tenant::new(limit);
        let output = on("550", tenant.hold(Run::new(smi("550")).args(TOTAL)));
        let figures =
            format!("memory.total [MiB], memory.used [MiB], memory.free [MiB]\n{mib} MiB, 0 MiB, {mib} MiB\n");
        assert_eq!(output.stdout, figures, "{limit}");
    }
}

#[test]
fn the_library_and_the_limit_alone_are_enough() {
    // The region is then the user's own; other programs of this user may be in it, so only the size is certain.
    for driver in DRIVERS {
        let query = ["--query-gpu=memory.total", "--format=csv,noheader"];
        let run = Run::new(smi(driver)).args(query).preloaded().env(MEMORY_LIMIT, "4g");
        assert_eq!(on(driver, run).stdout, "4096 MiB\n");
    }
}

#[test]
fn each_device_shows_its_own_limit() {
    let limits = [("CUDA_DEVICE_MEMORY_LIMIT_1", "8g"), ("CUDA_DEVICE_MEMORY_LIMIT_2", "0")];
    let tenant = Tenant::new("4g");
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let run = limits.iter().fold(Run::new(smi("550")).args(query), |run, (name, value)| run.env(name, value));
    let output = tenant.hold(run).simulated(["--devices", "4"]).output().succeeded();
    assert_eq!(output.stdout, format!("4096\n8192\n{DEVICE}\n4096\n"));
    // CUDA counts the visible devices only; the limit stays with the device.
    let client = cuda_program("client");
    for (list, gib) in [("0", 4_u64), ("1", 8), ("3,1", 4)] {
        let run = limits.iter().fold(Run::new(client.path()), |run, (name, value)| run.env(name, value));
        let run = run.env("CUDA_VISIBLE_DEVICES", list).args(["init", "total"]);
        let output = tenant.hold(run).simulated(["--devices", "4"]).output().succeeded();
        let expected = format!("device-total {}", gib << 30);
        assert_eq!(output.stdout.lines().nth(1), Some(&*expected), "{list}: {output}");
    }
}

#[test]
fn each_tenant_sees_its_own_use() {
    let client = cuda_program("client");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // While the client holds its memory: nvidia-smi in the same tenant, in another, and without the library.
    let script = r#"
        mkfifo gate; : >said; "$1" init retain alloc a 1g hold <gate >said & exec 9>gate
        until grep -q holding said; do :; done
        "$2" $3; CUDA_DEVICE_MEMORY_SHARED_CACHE=$PWD/other "$2" $3; LD_PRELOAD= "$2" $3
        exec 9>&-; wait; "$2" $3
    "#;
    let query = "--query-gpu=memory.total,memory.used,memory.free --format=csv,noheader,nounits";
    let tenant = Tenant::new("4g");
    let run = Run::new("sh").args(["-c", &format!("cd \"$0\" || exit 1\n{script}")]).arg(folder.path());
    let output = on("550", tenant.hold(run.arg(client.path()).arg(smi("550")).arg(query)));
    let context = 96;
    let used = 1024 + context;
    assert_eq!(
        output.stdout.lines().collect::<Vec<_>>(),
        [
            format!("4096, {used}, {}", 4096 - used),
            "4096, 0, 4096".to_owned(),
            format!("{DEVICE}, {used}, {}", DEVICE - used),
            "4096, 0, 4096".to_owned(),
        ]
    );
}
