//! The built library exports exactly the functions that docs/hooked-functions.md lists.

use std::collections::BTreeSet;

use goblin::elf::Elf;
use goblin::elf::section_header::SHN_UNDEF;
use hami_tests::artefacts;

/// Names beside the vendors' that the library puts itself in front of.
const LOADER_NAMES: [&str; 2] = ["dlsym", "dlvsym"];

/// The functions in the page's tables: the first column of rows with five.
fn listed(page: &str) -> BTreeSet<String> {
    let function = |line: &str| {
        let columns: Vec<_> = line.strip_prefix("| ")?.split('|').map(str::trim).collect();
        let name = columns[0];
        (columns.len() == 6 && (name.starts_with("cu") || name.starts_with("nvml"))).then(|| name.to_owned())
    };
    page.lines().filter_map(function).collect()
}

/// The dynamic symbols that have a place in the file: what it offers to other objects.
fn exported(library: &[u8]) -> BTreeSet<String> {
    let elf = Elf::parse(library).expect("an ELF file");
    let symbols = elf.dynsyms.iter().filter(|symbol| symbol.st_name != 0 && symbol.st_shndx != SHN_UNDEF as usize);
    symbols.map(|symbol| elf.dynstrtab.get_at(symbol.st_name).expect("a name").to_owned()).collect()
}

#[test]
fn the_page_lists_what_the_library_exports() {
    let page = artefacts::repository().join("docs/hooked-functions.md");
    let listed = listed(&std::fs::read_to_string(page).expect("the page of hooked functions"));
    let mut exported = exported(&std::fs::read(artefacts::library()).expect("the built library"));
    for name in LOADER_NAMES {
        assert!(exported.remove(name), "{name} is not exported");
    }
    let missing: Vec<_> = listed.difference(&exported).collect();
    let others: Vec<_> = exported.difference(&listed).collect();
    assert!(missing.is_empty(), "on the page and not exported (`make build` makes the library anew): {missing:?}");
    assert!(others.is_empty(), "exported and not on the page: {others:?}");
    assert!(listed.contains("cuMemAlloc_v2"), "the page was not read");
}
