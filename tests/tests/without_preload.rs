//! The accounting programs without the library: what the simulated driver says of the device is what its books say.

use hami_tests::Run;
use hami_tests::audit::{Audit, MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};

const DEVICE: u64 = 16 << 30;

fn audited(script: &[&str]) -> Audit {
    let client = cuda_program("client");
    let run = with_books(Run::new(client.path())).arg("--audit").args(script);
    Audit::of(run.simulated(["--memory", "16g"]).output().succeeded())
}

#[test]
fn every_family_is_in_the_books() {
    let script = "init retain alloc a 100M alloc b 1 pitch c 1000 5000 managed d 33M async e 1M many 1000 4096 create2 alloc f 5M \
                  destroy current free-many free a free b free c free d free e sync free a release";
    let audit = audited(&script.split_whitespace().collect::<Vec<_>>());
    audit.agrees(DEVICE);
    for step in &audit.steps {
        assert_eq!(step.own, step.device, "nobody else is on the device: {}", step.line);
    }
    let own: Vec<_> = audit.steps.iter().map(|step| step.own / MIB).collect();
    assert!(own[2] - own[1] == 100 && own.windows(2).take(7).all(|two| two[1] >= two[0]), "{audit:#?}");
    assert_eq!((audit.steps[2].contexts, own[own.len() - 1]), (1, 0), "{audit:#?}");
}

#[test]
fn the_device_is_the_only_limit() {
    let room = DEVICE / MIB - 96;
    let more = format!("{}M", room + 2);
    let all = format!("{room}M");
    let audit = audited(&["init", "retain", "alloc", "a", &more, "alloc", "a", &all, "alloc", "b", "1M", "free", "a"]);
    audit.agrees(DEVICE);
    assert_eq!(audit.steps.iter().map(|step| step.result).collect::<Vec<_>>(), [0, 0, 2, 0, 2, 0], "{audit:#?}");
    assert_eq!(audit.steps[3].own, DEVICE);
}

#[test]
fn another_process_is_seen_in_the_device_and_not_in_ones_own() {
    let script = ["init", "retain", "native", "init retain alloc x 5g", "sync", "end-native", "sync"];
    let audit = audited(&script);
    let (with, after) = (&audit.steps[2], &audit.steps[3]);
    assert_eq!(with.device - with.own, (5 << 30) + 96 * MIB, "{audit:#?}");
    assert_eq!(with.view, Some(with.device), "{audit:#?}");
    assert_eq!((after.device, after.view), (after.own, Some(after.own)), "{audit:#?}");
}

#[test]
fn threads_at_random_leave_true_books() {
    let threads = cuda_program("threads");
    let output = with_books(Run::new(threads.path())).simulated(["--memory", "16g"]).output().succeeded();
    let figures: Vec<(u64, u64)> =
        output.stdout.lines().map(|line| (figure(line, "view"), figure(line, "own"))).collect();
    assert_eq!(figures.len(), 3, "{output}");
    assert!(figures[1].1 > figures[0].1, "nothing was held at the end: {output}");
    assert!(figures.iter().all(|(view, own)| view == own) && figures[0] == figures[2], "{output}");
}
