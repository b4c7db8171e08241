//! One run of a sequence: its processes, each call with what is checked after it, and the log that two runs are compared by.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use hami_tests::poll::poll;
use shared_region::{Access, Region};

use crate::Fault;
use crate::bench::Bench;
use crate::executor::{Argument, Door, Executor, Reply, Views};
use crate::model::Model;
use crate::sequence::{Neighbour, Setting};

/// Devices of the simulation.
pub const DEVICES: usize = 2;
/// 2²⁰ bytes.
pub const MIB: u64 = 1 << 20;
/// CUDA_ERROR_OUT_OF_MEMORY.
pub const REFUSED: i32 = 2;
/// Within what time a process's death must have been noticed by all.
const NOTICED: Duration = Duration::from_secs(5);
/// The step in which the model's pools grow and shrink.
pub const CHUNK: u64 = 32 * MIB;
/// Looks for an address below 2³² by trying, so the simulator itself leaves an errno of the kernel's.
const SEARCHES: &str = "cuMemAlloc";
/// errno before each call.
const ERRNO_BEFORE: i32 = 1234;

/// What a call may take of a device, in the worst case.
#[derive(Debug, Clone, Copy)]
pub struct Take {
    /// In NVML's order.
    pub device: usize,
    /// Bytes that have to be free of the quota so that the call is never refused.
    pub of_quota: u64,
    /// The same of the device.
    pub of_device: u64,
}

/// One call that was made, and what the simulator's books said after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub process: usize,
    pub function: String,
    pub result: i32,
    /// Bytes per process and device.
    pub books: Vec<[u64; DEVICES]>,
    /// Whether a refusal made pools give back idle memory, so that the books of the other run are others from here on.
    pub trimmed: bool,
}

struct Tenant {
    /// `None`: without limit.
    quotas: [Option<u64>; DEVICES],
    region: Option<Region>,
    members: Vec<usize>,
    variables: Vec<String>,
}

struct Process {
    executor: Option<Executor>,
    tenant: usize,
    model: Model,
}

/// See the module.
pub struct World<'a> {
    bench: &'a mut Bench,
    /// Whether the library is preloaded.
    hooked: bool,
    swapped: bool,
    tenants: Vec<Tenant>,
    processes: Vec<Process>,
    books: Vec<[u64; DEVICES]>,
    /// What was done so far.
    pub log: Vec<Entry>,
    /// The run with the library, when this is the one without: calls that were refused there are left out here.
    hooked_log: Option<&'a [Entry]>,
    /// Whether the books of the two runs may differ by now: see [`Entry::trimmed`].
    parted: bool,
}

impl<'a> World<'a> {
    /// Starts the processes. `hooked_log` makes it a run without the library.
    pub fn start(bench: &'a mut Bench, setting: &Setting, hooked_log: Option<&'a [Entry]>) -> Result<Self, Fault> {
        let hooked = hooked_log.is_none();
        let count = usize::from(setting.processes);
        let order = if setting.swapped { "1,0" } else { "0,1" };
        let mut groups = vec![(setting.quotas.map(Some), (0..count).collect::<Vec<_>>())];
        match setting.neighbour {
            Neighbour::Nobody => {}
            Neighbour::Limited => groups.push((setting.neighbours_quotas.map(Some), vec![count])),
            Neighbour::Unlimited => groups.push(([None; DEVICES], vec![count])),
        }
        let mut world = Self {
            hooked,
            swapped: setting.swapped,
            tenants: Vec::new(),
            processes: Vec::new(),
            books: Vec::new(),
            log: Vec::new(),
            hooked_log,
            parted: false,
            bench,
        };
        for (tenant, (quotas, members)) in groups.into_iter().enumerate() {
            let mut variables = vec![format!("CUDA_VISIBLE_DEVICES={order}")];
            let mut region = None;
            if hooked && quotas != [None; DEVICES] {
                let path = world.bench.fresh_region(tenant);
                variables.push(format!("CUDA_DEVICE_MEMORY_SHARED_CACHE={}", path.display()));
                for (device, quota) in quotas.iter().enumerate() {
                    variables.extend(quota.map(|quota| format!("CUDA_DEVICE_MEMORY_LIMIT_{device}={quota}")));
                }
                let opened = Region::open_or_create(&path, Access::default());
                region = Some(opened.map_err(|error| Fault(error.to_string()))?);
            }
            for _ in &members {
                world.processes.push(Process { executor: None, tenant, model: Model::default() });
                world.books.push([0; DEVICES]);
            }
            world.tenants.push(Tenant { quotas, region, members, variables });
        }
        for process in 0..world.processes.len() {
            world.spawn(process)?;
        }
        world.settle(|world| world.check(0)).map_err(|fault| fault.after("the start"))?;
        Ok(world)
    }

