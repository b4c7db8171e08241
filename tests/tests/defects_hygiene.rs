//! Defects 23 and 24 of the older library: it changed the process around it, and trusted a file that anybody can write.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::time::Duration;

use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program};
use hami_tests::{Run, Tenant, artefacts, poll_until};

const NONE: [&str; 0] = [];

/// There: umask 0, its own handlers for two signals, a descriptor that every child inherits.
#[test]
fn defect_23_umask_signals_and_descriptors() {
    let hygiene = cuda_program("hygiene");
    let run = Run::new(hygiene.path());
    let native = run.clone().simulated(NONE).output().succeeded();
    let expected = "refused 2\numask 27\nsignal 10: handler";
    assert!(native.stdout.starts_with(expected) && native.stdout.contains("blocked 14\n"), "{native}");
    let tenant = Tenant::new("8g");
    let ours = tenant.hold(run).simulated(NONE).output();
    assert_eq!((ours.status, &ours.stderr), (native.status, &native.stderr), "{ours}");
    assert_eq!(ours.stdout.lines().collect::<Vec<_>>(), native.stdout.lines().collect::<Vec<_>>());
    assert!(tenant.region().exists(), "the library did nothing here");
}

/// There: a region that everybody may write, at a path that everybody can guess, through whatever link is there.
#[test]
fn defect_24_a_region_that_others_can_touch() {
    let client = cuda_program("client");
    let tenant = Tenant::new("1g");
    // Whatever the umask: for its owner alone.
    let text = r#"umask 0; exec "$0" init retain alloc a 100M"#;
    let run = tenant.hold(Run::new("sh").args(["-c", text]).arg(client.path()));
    assert!(run.simulated(NONE).output().succeeded().stdout.ends_with("alloc a 100M = 0\n"));
    let region = std::fs::metadata(tenant.region()).expect("the region");
    assert_eq!(region.permissions().mode() & 0o7777, 0o600);

    // A link in its place is not followed, and what it points to stays as it is.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (victim, link) = (folder.path().join("victim"), folder.path().join("link"));
    std::fs::write(&victim, "precious").expect("a file");
    symlink(&victim, &link).expect("a link");
    let refused = |region: &std::path::Path| {
        let run =
            Run::new(client.path()).preloaded().env(MEMORY_LIMIT, "1g").env(REGION, region).args(["init", "retain"]);
        let output = run.simulated(NONE).output().succeeded();
        assert_eq!(output.stdout, "init = 0\nretain = 2\n", "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        output.stderr
    };
    assert!(refused(&link).contains("symbolic link"));
    symlink(folder.path().join("nothing"), folder.path().join("dangling")).expect("a link");
    assert!(refused(&folder.path().join("dangling")).contains("symbolic link"));
    assert!(!folder.path().join("nothing").exists());
    assert_eq!(std::fs::read_to_string(&victim).expect("the file"), "precious");

    // What another user has put there is not believed, even where it is a good region.
    let planted = folder.path().join("planted");
    std::fs::copy(tenant.region(), &planted).expect("a copy");
    if chown(&planted, Some(65534), None).is_ok() {
        assert!(refused(&planted).contains("65534"));
    }
}

/// There: a tool cut a region short that processes had mapped, and they died of SIGBUS.
#[test]
fn defect_24_nothing_cuts_a_living_region_short() {
    let client = cuda_program("client");
    let tenant = Tenant::new("1g");
    let fifo = client.folder().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo in our own folder");
    let text = r#""$0" init retain alloc a 100M hold < "$1"; "$0" init retain info"#;
    let run = tenant.hold(Run::new("sh").args(["-c", text]).arg(client.path()).arg(&fifo));
    let running = run.simulated(NONE).start();
    let end = std::fs::File::create(&fifo).expect("the fifo");
    poll_until("a process that holds memory", Duration::from_secs(30), || running.stdout().contains("holding\n"));
    let region = || std::fs::metadata(tenant.region()).expect("the region");
    let before = (region().ino(), region().len());
    // Others with other limits, limits that cannot be read, other modes, and the command-line tool.
    for limit in ["2g", "abc", "0", "1"] {
        let run = Run::new(client.path()).preloaded().env(MEMORY_LIMIT, limit).env(REGION, tenant.region());
        run.args(["init", "retain", "alloc", "a", "1"]).simulated(NONE).output().succeeded();
    }
    for words in [&["run", "--memory", "4g", "--", "true"][..], &["run", "--memory", "abc", "--", "true"], &["--help"]]
    {
        Run::new(artefacts::hami()).args(words).env(REGION, tenant.region()).output();
    }
    assert_eq!((region().ino(), region().len()), before);
    drop(end);
    let output = running.finish().succeeded();
    assert!(output.stdout.ends_with("retain = 0\nfree 973078528 total 1073741824\ninfo = 0\n"), "{output}");
}

/// The path that is used when none is named can be guessed, so it is opened with the same care.
#[test]
fn defect_24_a_link_at_the_usual_path() {
    let client = cuda_program("client");
    let text = r#"
        set -e
        mount -t tmpfs none /dev/shm
        cd /dev/shm
        "$0" init retain
        usual=$(ls)
        mv "$usual" elsewhere
        ln -s elsewhere "$usual"
        "$0" init retain
    "#;
    let root = nix::unistd::Uid::effective().is_root();
    let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
    let run = Run::new("unshare").args(user).args(["--mount", "sh", "-c", text]).arg(client.path());
    let output = run.preloaded().env(MEMORY_LIMIT, "1g").simulated(NONE).output().succeeded();
    assert_eq!(output.stdout, "init = 0\nretain = 0\ninit = 0\nretain = 2\n", "{output}");
    assert!(output.stderr.contains("/dev/shm/hami-0-") && output.stderr.contains("symbolic link"), "{output}");
}
