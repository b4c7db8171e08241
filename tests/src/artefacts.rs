//! Where the built files and the real clients are. A missing one fails the test with the command that makes it.

use std::path::{Path, PathBuf};

/// Names another folder than `target/release` for the built files.
pub const ARTEFACTS_VARIABLE: &str = "HAMI_ARTIFACTS";

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder lies in the repository")
}

/// The built library that is preloaded.
pub fn library() -> PathBuf {
    built("libhami_core.so")
}

/// The same library with points at which a test can kill or stop the process: `target/tests`, or beside the built files.
///
/// # Panics
/// When it is not there.
pub fn library_with_kill_points() -> PathBuf {
    const NAME: &str = "libhami_core_kill_points.so";
    let folder = std::env::var_os(ARTEFACTS_VARIABLE).map_or_else(|| repository().join("target/tests"), PathBuf::from);
    existing(folder.join(NAME), "make test-library")
}

/// The program that runs a command on simulated devices.
pub fn simgpu() -> PathBuf {
    built("simgpu")
}

/// The command-line program `hami`.
pub fn hami() -> PathBuf {
    built("hami")
}

/// A file or folder beneath the build's output folder.
///
/// # Panics
/// When it is not there.
pub fn built(name: &str) -> PathBuf {
    let folder =
        std::env::var_os(ARTEFACTS_VARIABLE).map_or_else(|| repository().join("target/release"), PathBuf::from);
    existing(folder.join(name), "make build")
}

/// A real program or folder that the set-up fetched, by its path beneath `target/clients`: `nvidia-550/nvidia-smi`, `venv/bin/python`.
///
/// # Panics
/// When it is not there.
pub fn client(path: &str) -> PathBuf {
    existing(repository().join("target/clients").join(path), "make setup")
}

fn existing(path: PathBuf, made_by: &str) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `{made_by}` (`make test` does it by itself)", path.display());
    path
}
