//! Writes the list behind `simgpu --unsupported`: vendor names that the simulated libraries export without behaviour.
#[path = "build-support/exports.rs"]
mod exports;

use std::path::Path;
use std::{env, fs};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let symbols = exports::symbols_dir(&manifest);
    println!("cargo:rerun-if-changed=build-support");
    let mut lines = String::new();
    for (prefix, folder, soname) in
        [("libcuda.", "libcuda", "libcuda.so.1"), ("libnvidia-ml.", "libnvidia-ml", "libnvidia-ml.so.1")]
    {
        let defined = exports::defined_names(&Path::new(&manifest).join(folder).join("src"));
        for name in exports::vendor_names(&symbols, prefix) {
            if !defined.contains(&name) {
                lines.push_str(&format!("{soname} {name}\n"));
            }
        }
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("unsupported.txt");
    fs::write(out, lines).expect("write unsupported.txt");
}
