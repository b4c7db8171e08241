//! Accidents of the region's file: it cannot be made, opened, believed or filled, or changes under its users' hands.
//!
//! Nothing is granted then, one line says which file and why, and the program runs to its own end.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program, with_books};
use hami_tests::{Output, Program, Run, Tenant};
use tempfile::TempDir;

/// Steps of the client that try everything; it ends with a status of its own.
const TRIES: &[&str] = &["init", "count", "retain", "create2", "alloc", "a", "1", "info", "init", "exit", "7"];
const NOTHING: &str =
    "init = 0\ndevices 1\ncount = 0\nretain = 2\ncreate2 = 2\nalloc a 1 = 201\nfree 7 total 7\ninfo = 201\ninit = 0\n";

/// The client, a folder to have accidents in, and a good region's bytes.
struct Place {
    client: Program,
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { client: cuda_program("client"), folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The bytes of a region that was used and is free.
    fn good(&self) -> Vec<u8> {
        let tenant = Tenant::new("4g");
        let run = tenant.hold(Run::new(self.client.path())).args(["init", "retain"]);
        run.simulated([] as [&str; 0]).output().succeeded();
        std::fs::read(tenant.region()).expect("the region")
    }

    /// A run of the client with this region, from a shell script that ends with `exec "$@"`.
    fn script(&self, script: &str, region: &Path) -> Output {
        let run = Run::new("unshare").args(["--mount", "bash", "-c", script, "bash"]).arg(self.client.path());
        self.limited(run, region).args(TRIES).simulated([] as [&str; 0]).output()
    }

    fn limited(&self, run: Run, region: &Path) -> Run {
        run.preloaded().env(MEMORY_LIMIT, "4g").env(REGION, region)
    }

    /// Runs the client with this region and checks that nothing is granted, and that one line says why.
    fn refused(&self, region: &Path, why: &str) {
        let run = self.limited(Run::new(self.client.path()), region).args(TRIES);
        nothing_granted(&run.simulated([] as [&str; 0]).output(), region, why);
    }
}

fn nothing_granted(output: &Output, region: &Path, why: &str) {
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), NOTHING), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    for name in [why, &format!("region {}", region.display())] {
        assert!(output.stderr.contains(name), "not said: {name}: {output}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let place = Place::new();
    Run::new("mkfifo").arg(place.at("fifo")).output().succeeded();
    place.refused(&place.at("fifo"), "not a regular file");
    let _socket = std::os::unix::net::UnixListener::bind(place.at("socket")).expect("a socket");
    place.refused(&place.at("socket"), "No such device or address");
    place.refused(Path::new("/dev/null"), "not a regular file");
    place.refused(Path::new("/dev/zero"), "not a regular file");
    place.refused(place.folder.path(), "directory");
    std::os::unix::fs::symlink("nowhere", place.at("link")).expect("a link");
    place.refused(&place.at("link"), "symbolic link");
    place.refused(&place.at(&"n".repeat(300)), "File name too long");
    std::fs::write(place.at("file"), []).expect("a file");
    place.refused(&place.at("file/region"), "Not a directory");
}

#[test]
fn what_is_no_region_is_refused_and_left_alone() {
    let place = Place::new();
    let good = place.good();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("garbage", vec![0xa5; good.len()], "not a region"),
        ("zeros", vec![0; good.len()], "not a region"),
        ("version", with(&|bytes| bytes[8] ^= 0x40), "version"),
        ("offsets", with(&|bytes| bytes[24] ^= 1), "other offsets"),
        ("size", with(&|bytes| bytes[16] ^= 1), "other offsets"),
        ("cut", with(&|bytes| bytes.truncate(good.len() - 1)), "not a region"),
        // Cut within its first words, and as long as before.
        ("grown", with(&|bytes| bytes[16..].fill(0)), "other offsets"),
    ];
    for (name, bytes, why) in &cases {
        std::fs::write(place.at(name), bytes).expect("a file");
        place.refused(&place.at(name), why);
        assert!(std::fs::read(place.at(name)).expect("the file") == *bytes, "{name}: it was written to");
    }
    std::fs::write(place.at("other"), &good).expect("a file");
    chown(place.at("other"), Some(65534), None).expect("root gives a file away: the test needs root");
    place.refused(&place.at("other"), "belongs to user 65534");
}

