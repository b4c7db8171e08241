//! Every name that the vendors export is a row of the table or in a list of `passed/`, with the reason why it is not hooked.

use std::collections::{BTreeMap, BTreeSet};

use ffi_headers::symbols;

use super::*;

/// Why functions are not hooked, and which: a paragraph of a file in `passed/`.
struct Group {
    file: String,
    reason: String,
    names: Vec<String>,
}

/// The list of what is neither hooked nor passed for good.
const OPEN: &str = "open";

/// The paragraphs of one list. The first line is a comment that says what it holds.
fn parse(file: &str, text: &str) -> Vec<Group> {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.starts_with('#'));
    let group = |paragraph: &str| {
        let (reason, names) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        let reason = reason.strip_prefix("reason: ").unwrap_or_else(|| panic!("{file}: no `reason: ` before {reason}"));
        let names: Vec<_> = names.split_whitespace().map(str::to_owned).collect();
        assert!(!names.is_empty(), "{file}: nothing is passed because {reason}");
        Group { file: file.to_owned(), reason: reason.to_owned(), names }
    };
    paragraphs.map(group).collect()
}

/// All lists, by file name.
fn passed() -> Vec<Group> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/table/passed");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "txt")).collect();
    files.sort();
    assert!(!files.is_empty(), "no lists in {folder}");
    files
        .iter()
        .flat_map(|file| parse(file.file_stem().unwrap().to_str().unwrap(), &std::fs::read_to_string(file).unwrap()))
        .collect()
}

/// What the libraries of the drivers export whose lists we have, and what newer headers declare.
fn exported(library: Library) -> BTreeSet<&'static str> {
    let lists = match library {
        Library::Cuda => vec![symbols::CUDA_535, symbols::CUDA_550, symbols::CUDA_13_5],
        Library::Nvml => vec![symbols::NVML_535, symbols::NVML_550, symbols::NVML_12_9, symbols::NVML_13_5],
    };
    lists.into_iter().flat_map(str::lines).filter_map(|line| line.split(' ').next()).collect()
}

/// A name without the ending of forms for per-thread default streams. These do what the others do, with another stream
/// where none is given: a list that passes one passes the other.
fn of_any_stream(name: &str) -> &str {
    name.strip_suffix("_ptsz").or_else(|| name.strip_suffix("_ptds")).unwrap_or(name)
}

/// What is wrong with these lists and rows, one line per name.
fn faults(hooked: &BTreeSet<&str>, passed: &[Group], exported: &BTreeSet<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut why: BTreeMap<&str, &Group> = BTreeMap::new();
    for group in passed {
        for name in &group.names {
            if let Some(other) = why.insert(name, group) {
                faults.push(format!("{name}: passed twice, in {} and {}", other.file, group.file));
            }
            if !exported.contains(name.as_str()) {
                faults.push(format!("{name}: passed in {}, but no vendor's library has it", group.file));
            }
        }
    }
    for name in exported {
        match (hooked.contains(name), why.get(of_any_stream(name))) {
            (true, Some(group)) => faults.push(format!("{name}: hooked, and passed in {}", group.file)),
            (false, None) => faults.push(format!("{name}: neither hooked nor passed")),
            _ => {}
        }
    }
    faults
}

#[test]
fn every_exported_name_is_hooked_or_passed_with_a_reason() {
    let hooked: BTreeSet<_> = rows().map(name).collect();
    let exported: BTreeSet<_> = exported(Library::Cuda).union(&exported(Library::Nvml)).copied().collect();
    let faults = faults(&hooked, &passed(), &exported);
    assert!(faults.is_empty(), "see src/table/passed/:\n  {}", faults.join("\n  "));
}

