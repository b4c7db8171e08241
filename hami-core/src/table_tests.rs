//! The table: its rows against the vendors' lists and our declarations, and the page that is generated from it.

use ffi_headers::{cuda as ffi_cuda, nvml as ffi_nvml, symbols};

use super::*;

/// Fails to compile when a row's signature is not that of the header.
macro_rules! same_signature {
    ($($rows:ident, $ffi:ident: $($name:ident $(as $pfn:ident)?),* ;)*) => {
        $($( const _: same_signature!(@pfn $ffi $name $($pfn)?) = Some($rows::$name); )*)*
        const CHECKED: &[&str] = &[$($(stringify!($name)),*),*];
    };
    (@pfn $ffi:ident $name:ident $pfn:ident) => { $ffi::$pfn };
    (@pfn $ffi:ident $name:ident) => { pastey::paste! { $ffi::[<PFN_ $name>] } };
}

same_signature! {
    cuda, ffi_cuda: cuGetProcAddress, cuGetProcAddress_v2, cuInit, cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRelease,
        cuDevicePrimaryCtxRelease_v2, cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset_v2, cuCtxCreate, cuCtxCreate_v2,
        cuCtxCreate_v3, cuCtxCreate_v4, cuCtxDestroy, cuCtxDestroy_v2, cuMemAlloc, cuMemAlloc_v2, cuMemAllocPitch,
        cuMemAllocPitch_v2, cuMemAllocManaged, cuMemFree, cuMemFree_v2, cuMemAllocAsync,
        cuMemAllocAsync_ptsz as PFN_cuMemAllocAsync, cuMemAllocFromPoolAsync,
        cuMemAllocFromPoolAsync_ptsz as PFN_cuMemAllocFromPoolAsync, cuMemFreeAsync,
        cuMemFreeAsync_ptsz as PFN_cuMemFreeAsync, cuMemPoolCreate, cuMemPoolDestroy, cuMemGetInfo, cuMemGetInfo_v2, cuDeviceTotalMem, cuDeviceTotalMem_v2;
    nvml, ffi_nvml: nvmlDeviceGetMemoryInfo, nvmlDeviceGetMemoryInfo_v2;
}

fn name(row: &Row) -> &'static str {
    row.name.to_str().unwrap()
}

#[test]
fn every_row_has_its_signature_checked() {
    let rows: Vec<_> = rows().map(name).collect();
    assert_eq!(rows, CHECKED, "add the new row to same_signature! in table order");
}

#[test]
fn every_row_is_a_name_that_the_vendor_exports() {
    for row in rows() {
        let list = match row.library {
            // cuCtxCreate_v4 and later came after the newest driver whose list we have; the header has them.
            Library::Cuda if row.version > 12040 => continue,
            Library::Cuda => symbols::CUDA_550,
            Library::Nvml => symbols::NVML_550,
        };
        assert!(list.lines().any(|line| line == name(row)), "{} is in no list", name(row));
    }
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
    assert_eq!(found(c"cuLaunchKernel", 12040, false), None);
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
            let stream = if row.per_thread { "per thread" } else { "" };
            page.push_str(&format!(
                "| {} | {class} | {} | {version} | {stream} |\n",
                name(row),
                row.lookup.to_str().unwrap()
            ));
        }
    }
    page
}

#[test]
fn the_page_of_hooked_functions_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/hooked-functions.md");
    if std::env::var_os("HAMI_BLESS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page(), "run with HAMI_BLESS=1");
}
