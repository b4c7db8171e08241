//! Where sequences run: a simulation with two small devices, and the programs that fork processes into it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;

use hami_tests::artefacts;
use simulator::SOCKET_ENV;
use simulator::client::Simulation;
use simulator::presets::{DRIVERS, Preset};
use simulator::server::Server;
use tempfile::TempDir;

use crate::Fault;
use crate::executor::Forker;
use crate::world::{DEVICES, MIB};

/// Memory of each device: little, so that it is full now and then.
const MEMORY: u64 = 2048 * MIB;
/// What the model takes for a context.
pub const CONTEXT: u64 = 96 * MIB;

/// See [`Bench::answers`].
pub type Answers = BTreeMap<String, [u64; 3]>;

/// One simulation. Sequences run in it one after the other.
pub struct Bench {
    /// With the library, and without.
    pub preloaded: Forker,
    pub bare: Forker,
    /// By function: how often it succeeded, was refused, failed otherwise.
    pub answers: Answers,
    simulation: Simulation,
    regions: u64,
    given: Vec<PathBuf>,
    said: PathBuf,
    /// How much of it was reported already.
    read: usize,
    // Last: dropped after those who use it.
    _server: Server,
    folder: TempDir,
}

impl Bench {
    /// # Panics
    /// When the simulation or the programs cannot be started.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join("simulation");
        let model = Preset::find("H200").expect("the default model");
        let description = model.describe(DEVICES, Some(MEMORY), &DRIVERS[0], CONTEXT);
        let server = Server::start(&socket, description).expect("a simulation");
        let simulation = Simulation::open_at(&socket).expect("a connection to it");
        let said = folder.path().join("said");
        let stderr = File::create(&said).expect("a file");
        let variables: Vec<(&str, OsString)> = vec![
            (SOCKET_ENV, socket.into_os_string()),
            ("LD_LIBRARY_PATH", artefacts::built("simgpu-libs").into_os_string()),
        ];
        let preload = ("LD_PRELOAD", artefacts::library().into_os_string());
        let bare = Forker::start(folder.path(), "bare", &variables, &stderr);
        let preloaded = Forker::start(folder.path(), "preloaded", &[variables, vec![preload]].concat(), &stderr);
        Self {
            preloaded,
            bare,
            answers: Answers::new(),
            simulation,
            regions: 0,
            given: Vec::new(),
            said,
            read: 0,
            _server: server,
            folder,
        }
    }

    /// The simulator's books.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Size of a device in bytes.
    pub fn total(&self, device: usize) -> u64 {
        self.simulation.total_bytes(device)
    }

    pub fn uuid(&self, device: usize) -> [u8; 16] {
        self.simulation.device(device).uuid
    }

    /// A region file's path that was not used before. The first tenant's comes first: the files of the sequence before it
    /// are deleted then.
    pub fn fresh_region(&mut self, tenant: usize) -> PathBuf {
        if tenant == 0 {
            self.given.drain(..).for_each(|path| drop(std::fs::remove_file(path)));
        }
        self.regions += 1;
        let path = self.folder.path().join(format!("region-{}", self.regions));
        self.given.push(path.clone());
        path
    }

    /// The processes have written nothing more to standard error.
    pub fn nothing_was_said(&mut self) -> Result<(), Fault> {
        let said = std::fs::read_to_string(&self.said).map_err(|error| Fault(format!("standard error: {error}")))?;
        let news = said[self.read..].to_owned();
        self.read = said.len();
        if news.is_empty() { Ok(()) } else { Err(Fault(format!("on standard error: {news}"))) }
    }
}
