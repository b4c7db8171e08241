//! CUDA outside of main: in constructors, destructors, atexit handlers, libraries that come and go, threads that end early.

use hami_tests::tenant::{cuda_program, program, with_books};
use hami_tests::{Output, Program, Run, Tenant, artefacts};

/// Runs it without us and under a quota: each call must answer the same, and books and views must agree in both.
fn same(run: Run) -> Output {
    let native = with_books(run.clone()).simulated([] as [&str; 0]).output().succeeded();
    let tenant = Tenant::new("8g");
    let ours = tenant.hold(with_books(run)).simulated([] as [&str; 0]).output();
    assert_eq!((ours.status, &ours.stderr), (native.status, &native.stderr), "{ours}");
    assert_eq!(ours.stdout.lines().collect::<Vec<_>>(), native.stdout.lines().collect::<Vec<_>>());
    ours
}

fn lifecycle(case: &str) -> Output {
    let output = same(Run::new(cuda_program("lifecycle").path()).arg(case));
    assert!(!output.stdout.contains("agree 0"), "{output}");
    output
}

#[test]
fn cuda_is_used_before_main() {
    let output = lifecycle("constructor");
    assert!(output.stdout.starts_with("constructor: view 102 agree 1\nmain: alloc 0 "), "{output}");
}

/// How often an allocation, the view and the free succeeded in a thread that was begun after main had ended.
fn late_successes(output: &Output) -> usize {
    let good = |line: &&str| line.starts_with("thread of ") && line.contains(": alloc 0 info 0 agree 1 free 0 ");
    output.stdout.lines().filter(good).count()
}

#[test]
fn cuda_is_used_in_atexit_handlers() {
    let output = lifecycle("atexit");
    assert_eq!((output.stdout.lines().count(), late_successes(&output)), (4, 2), "{output}");
}

#[test]
fn cuda_is_used_in_a_destructor() {
    let output = lifecycle("destructor");
    assert_eq!((output.stdout.lines().count(), late_successes(&output)), (2, 1), "{output}");
}

#[test]
fn memory_outlives_the_thread_that_took_it() {
    let output = lifecycle("thread");
    assert_eq!(output.stdout, "another thread's memory: alloc 0 info 0 agree 1 free 0 free held 0\n", "{output}");
}

#[test]
fn threads_cancelled_between_calls_leave_true_books() {
    let output = lifecycle("cancelled");
    assert_eq!(output.stdout, "after 200 cancelled threads: alloc 0 info 0 agree 1 free 0 free held 0\n", "{output}");
}

/// A library that uses CUDA, linked to the driver.
fn library(options: &[&str]) -> Program {
    let driver = artefacts::built("simgpu-libs/libcuda.so.1");
    program("cuda_library", &[&["-shared", driver.to_str().expect("a path in UTF-8")], options].concat())
}

#[test]
fn a_library_that_uses_cuda_is_closed_and_opened_again() {
    for options in [&[][..], &["-DEARLY"]] {
        let library = library(options);
        let user = program("library_user", &["-ldl"]);
        let output = same(Run::new(user.path()).arg(library.path()));
        // Each time it frees what it held when it goes: 10 MiB beside a context, never more.
        let used = output.stdout.lines().filter(|line| line.starts_with("used"));
        assert_eq!(used.collect::<Vec<_>>(), ["used 106"; 3], "{output}");
        assert_eq!(output.stdout.matches("library destructor 0\nclosed 0\n").count(), 3, "{output}");
    }
}

#[test]
fn a_linked_library_uses_cuda_before_main_and_after_it() {
    let library = library(&["-DEARLY", "-Wl,-soname,libearly.so"]);
    std::os::unix::fs::symlink(library.path(), library.folder().join("libearly.so")).expect("a link in our own folder");
    let folder = library.folder().to_str().expect("a path in UTF-8");
    let source = "int use_device(void);\n#include <stdio.h>\n\
                  int main(void) { printf(\"main %d\\n\", use_device()); return 0; }\n";
    let (search, run_path) = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let program = Program::gcc(source, &[&search, "-l:libearly.so", &run_path, "-Wl,--allow-shlib-undefined"]);
    let output = same(Run::new(program.path()));
    assert_eq!(output.stdout, "library constructor 106\nmain 106\nlibrary destructor 0\n", "{output}");
}

