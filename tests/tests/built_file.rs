//! The built library as a file: what it needs, what it exports, what runs when it is loaded.

use std::collections::BTreeSet;

use ffi_headers::symbols;
use goblin::elf::Elf;
use goblin::elf::dynamic::{
    DF_1_NODELETE, DF_1_NOW, DF_BIND_NOW, DF_TEXTREL, DT_BIND_NOW, DT_FLAGS, DT_FLAGS_1, DT_INIT, DT_INIT_ARRAY,
    DT_INIT_ARRAYSZ, DT_PREINIT_ARRAY, DT_TEXTREL,
};
use goblin::elf::program_header::{PF_W, PF_X, PT_GNU_STACK};
use goblin::elf::section_header::SHN_UNDEF;
use hami_tests::artefacts;

/// The newest C library version a symbol may ask for: that of the oldest systems in use (CentOS 7).
const GLIBC: (u32, u32) = (2, 17);

/// Names beside the vendors' that the library puts itself in front of.
const LOADER_NAMES: &[&str] = &["dlsym", "dlvsym"];

fn with_library<T>(look: impl FnOnce(&Elf<'_>) -> T) -> T {
    let bytes = std::fs::read(artefacts::library()).expect("the built library");
    look(&Elf::parse(&bytes).expect("an ELF file"))
}

/// The dynamic symbols that have a place in the file: what it offers to other objects.
fn exported(elf: &Elf<'_>) -> BTreeSet<String> {
    let symbols = elf.dynsyms.iter().filter(|symbol| symbol.st_name != 0 && symbol.st_shndx != SHN_UNDEF as usize);
    symbols.map(|symbol| elf.dynstrtab.get_at(symbol.st_name).expect("a name").to_owned()).collect()
}

#[test]
fn it_needs_only_the_c_library() {
    with_library(|elf| assert_eq!(elf.libraries, ["libc.so.6"]));
}

#[test]
fn it_is_known_by_its_own_name() {
    with_library(|elf| assert_eq!(elf.soname, Some("libhami_core.so")));
}

#[test]
fn it_asks_for_no_symbol_newer_than_the_oldest_c_library() {
    with_library(|elf| {
        let needs = elf.verneed.as_ref().expect("version needs");
        let versions: BTreeSet<_> = needs
            .iter()
            .flat_map(|file| {
                file.iter().map(|aux| elf.dynstrtab.get_at(aux.vna_name).expect("a name")).collect::<Vec<_>>()
            })
            .collect();
        assert!(!versions.is_empty(), "no version at all: the test sees nothing");
        let newer: Vec<_> =
            versions.iter().filter(|name| version(name).is_none_or(|version| version > GLIBC)).collect();
        assert!(newer.is_empty(), "newer than GLIBC_{}.{}, or no version of glibc: {newer:?}", GLIBC.0, GLIBC.1);
    });
}

/// `GLIBC_2.3.4` as (2, 3): the third number never decides here.
fn version(name: &str) -> Option<(u32, u32)> {
    let mut numbers = name.strip_prefix("GLIBC_")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[test]
fn versions_are_read_as_numbers() {
    assert_eq!(version("GLIBC_2.2.5"), Some((2, 2)));
    assert_eq!(version("GLIBC_2.34"), Some((2, 34)));
    assert_eq!(version("GLIBC_PRIVATE"), None);
    assert_eq!(version("GCC_3.0"), None);
}

#[test]
fn it_exports_only_names_of_the_vendors_and_of_the_loader() {
    let vendors: BTreeSet<_> =
        [symbols::CUDA_535, symbols::CUDA_550, symbols::NVML_535, symbols::NVML_550, symbols::NVML_12_9]
            .iter()
            .flat_map(|list| list.lines())
            .chain(LOADER_NAMES.iter().copied())
            .chain(symbols::CUDA_13_5.lines().filter_map(|line| line.split(' ').next()))
            .collect();
    with_library(|elf| {
        let exported = exported(elf);
        for name in ["dlsym", "dlvsym", "cuMemAlloc_v2", "cuMemGetInfo_v2", "nvmlDeviceGetMemoryInfo"] {
            assert!(exported.contains(name), "{name} is not exported");
        }
        let others: Vec<_> = exported.iter().filter(|name| !vendors.contains(name.as_str())).collect();
        assert!(others.is_empty(), "exported, but neither a vendor's name nor the loader's: {others:?}");
    });
}

#[test]
fn no_memory_of_it_is_writable_and_executable() {
    with_library(|elf| {
        let stack = elf.program_headers.iter().find(|header| header.p_type == PT_GNU_STACK);
        assert_eq!(stack.expect("a stack header: without one the stack is executable").p_flags & PF_X, 0);
        let both = PF_W | PF_X;
        assert!(elf.program_headers.iter().all(|header| header.p_flags & both != both), "{:?}", elf.program_headers);
    });
}

/// Eager binding searches each import in every process, and on an old C library fails for what a later library brings.
#[test]
fn it_binds_lazily_and_relocates_no_code() {
    with_library(|elf| {
        let dynamic = elf.dynamic.as_ref().expect("a dynamic section");
        let has = |tag, flag| dynamic.dyns.iter().any(|entry| entry.d_tag == tag && entry.d_val & flag == flag);
        assert!(!has(DT_BIND_NOW, 0) && !has(DT_FLAGS, DF_BIND_NOW) && !has(DT_FLAGS_1, DF_1_NOW), "bound eagerly");
        assert!(!has(DT_TEXTREL, 0) && !has(DT_FLAGS, DF_TEXTREL), "its code is written to when it is loaded");
        assert!(has(DT_FLAGS_1, DF_1_NODELETE), "a dlclose would unmap functions whose addresses the driver keeps");
    });
}

/// Every process of a container loads the library, so nothing of ours runs until a device is used.
#[test]
fn nothing_of_ours_runs_when_it_is_loaded() {
    with_library(|elf| {
        let dynamic = elf.dynamic.as_ref().expect("a dynamic section");
        let value = |tag| dynamic.dyns.iter().find(|entry| entry.d_tag == tag).map(|entry| entry.d_val);
        assert_eq!((value(DT_INIT), value(DT_PREINIT_ARRAY)), (None, None));
        let start = value(DT_INIT_ARRAY).unwrap_or(0);
        let slots = start..start + value(DT_INIT_ARRAYSZ).unwrap_or(0);
        let run: Vec<_> = elf
            .dynrelas
            .iter()
            .filter(|relocation| slots.contains(&relocation.r_offset))
            .map(|relocation| function_at(elf, u64::try_from(relocation.r_addend.unwrap_or(0)).expect("an address")))
            .collect();
        assert_eq!(run.len() as u64, (slots.end - slots.start) / 8, "each slot has its relocation: {run:?}");
        // Rust's own standard library keeps argc and argv: two stores, no call.
        assert!(run.iter().all(|name| name.contains("std3sys4args") || name.contains("sys::args")), "{run:?}");
    });
}

fn function_at(elf: &Elf<'_>, address: u64) -> String {
    let symbol = elf.syms.iter().find(|symbol| symbol.is_function() && symbol.st_value == address);
    let name = symbol.and_then(|symbol| elf.strtab.get_at(symbol.st_name));
    name.map_or_else(|| format!("unnamed function at {address:#x}"), str::to_owned)
}
