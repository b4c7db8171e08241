//! Memory, pools, events and multicast teams that processes share: contents, and who pays for what, deaths included.

use std::time::Duration;

use ffi_headers::cuda::*;

use crate::common::{CONTEXT, MIB, PAGE};
use crate::{Client, Simulation};

const UNIT: u64 = 20 * MIB;

impl Client {
    fn peer(simulation: &Simulation) -> Self {
        Self::start(&simulation.socket(), "peer")
    }

    /// The code that a command is answered with.
    fn code(&mut self, command: &str) -> u32 {
        self.say(command);
        let line = self.line();
        line.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{command}: '{line}'"))
    }

    /// What a command that must succeed has to say.
    fn told(&mut self, command: &str) -> String {
        self.say(command);
        let line = self.line();
        line.strip_prefix('0').unwrap_or_else(|| panic!("{command}: {line}")).trim().to_owned()
    }

    fn kill(mut self) {
        self.signal(libc::SIGKILL);
        self.child.wait().expect("the child");
    }
}

/// Hands the last descriptor of one client to another.
fn pass(simulation: &Simulation, from: &mut Client, to: &mut Client) {
    let path = simulation.folder.path().join("pass");
    let path = path.to_str().expect("text");
    to.say(&format!("receive {path}"));
    assert_eq!(to.line(), "listening");
    from.told(&format!("send {path}"));
    assert_eq!(to.line(), "0");
}

/// Bytes that a client has beyond its context.
fn paid(simulation: &Simulation, client: &Client) -> u64 {
    let report = simulation.report();
    let found = report.devices[0].processes.iter().find(|process| process.pid == client.child.id());
    found.expect("a client with a context").used_bytes - CONTEXT
}

fn unowned(simulation: &Simulation) -> u64 {
    let report = simulation.report();
    report.devices[0].unowned_bytes
}

/// An exporter of 20 MiB that holds the bytes `abcd`, mapped, and an importer that has them mapped; no descriptor is open.
fn pair(simulation: &Simulation) -> (Client, Client) {
    let (mut exporter, mut importer) = (Client::peer(simulation), Client::peer(simulation));
    for command in ["create 20", "map", "write abcd", "export"] {
        exporter.told(command);
    }
    pass(simulation, &mut exporter, &mut importer);
    exporter.told("close");
    assert_eq!(importer.told("import"), CU_MEM_LOCATION_TYPE_DEVICE.to_string());
    importer.told("close");
    importer.told("map");
    (exporter, importer)
}

pub fn exported_memory_is_shared_and_counted_once() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = pair(&simulation);
    assert_eq!(importer.told("read"), "abcd");
    importer.told("write efgh");
    assert_eq!(exporter.told("read"), "efgh");
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (UNIT, 0));
    assert_eq!(simulation.used(), 2 * CONTEXT + UNIT);
    // The exporter pays as long as it holds a handle or a mapping, then the importer does.
    exporter.told("release");
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (UNIT, 0));
    exporter.told("unmap");
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (0, UNIT));
    assert_eq!(importer.told("read"), "efgh");
    // The exporter's next memory is other memory.
    for command in ["create 20", "map"] {
        exporter.told(command);
    }
    assert_eq!(exporter.told("read"), "\0\0\0\0");
    exporter.told("write ijkl");
    assert_eq!(importer.told("read"), "efgh");
    assert_eq!(simulation.used(), 2 * CONTEXT + 2 * UNIT);
    importer.told("release");
    assert_eq!(paid(&simulation, &importer), UNIT);
    importer.told("unmap");
    assert_eq!(simulation.used(), 2 * CONTEXT + UNIT);
    for command in ["release", "unmap"] {
        exporter.told(command);
    }
    assert_eq!(simulation.used(), 2 * CONTEXT);
}

pub fn a_process_that_imports_its_own_memory_has_one_handle_more() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut client = Client::peer(&simulation);
    for command in ["create 20", "map", "export", "import", "release", "unmap", "release"] {
        client.told(command);
        assert_eq!(simulation.used(), CONTEXT + UNIT, "{command}");
    }
    assert_eq!(client.code("release"), CUDA_ERROR_INVALID_VALUE);
    // The descriptor alone keeps the memory; it can be imported again.
    assert_eq!(unowned(&simulation), UNIT);
    client.told("import");
    assert_eq!((unowned(&simulation), paid(&simulation, &client)), (0, UNIT));
    client.told("close");
    assert_eq!(paid(&simulation, &client), UNIT);
    client.told("release");
    assert_eq!(simulation.used(), CONTEXT);
}

