//! Defects 17 to 22 of the older library: wrong functions, ways past the quota, names in the program's way. Not here.

use std::collections::BTreeSet;

use ffi_headers::symbols;
use goblin::elf::Elf;
use goblin::elf::section_header::SHN_UNDEF;
use hami_tests::audit::{Audit, MIB};
use hami_tests::tenant::{cuda_program, program, with_books};
use hami_tests::{Output, Program, Run, Tenant, artefacts};

const NONE: [&str; 0] = [];

/// Versions between which answers change, the first and the last of each CUDA release among them.
const VERSIONS: &[&str] = &[
    "2000", "3000", "3010", "3020", "4000", "4010", "4020", "5000", "5050", "6000", "6050", "7000", "7050", "8000",
    "9000", "9020", "10000", "10010", "10020", "11000", "11010", "11020", "11030", "11040", "11050", "11060", "11070",
    "11080", "12000", "12010", "12020", "12030", "12040", "12050", "12060", "12080", "12090", "13000",
];

/// Drivers of CUDA 12.4 and 13.0, by the simulator's names.
const DRIVERS: &[&str] = &["550", "580"];

/// Whether a function came after the newest of these drivers, which then knows nothing of it.
fn is_of_a_later_driver(name: &str) -> bool {
    let row = symbols::CUDA_13_5.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    row.is_some_and(|row| row.split(' ').nth(1).expect("a version").parse::<u32>().expect("a version") > 13_000)
}

