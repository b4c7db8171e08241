//! Where calls fail on purpose: a simulation with one device, and a program that forks a fresh process for each case.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use hami_tests::{Program, artefacts, poll_until, tenant};
use shared_region::{Access, Region};
use simulator::SOCKET_ENV;
use simulator::client::Simulation;
use simulator::faults::FAIL_ENV;
use simulator::presets::{DRIVERS, Preset};
use simulator::server::Server;
use tempfile::TempDir;

/// 2²⁰ bytes.
pub const MIB: u64 = 1 << 20;
/// Memory of the device.
pub const MEMORY: u64 = 16 << 30;
/// The tenant's part of it.
pub const QUOTA: u64 = 1 << 30;
/// What the model takes for a context.
pub const CONTEXT: u64 = 96 * MIB;
/// How long one call may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a process is shown of the device, unless the question failed: bytes in use, and in all.
pub type Shown = Option<(u64, u64)>;

/// A call, and everything that tells what is in use after it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The call, as it was ordered.
    pub order: String,
    /// What it answered.
    pub result: i32,
    /// What it is to answer.
    pub right: i32,
    /// What the simulator has given the process, in bytes.
    pub own: u64,
    /// The region's sum, directly after the call and after the process has looked at its views.
    pub region: [u64; 2],
    /// What the region says that each process holds; by PID.
    pub holders: Vec<(u32, u64)>,
    /// cuMemGetInfo.
    pub info: Shown,
    /// nvmlDeviceGetMemoryInfo.
    pub nvml: Shown,
}

impl Step {
    /// Whether it answered what it is to answer.
    pub fn succeeded(&self) -> bool {
        self.result == self.right
    }

    /// The function that was called.
    pub fn function(&self) -> &str {
        self.order.split(' ').next().expect("an order")
    }
}

/// One process from its start to its end.
#[derive(Debug, Clone)]
pub struct Life {
    pub pid: u32,
    pub steps: Vec<Step>,
    /// How it ended, as `wait` tells; 0 is an exit with 0.
    pub status: i32,
    /// What it has written to standard error.
    pub said: String,
}

fn program() -> &'static Program {
    static BUILT: OnceLock<Program> = OnceLock::new();
    BUILT.get_or_init(|| {
        let libraries = ["libcuda.so.1", "libnvidia-ml.so.1"].map(|name| artefacts::built("simgpu-libs").join(name));
        let libraries = libraries.map(|path| path.display().to_string());
        tenant::program("failures", &["-Wl,--no-as-needed", &libraries[0], &libraries[1]])
    })
}

/// See the module.
pub struct Bench {
    program: Child,
    orders: UnixStream,
    answers: BufReader<UnixStream>,
    simulation: Simulation,
    pub hooked: bool,
    said: PathBuf,
    /// How much of it was reported already.
    read: usize,
    lives: u32,
    // Last: dropped after those who use it.
    _server: Server,
    folder: TempDir,
}

impl Bench {
    /// Starts the simulation, in which a context takes so many bytes, and the program with or without the library.
    ///
    /// # Panics
    /// When one of them cannot be started.
    pub fn start(hooked: bool, context: u64) -> Self {
        Self::start_by(&[], hooked, context)
    }

