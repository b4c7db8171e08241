//! A panic of ours, in the library as it is built, is an error or nothing to the program, never its end.

use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program};
use hami_tests::{Run, Tenant, artefacts};

/// What the program's calls answer when our code panics at this point, and what is on stderr.
fn answers(point: &str) -> (String, String) {
    let program = cuda_program("panics");
    let tenant = Tenant::new("1g");
    let run = Run::new(program.path())
        .env("LD_PRELOAD", artefacts::library_with_kill_points())
        .env(MEMORY_LIMIT, "1g")
        .env(REGION, tenant.region())
        .env("HAMI_KILL_POINT", point);
    let output = run.simulated([] as [&str; 0]).output().succeeded();
    (output.stdout, output.stderr)
}

#[test]
fn a_panic_in_a_hook_is_an_error_of_that_call() {
    let (stdout, stderr) = answers("20=PANIC");
    assert_eq!(stdout, "alloc 999 alloc 0 free 0\n", "{stderr}");
    assert!(stderr.contains("HAMI_KILL_POINT asks for it"), "{stderr}");
}

#[test]
fn a_panic_after_the_driver_s_answer_leaves_that_as_it_is() {
    let (stdout, stderr) = answers("25=PANIC");
    assert_eq!(stdout, "alloc 0 alloc 0 free 0\n", "{stderr}");
    assert!(stderr.contains("HAMI_KILL_POINT asks for it"), "{stderr}");
}
