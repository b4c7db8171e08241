//! Programs that use no device: under the preload they print nothing of ours and behave the same, whatever the limits say.

use hami_tests::Run;

/// Every process of a container is under the preload: shells, tools, interpreters.
const COMMANDS: &[&[&str]] = &[
    &["ls", "-la", "/usr"],
    &["ls", "/nowhere"],
    &["bash", "-c", "echo out; echo err >&2; ulimit -n; umask; trap; (exit 3); exit $(($? + 4))"],
    &["bash", "-c", "kill -TERM $$"],
    &["python3", "-c", "1"],
    &["python3", "-c", "import ctypes, os; print(sorted(os.listdir('/proc/self/fd')), ctypes.CDLL(None).abs(-3))"],
    &[
        "python3",
        "-c",
        "import threading; print(threading.active_count(), len(__import__('os').listdir('/proc/self/task')))",
    ],
    &["sh", "-c", "ls /proc/self/fd | wc -l; cat /etc/hostname /nowhere | grep -c ."],
];

/// Limits in force, in each state a container may have them: none, good, and such as cannot be read.
const SETTINGS: &[&[(&str, &str)]] = &[
    &[],
    &[("CUDA_DEVICE_MEMORY_LIMIT", "4g")],
    &[("CUDA_DEVICE_MEMORY_LIMIT", "abc")],
    &[("CUDA_DEVICE_MEMORY_LIMIT", "")],
    &[("CUDA_DEVICE_MEMORY_LIMIT_0", "-1"), ("CUDA_DEVICE_SM_LIMIT", "abc"), ("LIBCUDA_LOG_LEVEL", "9")],
    &[("CUDA_DEVICE_MEMORY_LIMIT", "4g"), ("CUDA_DEVICE_MEMORY_SHARED_CACHE", "/nowhere/region")],
];

#[test]
fn programs_without_a_device_behave_the_same() {
    for command in COMMANDS {
        let run = Run::new(command[0]).args(&command[1..]);
        let native = run.clone().output();
        for settings in SETTINGS {
            let limited = settings.iter().fold(run.clone(), |run, (name, value)| run.env(name, value));
            limited.preloaded().output().same_as(&native);
        }
    }
}

#[test]
fn a_library_that_speaks_is_noticed() {
    let speaker = hami_tests::Program::gcc(
        "#include <stdio.h>\n__attribute__((constructor)) static void speak(void) { fputs(\"here\\n\", stderr); }\n",
        &["-shared"],
    );
    let output = Run::new("true").env("LD_PRELOAD", speaker.path()).output();
    assert_eq!(output.stderr, "here\n");
}