    /// The same with a context of the usual size and the library, in a PID namespace, where NVML does not know a process by
    /// its own number.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_in_namespace() -> Self {
        let root = nix::unistd::Uid::effective().is_root();
        let user: &[&str] = if root { &[] } else { &["--user", "--map-root-user"] };
        Self::start_by(&[&["unshare", "--pid", "--fork", "--mount-proc"], user].concat(), true, CONTEXT)
    }

    fn start_by(around: &[&str], hooked: bool, context: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let model = Preset::find("H200").expect("the default model");
        let description = model.describe(1, Some(MEMORY), &DRIVERS[0], context);
        let server = Server::start(&path("simulation"), description).expect("a simulation");
        let simulation = Simulation::open_at(&path("simulation")).expect("a connection to it");
        let mut variables: Vec<(&str, OsString)> = vec![
            (SOCKET_ENV, path("simulation").into_os_string()),
            ("LD_LIBRARY_PATH", artefacts::built("simgpu-libs").into_os_string()),
        ];
        if hooked {
            variables.push(("LD_PRELOAD", artefacts::library().into_os_string()));
            variables.push((tenant::MEMORY_LIMIT, QUOTA.to_string().into()));
        }
        let listener = UnixListener::bind(path("orders")).expect("a socket");
        let mut line: Vec<OsString> = around.iter().map(OsString::from).collect();
        line.extend([program().path(), path("orders"), path("code")].map(PathBuf::into_os_string));
        let program = Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .envs(variables)
            .stdin(Stdio::null())
            .stderr(File::create(path("said")).expect("a file"))
            .spawn()
            .expect("the compiled program");
        let (orders, _) = listener.accept().expect("the program calls at once");
        orders.set_read_timeout(Some(PATIENCE)).expect("a limit above zero");
        let answers = BufReader::new(orders.try_clone().expect("a second descriptor"));
        let said = path("said");
        Self { program, orders, answers, simulation, hooked, said, read: 0, lives: 0, _server: server, folder }
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("the program is gone".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(format!("no answer within {PATIENCE:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The answer to an order; `Err` with the status when the process has ended in place of answering.
    fn ask(&mut self, order: &str) -> Result<String, i32> {
        self.orders.write_all(format!("{order}\n").as_bytes()).expect("the program reads");
        let answer = self.answer().unwrap_or_else(|fault| panic!("{order}: {fault}"));
        match answer.strip_prefix("ended ") {
            Some(status) => Err(status.parse().expect("a status")),
            None => Ok(answer),
        }
    }

    /// What the simulator has given, which is all to one process.
    fn given(&self) -> u64 {
        self.simulation.report().expect("the simulator's books").devices[0].used_bytes
    }

    /// Lets a fresh process make the calls, of which those in the plan fail. A call that does not answer what
    /// it is to answer is made a second time.
    ///
    /// # Panics
    /// When a call hangs, or something is left in use after the process's end.
    pub fn live(&mut self, plan: &str, orders: &[&str]) -> Life {
        self.lives += 1;
        let path = self.folder.path().join(format!("region-{}", self.lives));
        let region = Region::open_or_create(&path, Access::default()).expect("a region");
        let start = format!("fork {FAIL_ENV}={plan} {}={}", tenant::REGION, path.display());
        let pid = self.ask(&start).expect("a process").parse().expect("its PID");
        let mut steps = Vec::new();
        let status = 'life: {
            for order in orders {
                for _ in 0..2 {
                    match self.step(&region, order) {
                        Ok(step) => steps.push(step),
                        Err(status) => break 'life status,
                    }
                    if steps.last().is_some_and(Step::succeeded) {
                        break;
                    }
                }
            }
            self.ask("exit").expect_err("nothing but its end")
        };
        poll_until("the device is free again", PATIENCE, || self.given() == 0);
        region.sweep(None);
        assert_eq!(region.used(0), 0, "{plan}: left in the region after the end of all processes");
        drop(region);
        // Without the library nobody has made one of it, but the test.
        std::fs::remove_file(&path).expect("the region's file");
        let said = std::fs::read_to_string(&self.said).expect("the program's standard error");
        let news = said[self.read..].to_owned();
        self.read = said.len();
        Life { pid, steps, status, said: news }
    }

    fn step(&mut self, region: &Region, order: &str) -> Result<Step, i32> {
        let (call, right) = order.split_once(" = ").unwrap_or((order, "0"));
        let result = self.ask(call)?.parse().expect("a result");
        let own = self.given();
        let at_once = region.used(0);
        let seen = self.ask("look")?;
        let seen: Vec<u64> = seen.split(' ').map(|word| word.parse().expect("a number")).collect();
        let shown = |at: usize| (seen[at] == 0).then_some((seen[at + 1], seen[at + 2]));
        Ok(Step {
            order: order.to_owned(),
            result,
            right: right.parse().expect("a result"),
            own,
            region: if self.hooked { [at_once, region.used(0)] } else { [own; 2] },
            holders: region.holders(0),
            info: shown(0),
            nvml: shown(3),
        })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It ends by itself when its socket closes; killed all the same, since a test must not leave anything behind.
        let _already_gone = self.program.kill();
        let _status = self.program.wait();
    }
}
