//! What the built library exports, and what cuGetProcAddress makes of it.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::collections::BTreeSet;
use std::ffi::{CString, c_void};
use std::ptr::null_mut;

use common::{cu, library_path, lookup};
use ffi_headers::cuda::*;
use ffi_headers::symbols;
use goblin::elf::Elf;

/// What came after the 550 driver, up to CUDA 13.0.
fn names_of_cuda_13() -> impl Iterator<Item = &'static str> {
    symbols::CUDA_13_5.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let version: i32 = words[2].parse().expect("a version");
        (12040 < version && version <= 13000).then_some(words[0])
    })
}

fn vendor_names() -> BTreeSet<&'static str> {
    let listed = symbols::CUDA_535.split_whitespace().chain(symbols::CUDA_550.split_whitespace());
    listed.chain(names_of_cuda_13()).collect()
}

#[test]
fn every_vendor_name_is_exported_and_no_other() {
    let file = std::fs::read(library_path()).expect("the library");
    let elf = Elf::parse(&file).expect("an ELF file");
    let defined = elf.dynsyms.iter().filter(|symbol| symbol.st_shndx != 0 && symbol.st_bind() != 0);
    let exported: BTreeSet<_> = defined.filter_map(|symbol| elf.dynstrtab.get_at(symbol.st_name)).collect();
    let vendor = vendor_names();
    assert!(vendor.len() > 600);
    assert_eq!(vendor.difference(&exported).collect::<Vec<_>>(), Vec::<&&str>::new(), "missing");
    assert_eq!(exported.difference(&vendor).collect::<Vec<_>>(), Vec::<&&str>::new(), "foreign");
    assert_eq!(elf.soname, Some("libcuda.so.1"));
    // Its own functions stay its own when another library exports the same names.
    let symbolic = elf.dynamic.expect("a dynamic section").info.flags & goblin::elf::dynamic::DF_SYMBOLIC;
    assert_ne!(symbolic, 0);
}

/// Result code, status and address of a look-up.
fn look_up(name: &str, version: i32, flags: u64) -> (CUresult, CUdriverProcAddressQueryResult, *mut c_void) {
    let name = CString::new(name).expect("no NUL");
    let (mut address, mut status) = (7 as *mut c_void, 77);
    let result = cu!(cuGetProcAddress_v2(name.as_ptr(), &mut address, version, flags, &mut status));
    (result, status, address)
}

fn found(name: &str) -> (CUresult, CUdriverProcAddressQueryResult, *mut c_void) {
    (CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SUCCESS, lookup(name))
}

#[test]
fn the_newest_variant_that_the_version_knows_is_found() {
    for (name, version, export) in [
        ("cuMemAlloc", 2000, "cuMemAlloc"),
        ("cuMemAlloc", 3010, "cuMemAlloc"),
        ("cuMemAlloc", 3020, "cuMemAlloc_v2"),
        ("cuMemAlloc", 13000, "cuMemAlloc_v2"),
        ("cuCtxCreate", 11030, "cuCtxCreate_v2"),
        ("cuCtxCreate", 11040, "cuCtxCreate_v3"),
        // The driver presented, 550, knows no newer one, although the library has it.
        ("cuCtxCreate", 13000, "cuCtxCreate_v3"),
        ("cuGetProcAddress", 11030, "cuGetProcAddress"),
        ("cuGetProcAddress", 12000, "cuGetProcAddress_v2"),
        ("cuMemPrefetchAsync", 12010, "cuMemPrefetchAsync"),
        ("cuMemPrefetchAsync", 12020, "cuMemPrefetchAsync_v2"),
        ("cuInit", 2000, "cuInit"),
    ] {
        assert_eq!(look_up(name, version, 0), found(export), "{name} {version}");
        assert_eq!(look_up(name, version, 1), found(export), "{name} {version}");
    }
}

#[test]
fn a_form_for_the_threads_own_stream_is_found_where_there_is_one() {
    for (name, version, export) in [
        ("cuMemcpyHtoD", 12000, "cuMemcpyHtoD_v2_ptds"),
        ("cuMemcpyHtoD", 6050, "cuMemcpyHtoD_v2"),
        ("cuLaunchKernel", 12000, "cuLaunchKernel_ptsz"),
        ("cuMemAllocAsync", 11020, "cuMemAllocAsync_ptsz"),
        ("cuCtxCreate", 12000, "cuCtxCreate_v3"),
        ("cuStreamGetCaptureInfo", 12040, "cuStreamGetCaptureInfo_v3_ptsz"),
    ] {
        assert_eq!(look_up(name, version, 2), found(export), "{name} {version}");
    }
}

