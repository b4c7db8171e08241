//! The files of this run, its region and its limits, and those that earlier runs left.
//!
//! A region counts as used while anybody has it open. The library opens it at the first device call; until then, and
//! between two programs of a shell, the descriptor counts that the command and all it starts inherit from here.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::fcntl::{FcntlArg, fcntl};
use nix::unistd::geteuid;
use shared_region::limits::{self, Limit, LimitsWriter};
use shared_region::{Access, Region};

use super::Environment;
use crate::variables::{RUNTIME_DIR, TEMPORARY_DIR};

/// The lowest number for the inherited descriptor: shell scripts use those below by number.
const LOWEST_DESCRIPTOR: i32 = 64;

const PREFIX: &str = "run-";
const SUFFIX: &str = ".region";

/// The region of this run.
#[derive(Debug)]
pub struct RunRegion {
    region: Region,
}

/// Removes what no run uses any more, and creates a region for this one, with limits beside it that may be changed while the
/// command runs.
///
/// # Errors
/// The folder or the file that cannot be used, and why.
pub fn prepare(environment: &Environment, limit: Limit) -> anyhow::Result<RunRegion> {
    let folder = folder(environment)?;
    remove_unused(&folder);
    let number = RandomState::new().hash_one(0); // seeded from the system's random numbers
    let path = folder.join(format!("{PREFIX}{}-{number:016x}{SUFFIX}", std::process::id()));
    let region = Region::open_or_create(&path, Access::default())?;
    // The duplicate has no FD_CLOEXEC and is never closed here. A process may be limited to fewer descriptors than that.
    let duplicate = |lowest| fcntl(&region, FcntlArg::F_DUPFD(lowest));
    duplicate(LOWEST_DESCRIPTOR)
        .or_else(|_| duplicate(3))
        .with_context(|| format!("region {}: cannot duplicate its descriptor", path.display()))?;
    let run = RunRegion { region };
    match LimitsWriter::create(&path, Access::default()).and_then(|limits| limits.set(None, limit)) {
        Ok(()) => Ok(run),
        Err(error) => {
            run.discard();
            Err(error.into())
        }
    }
}

/// Removes the regions of runs whose processes have all ended. Best effort: the disk space is all that depends on it.
fn remove_unused(folder: &Path) {
    let Ok(entries) = folder.read_dir() else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(PREFIX) || !name.ends_with(SUFFIX) {
            continue;
        }
        // An error means that the file is not ours to judge.
        let _removed = Region::remove_if_unused(&path);
    }
}

/// The folder for region files, made if there is none; nobody else may enter it.
fn folder(environment: &Environment) -> anyhow::Result<PathBuf> {
    let user = geteuid().as_raw();
    let variable = |name: &str| environment.get(OsStr::new(name)).map(PathBuf::from).filter(|path| path.is_absolute());
    // The runtime folder of somebody else (kept by sudo, say) is no place for files of this user.
    let own = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_dir() && meta.uid() == user);
    let runtime = variable(RUNTIME_DIR).filter(own).map(|path| path.join("hami"));
    let temporary = variable(TEMPORARY_DIR).unwrap_or_else(|| "/tmp".into());
    let shared = ["/dev/shm".into(), temporary].map(|parent: PathBuf| Some(parent.join(format!("hami-{user}"))));
    let mut failures = String::new();
    for path in [runtime].into_iter().chain(shared).flatten() {
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                failures += &format!("\n  {}: {error}", path.display());
                continue;
            }
            _ => {}
        }
        // Somebody else's folder at a place that is ours is no reason to look further: it may be an attack.
        check_private(&path, user).with_context(|| format!("folder '{}'", path.display()))?;
        return Ok(path);
    }
    bail!("there is no place for the region file; tried to make:{failures}")
}

/// Checks that nobody but this user can reach what is in a folder.
fn check_private(path: &Path, user: u32) -> anyhow::Result<()> {
    let meta = path.symlink_metadata()?;
    ensure!(meta.is_dir(), "not a folder; remove it");
    ensure!(meta.uid() == user, "belongs to user {}, not to this one ({user}); have it removed", meta.uid());
    let mode = meta.mode() & 0o7777;
    ensure!(mode & 0o077 == 0, "open to others (mode {mode:o}); run `chmod 700` on it if you trust what is in it");
    Ok(())
}

impl RunRegion {
    /// The file.
    pub fn path(&self) -> &Path {
        self.region.path()
    }

    /// Removes the files: the command did not start.
    pub fn discard(self) {
        // The next run would remove them as well.
        let _removed = std::fs::remove_file(limits::path_of(self.region.path()));
        let _removed = std::fs::remove_file(self.region.path());
    }
}
