//! Threads of one process in each other's way leave books that are true to the byte, and are not refused where there is room.

use hami_tests::audit::{MIB, figure};
use hami_tests::tenant::{cuda_program, with_books};
use hami_tests::{Program, Run, Tenant};

/// What the simulator takes for a context, by its default.
const CONTEXT: u64 = 96 * MIB;
/// What `tests/programs/together.c` fills the rest of the quota with.
const PIECE: u64 = 16 * MIB;

/// What was in use when all threads had joined, and how often a map came before a release.
struct Joined {
    own: u64,
    before: u64,
}

/// Runs a case of `tests/programs/together.c` under a quota in MiB; checks that nothing was refused, that the view was right
/// while they ran and afterwards, and that what is left of the quota is there to be had, and not a byte more.
fn together(client: &Program, case: &str, threads: u32, rounds: u32, quota: u64) -> Joined {
    let tenant = Tenant::new(&format!("{quota}m"));
    let run = tenant.hold(with_books(Run::new(client.path()))).args([case, &threads.to_string(), &rounds.to_string()]);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [during, joined, filled] = lines[..] else { panic!("not three lines: {output}") };
    assert_eq!((figure(during, "refused"), figure(during, "wrong")), (0, 0), "{output}");
    for line in [joined, filled] {
        assert_eq!(figure(line, "view"), figure(line, "own"), "{output}");
    }
    let full = figure(filled, "own");
    assert!(full <= quota * MIB && full + PIECE > quota * MIB, "{output}");
    Joined { own: figure(joined, "own"), before: figure(during, "before") }
}

#[test]
fn the_first_contexts_of_several_threads_are_measured_once() {
    // A context is measured by what is in use, which what the others allocate just then moves as well.
    let client = cuda_program("together");
    for _ in 0..10 {
        let joined = together(&client, "first", 6, 50, 2048);
        // The primary context, three others, and what each of the six threads kept.
        assert!(joined.own > 4 * CONTEXT + 6 * 25 * MIB, "{}", joined.own);
    }
}

#[test]
fn memory_freed_while_its_context_is_released_and_stays_comes_back() {
    assert_eq!(together(&cuda_program("together"), "stays", 6, 300_000, 1024).own, CONTEXT);
}

#[test]
fn an_address_that_goes_from_a_dead_context_to_a_pool_is_nobody_elses() {
    assert_eq!(together(&cuda_program("together"), "families", 6, 10_000, 2048).own, CONTEXT);
}

#[test]
fn a_handle_that_is_mapped_while_it_is_released_stays_charged() {
    const ROUNDS: u32 = 20_000;
    let joined = together(&cuda_program("together"), "mapping", 2, ROUNDS, 1024);
    assert_eq!(joined.own, CONTEXT);
    // It was a race: each came first at times.
    assert!((1..u64::from(ROUNDS)).contains(&joined.before), "{}", joined.before);
}

#[test]
fn a_pool_that_grows_for_several_threads_at_once_is_charged_once() {
    // Four pieces of 480 MiB beside a context, to the last byte.
    assert_eq!(together(&cuda_program("together"), "pool", 4, 10_000, 96 + 4 * 480).own, CONTEXT);
}
