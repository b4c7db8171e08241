//! The built file: its name, and every vendor name exported and nothing else.

mod common;

use goblin::elf::Elf;
use std::collections::BTreeSet;

fn listed() -> BTreeSet<&'static str> {
    [ffi_headers::symbols::NVML_535, ffi_headers::symbols::NVML_550]
        .iter()
        .flat_map(|list| list.split_whitespace())
        .collect()
}

#[test]
fn exports_are_the_vendor_names() {
    let bytes = std::fs::read(common::library()).expect("read the library");
    let elf = Elf::parse(&bytes).expect("an ELF file");
    let exported: BTreeSet<&str> = elf
        .dynsyms
        .iter()
        .filter(|symbol| !symbol.is_import() && symbol.st_bind() != goblin::elf::sym::STB_LOCAL)
        .map(|symbol| &elf.dynstrtab[symbol.st_name])
        .collect();
    let listed = listed();
    assert!(listed.len() > 340, "the lists hold {} names", listed.len());
    assert_eq!(listed.difference(&exported).collect::<Vec<_>>(), Vec::<&&str>::new(), "not exported");
    assert_eq!(
        exported.difference(&listed).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "exported beyond the vendor's names"
    );
}

#[test]
fn soname_is_the_vendors() {
    let bytes = std::fs::read(common::library()).expect("read the library");
    assert_eq!(Elf::parse(&bytes).expect("an ELF file").soname, Some("libnvidia-ml.so.1"));
}

/// What `simgpu --unsupported` prints is what the library answers NOT_SUPPORTED for whatever it is given.
#[test]
fn names_listed_as_unsupported_answer_so() {
    use ffi_headers::nvml::*;
    let nvml = common::Nvml::load();
    let names: Vec<_> =
        simulator::UNSUPPORTED.lines().filter_map(|line| line.strip_prefix("libnvidia-ml.so.1 ")).collect();
    assert!(!names.is_empty());
    for name in names {
        assert_eq!(call!(nvml, name, fn()), NVML_ERROR_NOT_SUPPORTED, "{name}");
    }
}
