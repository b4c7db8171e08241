//! Programs on another C library than glibc: musl honours LD_PRELOAD, resolves eagerly, and refuses a missing symbol.

use std::collections::BTreeSet;
use std::path::PathBuf;

use goblin::elf::Elf;
use goblin::elf::sym::STB_GLOBAL;
use hami_tests::{Program, Run, artefacts};

const HELLO: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    printf("hello %d %s\n", argc, getenv("CUDA_DEVICE_MEMORY_LIMIT"));
    fprintf(stderr, "warned\n");
    return 40 + argc;
}
"#;

/// Debian's musl packages keep musl's loader, which is its C library as well, under this name.
fn musl() -> PathBuf {
    PathBuf::from(format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH))
}

#[test]
fn a_program_on_musl_starts_and_behaves_the_same() {
    let hello = Program::musl(HELLO, &[]);
    for limit in ["4g", "abc"] {
        let run = Run::new(hello.path()).arg("word").env("CUDA_DEVICE_MEMORY_LIMIT", limit);
        let native = run.clone().output();
        assert_eq!((native.status.code(), &*native.stdout), (Some(42), &*format!("hello 2 {limit}\n")));
        run.preloaded().output().same_as(&native);
    }
}

#[test]
fn a_library_that_does_not_load_is_noticed() {
    let hello = Program::musl(HELLO, &[]);
    let wrong =
        Program::gcc("int missing_everywhere(void); int f(void) { return missing_everywhere(); }\n", &["-shared"]);
    let output = Run::new(hello.path()).env("LD_PRELOAD", wrong.path()).output();
    assert_ne!(output.status.code(), Some(41), "musl started the program with a library that lacks a symbol");
}

#[test]
fn each_symbol_it_insists_on_is_in_musl() {
    let bytes = std::fs::read(musl()).unwrap_or_else(|error| panic!("{}: {error}: run `make setup`", musl().display()));
    let elf = Elf::parse(&bytes).expect("musl's loader");
    let provided: BTreeSet<_> = elf
        .dynsyms
        .iter()
        .filter(|symbol| !symbol.is_import())
        .filter_map(|symbol| elf.dynstrtab.get_at(symbol.st_name))
        .collect();
    let bytes = std::fs::read(artefacts::library()).expect("the built library");
    let elf = Elf::parse(&bytes).expect("the built library");
    let wanted: BTreeSet<_> = elf
        .dynsyms
        .iter()
        .filter(|symbol| symbol.is_import() && symbol.st_bind() == STB_GLOBAL)
        .filter_map(|symbol| elf.dynstrtab.get_at(symbol.st_name))
        .collect();
    assert!(wanted.contains("memcpy") && provided.contains("memcpy"), "the test sees nothing: {wanted:?}");
    assert_eq!(wanted.difference(&provided).collect::<Vec<_>>(), Vec::<&&str>::new());
}
