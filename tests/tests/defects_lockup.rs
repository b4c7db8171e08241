//! Defects 1 to 8 of the older library, each of which hung or ended the programs of a whole container: not here.

use std::time::Duration;

use ffi_headers::symbols;
use goblin::elf::Elf;
use goblin::elf::section_header::SHN_UNDEF;
use hami_tests::audit::{Audit, MIB, figure};
use hami_tests::cast::play;
use hami_tests::tenant::{MEMORY_LIMIT, REGION, cuda_program, program, with_books};
use hami_tests::{Output, Program, Run, Tenant, artefacts, poll_until};

const NONE: [&str; 0] = [];

/// There: an update that was cut off left every reader spinning, in 4 of 139 kills.
#[test]
fn defect_01_sigkill_in_the_middle_of_an_update() {
    let (survivor, killee) = (cuda_program("survivor"), cuda_program("killee"));
    let tenant = Tenant::new("16g");
    let run =
        tenant.hold(with_books(Run::new(survivor.path()))).arg(killee.path()).args(["50", "4711", "16384", "none"]);
    let output = run.simulated(NONE).within(Duration::from_secs(120)).output().succeeded();
    // The survivor's program ends with an error when a call of its takes 10 s, or a byte is lost.
    let killed = output.stdout.lines().next().expect("a line");
    assert!(killed.starts_with("killed 200:") && figure(killed, "later") > 10, "{output}");
}

fn killed_at_start(region: &str, times: &str) {
    let program = cuda_program("start_killed");
    let tenant = Tenant::new("8g");
    let run = tenant.hold(with_books(Run::new(program.path()))).args([times, region]);
    let output = run.simulated(NONE).within(Duration::from_secs(120)).output().succeeded();
    assert_eq!(output.stdout, format!("killed before they were through: {times}\n"), "{output}");
    assert_eq!(output.stderr, "", "{output}");
}

/// There: the next process waited for 329 s and crashed.
#[test]
fn defect_02_sigkill_while_a_context_is_made() {
    killed_at_start("same", "60");
}

/// There: 9 to 309 s, without end where the dead one's process number was in use again.
#[test]
fn defect_03_sigkill_while_the_region_is_locked() {
    killed_at_start("fresh", "60");
}

/// There: a list was changed by `cuMemRelease` without its lock, and the process crashed.
#[test]
fn defect_04_threads_that_release_physical_memory_and_allocate() {
    let program = cuda_program("physical");
    let tenant = Tenant::new("8g");
    let run = tenant.hold(with_books(Run::new(program.path()))).args(["threads", "2000"]);
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!((&*output.stdout, &*output.stderr), ("view 96 books 96\n", ""), "{output}");
}

/// There: a call through an address that was not looked up yet.
#[test]
fn defect_05_calls_before_the_libraries_are_initialised() {
    let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| artefacts::built("simgpu-libs").join(name));
    let too_early = program("too_early", &libraries.each_ref().map(|path| path.to_str().expect("a path in UTF-8")));
    let native = Run::new(too_early.path()).simulated(NONE).output().succeeded();
    assert!(native.stdout.starts_with("cuDeviceGetCount(&number) = 3\n"), "{native}");
    Tenant::new("1g").hold(Run::new(too_early.path())).simulated(NONE).output().same_as(&native);
}

/// There: a region full of dead processes refused every new one, for ever.
#[test]
fn defect_06_a_slot_for_each_of_1024_dead_processes() {
    let program = cuda_program("dead_slots");
    let tenant = Tenant::new("64g");
    // Two simulations with devices of the same names, since one has room for 1024 processes only, `simgpu --books` included.
    let crowd = |more: &str, end: &str| {
        let end = program.folder().join(end);
        nix::unistd::mkfifo(&end, nix::sys::stat::Mode::S_IRWXU).expect("a fifo in our own folder");
        let run = tenant.hold(Run::new(program.path())).args(["512", more]).arg(&end).within(Duration::from_secs(120));
        let running = run.simulated(["--context-memory", "2m"]).start();
        let there = || !running.stdout().is_empty() || running.stderr().contains("error");
        poll_until("512 processes with a context", Duration::from_secs(120), there);
        (running, end)
    };
    let (first, first_end) = crowd("0", "first");
    assert_eq!(first.stdout(), "alive 512 refused 0 failed 0\n", "{}", first.stderr());
    let (second, second_end) = crowd("1", "second");
    // The region is full, and the one too many was told so.
    assert_eq!(second.stdout(), "alive 512 refused 1 failed 0\n", "{}", second.stderr());
    assert_eq!(
        second.stderr().lines().filter(|line| line.contains("1024 processes")).count(),
        1,
        "{}",
        second.stderr()
    );
    for (running, end) in [(first, first_end), (second, second_end)] {
        std::fs::write(end, "x").expect("the fifo");
        running.finish().succeeded();
    }
    let client = cuda_program("client");
    for _ in 0..3 {
        let run =
            tenant.hold(with_books(Run::new(client.path()))).args(["--audit", "init", "retain", "alloc", "a", "2M"]);
        let audit = Audit::of(run.simulated(["--context-memory", "2m"]).output().succeeded());
        audit.agrees(64 << 30);
        assert_eq!(audit.steps.last().map(|step| (step.result, step.own)), Some((0, 4 * MIB)), "{audit:#?}");
    }
}

