//! Looking names up: invisible for names that are not ours, and each way to the driver's functions leads through the quota.

use std::path::PathBuf;

use hami_tests::tenant::program;
use hami_tests::{Output, Program, Run, Tenant, artefacts};

/// Names in the table of hooked functions that the programs look up. Where no driver is, they are NULL with us as
/// without; the text of dlerror then names our library as the one that looked.
const OURS: &[&str] = &["cuInit", "cuMemAlloc_v2", "nvmlDeviceGetMemoryInfo", "cuGetProcAddress"];

/// A library that looks up, and calls itself `who`.
fn library(who: &str) -> Program {
    program("lookup_library", &["-shared", "-ldl", &format!("-DWHO={who}")])
}

fn preloading(run: Run, libraries: &[PathBuf]) -> Run {
    let list: Vec<_> = libraries.iter().map(|path| path.to_str().expect("a path in UTF-8")).collect();
    run.env("LD_PRELOAD", list.join(":"))
}

/// Whether a line is about one of our names, and says that it was not found, in libc's words.
fn is_absent(line: &str) -> bool {
    OURS.iter()
        .any(|name| line.contains(&format!(" {name}: NULL, ")) && line.contains(&format!("undefined symbol: {name}")))
}

/// Checks that both say the same of each name, line by line.
fn same_answers(native: &Output, ours: &Output) {
    assert_eq!((ours.status, &ours.stderr), (native.status, &native.stderr), "{ours}");
    let (expected, found): (Vec<_>, Vec<_>) = (native.stdout.lines().collect(), ours.stdout.lines().collect());
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(found) {
        assert!(*expected == found || is_absent(expected) && is_absent(found), "{found}\n  without us: {expected}");
    }
}

#[test]
fn names_that_are_not_ours_are_answered_as_without_us() {
    let lookups = program("lookups", &["-ldl"]);
    let (witness, local) = (library("witness"), library("local"));
    let run = Run::new(lookups.path()).arg(local.path());
    let us = artefacts::library();
    let other = witness.path();

    let native = preloading(run.clone(), std::slice::from_ref(&other)).output().succeeded();
    for (line, times) in [
        ("witness NEXT malloc: malloc in libc.so.6", 2),
        ("main NEXT version malloc: malloc in libc.so.6", 2),
        ("local DEFAULT malloc: malloc in libc.so.6", 2),
        ("main DEFAULT curl_easy_init: NULL, ", 1),
    ] {
        assert_eq!(native.stdout.lines().filter(|found| found.starts_with(line)).count(), times, "{line}: {native}");
    }
    for settings in [&[][..], &[("CUDA_DEVICE_MEMORY_LIMIT", "1g")], &[("CUDA_DEVICE_MEMORY_LIMIT", "abc")]] {
        for order in [[other.clone(), us.clone()], [us.clone(), other.clone()]] {
            let run = settings.iter().fold(run.clone(), |run, (name, value)| run.env(name, value));
            same_answers(&native, &preloading(run, &order).output());
        }
    }
    let alone = run.clone().output().succeeded();
    assert!(alone.stdout.starts_with("none is preloaded\n"), "{alone}");
    same_answers(&alone, &run.preloaded().output());
}

