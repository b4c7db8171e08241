//! Small C programs, compiled when a test needs one, with the machine's own compiler.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::run::Run;

/// A compiled program or shared library in a temporary folder, deleted with this value.
#[derive(Debug)]
pub struct Program {
    folder: TempDir,
}

const NAME: &str = "program";

impl Program {
    /// Compiles C source text with gcc. Options such as `-ldl`, `-pthread` or `-shared` go into `options`.
    ///
    /// # Panics
    /// When the compiler refuses the source; the message holds what it said.
    pub fn gcc(source: &str, options: &[&str]) -> Program {
        Program::compile("gcc", source, options)
    }

    /// Compiles C source text for musl with musl-gcc (Debian package musl-tools).
    ///
    /// # Panics
    /// When the compiler is missing or refuses the source.
    pub fn musl(source: &str, options: &[&str]) -> Program {
        Program::compile("musl-gcc", source, options)
    }

    fn compile(compiler: &str, source: &str, options: &[&str]) -> Program {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = folder.path().join("program.c");
        std::fs::write(&text, source).expect("the source in the temporary folder");
        Run::new(compiler)
            .args(["-std=gnu11", "-O1", "-Wall", "-Werror", "-fPIC", "-o"])
            .arg(folder.path().join(NAME))
            .arg(&text)
            .args(options)
            .output()
            .succeeded();
        Program { folder }
    }

    /// The compiled file.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    /// The folder that holds it, for files beside it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
