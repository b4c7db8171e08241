//! Tenants that share a device: each has its share, idle time is lent where that is asked for, and nobody who holds the device
//! and does not go on keeps it from the others.

use hami_tests::cores::{Share, Sharing, Together, figures, only, words};
use hami_tests::tenant::cuda_program;
use nix::sys::signal::Signal;

fn tenant(name: &str, cores: &str, policy: &str) -> Share {
    Share::new(name).cores(cores).policy(policy)
}

/// Two loads, of long and of short kernels, that start together; their shares while both ran.
fn pair(first: Option<&Share>, second: Option<&Share>) -> [f64; 2] {
    let load = cuda_program("compute_load");
    let commands = [
        (first, "long", words(&load.path(), &["loop", "10000", "4"])),
        (second, "short", words(&load.path(), &["loop", "500", "4"])),
    ];
    let said = Sharing::new().start(&[], &commands).finish();
    [only(&said[0], "share "), only(&said[1], "share ")]
}

#[test]
fn two_tenants_have_their_shares() {
    for policy in ["fixed-share", "burst-share"] {
        let [long, short] = pair(Some(&tenant("a", "30", policy)), Some(&tenant("b", "70", policy)));
        assert!((20.0..=40.0).contains(&long) && (55.0..=80.0).contains(&short), "{policy}: {long} {short}");
        let [long, short] = pair(Some(&tenant("a", "70", policy)), Some(&tenant("b", "30", policy)));
        assert!((55.0..=80.0).contains(&long) && (20.0..=40.0).contains(&short), "{policy}: {long} {short}");
    }
}

#[test]
fn without_limits_the_device_divides_its_time_equally() {
    let [long, short] = pair(None, None);
    assert!((40.0..=60.0).contains(&long) && (40.0..=60.0).contains(&short), "{long} {short}");
}

#[test]
fn burst_share_lends_what_is_idle_and_takes_it_back() {
    let load = cuda_program("compute_load");
    let (sharing, other) = (Sharing::new(), tenant("other", "80", "burst-share"));
    let lone = tenant("lone", "20", "burst-share");
    let long = words(&load.path(), &["loop", "2000", "60"]);
    let together = sharing.start(&[], &[(Some(&lone), "lone", long.clone()), (Some(&other), "other", long)]);
    let seen = together.until("lone", "now ", 0, |share| (10.0..=35.0).contains(&share));
    together.signal("other", Signal::SIGSTOP);
    let seen = together.until("lone", "now ", seen, |share| share > 85.0);
    together.signal("other", Signal::SIGCONT);
    together.until("lone", "now ", seen, |share| (10.0..=35.0).contains(&share));
}

#[test]
fn best_effort_has_what_nobody_wants() {
    let load = cuda_program("compute_load");
    let (sharing, paying) = (Sharing::new(), tenant("paying", "50", "burst-share"));
    let guest = tenant("guest", "50", "best-effort");
    let long = words(&load.path(), &["loop", "2000", "60"]);
    let together = sharing.start(&[], &[(Some(&guest), "guest", long.clone()), (Some(&paying), "paying", long)]);
    let seen = together.until("guest", "now ", 0, |share| share < 15.0);
    together.until("paying", "now ", 0, |share| share > 80.0);
    together.signal("paying", Signal::SIGSTOP);
    together.until("guest", "now ", seen, |share| share > 85.0);
}

/// A load of 40 % beside a holder, whom something befalls once both have run.
fn beside(holder: &[&str], policy: &str, befall: impl FnOnce(&Together)) -> (Together, usize, Sharing) {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    let (held, other) = (tenant("held", "60", policy), tenant("other", "40", policy));
    let commands = [
        (Some(&held), "held", words(&load.path(), holder)),
        (Some(&other), "other", words(&load.path(), &["loop", "500", "100"])),
    ];
    let together = sharing.start(&[], &commands);
    let seen = together.until("other", "now ", 1, |share| share > 10.0);
    befall(&together);
    (together, seen, sharing)
}

#[test]
fn a_stopped_tenant_keeps_nobody() {
    for (policy, least) in [("fixed-share", 25.0), ("burst-share", 80.0)] {
        let (together, mut seen, _sharing) = beside(&["loop", "10000", "100"], policy, |both| {
            both.until("held", "now ", 1, |share| share > 10.0);
        });
        for _ in 0..3 {
            together.signal("held", Signal::SIGSTOP);
            seen = together.until("other", "now ", seen + 1, |share| share >= least);
            together.signal("held", Signal::SIGCONT);
            seen = together.until("other", "now ", seen + 1, |share| (20.0..=60.0).contains(&share));
        }
    }
}

#[test]
fn a_killed_tenant_keeps_nobody() {
    let (together, seen, _sharing) = beside(&["loop", "10000", "100"], "burst-share", |both| {
        both.until("held", "now ", 1, |share| share > 10.0);
        both.signal("held", Signal::SIGKILL);
    });
    together.until("other", "now ", seen + 1, |share| share >= 80.0);
}

#[test]
fn an_endless_kernel_keeps_nobody() {
    for policy in ["fixed-share", "burst-share"] {
        let (together, seen, _sharing) = beside(&["endless"], policy, |both| {
            hami_tests::poll_until("the endless kernel", std::time::Duration::from_secs(20), || {
                both.said("held").contains("endless")
            });
        });
        // The device itself divides its time between the two.
        together.until("other", "now ", seen + 1, |share| share >= 25.0);
    }
}

#[test]
fn collectives_of_two_tenants_finish() {
    let load = cuda_program("compute_load");
    for policy in ["fixed-share", "burst-share"] {
        let sharing = Sharing::new();
        let (red, blue) = (tenant("red", "40", policy), tenant("blue", "50", policy));
        let commands = [
            (Some(&red), "red", words(&load.path(), &["meet", "red", "200"])),
            (Some(&blue), "blue", words(&load.path(), &["meet", "blue", "200"])),
        ];
        let said = sharing.start(&["--devices", "2"], &commands).finish();
        assert_eq!(said, ["met 200\n", "met 200\n"], "{policy}");
    }
}

#[test]
fn garbage_in_the_turns_file_stops_nobody() {
    let load = cuda_program("compute_load");
    let sharing = Sharing::new();
    std::fs::write(sharing.turns(), [0xa5; 8192]).expect("a file of garbage");
    let share = tenant("tenant", "50", "fixed-share");
    let together = sharing.start(&[], &[(Some(&share), "load", words(&load.path(), &["loop", "2000", "3"]))]);
    let said = together.finish().remove(0);
    // It says so, and goes on under its own cap, or is granted nothing: it never runs without a limit, and never hangs.
    let shares = figures(&said, "share ");
    assert!(said.contains("hami-core") && shares.iter().all(|share| *share < 60.0), "{said}");
}
