//! Finding libhami_core.so, and making sure that the dynamic loader will take it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use super::Environment;
use crate::variables::{LIBRARY, PRELOAD};

const NAME: &str = "libhami_core.so";

/// Where an installation has the library, from the folder of `hami`.
const PLACES: [&str; 3] = ["", "../lib/hami", "../lib"];

/// The library's absolute path: the one given, by option or by variable, or else the first of [`PLACES`] that has it.
///
/// # Errors
/// Where it was looked for; or why the loader would pass over the one found, and leave the command without a limit.
pub fn find(given: Option<&Path>, environment: &Environment) -> anyhow::Result<PathBuf> {
    let variable = environment.get(OsStr::new(LIBRARY)).filter(|value| !value.is_empty());
    let path = match given.or(variable.map(Path::new)) {
        Some(path) => std::path::absolute(path).with_context(|| format!("library '{}'", path.display()))?,
        None => installed()?,
    };
    let splits = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b || matches!(*byte, b':' | b'$');
    if let Some(byte) = path.as_os_str().as_bytes().iter().find(|byte| splits(byte)) {
        bail!(
            "library '{}': the path has {:?} in it, at which {PRELOAD} would break it; put the library elsewhere and name it \
            by --library or {LIBRARY}",
            path.display(),
            char::from(*byte)
        );
    }
    check_elf(&path).with_context(|| format!("library '{}'", path.display()))?;
    Ok(path)
}

fn installed() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("own path")?;
    let folder = program.parent().unwrap_or(Path::new("/"));
    let candidates = PLACES.map(|place| folder.join(place).join(NAME));
    if let Some(found) = candidates.iter().find(|path| path.exists()) {
        // Without `..`, so that it is short in the environment of each process.
        return found.canonicalize().with_context(|| format!("library '{}'", found.display()));
    }
    let looked = candidates.map(|path| format!("\n  {}", path.display())).concat();
    bail!("{NAME} is not there; name it by --library or {LIBRARY}. Looked for:{looked}")
}

/// Refuses a file that the loader would not load: it says so in a line and runs the command without any limit.
fn check_elf(path: &Path) -> anyhow::Result<()> {
    let mut header = [0_u8; 20];
    File::open(path)?.read_exact(&mut header).context("not a shared library (too short, or not a file)")?;
    let machine = u16::from_ne_bytes([header[18], header[19]]); // e_machine, after e_ident and e_type
    ensure!(header.starts_with(b"\x7fELF"), "not a shared library (no ELF header)");
    ensure!(
        header[4] == 2 && machine == MACHINE,
        "built for another machine (ELF class {}, machine {machine})",
        header[4]
    );
    Ok(())
}

/// e_machine of the programs that can be run here: `EM_X86_64` or `EM_AARCH64`.
const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Puts the library at the head of what is preloaded, once.
pub fn preload(library: &Path, environment: &mut Environment) {
    let mut list = library.as_os_str().as_bytes().to_vec();
    if let Some(others) = environment.get(OsStr::new(PRELOAD)) {
        let others = others.as_bytes().split(|byte| matches!(byte, b' ' | b':'));
        for other in others.filter(|other| !other.is_empty() && *other != library.as_os_str().as_bytes()) {
            list.push(b':');
            list.extend_from_slice(other);
        }
    }
    environment.insert(PRELOAD.into(), OsString::from_vec(list));
}
