//! Programs of an older system: the library loads in a Debian bullseye root (glibc 2.31), lazily and eagerly bound.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use hami_tests::{Run, artefacts};
use tempfile::TempDir;

/// The library inside the root, in a folder of its own that goes away with the value.
struct Root {
    path: PathBuf,
    folder: TempDir,
}

impl Root {
    fn new() -> Root {
        let path = artefacts::client("bullseye");
        let folder = tempfile::tempdir_in(path.join("tmp")).expect("a folder in the old root: the test needs root");
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("our own folder");
        std::fs::copy(artefacts::library(), folder.path().join("library.so")).expect("the library in the old root");
        Root { path, folder }
    }

    /// The library's path as a program in the root sees it.
    fn library(&self) -> PathBuf {
        let inside = self.folder.path().join("library.so");
        PathBuf::from("/").join(inside.strip_prefix(&self.path).expect("the folder lies in the root"))
    }

    fn run(&self, command: &[&str], settings: &[String]) -> Run {
        Run::new("chroot").arg(&self.path).arg("/usr/bin/env").args(settings).args(command)
    }
}

/// dash and ls load no libpthread and no libdl here, which the library must not need; bash and python3 do more.
const COMMANDS: &[&[&str]] = &[
    &["/bin/ls", "-d", "/", "/etc"],
    &["/bin/sh", "-c", "echo $0; exit 5"],
    &["/bin/bash", "-c", "for i in 1 2; do /bin/echo $i; done; exit 6"],
    &["/usr/bin/python3", "-c", "import os, sys; print(os.getpid() > 0, file=sys.stderr); sys.exit(7)"],
    &["/bin/true"],
];

#[test]
fn programs_start_and_behave_the_same() {
    let root = Root::new();
    let preload = format!("LD_PRELOAD={}", root.library().display());
    for command in COMMANDS {
        let native = root.run(command, &[]).output();
        for binding in ["LD_BIND_NOW=", "LD_BIND_NOW=1"] {
            for limit in ["CUDA_DEVICE_MEMORY_LIMIT=", "CUDA_DEVICE_MEMORY_LIMIT=4g", "CUDA_DEVICE_MEMORY_LIMIT=abc"] {
                root.run(command, &[preload.clone(), binding.into(), limit.into()]).output().same_as(&native);
            }
        }
    }
}

#[test]
fn the_root_is_older_than_the_machine_that_builds() {
    let version = Root::new().run(&["/usr/bin/ldd", "--version"], &[]).output().succeeded();
    assert!(version.stdout.contains(" 2.31"), "{version}");
}

#[test]
fn a_library_that_does_not_load_is_noticed() {
    let root = Root::new();
    let output = root.run(&["/bin/true"], &["LD_PRELOAD=/nowhere.so".into()]).output();
    assert!(output.stderr.contains("/nowhere.so"), "{output}");
}