#[test]
fn what_is_not_found_says_why() {
    let unknown = (CUDA_ERROR_NOT_FOUND, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, null_mut());
    for name in ["cuNoSuchThing", "cuMemAlloc_v2", "cuLaunchKernel_ptsz", ""] {
        assert_eq!(look_up(name, 12040, 0), unknown, "{name}");
    }
    assert_eq!(look_up("cuMemGetMemPool", 13000, 0), unknown, "newer than the driver presented");
    let too_old = (CUDA_ERROR_NOT_FOUND, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT, null_mut());
    assert_eq!(look_up("cuMemAllocAsync", 11010, 0), too_old);
    assert_eq!(look_up("cuInit", 12040, 4).0, CUDA_ERROR_INVALID_VALUE);
    let (mut address, mut status) = (null_mut(), 0);
    let no_name = cu!(cuGetProcAddress_v2(std::ptr::null(), &mut address, 12040, 0, &mut status));
    assert_eq!(no_name, CUDA_ERROR_INVALID_VALUE);
    // The status may be left out, and the first form has none.
    assert_eq!(cu!(cuGetProcAddress_v2(c"cuInit".as_ptr(), &mut address, 12040, 0, null_mut())), CUDA_SUCCESS);
    assert_eq!(cu!(cuGetProcAddress(c"cuInit".as_ptr(), &mut address, 12040, 0)), CUDA_SUCCESS);
    assert_eq!(address, lookup("cuInit"));
}

#[test]
fn every_exported_function_can_be_found_by_its_base_name() {
    // Exported by the drivers, and in none of the vendor's published lists of functions.
    let unpublished = ["cuMemGetAttribute", "cuMemGetAttribute_v2", "cuEGLApiInit"];
    let newer: BTreeSet<_> = names_of_cuda_13().collect();
    for name in vendor_names().difference(&newer) {
        if !name.starts_with("cu") || name.starts_with("cudbg") || unpublished.contains(name) {
            continue;
        }
        let name = name.trim_end_matches("_ptds").trim_end_matches("_ptsz");
        let base = match name.rsplit_once("_v") {
            Some((base, number)) if number.len() == 1 => base,
            _ => name,
        };
        let (result, _, address) = look_up(base, 12040, 0);
        assert_eq!((result, address.is_null()), (CUDA_SUCCESS, false), "{base}");
    }
}

#[test]
fn every_error_has_a_name_and_a_text() {
    let text = |code| {
        let (mut name, mut text) = (std::ptr::null(), std::ptr::null());
        assert_eq!(cu!(cuGetErrorName(code, &mut name)), cu!(cuGetErrorString(code, &mut text)));
        if name.is_null() {
            assert!(text.is_null());
            return None;
        }
        // SAFETY: not null, so strings that live as long as the library.
        let both = unsafe { (std::ffi::CStr::from_ptr(name), std::ffi::CStr::from_ptr(text)) };
        Some((both.0.to_str().expect("text"), both.1.to_str().expect("text")))
    };
    assert_eq!(text(CUDA_ERROR_OUT_OF_MEMORY), Some(("CUDA_ERROR_OUT_OF_MEMORY", "out of memory")));
    assert_eq!(text(CUDA_SUCCESS), Some(("CUDA_SUCCESS", "no error")));
    assert_eq!(text(CUDA_ERROR_UNKNOWN), Some(("CUDA_ERROR_UNKNOWN", "unknown error")));
    assert_eq!(text(12345), None);
}

#[test]
fn before_initialisation_every_call_says_so() {
    // This test program never calls cuInit.
    let mut count = 0;
    assert_eq!(cu!(cuDeviceGetCount(&mut count)), CUDA_ERROR_NOT_INITIALIZED);
    let mut address = 0;
    assert_eq!(cu!(cuMemAlloc_v2(&mut address, 1)), CUDA_ERROR_NOT_INITIALIZED);
    assert_eq!(cu!(cuCtxSynchronize()), CUDA_ERROR_NOT_INITIALIZED);
    assert_eq!(cu!(cuInit(1)), CUDA_ERROR_INVALID_VALUE);
}
