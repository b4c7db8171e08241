//! A thread that is cancelled inside a driver call ends as it would without us: its cleanup handlers run, nothing crashes.

use hami_tests::{Program, Run};

/// A driver that waits where POSIX lets a thread be cancelled, as a driver that waits for its device does.
const DRIVER: &str = r#"
#include <semaphore.h>
#include <unistd.h>
extern sem_t inside;
int cuInit(unsigned flags) { return 0; }
int cuMemAlloc_v2(unsigned long long *pointer, unsigned long size) {
    sem_post(&inside);
    for (;;) pause();
}
"#;

const PROGRAM: &str = r#"
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
sem_t inside;
int cuMemAlloc_v2(unsigned long long *pointer, unsigned long size);
static void clean(void *unused) { puts("cleaned up"); }
static void *allocate(void *unused) {
    unsigned long long pointer;
    pthread_cleanup_push(clean, NULL);
    cuMemAlloc_v2(&pointer, 1 << 20);
    pthread_cleanup_pop(0);
    return NULL;
}
int main(void) {
    pthread_t thread;
    void *result;
    sem_init(&inside, 0, 0);
    pthread_create(&thread, NULL, allocate, NULL);
    sem_wait(&inside);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    puts(result == PTHREAD_CANCELED ? "cancelled" : "returned");
    return 0;
}
"#;

#[test]
fn a_thread_is_cancelled_inside_a_driver_call() {
    let driver = Program::gcc(DRIVER, &["-shared", "-Wl,-soname,libcuda.so.1"]);
    let folder = driver.folder();
    std::os::unix::fs::symlink(driver.path(), folder.join("libcuda.so.1")).expect("a link in our own folder");
    let program = Program::gcc(
        PROGRAM,
        &["-fexceptions", "-pthread", "-rdynamic", &format!("-L{}", folder.display()), "-l:libcuda.so.1"],
    );
    let run = Run::new(program.path()).env("LD_LIBRARY_PATH", folder);
    let native = run.clone().output();
    assert_eq!((native.status.code(), &*native.stdout), (Some(0), "cleaned up\ncancelled\n"), "{native}");
    run.preloaded().output().same_as(&native);
}