/// A driver in which an allocation of 1 MiB waits where a thread can be cancelled, and no other does.
const WAITING_DRIVER: &str = r#"
#include <semaphore.h>
#include <string.h>
#include <unistd.h>
extern sem_t inside;
static unsigned long long next = 1ull << 40;
int cuInit(unsigned flags) { return 0; }
int cuDeviceGetCount(int *count) { return *count = 1, 0; }
int cuCtxGetCurrent(void **context) { return *context = (void *)64, 0; }
int cuCtxGetDevice(int *device) { return *device = 0, 0; }
int cuDeviceGetUuid(char *uuid, int device) { return memset(uuid, 7, 16), 0; }
int cuDeviceTotalMem_v2(unsigned long *bytes, int device) { return *bytes = 1ul << 33, 0; }
int cuMemGetInfo_v2(unsigned long *free, unsigned long *total) { return *free = *total = 1ul << 33, 0; }
int cuMemFree_v2(unsigned long long pointer) { return 0; }
int cuMemAlloc_v2(unsigned long long *pointer, unsigned long size) {
    if (size == 1 << 20) {
        sem_post(&inside);
        for (;;) pause();
    }
    return *pointer = next += 1ull << 32, 0;
}
"#;

const CANCELLING: &str = r#"
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
sem_t inside;
int cuInit(unsigned flags);
int cuMemAlloc_v2(unsigned long long *pointer, unsigned long size);
int cuMemFree_v2(unsigned long long pointer);
int cuMemGetInfo_v2(unsigned long *free, unsigned long *total);
static void *allocate(void *unused) {
    unsigned long long pointer;
    cuMemAlloc_v2(&pointer, 1 << 20);
    return NULL;
}
int main(void) {
    unsigned long long pointer;
    unsigned long free, total;
    cuInit(0);
    for (int round = 0; round < 3; round++) {
        pthread_t thread;
        void *result;
        sem_init(&inside, 0, 0);
        pthread_create(&thread, NULL, allocate, NULL);
        sem_wait(&inside);
        pthread_cancel(thread);
        pthread_join(thread, &result);
        int allocated = cuMemAlloc_v2(&pointer, 64 << 20), freed = cuMemFree_v2(pointer);
        cuMemGetInfo_v2(&free, &total);
        printf("%s alloc %d free %d used %lu\n", result == PTHREAD_CANCELED ? "cancelled" : "returned", allocated, freed, total - free);
    }
    return 0;
}
"#;

#[test]
fn a_thread_cancelled_inside_a_call_leaves_no_lock_and_at_most_what_it_had_taken() {
    let driver = Program::gcc(WAITING_DRIVER, &["-shared", "-Wl,-soname,libcuda.so.1"]);
    let folder = driver.folder();
    std::os::unix::fs::symlink(driver.path(), folder.join("libcuda.so.1")).expect("a link in our own folder");
    let search = format!("-L{}", folder.display());
    let program = Program::gcc(CANCELLING, &["-fexceptions", "-pthread", "-rdynamic", &search, "-l:libcuda.so.1"]);
    let output = Tenant::new("1g").hold(Run::new(program.path())).env("LD_LIBRARY_PATH", folder).output().succeeded();
    assert_eq!(output.stderr, "", "{output}");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    for (round, line) in (1..).zip(lines) {
        assert!(line.starts_with("cancelled alloc 0 free 0 used "), "{output}");
        // A page for each thread that was cancelled, see docs/limits.md; never less than the device may have given.
        assert!(hami_tests::audit::figure(line, "used") <= round * (2 << 20), "{output}");
    }
}