#[test]
fn a_name_left_out_named_twice_or_unknown_is_noticed() {
    let groups = |text| parse("list", text);
    let exported = BTreeSet::from(["cuMemAlloc", "cuMemcpy", "cuMemcpy_ptds"]);
    let hooked = BTreeSet::from(["cuMemAlloc"]);
    let with = |text| faults(&hooked, &groups(text), &exported);
    assert_eq!(with("# A list.\n\nreason: Copies.\ncuMemcpy\n"), Vec::<String>::new());
    assert_eq!(with("# A list.\n").len(), 2, "cuMemcpy and its form for per-thread streams are left out");
    assert_eq!(with("reason: Copies.\ncuMemcpy cuMemAlloc\n").len(), 1, "cuMemAlloc is hooked");
    assert_eq!(with("reason: Copies.\ncuMemcpy\n\nreason: Asks.\ncuMemcpy\n").len(), 1, "cuMemcpy has two reasons");
    assert_eq!(with("reason: Copies.\ncuMemcpy cuMemMove\n").len(), 1, "no library has cuMemMove");
}

/// The names, versions and kinds of stream of CUDA 13.5's headers, by exported name.
fn vendor_forms() -> BTreeMap<&'static str, (&'static str, i32, bool)> {
    let form = |line: &'static str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, lookup, version, stream] = words[..] else { panic!("not four words: {line}") };
        (name, (lookup, version.parse().expect("a version"), stream != "-"))
    };
    symbols::CUDA_13_5.lines().map(form).collect()
}

#[test]
fn every_row_is_found_by_the_name_and_from_the_version_that_the_vendor_says() {
    let vendor = vendor_forms();
    let wrong = |row: &&Row| {
        let ours = (row.lookup.to_str().unwrap(), row.version, row.per_thread);
        vendor.get(name(row)).is_none_or(|theirs| *theirs != ours)
    };
    let wrong: Vec<_> = rows().filter(|row| row.library == Library::Cuda).filter(wrong).map(name).collect();
    assert_eq!(wrong, Vec::<&str>::new(), "see ffi-headers/symbols/cuda-13.5-names.txt");
}

/// A driver may answer with a function of no known address, and the row is then chosen by name and version: a form that
/// has no row would be taken for an older one, with another signature.
#[test]
fn rows_have_all_forms_of_their_name() {
    let hooked: BTreeSet<_> = rows().map(name).collect();
    let looked_up: BTreeSet<_> = rows().map(|row| row.lookup.to_str().unwrap()).collect();
    let missing: Vec<_> = vendor_forms()
        .into_iter()
        .filter(|(name, (lookup, ..))| looked_up.contains(lookup) && !hooked.contains(name))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "rows for other forms of the name, and none for these");
}

/// The part of the page that says how much is covered.
pub(super) fn report() -> String {
    let mut report = String::from(
        "\n## Coverage\n\nEvery name that the drivers 535 and 550 export or that the headers of CUDA 13.5 and NVML 13.5 \
         declare was read. What is not\nhooked is passed for a reason: the lists are in \
         [`hami-core/src/table/passed`](../hami-core/src/table/passed).\n",
    );
    let groups = passed();
    for (library, title) in [(Library::Cuda, "CUDA driver API"), (Library::Nvml, "NVML")] {
        let exported = exported(library);
        let hooked = rows().filter(|row| exported.contains(name(row))).count();
        report.push_str(&format!("\n| {title} | names |\n|---|---|\n| all | {} |\n", exported.len()));
        report.push_str(&format!("| **hooked** | {hooked} |\n"));
        let mut open = Vec::new();
        for group in &groups {
            let of_group = |name: &&str| group.names.iter().any(|passed| passed == of_any_stream(name));
            let names: Vec<_> = exported.iter().copied().filter(of_group).collect();
            if group.file == OPEN {
                open.extend(names);
            } else if !names.is_empty() {
                report.push_str(&format!("| {} ({}.txt) | {} |\n", group.reason, group.file, names.len()));
            }
        }
        if !open.is_empty() {
            report.push_str(&format!("| **open**: not hooked yet (open.txt) | {} |\n", open.len()));
            report.push_str(&format!("\nOpen: {}.\n", open.join(", ")));
        }
    }
    report
}
