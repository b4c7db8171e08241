//! Tenants with a share of a device's time, and several of them at once in one simulation.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::tenant::{MEMORY_LIMIT, REGION};
use crate::{Run, Running, artefacts, poll};

/// The variable that limits compute, in percent.
pub const CORES: &str = "CUDA_DEVICE_SM_LIMIT";
/// The variable that says how the limit is meant.
pub const POLICY: &str = "GPU_CORE_UTILIZATION_POLICY";
/// The variable that names the file in which the tenants of a machine take turns.
pub const TURNS: &str = "HAMI_TURNS";

/// How long tests wait for a line that a program prints sooner or later.
const PATIENCE: Duration = Duration::from_secs(30);

/// One simulation's tenants: a folder for their regions and what they print. Deleted with this value.
#[derive(Debug)]
pub struct Sharing {
    folder: TempDir,
}

/// A tenant of it: its name, and what its environment says.
#[derive(Debug, Clone)]
pub struct Share {
    name: String,
    environment: Vec<(String, String)>,
}

impl Share {
    /// A tenant without limits.
    pub fn new(name: &str) -> Share {
        Share { name: name.to_owned(), environment: Vec::new() }
    }

    /// Limits its compute.
    pub fn cores(self, percent: &str) -> Share {
        self.env(CORES, percent)
    }

    /// Says how its limit is meant.
    pub fn policy(self, policy: &str) -> Share {
        self.env(POLICY, policy)
    }

    /// Limits its memory.
    pub fn memory(self, limit: &str) -> Share {
        self.env(MEMORY_LIMIT, limit)
    }

    /// Sets another variable.
    pub fn env(mut self, name: &str, value: &str) -> Share {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl Default for Sharing {
    fn default() -> Self {
        Self::new()
    }
}

impl Sharing {
    /// A simulation's worth of tenants.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new() -> Sharing {
        Sharing { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The tenant's region file; its first process makes it.
    pub fn region(&self, share: &Share) -> PathBuf {
        self.folder.path().join(format!("{}.region", share.name))
    }

    /// The file in which they take turns.
    pub fn turns(&self) -> PathBuf {
        self.folder.path().join("turns")
    }

    fn environment(&self, share: &Share) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
        let mut all = share.environment.clone();
        all.push(("LD_PRELOAD".to_owned(), text(artefacts::library())));
        all.push((REGION.to_owned(), text(self.region(share))));
        all.push((TURNS.to_owned(), text(self.turns())));
        all
    }

    /// Puts one command under the tenant's limits.
    pub fn hold(&self, share: &Share, run: Run) -> Run {
        self.environment(share).iter().fold(run, |run, (name, value)| run.env(name, value))
    }

    /// Starts a command for each tenant, all in one simulation with these options; a `None` runs without the library.
    ///
    /// # Panics
    /// When the simulation cannot be started.
    pub fn start(&self, options: &[&str], commands: &[(Option<&Share>, &str, Vec<String>)]) -> Together {
        let mut script = String::new();
        for (share, name, words) in commands {
            let settings = share.map(|share| self.environment(share)).unwrap_or_default();
            let settings = settings.iter().map(|(name, value)| quoted(&format!("{name}={value}")));
            let words: Vec<_> = settings.chain(words.iter().map(|word| quoted(word))).collect();
            let output = quoted(self.output(name).to_str().expect("a path in UTF-8"));
            script += &format!("env {} > {output} 2>&1 &\necho {name} $!\n", words.join(" "));
        }
        script += "wait\n";
        let run = Run::new("sh").args(["-c", &script]).within(Duration::from_secs(120));
        let outputs = commands.iter().map(|(_, name, _)| ((*name).to_owned(), self.output(name))).collect();
        Together { running: run.simulated(options).start(), outputs }
    }

    fn output(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.output"))
    }
}

/// Programs that run in one simulation; they are killed when this value is dropped.
#[derive(Debug)]
pub struct Together {
    running: Running,
    outputs: Vec<(String, PathBuf)>,
}

impl Together {
    /// What the program has printed so far, on both outputs.
    ///
    /// # Panics
    /// When there is no program of this name.
    pub fn said(&self, name: &str) -> String {
        let output = self.outputs.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no program {name}"));
        std::fs::read_to_string(&output.1).unwrap_or_default()
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// When it has not started or has ended.
    pub fn signal(&self, name: &str, signal: Signal) {
        let pid = poll::poll(PATIENCE, || {
            let stdout = self.running.stdout();
            stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        });
        let pid = pid.unwrap_or_else(|| panic!("{name} has not started"));
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{name}: {signal}: {error}"));
    }

    /// Waits until the program's lines that begin with `word`, those before `skip` left out, hold a figure that is `wanted`; how
    /// many such lines there were then.
    ///
    /// # Panics
    /// When none comes in time; the message holds what it printed.
    pub fn until(&self, name: &str, word: &str, skip: usize, wanted: impl Fn(f64) -> bool) -> usize {
        let found = poll::poll(PATIENCE, || {
            let figures = figures(&self.said(name), word);
            figures.iter().skip(skip).any(|figure| wanted(*figure)).then_some(figures.len())
        });
        found.unwrap_or_else(|| panic!("{name}: no such '{word}' from line {skip} on: {}", self.said(name)))
    }

    /// Waits for the end of all and gives what each printed, in order.
    ///
    /// # Panics
    /// When they do not end in time.
    pub fn finish(self) -> Vec<String> {
        let Together { running, outputs } = self;
        running.finish().succeeded();
        outputs.iter().map(|(_, path)| std::fs::read_to_string(path).expect("the program's output")).collect()
    }
}

/// The figures of all lines that begin with this word.
pub fn figures(text: &str, word: &str) -> Vec<f64> {
    text.lines().filter_map(|line| line.strip_prefix(word)?.trim().parse().ok()).collect()
}

/// The figure of the one line that begins with this word.
///
/// # Panics
/// When there is none, or more than one.
pub fn only(text: &str, word: &str) -> f64 {
    let found = figures(text, word);
    assert_eq!(found.len(), 1, "one line '{word}': {text}");
    found[0]
}

/// A command line of a program and its arguments.
pub fn words(program: &Path, arguments: &[&str]) -> Vec<String> {
    let program = program.to_str().expect("a path in UTF-8").to_owned();
    std::iter::once(program).chain(arguments.iter().map(|word| (*word).to_owned())).collect()
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