/// With a region's first words and anything behind them, what is granted may be too little; nobody crashes, hangs, or
/// writes beyond.
#[test]
fn a_region_full_of_nonsense_harms_nobody() {
    let place = Place::new();
    let good = place.good();
    for pattern in [0xff_u8, 0xa5, 0x01, 0x80] {
        let mut bytes = good.clone();
        bytes[32..].fill(pattern);
        std::fs::write(place.at("region"), &bytes).expect("a file");
        let run = place.limited(Run::new(place.client.path()), &place.at("region")).args(TRIES);
        let output = run.simulated([] as [&str; 0]).output();
        assert_eq!(output.status.code(), Some(7), "{output}");
        assert!(output.stderr.lines().count() <= 1, "{output}");
        let after = std::fs::metadata(place.at("region")).expect("the file").len();
        assert_eq!(after, good.len() as u64, "{pattern:#x}");
    }
}

#[test]
fn a_file_that_only_may_be_read_is_refused() {
    let place = Place::new();
    let region = place.at("region");
    std::fs::write(&region, place.good()).expect("a file");
    let script =
        format!("mount --bind {0} {0} && mount -o remount,ro,bind {0} && exec \"$@\"", place.folder.path().display());
    nothing_granted(&place.script(&script, &region), &region, "Read-only file system");
    // Mode 0400, and root without its power over modes.
    std::fs::set_permissions(&region, PermissionsExt::from_mode(0o400)).expect("our own file");
    let script = "exec setpriv --bounding-set -dac_override,-dac_read_search \"$@\"";
    nothing_granted(&place.script(script, &region), &region, "Permission denied");
}

#[test]
fn a_read_only_root_is_refused() {
    let place = Place::new();
    let region = Path::new("/var/region-of-a-test");
    nothing_granted(
        &place.script("mount -o remount,ro,bind / && exec \"$@\"", region),
        region,
        "Read-only file system",
    );
}

#[test]
fn a_full_disk_is_refused() {
    let place = Place::new();
    let full = |script: &str| {
        let disk = place.at("disk");
        std::fs::create_dir_all(&disk).expect("a folder");
        let script = format!("cd {} && {script}; cd / && exec \"$@\"", disk.display());
        place.script(&script, &disk.join("region"))
    };
    let no_file = full("mount -t tmpfs -o size=4k none $PWD");
    nothing_granted(&no_file, &place.at("disk/region"), "cannot fill: No space left on device");
    // Room for the file and for three processes, which hold their places, but none for a fourth.
    let no_slot = full(
        r#"mount -t tmpfs -o size=12k none $PWD && exec {in}<> <(:) && for i in 1 2 3; do
            exec {out}< <(exec "$1" init retain hold <&$in)
            while read -r line <&$out && [ "$line" != holding ]; do :; done
        done"#,
    );
    nothing_granted(&no_slot, &place.at("disk/region"), "cannot set space aside: No space left on device");
    // A limit on the length of files brings an error, not the signal that ends a program.
    let run = place.limited(Run::new("bash"), &place.at("long")).args(["-c", "ulimit -f 1; exec \"$@\"", "bash"]);
    let output = run.arg(place.client.path()).args(TRIES).simulated([] as [&str; 0]).output();
    nothing_granted(&output, &place.at("long"), "File too large");
}

/// The name of a region of root's that nobody chose, without its last part.
const BY_DEFAULT: &str = "hami-0-";

/// A run without a name for the region, in a mount namespace that the script changes: `/tmp` is a file system of its own
/// with links to what was there, but for regions.
fn without_name(place: &Place, script: &str) -> Output {
    let script = format!(
        "library=$LD_PRELOAD; unset LD_PRELOAD; shopt -s dotglob; mount --rbind /tmp /mnt && mount -t tmpfs none /tmp && ln -s /mnt/* /tmp && rm -f /tmp/hami-*
        {script}"
    );
    let run = Run::new("unshare").args(["--mount", "bash", "-c", &script]).arg(place.client.path());
    run.preloaded().env(MEMORY_LIMIT, "4g").args(TRIES).simulated([] as [&str; 0]).output()
}

