//! Generates the exported names without behaviour, and names the library as the vendor does.
#[path = "../build-support/exports.rs"]
mod exports;

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rerun-if-changed=../build-support");
    let defined = exports::defined_names(&Path::new(&manifest).join("src"));
    let mut stubs = String::new();
    for name in exports::vendor_names(&exports::symbols_dir(&manifest), "libnvidia-ml.") {
        if !defined.contains(&name) {
            writeln!(
                stubs,
                "#[unsafe(no_mangle)]\npub extern \"C\" fn {name}() -> nvmlReturn_t \
                 {{ simulator::faults::injected(\"{name}\").unwrap_or(NVML_ERROR_NOT_SUPPORTED) }}"
            )
            .expect("a String takes all");
        }
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("stubs.rs"), stubs).expect("write stubs.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libnvidia-ml.so.1");
}