pub fn a_killed_exporter_leaves_shared_memory_to_an_importer() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = pair(&simulation);
    exporter.told("alloc 104857600");
    assert_eq!(paid(&simulation, &exporter), UNIT + 100 * MIB);
    exporter.kill();
    assert_eq!(paid(&simulation, &importer), UNIT);
    assert_eq!(simulation.used(), CONTEXT + UNIT);
    assert_eq!(importer.told("read"), "abcd");
    importer.kill();
    assert_eq!(simulation.used(), 0);
}

pub fn a_killed_importer_changes_nothing_for_the_exporter() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, importer) = pair(&simulation);
    importer.kill();
    assert_eq!(paid(&simulation, &exporter), UNIT);
    assert_eq!(simulation.used(), CONTEXT + UNIT);
    for command in ["release", "unmap"] {
        exporter.told(command);
    }
    assert_eq!(simulation.used(), CONTEXT);
    // What lies there next starts empty.
    for command in ["create 20", "map"] {
        exporter.told(command);
    }
    assert_eq!(exporter.told("read"), "\0\0\0\0");
}

pub fn an_open_descriptor_keeps_memory_that_is_nobodys() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut keeper) = (Client::peer(&simulation), Client::peer(&simulation));
    for command in ["create 20", "map", "write abcd", "export"] {
        exporter.told(command);
    }
    pass(&simulation, &mut exporter, &mut keeper);
    exporter.kill();
    assert_eq!((unowned(&simulation), paid(&simulation, &keeper)), (UNIT, 0));
    assert_eq!(simulation.used(), CONTEXT + UNIT);
    // It counts for everybody's free memory.
    let mut other = Client::start(&simulation.socket(), "obey");
    assert_eq!(other.ask("free-memory"), 1024 - 2 * (CONTEXT / MIB) - UNIT / MIB);
    drop(other);
    keeper.told("import");
    assert_eq!((unowned(&simulation), paid(&simulation, &keeper)), (0, UNIT));
    keeper.told("map");
    assert_eq!(keeper.told("read"), "abcd");
    keeper.told("release");
    keeper.told("unmap");
    assert_eq!((unowned(&simulation), paid(&simulation, &keeper)), (UNIT, 0));
    keeper.told("close");
    assert_eq!(simulation.used(), CONTEXT);
    // A descriptor that stands for nothing is refused.
    assert_eq!(keeper.code("inherit 0"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(keeper.code("inherit 999"), CUDA_ERROR_INVALID_VALUE);
}

pub fn a_descriptor_is_inherited() {
    let simulation = Simulation::new(1, 1 << 30);
    let mut parent = Client::peer(&simulation);
    for command in ["create 20", "map", "export"] {
        parent.told(command);
    }
    assert_eq!(parent.told("spawn"), format!("0 {CU_MEM_LOCATION_TYPE_DEVICE};0 ;0 ;"));
    assert_eq!(parent.told("read"), "kept");
    assert_eq!(simulation.used(), CONTEXT + UNIT);
}

pub fn fabric_handles_are_bytes() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    for command in ["create 20", "map", "write abcd"] {
        exporter.told(command);
    }
    let bytes = exporter.told("export-bytes");
    importer.told(&format!("import-bytes {bytes}"));
    importer.told("map");
    assert_eq!(importer.told("read"), "abcd");
    // Other bytes, here with another digit in the key's secret, are refused.
    let digit = if &bytes[40..41] == "0" { "1" } else { "0" };
    let wrong = format!("import-bytes {}{digit}{}", &bytes[..40], &bytes[41..]);
    assert_eq!(importer.code(&wrong), CUDA_ERROR_INVALID_VALUE);
    // Bytes keep nothing alive.
    for client in [&mut exporter, &mut importer] {
        client.told("release");
        client.told("unmap");
    }
    assert_eq!(simulation.used(), 2 * CONTEXT);
    assert_eq!(importer.code(&format!("import-bytes {bytes}")), CUDA_ERROR_INVALID_VALUE);
}

