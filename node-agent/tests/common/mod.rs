//! Runs `hami` in an environment of its own: its own runtime folder, and a library that only has to be loadable.
#![allow(dead_code)] // each test program uses its part

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// Variables of the machine's own environment that `hami` or the loader would read.
const READ_BY_HAMI: &[&str] = &[
    "LD_PRELOAD",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_MEMORY_LIMIT",
    "CUDA_DEVICE_MEMORY_SHARED_CACHE",
    "CUDA_DEVICE_SM_LIMIT",
    "GPU_CORE_UTILIZATION_POLICY",
    "CUDA_TASK_PRIORITY",
    "CUDA_OVERSUBSCRIBE",
    "ACTIVE_OOM_KILLER",
    "HAMI_CORE_LIBRARY",
];

/// A folder with a runtime folder and a library in it, deleted with this value.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        std::fs::create_dir(place.path("runtime")).expect("the runtime folder");
        build_library(&place.library());
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn library(&self) -> PathBuf {
        self.path("libhami_core.so")
    }

    /// The files in the folder for regions, but for the limits beside each.
    pub fn regions(&self) -> Vec<PathBuf> {
        let entries = self.path("runtime/hami").read_dir().expect("the folder for regions");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_none_or(|ending| ending != "limits")).collect()
    }

    /// `hami run` with these arguments, not started yet.
    pub fn hami_run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hami"));
        command.arg("run").args(arguments);
        for name in READ_BY_HAMI {
            command.env_remove(name);
        }
        command.env("XDG_RUNTIME_DIR", self.path("runtime")).env("HAMI_CORE_LIBRARY", self.library());
        command
    }

    /// Runs `hami run` with these arguments to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.hami_run(arguments).output().expect("hami starts")
    }
}

/// Makes an empty shared library.
pub fn build_library(path: &Path) {
    let mut compiler = Command::new("gcc");
    compiler.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(path);
    assert!(compiler.status().expect("gcc starts").success(), "{compiler:?}");
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks that `hami` itself ended with this status, wrote nothing to standard output, and said all of `words`.
#[track_caller]
pub fn assert_refused(output: &Output, status: i32, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(stdout(output), "", "the command ran");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
}