#[test]
fn without_shared_memory_the_region_is_in_tmp() {
    const NO_SHM: &str = "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3";
    let place = Place::new();
    let output =
        without_name(&place, &format!("{NO_SHM} && LD_PRELOAD=$library $0 init retain && cd /tmp && ls hami-*"))
            .succeeded();
    assert!(output.stdout.starts_with("init = 0\nretain = 0\nhami-0-") && output.stderr.is_empty(), "{output}");
    // Nor there.
    let output =
        without_name(&place, &format!("{NO_SHM} && mount -o remount,ro /tmp && LD_PRELOAD=$library exec $0 \"$@\""));
    nothing_granted(&output, &Path::new("/tmp").join(BY_DEFAULT), "Read-only file system");
}

fn region_file(case: &str) -> Output {
    let program = cuda_program("region_file");
    let tenant = Tenant::new("4g");
    let run = tenant.hold(with_books(Run::new(program.path()))).arg(case);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    if case == "descriptors" {
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(
            output
                .stderr
                .contains(&format!("file {}.limits: cannot open: Too many open files", tenant.region().display())),
            "{output}"
        );
    } else {
        assert_eq!(output.stderr, "", "{output}");
    }
    output
}

#[test]
fn without_descriptors_nothing_is_granted_until_there_are_some() {
    let output = region_file("descriptors");
    let mib = |figure: &str| figure.parse::<u64>().map(|bytes| bytes >> 20);
    let words: Vec<_> = output.stdout.split_whitespace().collect();
    assert_eq!(&words[..2], ["without:", "refused,"], "{output}");
    assert_eq!(mib(words[3]), mib(words[5]), "{output}");
}

#[test]
fn signals_in_every_call_change_nothing() {
    assert_eq!(region_file("storm").stdout, "refused 2, books agree\n");
}

#[test]
fn the_programs_own_state_stays_as_it_was() {
    assert_eq!(region_file("untouched").stdout, "untouched\n");
}

/// Runs a script around a process that holds 64 MiB and says what is in use, before and after an accident.
fn accident(accident: &str) -> (Output, Tenant) {
    let program = cuda_program("region_file");
    let tenant = Tenant::new("4g");
    let script = format!(
        r#"coproc HOLDER {{ exec "$0" hold; }}
        out=${{HOLDER[0]}} in=${{HOLDER[1]}} pid=$HOLDER_PID
        read -r line <&$out; echo "before: $line"
        region=$CUDA_DEVICE_MEMORY_SHARED_CACHE
        {accident}
        echo >&$in; read -r line <&$out && echo "after: $line"
        exec {{in}}>&-; wait $pid; echo "status $?""#
    );
    let run = tenant.hold(Run::new("bash")).args(["-c", &script]).arg(program.path());
    (run.simulated([] as [&str; 0]).output().succeeded(), tenant)
}

/// Who has the file goes on with it, exactly; who comes later has the new one.
#[test]
fn a_file_that_is_replaced_serves_those_who_have_it() {
    for replace in
        ["rm $region", "rm $region; \"$0\" hold </dev/null >/dev/null", "mv $region $region.old; echo other >$region"]
    {
        let (output, _tenant) = accident(replace);
        let lines: Vec<_> = output.stdout.lines().collect();
        let [before, after, status] = lines[..] else { panic!("{output}") };
        assert_eq!(before.strip_prefix("before: "), after.strip_prefix("after: "), "{output}");
        assert!(before.contains("result 0 holds"), "{output}");
        assert_eq!((status, &*output.stderr), ("status 0", ""), "{output}");
    }
}

/// The second half of a region are slots that only hundreds of processes would use.
#[test]
fn a_file_that_is_cut_where_nobody_is_serves_on() {
    let (output, _tenant) = accident("truncate -s 500000 $region");
    assert!(output.stdout.contains("after: result 0 holds") && output.stdout.ends_with("status 0\n"), "{output}");
}

/// What docs/limits.md says: nobody but the kernel can keep a mapped file from being cut, and it ends who touches what is
/// gone. Those who come later are told.
#[test]
fn a_file_that_is_cut_short_ends_its_users_and_is_refused_then() {
    let (output, tenant) = accident("truncate -s 0 $region");
    assert!(output.stdout.ends_with("status 135\n"), "SIGBUS: {output}");
    let place = Place::new();
    place.refused(&tenant.region(), "0 bytes long");
}