pub fn host_memory_is_shared_and_takes_no_page() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    for command in ["create-host 20", "map", "write abcd", "export"] {
        exporter.told(command);
    }
    pass(&simulation, &mut exporter, &mut importer);
    exporter.kill();
    assert_eq!(importer.told("import"), CU_MEM_LOCATION_TYPE_HOST.to_string());
    importer.told("map");
    assert_eq!(importer.told("read"), "abcd");
    assert_eq!(simulation.used(), CONTEXT);
}

pub fn memory_of_cumemalloc_is_shared_by_64_bytes() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    exporter.told("alloc 20971000");
    exporter.told("write abcd");
    let handle = exporter.told("handle");
    assert_eq!(exporter.told("handle"), handle, "the same each time");
    assert_eq!(exporter.code(&format!("open {handle}")), CUDA_ERROR_INVALID_CONTEXT);
    let address = importer.told(&format!("open {handle}"));
    assert_eq!(importer.told(&format!("open {handle}")), address, "the same each time");
    assert_eq!(importer.told("size"), "0 20971000");
    assert_eq!(importer.told("read"), "abcd");
    importer.told("write efgh");
    assert_eq!(exporter.told("read"), "efgh");
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (UNIT, 0));
    assert_eq!(importer.code("free"), CUDA_ERROR_INVALID_VALUE);
    importer.told("close-handle");
    assert_eq!(importer.told("read"), "efgh", "opened twice");
    importer.told("close-handle");
    assert_eq!(importer.code("close-handle"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(importer.code("read"), CUDA_ERROR_INVALID_VALUE);
    exporter.told("free");
    assert_eq!(simulation.used(), 2 * CONTEXT);
    assert_eq!(importer.code(&format!("open {handle}")), CUDA_ERROR_INVALID_HANDLE);
    assert_eq!(importer.code(&format!("open {}", "00".repeat(64))), CUDA_ERROR_INVALID_HANDLE);
}

pub fn an_opened_handle_outlives_the_exporters_free() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    exporter.told("alloc 20971520");
    exporter.told("write abcd");
    let handle = exporter.told("handle");
    importer.told(&format!("open {handle}"));
    exporter.told("free");
    assert_eq!(exporter.code("free"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (0, UNIT));
    exporter.told("alloc 20971520");
    exporter.told("write efgh");
    assert_eq!(importer.told("read"), "abcd");
    exporter.told("free");
    // The end of the context that opened it closes it.
    importer.told("end-context");
    importer.told("new-context");
    assert_eq!(simulation.used(), 2 * CONTEXT);
    // The end of the context that allocated it is a free.
    exporter.told("alloc 20971520");
    let handle = exporter.told("handle");
    importer.told(&format!("open {handle}"));
    exporter.told("end-context");
    assert_eq!(paid(&simulation, &importer), UNIT);
    importer.told("close-handle");
    assert_eq!(simulation.used(), CONTEXT);
}

pub fn small_allocations_share_their_block() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    exporter.told("alloc 1000");
    let first = exporter.told("handle");
    exporter.told("alloc 2000");
    exporter.told("write abcd");
    let second = exporter.told("handle");
    let at: u64 = importer.told(&format!("open {first}")).parse().expect("an address");
    assert_eq!(importer.told(&format!("open {second}")), (at + 1024).to_string());
    assert_eq!(importer.told("read"), "abcd");
    assert_eq!(importer.told("size"), format!("1024 {PAGE}"), "the whole block");
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (PAGE, 0));
}

