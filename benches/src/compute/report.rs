//! The table for people and the JSON file.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::cell::{Bound, Cell};
use super::options::Options;

/// What the rows are, in the order of the table.
const ROWS: [&str; 8] = [
    "One tenant under a cap",
    "Tenants together",
    "Lending: burst-share",
    "Priority",
    "Tenants that hold the device",
    "Eight tenants that start at one instant",
    "Processor time of tenants that wait",
    "Programs of other shapes",
];

/// What a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    quick: bool,
    /// `None`: the device without a library.
    library: Option<String>,
    cores: usize,
    missed: usize,
    cells: Vec<Cell>,
}

impl Report {
    pub(crate) fn new(options: &Options, cells: Vec<Cell>) -> Self {
        Self {
            quick: options.quick(),
            library: options.library().map(|path| path.display().to_string()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            missed: cells.iter().filter(|cell| !cell.passed()).count(),
            cells,
        }
    }

    /// Cells that did not keep a bound.
    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    /// The table; shares in percent of the device.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for (row, title) in (1..).zip(ROWS) {
            let cells: Vec<_> = self.cells.iter().filter(|cell| cell.row == row).collect();
            if cells.is_empty() {
                continue;
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{row}. {title}\n{:56} {:>7} {:>8} {:>7}", "", "asked", "achieved", "error");
            for cell in cells {
                text += &line(cell);
            }
        }
        let _ = writeln!(text, "\n{} of {} cells kept their bounds.", self.cells.len() - self.missed, self.cells.len());
        text
    }

    /// Writes the report as JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let what = || format!("report {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(what)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n").with_context(what)
    }
}

/// One cell as a line of the table.
pub(super) fn line(cell: &Cell) -> String {
    let mut text = String::new();
    let figure = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.2}"));
    let error = cell.error().map_or(String::new(), |error| format!("{error:+.2}"));
    let verdict = if cell.passed() { "pass" } else { "MISS" };
    let _ =
        write!(text, "{:56} {:>7} {:>8} {error:>7}  {verdict}", cell.key, figure(cell.asked), figure(cell.achieved));
    for check in &cell.checks {
        let bound = match check.bound {
            Bound::AtMost(most) => format!("≤ {}", rounded(most)),
            Bound::AtLeast(least) => format!("≥ {}", rounded(least)),
        };
        let mark = if check.pass { "" } else { "!" };
        let _ = write!(text, "  {mark}{} {} {} ({bound})", check.what, rounded(check.value), check.unit);
    }
    for note in &cell.notes {
        let _ = write!(text, "  {} {} {}", note.what, rounded(note.value), note.unit);
    }
    if let Some(failed) = &cell.failed {
        let _ = write!(text, "  {failed}");
    }
    text + "\n"
}

/// With as many digits as tell something.
fn rounded(value: f64) -> String {
    let text = if value.abs() < 1.0 { format!("{value:.4}") } else { format!("{value:.2}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
