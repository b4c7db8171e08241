//! A tenant: a quota and a region of its own, so that tests side by side do not account together. And CUDA programs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::{Program, Run, artefacts};

/// The variable that limits device memory.
pub const MEMORY_LIMIT: &str = "CUDA_DEVICE_MEMORY_LIMIT";
/// The variable that names the region file.
pub const REGION: &str = "CUDA_DEVICE_MEMORY_SHARED_CACHE";

/// What the processes of one quota share. Its region is deleted with this value.
#[derive(Debug)]
pub struct Tenant {
    folder: TempDir,
    limit: String,
}

impl Tenant {
    /// A tenant with this value of `CUDA_DEVICE_MEMORY_LIMIT`.
    pub fn new(limit: &str) -> Tenant {
        Tenant { folder: tempfile::tempdir().expect("a temporary folder"), limit: limit.to_owned() }
    }

    /// Its region file; the first process makes it.
    pub fn region(&self) -> PathBuf {
        self.folder.path().join("region")
    }

    /// Puts a command under the quota.
    pub fn hold(&self, run: Run) -> Run {
        run.preloaded().env(MEMORY_LIMIT, &self.limit).env(REGION, self.region())
    }
}

/// Compiles `tests/programs/NAME.c`, with the vendor's declarations at hand.
pub fn program(name: &str, options: &[&str]) -> Program {
    let folder = artefacts::repository().join("tests/programs");
    let source = folder.join(name).with_extension("c");
    let source = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let include = |folder: &Path| format!("-I{}", folder.display());
    let headers = [include(&folder), include(&artefacts::repository().join("ffi-headers/include"))];
    let mut all: Vec<&str> = headers.iter().map(String::as_str).collect();
    all.extend(["-D_GNU_SOURCE", "-pthread"]);
    all.extend(options);
    Program::gcc(&source, &all)
}

/// The same, linked directly to the driver.
pub fn cuda_program(name: &str) -> Program {
    let driver = artefacts::built("simgpu-libs/libcuda.so.1");
    program(name, &[driver.to_str().expect("a path in UTF-8")])
}

/// A run of a program that asks for the simulator's books.
pub fn with_books(run: Run) -> Run {
    run.env("SIMGPU", artefacts::simgpu())
}