pub fn pools_are_shared_pointer_by_pointer() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut exporter, mut importer) = (Client::peer(&simulation), Client::peer(&simulation));
    for command in ["pool", "pool-alloc 5000", "pool-alloc 3000", "write abcd", "pool-export"] {
        exporter.told(command);
    }
    let pointer = exporter.told("pointer");
    pass(&simulation, &mut exporter, &mut importer);
    importer.told("pool-import");
    assert_eq!(importer.code("pool-alloc 1"), CUDA_ERROR_INVALID_VALUE, "an imported pool gives nothing");
    importer.told(&format!("take-pointer {pointer}"));
    assert_eq!(importer.told("read"), "abcd");
    assert_eq!(importer.told("size"), "0 3000");
    let chunk = 32 * MIB;
    assert_eq!((paid(&simulation, &exporter), paid(&simulation, &importer)), (chunk, 0));
    importer.told("free-async");
    assert_eq!(importer.code("free-async"), CUDA_ERROR_INVALID_VALUE);
    importer.told(&format!("take-pointer {pointer}"));
    importer.told("end-pool");
    assert_eq!(importer.told("read"), "abcd", "outlives the imported pool");
    exporter.kill();
    assert_eq!(paid(&simulation, &importer), chunk);
    importer.told("free");
    assert_eq!(simulation.used(), CONTEXT);
}

pub fn events_are_shared() {
    let simulation = Simulation::new(1, 1 << 30);
    let (mut a, mut b) = (Client::peer(&simulation), Client::peer(&simulation));
    a.told("event");
    let handle = a.told("event-handle");
    assert_eq!(a.code(&format!("open-event {handle}")), CUDA_ERROR_INVALID_CONTEXT);
    b.told(&format!("open-event {handle}"));
    b.told("query");
    a.told("work");
    a.told("record");
    assert_eq!(b.code("query"), CUDA_ERROR_NOT_READY);
    b.told("wait");
    b.told("query");
    a.told("query");
    // And the other way round, after the first process has ended.
    b.told("record");
    a.kill();
    b.told("wait");
    b.told("query");
    let mut c = Client::peer(&simulation);
    c.told(&format!("open-event {handle}"));
    b.kill();
    c.told("query");
}

pub fn a_multicast_team_spans_processes() {
    let simulation = Simulation::new(2, 1 << 30);
    let (mut first, mut second) = (Client::peer(&simulation), Client::peer(&simulation));
    first.told("team 20");
    first.told("export");
    pass(&simulation, &mut first, &mut second);
    second.told("import");
    assert_eq!(simulation.used(), 2 * CONTEXT, "the object takes no memory");
    first.told("join 0");
    assert_eq!(first.code("join 0"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(first.code("bind 0"), CUDA_ERROR_ILLEGAL_STATE, "the team is not complete");
    assert_eq!(simulation.used(), 2 * CONTEXT);
    second.told("join 1");
    assert_eq!(second.code("join 0"), CUDA_ERROR_INVALID_VALUE, "no more than two");
    assert_eq!(first.code("bind 1"), CUDA_ERROR_INVALID_DEVICE, "a device that another process added");
    first.told("bind 0");
    assert_eq!(first.code("bind 0"), CUDA_ERROR_INVALID_VALUE, "bound already");
    // Bound memory stays although its handle was released.
    assert_eq!(simulation.used(), 2 * CONTEXT + PAGE);
    first.told("unbind 0");
    assert_eq!(first.code("unbind 0"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(simulation.used(), 2 * CONTEXT);
    first.told("bind 0");
    first.told("release");
    assert_eq!(simulation.used(), 2 * CONTEXT, "gone with the object");
}

pub fn kills_among_sharers_lose_no_page() {
    let simulation = Simulation::new(1, 1 << 30);
    // The delay picks the moment of death, which differs from run to run anyway; no condition hangs on it.
    for step in 0..60u64 {
        let (exporter, mut importer) = pair(&simulation);
        let (mut victim, mut survivor) = if step % 2 == 0 {
            (exporter, importer)
        } else {
            importer.told("write abcd");
            (importer, exporter)
        };
        for command in ["release", "unmap", "create 20", "export", "close"] {
            victim.say(command);
        }
        std::thread::sleep(Duration::from_micros(step * 6367 % 1_000));
        victim.kill();
        assert_eq!(simulation.used(), CONTEXT + UNIT, "after kill {step}");
        assert_eq!(paid(&simulation, &survivor), UNIT, "after kill {step}");
        assert_eq!(survivor.told("read"), "abcd");
        survivor.kill();
        assert_eq!(simulation.used(), 0, "after kill {step}");
    }
}