#[test]
fn an_interposer_that_changes_answers_is_noticed() {
    let lookups = program("lookups", &["-ldl"]);
    // Forwards by a call of its own, so that libc takes it for the caller.
    let naive = Program::gcc(
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <stddef.h>\n\
         void *dlsym(void *handle, const char *name) {\n\
         static void *(*libc)(void *, const char *);\n\
         if (!libc) libc = dlvsym(RTLD_NEXT, \"dlsym\", \"GLIBC_2.2.5\");\n\
         void *found = libc(handle, name);\n__asm__ volatile(\"\" : \"+r\"(found));\nreturn found;\n}\n",
        &["-shared", "-ldl"],
    );
    let native = Run::new(lookups.path()).output().succeeded();
    let changed = preloading(Run::new(lookups.path()), &[naive.path()]).output();
    assert_ne!(changed.stdout, native.stdout);
}

#[test]
fn without_a_driver_its_names_are_not_there() {
    let no_driver = program("no_driver", &["-ldl"]);
    let lookalike = program("vendor_lookalike", &["-shared"]);
    let run = Run::new(no_driver.path()).arg(lookalike.path());
    let native = run.clone().output().succeeded();
    assert!(native.stdout.contains("main DEFAULT cuInit: NULL"), "{native}");
    assert!(native.stdout.contains("main handle cuInit: cuInit in program"), "{native}");
    same_answers(&native, &run.clone().preloaded().output());
    same_answers(&native, &run.preloaded().env("CUDA_DEVICE_MEMORY_LIMIT", "1g").output());
}

/// Runs the program that tries each door, asking for `bytes` each time.
fn doors(bytes: u64, tenant: Option<&Tenant>) -> Vec<String> {
    let driver = artefacts::built("simgpu-libs/libcuda.so.1");
    let doors = program("doors", &[driver.to_str().expect("a path in UTF-8"), "-ldl"]);
    let run = Run::new(doors.path()).arg(bytes.to_string());
    let run = tenant.into_iter().fold(run, |run, tenant| tenant.hold(run));
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    output.stdout.lines().map(str::to_owned).collect()
}

/// How many of the lines are doors to an allocation; the rest tells of names that are not there.
const DOORS: usize = 20;

#[test]
fn each_door_leads_through_the_quota() {
    let (fits, too_much) = (100 << 20, 2 << 30);
    let native = doors(too_much, None);
    assert!(native[..DOORS].iter().all(|line| line.contains(": 0 by ")), "{native:#?}");
    let tenant = Tenant::new("1g");
    for (bytes, result) in [(too_much, 2), (fits, 0)] {
        let ours = doors(bytes, Some(&tenant));
        assert_eq!(ours.len(), native.len(), "{ours:#?}");
        for (ours, native) in ours[..DOORS].iter().zip(&native) {
            let expected =
                native.replace(": 0 by ", &format!(": {result} by ")).replace("libcuda.so.1", "libhami_core.so");
            assert_eq!(*ours, expected);
        }
        // The first of them is the form of before CUDA 3.2, which has a hook as well.
        assert_eq!(ours[DOORS].split(" by ").nth(1), Some("cuMemAlloc of libhami_core.so"), "{ours:#?}");
        assert_eq!(ours[DOORS + 1..], native[DOORS + 1..]);
    }
}

#[test]
fn without_limits_each_door_leads_to_the_driver_as_before() {
    let native = doors(1 << 20, None);
    let unlimited = doors(1 << 20, Some(&Tenant::new("0")));
    for (ours, native) in unlimited.iter().zip(&native) {
        assert_eq!(ours.split(" by ").next(), native.split(" by ").next());
    }
}

#[test]
fn calls_that_the_driver_rejects_are_rejected_in_its_words() {
    let folder = artefacts::built("simgpu-libs");
    let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| folder.join(name).display().to_string());
    let too_early = program("too_early", &libraries.each_ref().map(String::as_str));
    let run = Run::new(too_early.path());
    let native = run.clone().simulated([] as [&str; 0]).output().succeeded();
    for answer in ["cuDeviceGetCount(&number) = 3", "nvmlDeviceGetMemoryInfo(device, &first) = 1", "cuInit(0) = 0"] {
        assert!(native.stdout.contains(answer), "{native}");
    }
    let tenant = Tenant::new("1g");
    let ours = tenant.hold(run).simulated([] as [&str; 0]).output();
    assert_eq!((ours.status, &ours.stderr), (native.status, &native.stderr), "{ours}");
    for (ours, native) in ours.stdout.lines().zip(native.stdout.lines()) {
        assert_eq!(ours, native);
    }
    assert_eq!(ours.stdout, native.stdout);
}