    fn spawn(&mut self, process: usize) -> Result<(), Fault> {
        let variables = &self.tenants[self.processes[process].tenant].variables;
        let forker = if self.hooked { &mut self.bench.preloaded } else { &mut self.bench.bare };
        let mut executor = forker.fork(variables)?;
        for (name, argument) in [("cuInit", vec![Argument::Number(0)]), ("nvmlInit_v2", vec![])] {
            let reply = executor.call(Door::Linked, name, &argument)?;
            if reply.result != 0 {
                return Err(Fault(format!("{name} in a fresh process answers {}", reply.result)));
            }
        }
        self.processes[process].executor = Some(executor);
        self.processes[process].model = Model::default();
        Ok(())
    }

    /// Number of processes.
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    pub fn model(&mut self, process: usize) -> &mut Model {
        &mut self.processes[process].model
    }

    pub fn model_of(&self, process: usize) -> &Model {
        &self.processes[process].model
    }

    /// Whether two processes are of one tenant.
    pub fn same_tenant(&self, one: usize, other: usize) -> bool {
        self.processes[one].tenant == self.processes[other].tenant
    }

    /// The device's place in NVML's order, from CUDA's ordinal; and the other way round.
    pub fn turned(&self, device: usize) -> usize {
        if self.swapped { DEVICES - 1 - device } else { device }
    }

    /// The process's number in the kernel.
    pub fn pid(&self, process: usize) -> u32 {
        self.processes[process].executor.as_ref().map_or(0, |executor| executor.pid)
    }

    /// Its connection, for what is no call.
    pub fn executor(&mut self, process: usize) -> Result<&mut Executor, Fault> {
        self.processes[process].executor.as_mut().ok_or_else(|| Fault("the process has ended".to_owned()))
    }

