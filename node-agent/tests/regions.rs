//! The region files: where they lie, who may see them, and when they go.

mod common;

use std::collections::BTreeSet;
use std::fs::{DirBuilder, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shared_region::limits::{self, Limit, Limits};
use shared_region::share::Policy;

use common::{Place, assert_refused, stderr, stdout};

const PRINT_REGION: [&str; 5] = ["--memory", "1g", "--", "printenv", "CUDA_DEVICE_MEMORY_SHARED_CACHE"];

/// A run of a shell that has said its region and waits for its input to end.
fn waiting(place: &Place, script: &str) -> (Child, PathBuf) {
    let script = format!("echo $CUDA_DEVICE_MEMORY_SHARED_CACHE; {script}");
    let mut run = place.hami_run(["--memory", "1g", "--", "sh", "-c", &script]);
    let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("hami");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    (child, PathBuf::from(line.trim_end()))
}

#[test]
fn the_folder_and_the_file_are_the_users_alone() {
    let place = Place::new();
    let (mut child, region) = waiting(&place, "cat >/dev/null");
    let folder = place.path("runtime/hami");
    assert_eq!(region.parent(), Some(folder.as_path()));
    assert_eq!(folder.metadata().expect("the folder").mode() & 0o777, 0o700);
    assert_eq!(region.metadata().expect("the file").mode() & 0o777, 0o600);
    drop(child.stdin.take());
    assert!(child.wait().expect("the end").success());
}

#[test]
fn a_run_removes_what_nobody_uses_and_nothing_else() {
    let place = Place::new();
    let (mut living, used) = waiting(&place, "cat >/dev/null");
    let unused = PathBuf::from(stdout(&place.run(PRINT_REGION)).trim_end());
    assert!(unused.exists(), "who should have removed it?");
    let strangers = ["notes", "run-1.txt", "run-link.region"].map(|name| place.path("runtime/hami").join(name));
    std::fs::write(&strangers[0], "").expect("a file");
    std::fs::write(&strangers[1], "").expect("a file");
    symlink(place.library(), &strangers[2]).expect("a link");

    let newest = PathBuf::from(stdout(&place.run(PRINT_REGION)).trim_end());
    let mut expected = BTreeSet::from([used.clone(), newest]);
    expected.extend(strangers);
    assert_eq!(place.regions().into_iter().collect::<BTreeSet<_>>(), expected);

    living.kill().expect("it lives");
    living.wait().expect("the end");
    // The shell was killed; the cat that it had started ends by itself once nobody holds its input.
    let deadline = Instant::now() + Duration::from_secs(10);
    while used.exists() {
        assert!(Instant::now() < deadline, "its run was killed");
        place.run(PRINT_REGION);
    }
}

#[test]
fn what_was_asked_for_stands_in_the_limits_beside_the_region_and_goes_with_it() {
    let place = Place::new();
    let options = ["--memory", "1g", "--cores", "12.5", "--policy", "burst-share", "--priority", "2"];
    let print = ["--", "printenv", "CUDA_DEVICE_MEMORY_SHARED_CACHE"];
    let region = PathBuf::from(stdout(&place.run([&options[..], &print[..]].concat())).trim_end());
    let limits = Limits::open(&region).expect("a readable file").expect("a file");
    let (memory, cores, policy) = (Some(1 << 30), Some(1250), Some(Policy::BurstShare));
    assert_eq!(limits.of([7; 16]).expect("limits"), Limit { memory, cores, policy, priority: Some(2) });
    let path = limits::path_of(&region);
    assert_eq!(path.metadata().expect("the file").mode() & 0o777, 0o600);
    drop(limits);

    let next = PathBuf::from(stdout(&place.run(PRINT_REGION)).trim_end());
    assert!(!path.exists() && !region.exists(), "nobody uses them");
    let limits = Limits::open(&next).expect("a readable file").expect("a file");
    let memory = Limit { memory: Some(1 << 30), ..Limit::default() };
    assert_eq!(limits.of([7; 16]).expect("limits"), memory, "what was not asked for is left to the environment");
}

#[test]
fn a_region_stays_while_a_program_of_the_run_lives_though_the_command_has_ended() {
    let place = Place::new();
    // The command ends at once; the program that it leaves waits for input.
    let (mut command, region) = waiting(&place, "exec 3<&0; cat <&3 >/dev/null &");
    assert!(command.stdin.is_some());
    let mut input = command.stdin.take().expect("piped");
    assert!(command.wait().expect("the end").success());
    place.run(PRINT_REGION);
    assert!(region.exists(), "a program of the run still has it");
    input.write_all(b"x").expect("the program lives");
}

#[test]
fn runs_that_start_at_once_each_have_a_region_of_their_own() {
    let place = Place::new();
    let runs: Vec<_> = (0..32).map(|_| waiting(&place, "cat >/dev/null")).collect();
    let regions: BTreeSet<_> = runs.iter().map(|(_, region)| region.clone()).collect();
    assert_eq!(regions.len(), runs.len());
    assert_eq!(place.regions().into_iter().collect::<BTreeSet<_>>(), regions);
    for (mut child, _) in runs {
        drop(child.stdin.take());
        assert!(child.wait().expect("the end").success());
    }
}

#[test]
fn racing_runs_never_lose_the_region_of_one_that_lives() {
    let place = Place::new();
    let check = ["--memory", "1g", "--", "sh", "-c", "test -f $CUDA_DEVICE_MEMORY_SHARED_CACHE"];
    for _ in 0..20 {
        let children: Vec<_> = (0..16).map(|_| place.hami_run(check).spawn().expect("hami")).collect();
        for mut child in children {
            assert!(child.wait().expect("the end").success(), "its region was gone");
        }
    }
}

#[test]
fn a_folder_that_others_can_reach_is_refused() {
    let place = Place::new();
    let folder = place.path("runtime/hami");
    DirBuilder::new().mode(0o700).create(&folder).expect("a folder");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("a mode");
    assert_refused(&place.run(PRINT_REGION), 125, &[folder.to_str().expect("UTF-8"), "mode 755", "chmod 700"]);
    std::fs::remove_dir(&folder).expect("it is empty");
    symlink(place.path("elsewhere"), &folder).expect("a link");
    DirBuilder::new().mode(0o700).create(place.path("elsewhere")).expect("a folder");
    assert_refused(&place.run(PRINT_REGION), 125, &[folder.to_str().expect("UTF-8"), "not a folder"]);
}

#[test]
fn without_a_runtime_folder_of_the_users_own_another_place_serves() {
    let place = Place::new();
    let user = nix::unistd::geteuid();
    let others = ["/proc", "relative", "/no/such/folder", ""]; // the first belongs to root but takes no folder
    for runtime in others {
        let output = place.hami_run(PRINT_REGION).env("XDG_RUNTIME_DIR", runtime).output().expect("hami");
        let region = stdout(&output);
        assert!(region.starts_with(&format!("/dev/shm/hami-{user}/run-")), "{runtime:?}: {region}{}", stderr(&output));
    }
}

#[test]
fn no_quota_needs_no_place() {
    let place = Place::new();
    let output = place.run(["--", "true"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!place.path("runtime/hami").exists());
}

#[test]
fn a_leftover_of_a_full_disk_or_another_user_stops_nobody() {
    let place = Place::new();
    let folder = place.path("runtime/hami");
    DirBuilder::new().mode(0o700).create(&folder).expect("a folder");
    assert!(Command::new("mkfifo").arg(folder.join("run-1-2.region")).status().expect("mkfifo").success());
    std::fs::create_dir(folder.join("run-3-4.region")).expect("a folder");
    std::fs::write(folder.join("run-5-6.region"), "short").expect("a file");
    let output = place.run(PRINT_REGION);
    assert!(output.status.success(), "{}", stderr(&output));
}
