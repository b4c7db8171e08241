//! Writes two lists of vendor names: what the simulated libraries export, and what of that has no behaviour.
#[path = "build-support/exports.rs"]
mod exports;

use std::path::Path;
use std::{env, fs};

fn main() {
    let manifest = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let symbols = exports::symbols_dir(&manifest);
    println!("cargo:rerun-if-changed=build-support");
    let (mut exported, mut unsupported) = (String::new(), String::new());
    for (prefix, folder, soname) in
        [("libcuda.", "libcuda", "libcuda.so.1"), ("libnvidia-ml.", "libnvidia-ml", "libnvidia-ml.so.1")]
    {
        let defined = exports::defined_names(&Path::new(&manifest).join(folder).join("src"));
        for name in exports::vendor_names(&symbols, prefix) {
            let line = format!("{soname} {name}\n");
            exported.push_str(&line);
            if !defined.contains(&name) {
                unsupported.push_str(&line);
            }
        }
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("exported.txt"), exported).expect("write exported.txt");
    fs::write(Path::new(&out).join("unsupported.txt"), unsupported).expect("write unsupported.txt");
}
