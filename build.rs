//! Link options of libhami_core.so (hami-core's build script). What they cannot do, tools/slim_elf.py does afterwards.

fn main() {
    println!("cargo::rerun-if-changed=../build.rs");
    for option in [
        "-Wl,-soname,libhami_core.so",
        // The driver keeps addresses of our functions, so a dlclose must not unmap them.
        "-Wl,-z,nodelete",
        // Calls among our own exported functions (and the unwinder's dlsym) stay inside, without a symbol search.
        "-Wl,-Bsymbolic",
        // Every process under the preload pays for loading: a RELRO segment costs one more mapping, an mprotect and
        // page copies (15 of 30 microseconds measured above an empty library), eager binding one search per import.
        "-Wl,-z,norelro",
        "-Wl,-z,lazy",
        "-Wl,--hash-style=gnu",
    ] {
        println!("cargo::rustc-cdylib-link-arg={option}");
    }
}
