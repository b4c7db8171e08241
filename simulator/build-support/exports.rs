//! Build-time helper of the simulated vendor libraries: which exported names a driver has, which of them have behaviour here.
//!
//! A function has behaviour when a source file under the library's `src/` holds the text `extern "C" fn NAME`. Every other
//! name of the vendor lists becomes a stub that answers "not supported" and is printed by `simgpu --unsupported`.
//! Included by path from the build scripts, so each of them uses only a part of it.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of the vendor symbol lists, one exported name per line, relative to a crate directly under `simulator/`.
pub fn symbols_dir(manifest_dir: &str) -> PathBuf {
    let mut dir = PathBuf::from(manifest_dir);
    while !dir.join("ffi-headers/symbols").is_dir() {
        assert!(dir.pop(), "no ffi-headers/symbols above {manifest_dir}");
    }
    dir.join("ffi-headers/symbols")
}

/// Newest CUDA version of a modelled driver, and the newest of which a list of exports is at hand.
const NEWEST: u32 = 13000;
const NEWEST_LISTED: u32 = 12040;

/// The functions that came between those two: of them only the vendor's headers tell.
fn declared_names(symbols: &Path) -> Vec<String> {
    let text = fs::read_to_string(symbols.join("cuda-13.5-names.txt")).expect("read the names of CUDA 13");
    let name_and_version = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let version: u32 = words.get(2).and_then(|word| word.parse().ok()).expect("the third word is a version");
        (words[0].to_owned(), version)
    };
    let names = text.lines().map(name_and_version);
    names.filter(|(_, version)| (NEWEST_LISTED + 1..=NEWEST).contains(version)).map(|(name, _)| name).collect()
}

/// All names in the lists whose file name starts with `prefix` (`libcuda.` or `libnvidia-ml.`), and for `libcuda.` what newer
/// headers declare.
pub fn vendor_names(symbols: &Path, prefix: &str) -> BTreeSet<String> {
    println!("cargo:rerun-if-changed={}", symbols.display());
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(symbols).expect("read the symbol folder") {
        let path = entry.expect("read the symbol folder").path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.starts_with(prefix) {
            let text = fs::read_to_string(&path).expect("read a symbol list");
            names.extend(text.split_whitespace().map(str::to_owned));
        }
    }
    if prefix == "libcuda." {
        names.extend(declared_names(symbols));
    }
    assert!(!names.is_empty(), "no symbol list {prefix}* in {}", symbols.display());
    names
}

/// Names defined as `extern "C" fn NAME` in the `.rs` files under `src`; empty when the folder does not exist.
pub fn defined_names(src: &Path) -> BTreeSet<String> {
    println!("cargo:rerun-if-changed={}", src.display());
    let mut names = BTreeSet::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("read a source folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                collect_definitions(&fs::read_to_string(&path).expect("read a source file"), &mut names);
            }
        }
    }
    names
}

fn collect_definitions(text: &str, names: &mut BTreeSet<String>) {
    for rest in text.split("extern \"C\" fn ").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            names.insert(name);
        }
    }
}
