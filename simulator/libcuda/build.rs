//! Gives the library its soname, and writes stubs for the names without behaviour and the table of cuGetProcAddress.
#[path = "../build-support/exports.rs"]
mod exports;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    // A driver hands out its own functions: a library that exports the same names must not take their place in here.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    println!("cargo:rerun-if-changed=../build-support");
    println!("cargo:rerun-if-changed=entry_points.txt");

    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let vendor = exports::vendor_names(&exports::symbols_dir(&manifest), "libcuda.");
    let defined = exports::defined_names(&Path::new(&manifest).join("src"));
    let foreign: Vec<_> = defined.difference(&vendor).collect();
    assert!(foreign.is_empty(), "not exported by the modelled drivers: {foreign:?}");

    let mut stubs = String::new();
    for name in vendor.difference(&defined) {
        writeln!(
            stubs,
            "#[unsafe(no_mangle)] extern \"C\" fn {name}() -> CUresult \
             {{ simulator::faults::injected(\"{name}\").unwrap_or(CUDA_ERROR_NOT_SUPPORTED) }}"
        )
        .expect("write to a string");
    }
    fs::write(Path::new(&out).join("stubs.rs"), stubs).expect("write stubs.rs");
    fs::write(Path::new(&out).join("entry_points.rs"), entry_points()).expect("write entry_points.rs");
}

/// The rows of `entry_points.txt` as a table sorted by base name and version, with the address of each function.
fn entry_points() -> String {
    let text = fs::read_to_string("entry_points.txt").expect("read entry_points.txt");
    let mut rows = BTreeMap::new();
    let mut exports = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let (base, version, plain, per_thread) = match words[..] {
            [base, version, plain] => (base, version, plain, "None".to_owned()),
            [base, version, plain, since, per_thread] => {
                exports.insert(per_thread);
                (base, version, plain, format!("Some(({since}, Function({per_thread})))"))
            }
            _ => panic!("entry_points.txt: cannot read '{line}'"),
        };
        exports.insert(plain);
        let number: i32 = version.parse().expect("entry_points.txt: a version is a number");
        let row = format!(
            "EntryPoint {{ base: \"{base}\", version: {version}, plain: Function({plain}), per_thread: {per_thread} }},"
        );
        assert!(rows.insert((base, number), row).is_none(), "entry_points.txt: two rows for {base} {version}");
    }
    let mut code = String::from("unsafe extern \"C\" {\n");
    for name in exports {
        writeln!(code, "    fn {name}();").expect("write to a string");
    }
    code.push_str("}\n/// Sorted by base name, then by version.\npub static ENTRY_POINTS: &[EntryPoint] = &[\n");
    for row in rows.values() {
        writeln!(code, "    {row}").expect("write to a string");
    }
    code.push_str("];\n");
    code
}
