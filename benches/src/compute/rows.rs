//! The rows of the table: one file per group of situations, each measured in a simulation of its own.

/// One tenant under a cap.
mod alone;
/// Tenants that hold the device and do not go on; tenants that wait for themselves on two devices.
mod held;
/// Shares that are lent while their owner sleeps.
mod lent;
/// A tenant that goes before another.
mod priority;
/// Programs that are no endless row of launches.
mod shapes;
/// Tenants that want the device at the same time.
mod together;
/// Processor time of tenants that wait.
mod waiting;

use super::cell::Cell;
use super::options::Options;
use super::report;
use super::tenant::Bench;

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;
/// How much longer than its load a program may take: debt that is slept off, starting on a busy machine.
const SPARE_SECONDS: f64 = 60.0;

/// One situation: its row and key, and what measures it.
struct Situation<'a> {
    row: u8,
    key: String,
    measure: Box<dyn Fn(Cell) -> anyhow::Result<Vec<Cell>> + 'a>,
}

/// Measures what the options ask for; says on stderr how far it is. A situation that fails is a cell that says so.
pub(crate) fn measure(bench: &Bench, options: &Options) -> anyhow::Result<Vec<Cell>> {
    let quick = options.quick();
    let mut situations = alone::situations(bench, quick);
    situations.extend(together::situations(bench, quick));
    situations.extend(lent::situations(bench));
    situations.extend(priority::situations(bench, quick));
    situations.extend(held::situations(bench, quick));
    situations.extend(waiting::situations(bench));
    situations.extend(shapes::situations(bench, quick));
    situations.retain(|situation| options.wants(situation.row) && options.wants_cell(&situation.key));
    anyhow::ensure!(!situations.is_empty(), "no cell is asked for by --rows and --only");
    let mut cells = Vec::new();
    for (index, situation) in situations.iter().enumerate() {
        eprintln!("{} of {}: row {}, {}", index + 1, situations.len(), situation.row, situation.key);
        let cell = || Cell::new(situation.row, situation.key.as_str());
        let measured = (situation.measure)(cell()).unwrap_or_else(|error| vec![cell().failed(&error)]);
        // A run of many minutes may be broken off: what it has found so far stands on stderr.
        measured.iter().for_each(|cell| eprint!("{}", report::line(cell)));
        cells.extend(measured);
    }
    cells.extend(alone::mean_error(&cells));
    Ok(cells)
}

impl<'a> Situation<'a> {
    fn new(row: u8, key: String, measure: impl Fn(Cell) -> anyhow::Result<Vec<Cell>> + 'a) -> Self {
        Self { row, key, measure: Box::new(measure) }
    }
}
