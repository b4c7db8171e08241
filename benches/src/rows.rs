//! The rows of the table: what is measured, in which unit, and which way is better.

use serde::Serialize;

use crate::client::Door;
use crate::scenario::{ACTIVE, AT_ONCE, CALLS, FIRST_CALLS, IDLE, LAUNCHES};

/// What a row's figures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Pairs of alloc and free per second: more is better.
    #[serde(rename = "pairs/s")]
    PairsPerSecond,
    /// KiB of memory.
    #[serde(rename = "KiB")]
    Kibibytes,
    /// A number of things.
    #[serde(rename = "count")]
    Count,
}

impl Unit {
    /// Whether a greater figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::PairsPerSecond
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// Unique; figures and the reference's are found by it.
    pub(crate) key: String,
    /// What is measured, in words.
    pub(crate) title: String,
    /// Rows of one group stand together under this heading.
    pub(crate) group: &'static str,
    pub(crate) unit: Unit,
    /// Whether it is also measured with the library and no limit.
    pub(crate) unlimited: bool,
}

/// All rows, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    let row = |key: String, title: String, group, unit, unlimited| Row { key, title, group, unit, unlimited };
    let mut rows = Vec::new();
    for (door, group) in [(Door::Direct, "Calls, linked directly"), (Door::Dlsym, "Calls, through dlsym")] {
        for (call, title) in CALLS {
            rows.push(row(format!("{call}/{}", door.name()), (*title).to_owned(), group, Unit::Nanoseconds, true));
        }
    }
    for (door, group) in [
        (Door::Direct, "Launches, linked directly; hooked: under a cap that they do not reach"),
        (Door::Dlsym, "Launches, through dlsym; hooked: under a cap that they do not reach"),
    ] {
        for (key, _, title) in LAUNCHES {
            rows.push(row(format!("{key}/{}", door.name()), (*title).to_owned(), group, Unit::Nanoseconds, true));
        }
    }
    let group = "Processes of one tenant, alloc+free 2 MiB";
    for count in ACTIVE {
        let title = format!("{count} at once, together");
        rows.push(row(format!("active-{count}"), title, group, Unit::PairsPerSecond, false));
    }
    for count in IDLE {
        let title = format!("one, beside {count} idle peers");
        rows.push(row(format!("idle-{count}"), title, group, Unit::Nanoseconds, false));
    }
    let group = "Programs that never touch a device";
    rows.push(row("bin-true".to_owned(), "/bin/true, start to end".to_owned(), group, Unit::Nanoseconds, true));
    for (door, group) in [(Door::Direct, "One process, linked directly"), (Door::Dlsym, "One process, through dlsym")] {
        for (name, title) in FIRST_CALLS {
            let unit = match *name {
                "resident" | "resident-with-nvml" | "private" | "dirty" => Unit::Kibibytes,
                "threads" => Unit::Count,
                _ => Unit::Nanoseconds,
            };
            // Linked directly, the loader has done it before the program starts.
            if door == Door::Dlsym || !name.starts_with("open") {
                rows.push(row(format!("first-{name}/{}", door.name()), (*title).to_owned(), group, unit, false));
            }
        }
    }
    for (door, group) in [
        (Door::Direct, "Processes starting at once, cuInit to first allocation, linked directly"),
        (Door::Dlsym, "Processes starting at once, cuInit to first allocation, through dlsym"),
    ] {
        for count in AT_ONCE {
            for which in ["median", "worst"] {
                let key = format!("start-{count}-{which}/{}", door.name());
                let title = format!("{count} at once, {which}");
                rows.push(row(key, title, group, Unit::Nanoseconds, false));
            }
        }
    }
    rows
}