/// The name that `cuGetProcAddress` knows a function by: without version and choice of stream.
fn base(name: &str) -> &str {
    let name = ["_ptds", "_ptsz"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    ["_v2", "_v3", "_v4"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

/// Names that the built library exports.
fn exports() -> BTreeSet<String> {
    let bytes = std::fs::read(artefacts::library()).expect("the built library");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    let symbols = elf.dynsyms.iter().filter(|symbol| symbol.st_name != 0 && symbol.st_shndx != SHN_UNDEF as usize);
    symbols.map(|symbol| elf.dynstrtab.get_at(symbol.st_name).expect("a name").to_owned()).collect()
}

/// Each answer of both forms of `cuGetProcAddress`, without us and under a quota, for all names of the driver and of later ones.
fn answers(driver: &str) -> (Vec<String>, Vec<String>) {
    let program = cuda_program("proc_addresses");
    let newer = symbols::CUDA_13_5.lines().filter_map(|line| line.split(' ').next());
    let all = symbols::CUDA_550.lines().chain(newer).map(base);
    let names: BTreeSet<_> = all.chain(["cuMemAlloc_v2", "cuNoSuchThing", "cu"]).collect();
    let file = program.folder().join("names");
    std::fs::write(&file, names.into_iter().collect::<Vec<_>>().join("\n")).expect("a file in our own folder");
    let run = Run::new(program.path()).arg(&file).args(VERSIONS);
    let lines = |output: Output| output.stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let native = run.clone().simulated(["--driver", driver]).output().succeeded();
    let tenant = Tenant::new("8g");
    let ours = tenant.hold(run).simulated(["--driver", driver]).output().succeeded();
    assert_eq!(ours.stderr, "", "{ours}");
    (lines(native), lines(ours))
}

/// Name, version, exported name, and version and name of the form for per-thread streams.
type Typedef = (String, u64, String, Option<(u64, String)>);

/// What the vendor's typedefs say.
fn typedefs() -> Vec<Typedef> {
    let file = artefacts::repository().join("simulator/libcuda/entry_points.txt");
    let text = std::fs::read_to_string(file).expect("the list of entry points");
    let row = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let number = |at: usize| words[at].parse().expect("a version");
        let per_thread = (words.len() > 3).then(|| (number(3), words[4].to_owned()));
        (words[0].to_owned(), number(1), words[2].to_owned(), per_thread)
    };
    let mut rows: Vec<_> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(row).collect();
    rows.sort();
    rows
}

/// Checks each answer that is about an entry point: ours under its name where we have it, else the driver's as without us.
/// `flags` tells which questions count. Answers the names of ours that were found.
fn same_function_each_time(driver: &str, flags: &str) -> BTreeSet<String> {
    let (native, ours) = answers(driver);
    let (exports, typedefs) = (exports(), typedefs());
    assert_eq!(native.len(), ours.len(), "another number of answers");
    let mut hooked = BTreeSet::new();
    for (native, ours) in native.iter().zip(&ours) {
        let words: Vec<_> = native.split([' ', ':']).collect();
        let (name, version): (_, u64) = (words[0], words[3].parse().expect("a version"));
        if !flags.contains(words[1]) {
            continue;
        }
        let rows = &typedefs[typedefs.partition_point(|row| *row.0 < *name)..];
        let rows: Vec<_> = rows.iter().take_while(|row| row.0 == name && row.1 <= version).collect();
        let of_threads = |row: &&Typedef| {
            row.3.as_ref().filter(|form| words[1] == "2" && form.0 <= version).map(|form| form.1.clone())
        };
        let mut symbols = rows.iter().map(|row| of_threads(row).unwrap_or_else(|| row.2.clone()));
        // A driver that is older than the version answers what it has. Functions without behaviour may lie at one address in
        // the simulator, and go by another's name: then it is the newest.
        let answered = symbols.clone().find(|symbol| native.ends_with(&format!(" {symbol} of libcuda.so.1")));
        let symbol = answered.or_else(|| symbols.next_back());
        match symbol.filter(|symbol| exports.contains(symbol)) {
            Some(symbol) if native.contains(": 0 ") => {
                assert!(
                    ours.ends_with(&format!(": 0 0 {symbol} of libhami_core.so")),
                    "{ours}\n  without us: {native}"
                );
                hooked.insert(symbol);
            }
            _ => assert_eq!(ours, native),
        }
    }
    hooked
}

/// There: a program that asked for the functions of the per-thread default stream got those of the legacy one.
#[test]
fn defect_17_functions_of_the_per_thread_default_stream() {
    let hooked: BTreeSet<_> = DRIVERS.iter().flat_map(|driver| same_function_each_time(driver, "2")).collect();
    let ours = exports();
    let of_threads = ours.iter().filter(|name| name.ends_with("_ptsz") || name.ends_with("_ptds"));
    let not_found: Vec<_> = of_threads.filter(|name| !hooked.contains(*name) && !is_of_a_later_driver(name)).collect();
    assert!(not_found.is_empty(), "hooked, and led to by no version: {not_found:?}");
    // By their own names as well.
    for name in ["cuMemAllocAsync_ptsz", "cuMemAllocFromPoolAsync_ptsz", "cuMemFreeAsync_ptsz"] {
        assert!(ours.contains(name), "{name}");
    }
}

/// There: the version was not looked at, so that a program got a function with other arguments than it asked for.
#[test]
fn defect_18_functions_of_the_version_that_was_asked_for() {
    let hooked: BTreeSet<_> = DRIVERS.iter().flat_map(|driver| same_function_each_time(driver, "012")).collect();
    let typedefs = typedefs();
    let known: BTreeSet<_> =
        typedefs.iter().flat_map(|row| [Some(&row.2), row.3.as_ref().map(|form| &form.1)]).flatten().collect();
    let not_found: Vec<_> =
        exports().into_iter().filter(|name| known.contains(name) && !hooked.contains(name)).collect();
    assert!(not_found.is_empty(), "hooked, and led to by no version: {not_found:?}");
    assert!(hooked.contains("cuMemAlloc") && hooked.contains("cuCtxCreate_v3"), "{hooked:?}");
}

/// There: `dlvsym` led past the quota, as did a library opened with RTLD_DEEPBIND (see `ways_around.rs` and docs/limits.md).
#[test]
fn defect_19_dlvsym() {
    let source = format!(
        "#include <dlfcn.h>\n#include <stdio.h>\n#include \"hami_cuda.h\"\n\
         int main(void) {{\n\
         void *driver = dlopen(\"libcuda.so.1\", RTLD_NOW | RTLD_LOCAL);\n\
         Dl_info info;\n\
         {}\n\
         return 0; }}\n",
        ["dlsym(driver, NAME)", "dlsym(RTLD_DEFAULT, NAME)", "dlsym(RTLD_NEXT, NAME)"]
            .map(|call| format!("puts(dladdr({call}, &info) ? info.dli_fname : \"none\");"))
            .join("\n")
            .replace("NAME", "\"cuMemAlloc_v2\"")
    );
    let include = format!("-I{}", artefacts::repository().join("ffi-headers/include").display());
    let driver = artefacts::built("simgpu-libs/libcuda.so.1");
    // The program finds its dlsym by dlvsym, in each place where libc has one.
    let by_version = source.replace(
        "dlsym(driver",
        "((void *(*)(void *, const char *))dlvsym(RTLD_DEFAULT, \"dlsym\", \"GLIBC_2.2.5\"))(driver",
    );
    for text in [&source, &by_version] {
        let options =
            [&include, "-D_GNU_SOURCE", "-ldl", driver.to_str().expect("a path in UTF-8"), "-Wl,--no-as-needed"];
        let program = Program::gcc(text, &options);
        let tenant = Tenant::new("1g");
        let output = tenant.hold(Run::new(program.path())).simulated(NONE).output().succeeded();
        let ours = artefacts::library().display().to_string();
        assert_eq!(output.stdout.lines().collect::<Vec<_>>(), [&*ours; 3], "{text}\n{output}");
    }
}

/// There: the second time a thread asked for the next `malloc`, the answer was NULL.
#[test]
fn defect_20_the_next_function_asked_for_twice() {
    let source = "#include <dlfcn.h>\n#include <pthread.h>\n#include <stdio.h>\n\
        static void *look(void *unused) {\n\
        void *first = dlsym(RTLD_NEXT, \"malloc\");\n\
        int same = first != 0;\n\
        for (int i = 0; i < 300; i++) same &= dlsym(RTLD_NEXT, \"malloc\") == first && dlsym(RTLD_NEXT, \"free\") != 0;\n\
        puts(same ? \"same\" : \"other\");\n\
        return 0; }\n\
        int main(void) { pthread_t thread; look(0); pthread_create(&thread, 0, look, 0); pthread_join(thread, 0); return 0; }\n";
    let program = Program::gcc(source, &["-D_GNU_SOURCE", "-ldl", "-pthread"]);
    let native = Run::new(program.path()).output().succeeded();
    assert_eq!(native.stdout, "same\nsame\n");
    for limit in ["", "1g", "abc"] {
        let tenant = Tenant::new(limit);
        tenant.hold(Run::new(program.path())).output().same_as(&native);
    }
}

/// There: 199 of 437 functions were hooked. These, which it named as missing, are here. Graphs are charged when they are
/// launched, and what processes share where it was made (docs/decisions 7 and 9): neither needs a hook where it is added or
/// imported.
#[test]
fn defect_21_functions_that_were_not_there() {
    let exports = exports();
    let missing: Vec<_> = [
        "cuMulticastCreate",
        "cuGreenCtxCreate",
        "cuGreenCtxDestroy",
        "cuLibraryLoadData",
        "cuLibraryUnload",
        "cuMemRetainAllocationHandle",
        "cuMemUnmap",
        "cuDevicePrimaryCtxReset",
        "cuDevicePrimaryCtxReset_v2",
        "cuMemAlloc",
        "cuMemAllocPitch",
        "cuMemFree",
        "cuMemAllocFromPoolAsync",
        "cuGraphLaunch",
        "cuArrayCreate_v2",
        "cuMipmappedArrayCreate",
        "cuMemPoolDestroy",
    ]
    .into_iter()
    .filter(|name| !exports.contains(*name))
    .collect();
    assert_eq!(missing, NONE, "not hooked");
}

/// The same by what they do: a graph's memory, that of a primary context that is reset, the form of before CUDA 3.2.
#[test]
fn defect_21_functions_that_were_not_counted() {
    let client = cuda_program("client");
    let tenant = Tenant::new("8g");
    let run = tenant
        .hold(with_books(Run::new(client.path())))
        .args(["--audit", "init", "retain", "alloc", "a", "100M", "reset"]);
    let audit = Audit::of(run.simulated(NONE).output().succeeded());
    audit.agrees(8 << 30);
    assert_eq!(audit.steps.iter().map(|step| step.own / MIB).collect::<Vec<_>>(), [0, 96, 196, 0], "{audit:#?}");

    let graph = cuda_program("graph_memory");
    let run = tenant.hold(with_books(Run::new(graph.path()))).arg("512");
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stdout, "launch 0 agree 1 more 1\nfreed agree 1 view 96\n", "{output}");
    // More than the quota: refused at the launch, as the device refuses it, or before.
    let run = tenant.hold(with_books(Run::new(graph.path()))).arg("9000");
    let output = run.simulated(NONE).output().succeeded();
    assert_eq!(output.stdout, "launch 2 agree 1 more 0\nfreed agree 1 view 96\n", "{output}");
}

/// There: 138 names of its own in front of the program's.
#[test]
fn defect_22_names_of_its_own() {
    let vendors: BTreeSet<_> =
        symbols::CUDA_550.lines().chain(symbols::NVML_12_9.lines()).chain(symbols::NVML_550.lines()).collect();
    let others: Vec<_> = exports()
        .into_iter()
        .filter(|name| !vendors.contains(&**name) && !name.starts_with("cu") && name != "dlsym" && name != "dlvsym")
        .collect();
    assert_eq!(others, NONE);
    // A library with names that were there, looked up in the global scope: it finds its own.
    let names = ["mutex", "initialized", "round_up", "check_oom", "fp1", "real_dlsym", "log_file"];
    let defined = names.map(|name| format!("int {name} = 5;")).concat();
    let library = Program::gcc(&defined, &["-shared"]);
    let sum = names.join(" + ");
    let declared = names.map(|name| format!("extern int {name};")).concat();
    let source = format!("#include <stdio.h>\n{declared}\nint main(void) {{ printf(\"%d\\n\", {sum}); return 0; }}\n");
    let path = library.path();
    let folder = library.folder().to_str().expect("a path in UTF-8").to_owned();
    let program = program_with(&source, path.to_str().expect("a path in UTF-8"), &folder);
    let native = Run::new(program.path()).output().succeeded();
    assert_eq!(native.stdout, format!("{}\n", 5 * names.len()));
    let tenant = Tenant::new("1g");
    tenant.hold(Run::new(program.path())).output().same_as(&native);
}

fn program_with(source: &str, library: &str, folder: &str) -> Program {
    Program::gcc(source, &[library, &format!("-Wl,-rpath,{folder}")])
}

/// `program` of the harness is used where sources lie in a file.
#[test]
fn the_question_finds_what_is_there() {
    let lookups =
        program("proc_addresses", &[artefacts::built("simgpu-libs/libcuda.so.1").to_str().expect("UTF-8"), "-ldl"]);
    let output = Run::new(lookups.path()).args(["/nowhere", "12000"]).simulated(NONE).output();
    assert_eq!(output.status.code(), Some(1), "{output}");
}