/// There: looking up any name that begins with `cu` ended the process with status 1.
#[test]
fn defect_07_a_region_that_cannot_be_opened() {
    let lookup = Program::gcc(
        "#include <dlfcn.h>\n#include <stdio.h>\n\
         int main(void) { printf(\"%p\\n\", dlsym(RTLD_DEFAULT, \"curl_easy_init\")); return 7; }\n",
        &["-ldl", "-D_GNU_SOURCE"],
    );
    let client = cuda_program("client");
    let limited = |run: Run| run.preloaded().env(MEMORY_LIMIT, "1g").env(REGION, "/nowhere/region");
    let output = limited(Run::new(lookup.path())).output();
    assert_eq!((output.status.code(), &*output.stdout, &*output.stderr), (Some(7), "(nil)\n", ""), "{output}");
    // A program that uses CUDA gets refusals, and ends when it wants to.
    let run = Run::new(client.path()).args(["init", "retain", "alloc", "a", "1", "exit", "7"]);
    let output: Output = limited(run).simulated(NONE).output();
    let said = "init = 0\nretain = 2\nalloc a 1 = 201\n";
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), said), "{output}");
    assert!(output.stderr.lines().count() == 1 && output.stderr.contains("/nowhere/region"), "{output}");
}

/// There: its own `dlsym` called itself without end where the C library's was not found.
#[test]
fn defect_08_no_call_of_its_own_dlsym() {
    let bytes = std::fs::read(artefacts::library()).expect("the built library");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    let imports: Vec<_> = elf
        .dynsyms
        .iter()
        .filter(|symbol| symbol.st_shndx == SHN_UNDEF as usize)
        .map(|symbol| elf.dynstrtab.get_at(symbol.st_name).expect("a name"))
        .collect();
    assert!(imports.contains(&"dl_iterate_phdr"), "the list of imports is not what it should be: {imports:?}");
    assert!(!imports.iter().any(|name| name.contains("dlsym") || name.contains("dlvsym")), "{imports:?}");
    // Nor through a jump within the library: its dlsym, asked for a name that is nobody's, comes back.
    let names = symbols::CUDA_550.lines().chain(["no_such_name", "dlsym", "dlvsym"]).collect::<Vec<_>>();
    let asks = names.iter().map(|name| format!("found += dlsym(RTLD_NEXT, \"{name}\") != 0;")).collect::<String>();
    let source = format!(
        "#include <dlfcn.h>\n#include <stdio.h>\nint main(void) {{ int found = 0; {asks} printf(\"%d\\n\", found); return 0; }}\n"
    );
    let lookups = Program::gcc(&source, &["-ldl", "-D_GNU_SOURCE"]);
    let native = Run::new(lookups.path()).output().succeeded();
    assert_eq!(native.stdout, "2\n", "{native}");
    Run::new(lookups.path()).preloaded().env(MEMORY_LIMIT, "1g").output().same_as(&native);
}

/// Holds for every defect above: a refusal is an answer, and the next call works.
#[test]
fn a_refused_process_goes_on() {
    let steps = play("200m", "8g", "A:start A:alloc:200 A:alloc:100 A:alloc:100 A:free A:alloc:100");
    assert_eq!(steps, [(0, 96), (2, 96), (0, 196), (2, 196), (0, 96), (0, 196)]);
}