    /// What the run with the library did at this place, if this is the one without.
    fn expected(&self, process: usize, function: &str) -> Result<Option<&'a Entry>, Fault> {
        let Some(log) = self.hooked_log else { return Ok(None) };
        match log.get(self.log.len()) {
            Some(entry) if entry.process == process && entry.function == function => Ok(Some(entry)),
            other => Err(Fault(format!(
                "without the library process {process} calls {function} here, with it {}",
                other.map_or("nothing".to_owned(), |entry| format!(
                    "process {} calls {}",
                    entry.process, entry.function
                ))
            ))),
        }
    }

    /// Makes a call and checks everything that holds after one.
    pub fn call(
        &mut self,
        process: usize,
        door: Door,
        function: &str,
        arguments: &[Argument],
        take: Option<Take>,
    ) -> Result<Reply, Fault> {
        let expected = self.expected(process, function)?;
        if let Some(entry) = expected
            && entry.result == REFUSED
        {
            self.parted |= entry.trimmed;
            self.log.push(entry.clone());
            let buffers = arguments.iter().filter_map(|argument| match argument {
                Argument::Number(_) => None,
                Argument::Buffer(bytes) => Some(bytes.clone()),
            });
            return Ok(Reply { result: REFUSED, errno: ERRNO_BEFORE, buffers: buffers.collect() });
        }
        let before = self.books.clone();
        let reply = self.executor(process)?.call(door, function, arguments);
        let reply = reply.map_err(|fault| fault.after(&format!("{function} in process {process}")))?;
        let context = |fault: Fault| fault.after(&format!("{function} = {} in process {process}", reply.result));
        self.check(process).map_err(context)?;
        if reply.result == 0 && reply.errno != ERRNO_BEFORE && self.hooked && function != SEARCHES {
            return Err(context(Fault(format!("errno is {}, was {ERRNO_BEFORE}", reply.errno))));
        }
        let mut trimmed = false;
        if reply.result == REFUSED {
            trimmed = self.rightly_refused(process, &before, take).map_err(context)?;
        }
        self.enter(process, function, reply.result, trimmed, expected)?;
        Ok(reply)
    }

    /// Writes down what was done, and compares it with the other run.
    fn enter(
        &mut self,
        process: usize,
        function: &str,
        result: i32,
        trimmed: bool,
        expected: Option<&Entry>,
    ) -> Result<(), Fault> {
        let entry = Entry { process, function: function.to_owned(), result, books: self.books.clone(), trimmed };
        if let Some(expected) = expected
            && (expected.result != result || (expected.books != entry.books && !self.parted))
        {
            return Err(Fault(format!(
                "{function} in process {process}: with the library it answers {} and the books are {:?}, without it {} and {:?}",
                expected.result, expected.books, entry.result, entry.books
            )));
        }
        if self.hooked {
            let answers = self.bench.answers.entry(entry.function.clone()).or_default();
            answers[match result {
                0 => 0,
                REFUSED => 1,
                _ => 2,
            }] += 1;
        }
        self.log.push(entry);
        Ok(())
    }

    /// A refusal is right only if the request did not fit, and nothing has changed then, save that the caller's pools may
    /// have given back idle chunks; answers whether they have.
    fn rightly_refused(&self, process: usize, before: &[[u64; DEVICES]], take: Option<Take>) -> Result<bool, Fault> {
        let trimmed = before != self.books;
        let whole_chunks = |before: u64, now: u64| now <= before && (before - now).is_multiple_of(CHUNK);
        let only_trimmed = (0..before.len()).all(|one| {
            let own = one == process && self.hooked;
            before[one] == self.books[one]
                || own && before[one].iter().zip(self.books[one]).all(|(before, now)| whole_chunks(*before, now))
        });
        if !only_trimmed {
            return Err(Fault(format!("refused, and yet the books went from {before:?} to {:?}", self.books)));
        }
        let Some(Take { device, of_quota, of_device }) = take else {
            return Err(Fault("refused, though it takes no device memory".to_owned()));
        };
        let on_device: u64 = before.iter().map(|used| used[device]).sum();
        let tenant = &self.tenants[self.processes[process].tenant];
        let used: u64 = tenant.members.iter().map(|member| before[*member][device]).sum();
        let quota = if self.hooked { tenant.quotas[device] } else { None };
        let quota = quota.unwrap_or(u64::MAX).min(self.bench.total(device));
        if used.saturating_add(of_quota) <= quota && on_device.saturating_add(of_device) <= self.bench.total(device) {
            return Err(Fault(format!(
                "wrongly refused: device {device} has {used} used by the tenant of {quota} and takes at most {of_quota}; \
                 {on_device} used by all of {} and at most {of_device} more",
                self.bench.total(device)
            )));
        }
        Ok(trimmed)
    }

    /// What every process is shown, the caller's first, since what a call changed in passing is noticed by who looks.
    fn look(&mut self, caller: usize) -> Result<Vec<Views>, Fault> {
        let mut seen = vec![None; self.processes.len()];
        let others: Vec<_> = (0..self.processes.len()).filter(|other| *other != caller).collect();
        for round in [vec![caller], others] {
            for process in &round {
                self.executor(*process)?.look(DEVICES)?;
            }
            for process in &round {
                let views = self.executor(*process)?.seen(DEVICES);
                seen[*process] = Some(views.map_err(|fault| fault.after(&format!("a look by process {process}")))?);
            }
        }
        for (process, views) in seen.iter().flatten().enumerate() {
            let device = usize::try_from(views.device).ok().map(|ordinal| self.turned(ordinal));
            self.processes[process].model.current = device.map(|device| (views.context, device));
        }
        Ok(seen.into_iter().flatten().collect())
    }

    /// The simulator's books: bytes per process and device.
    fn read_books(&self) -> Result<Vec<[u64; DEVICES]>, Fault> {
        let report = self.bench.simulation().report().map_err(|error| Fault(format!("the simulator: {error}")))?;
        let mut by_pid: BTreeMap<u32, [u64; DEVICES]> = BTreeMap::new();
        for (device, entry) in report.devices.iter().enumerate() {
            for process in &entry.processes {
                by_pid.entry(process.pid).or_default()[device] += process.used_bytes;
            }
        }
        let pids = self.processes.iter().enumerate().map(|(process, _)| self.pid(process));
        let books = pids.map(|pid| by_pid.remove(&pid).unwrap_or_default()).collect();
        if by_pid.values().any(|used| *used != [0; DEVICES]) {
            return Err(Fault(format!("the books hold processes that have ended: {by_pid:?}")));
        }
        Ok(books)
    }

    /// Checks that all figures agree: the simulator's books, the region's, and everything that every process is shown.
    fn check(&mut self, caller: usize) -> Result<(), Fault> {
        let views = self.look(caller)?;
        self.books = self.read_books()?;
        let mut faults = String::new();
        for tenant in &self.tenants {
            self.check_tenant(tenant, &views, &mut faults)?;
        }
        if faults.is_empty() { Ok(()) } else { Err(Fault(format!("{faults}    (the books: {:?})", self.books))) }
    }

    fn check_tenant(&self, tenant: &Tenant, views: &[Views], faults: &mut String) -> Result<(), Fault> {
        // The words only where they are needed: there are a hundred comparisons after each call.
        let mut differ = |shown: u64, right: u64, what: &dyn Fn() -> String| {
            if shown != right {
                let _ = writeln!(faults, "{}: {shown}, by the books {right}", what());
            }
        };
        for device in 0..DEVICES {
            let on_device: u64 = self.books.iter().map(|used| used[device]).sum();
            let own: u64 = tenant.members.iter().map(|member| self.books[*member][device]).sum();
            let limited = tenant.quotas[device].filter(|_| self.hooked);
            let total = limited.unwrap_or(u64::MAX).min(self.bench.total(device));
            let used = if limited.is_some() { own } else { on_device };
            if let Some(region) = &tenant.region {
                let entry = region.device(self.bench.uuid(device)).map_err(|error| Fault(error.to_string()))?;
                differ(region.used(entry), own, &|| format!("the region's sum of device {device}"));
                let holders = region.holders(entry);
                for member in &tenant.members {
                    let pid = self.pid(*member);
                    let held = holders.iter().filter(|(holder, _)| *holder == pid).map(|(_, held)| held).sum();
                    let right = self.books[*member][device];
                    differ(held, right, &|| format!("process {member} in the region, device {device}"));
                }
            }
            if limited.is_some() && own > total {
                differ(total, own, &|| format!("more than the quota is used of device {device}: the quota"));
            }
            for member in &tenant.members {
                let seen = &views[*member];
                let (answer, shown) = seen.totals[self.turned(device)];
                differ(answer, 0, &|| format!("process {member}: answer of cuDeviceTotalMem, device {device}"));
                differ(shown, total, &|| format!("process {member}: cuDeviceTotalMem, device {device}"));
                let current = usize::try_from(seen.device).is_ok_and(|ordinal| self.turned(ordinal) == device);
                let [first, second] = seen.nvml[device];
                let forms =
                    [("NVML", Some(first)), ("NVML 2", Some(second)), ("cuMemGetInfo", current.then_some(seen.info))];
                for (form, shown) in forms {
                    let Some(shown) = shown else { continue };
                    let figures = [
                        ("answer", shown.result, 0),
                        ("total", shown.total, total),
                        ("used", shown.used, used),
                        ("free", shown.free, total.saturating_sub(used)),
                        ("reserved", shown.reserved, 0),
                    ];
                    for (what, shown, right) in figures {
                        differ(shown, right, &|| format!("process {member}: {what} of {form}, device {device}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends a process and puts a fresh one in its place; what it held is back within the time that it takes to notice.
    pub fn restart(&mut self, process: usize, by_exit: bool) -> Result<(), Fault> {
        let function = if by_exit { "exit" } else { "SIGKILL" };
        let expected = self.expected(process, function)?;
        let ended = self.processes[process].executor.take();
        ended.map_or(Ok(()), |executor| executor.end(by_exit))?;
        self.spawn(process)?;
        self.settle(|world| world.check(process))
            .map_err(|fault| fault.after(&format!("{function} of process {process}")))?;
        self.enter(process, function, 0, false, expected)
    }

    /// Tries until it holds, or patience ends; then the last fault counts.
    fn settle(&mut self, mut check: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut last = Ok(());
        let settled = poll(NOTICED, || {
            last = check(self);
            last.is_ok().then_some(())
        });
        if settled.is_some() { Ok(()) } else { last }
    }

    /// Ends all processes, by exit and by SIGKILL in turn, and checks that nothing is left of them anywhere.
    pub fn end(mut self) -> Result<Vec<Entry>, Fault> {
        for process in 0..self.processes.len() {
            if let Some(executor) = self.processes[process].executor.take() {
                executor.end(process % 2 == 0)?;
            }
        }
        self.settle(|world| {
            world.read_books()?;
            for region in world.tenants.iter().filter_map(|tenant| tenant.region.as_ref()) {
                region.sweep(None);
                for device in 0..DEVICES {
                    let entry = region.device(world.bench.uuid(device)).map_err(|error| Fault(error.to_string()))?;
                    let left = region.used(entry);
                    if left != 0 {
                        return Err(Fault(format!("{left} bytes of device {device} are left in the region")));
                    }
                }
            }
            Ok(())
        })
        .map_err(|fault| fault.after("the end of all processes"))?;
        self.bench.nothing_was_said()?;
        Ok(std::mem::take(&mut self.log))
    }

    /// What a process holds by the books.
    pub fn holds(&self, process: usize) -> [u64; DEVICES] {
        self.books[process]
    }
}

impl Drop for World<'_> {
    /// After a fault: whatever is left of the processes must not be in the next sequence's way.
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _it_may_have_died = process.executor.take().map(|executor| executor.end(false));
        }
        let _told_already = self.settle(|world| world.read_books().map(drop));
        let _belongs_to_the_fault = self.bench.nothing_was_said();
    }
}
