//! The table: how rows are found by name, and the page that is generated from it.

use super::*;

#[path = "table/coverage_tests.rs"]
mod coverage;
#[path = "table/signature_tests.rs"]
mod signature;

fn name(row: &Row) -> &'static str {
    row.name.to_str().unwrap()
}

#[test]
fn a_lookup_finds_the_newest_form_that_the_version_allows() {
    let found = |lookup, version, per_thread| find_by_lookup(lookup, version, per_thread).map(name);
    assert_eq!(found(c"cuMemAlloc", 12040, false), Some("cuMemAlloc_v2"));
    assert_eq!(found(c"cuMemAlloc", 3010, false), Some("cuMemAlloc"));
    assert_eq!(found(c"cuMemAllocAsync", 12040, true), Some("cuMemAllocAsync_ptsz"));
    assert_eq!(found(c"cuMemAlloc", 12040, true), Some("cuMemAlloc_v2"));
    assert_eq!(found(c"cuGetProcAddress", 11030, false), Some("cuGetProcAddress"));
    assert_eq!(found(c"cuGetProcAddress", 12000, false), Some("cuGetProcAddress_v2"));
    assert_eq!(found(c"cuLaunchKernel", 12040, true), Some("cuLaunchKernel_ptsz"));
    assert_eq!(found(c"cuStreamQuery", 12040, false), None);
}

#[test]
fn the_quick_look_misses_no_row_and_sees_through_most_other_names() {
    let lookups = || rows().filter(|row| row.library == Library::Cuda).flat_map(Row::lookups);
    assert!(lookups().all(|(lookup, _)| may_be_looked_up(lookup)));
    let others: Vec<_> = (0..1000).map(|number| std::ffi::CString::new(format!("cuOther{number}")).unwrap()).collect();
    let taken_for_rows = others.iter().filter(|name| may_be_looked_up(name)).count();
    assert!(taken_for_rows < 150, "{taken_for_rows} of {} names", others.len());
}

/// The page for readers, one line per row.
fn page() -> String {
    let mut page = String::from(
        "# Hooked functions\n\nGenerated from the table in `hami-core/src/table/`; `HAMI_BLESS=1 cargo test -p hami-core` \
         writes it anew. Every other\nfunction of the vendors' libraries is reached directly: it is not exported here.\n",
    );
    for (library, title) in [(Library::Cuda, "CUDA driver API"), (Library::Nvml, "NVML")] {
        page.push_str(&format!(
            "\n## {title}\n\n| function | class | found by name | from version | stream |\n|---|---|---|---|---|\n"
        ));
        for row in rows().filter(|row| row.library == library) {
            let class = format!("{:?}", row.class).to_lowercase();
            let version = if row.version == 0 { "–".to_owned() } else { row.version.to_string() };
            let also = row.also.map(|(lookup, since)| format!(", {} from {since}", lookup.to_str().unwrap()));
            let stream = if row.per_thread { "per thread" } else { "" };
            page.push_str(&format!(
                "| {} | {class} | {}{} | {version} | {stream} |\n",
                name(row),
                row.lookup.to_str().unwrap(),
                also.unwrap_or_default()
            ));
        }
    }
    page.push_str(&coverage::report());
    page
}

#[test]
fn the_page_of_hooked_functions_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hooked-functions.md");
    if std::env::var_os("HAMI_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page(), "docs/hooked-functions.md is not what the table gives: run with HAMI_BLESS=1");
}
