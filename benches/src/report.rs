//! The report: every row must have its figures.

/// The table for people.
mod table;

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::client::Mode;
use crate::options::Options;
use crate::reference::{Figures, Reference, Verdict};
use crate::rows::{self, Unit};
use crate::samples::{Samples, Summary};

/// What a run has found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Whether it was a short run with rough figures.
    quick: bool,
    rounds: u32,
    library: String,
    machine: Machine,
    reference: Source,
    rows: Vec<Line>,
    standing: Standing,
}

/// How the rows stand against the reference's, by key.
#[derive(Debug, Default, Serialize)]
struct Standing {
    /// The reference is not better.
    not_worse: Vec<String>,
    /// The reference is better.
    worse: Vec<String>,
    /// The reference's figure is of something else, as its `not_comparable` says.
    not_comparable: Vec<String>,
    /// The reference has no figure.
    no_figure: Vec<String>,
}

/// Where it was measured; read it beside each figure.
#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
}

/// Where the reference's figures come from.
#[derive(Debug, Serialize)]
struct Source {
    name: String,
    method: String,
}

/// One row with its figures.
#[derive(Debug, Serialize)]
struct Line {
    key: String,
    title: String,
    group: &'static str,
    unit: Unit,
    native: Summary,
    hooked: Summary,
    /// With the library and no limit, where that is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlimited: Option<Summary>,
    /// Instructions of one call, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<Instructions>,
    /// Median hooked less median native.
    difference: f64,
    /// Median hooked by median native.
    ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
}

/// Instructions of one call: the driver's, ours, and the client's own loop.
#[derive(Debug, Serialize)]
struct Instructions {
    native: f64,
    hooked: f64,
    /// With the library and no limit.
    unlimited: f64,
}

impl Report {
    /// Puts the figures together.
    ///
    /// # Errors
    /// When a row has no figure.
    pub(crate) fn new(options: &Options, samples: &Samples, reference: &Reference) -> anyhow::Result<Self> {
        let mut lines = Vec::new();
        for row in rows::all() {
            let summary = |mode| {
                samples.summary(&row.key, mode).with_context(|| format!("row '{}': no figure, {mode:?}", row.key))
            };
            let (native, hooked) = (summary(Mode::Native)?, summary(Mode::Limited)?);
            let unlimited = row.unlimited.then(|| summary(Mode::Unlimited)).transpose()?;
            let counted = |mode| samples.instructions(&row.key, mode);
            let counted = (counted(Mode::Native), counted(Mode::Limited), counted(Mode::Unlimited));
            let instructions = match counted {
                (Some(native), Some(hooked), Some(unlimited)) => Some(Instructions { native, hooked, unlimited }),
                _ => None,
            };
            let figures = reference.row(&row.key).cloned();
            lines.push(Line {
                verdict: figures.as_ref().and_then(|figures| figures.verdict(row.unit, &native, &hooked)),
                key: row.key,
                title: row.title,
                group: row.group,
                unit: row.unit,
                native,
                hooked,
                unlimited,
                instructions,
                difference: hooked.median - native.median,
                ratio: hooked.median / native.median,
                reference: figures,
            });
        }
        Ok(Self {
            quick: options.quick(),
            rounds: options.rounds(),
            library: options.library().display().to_string(),
            machine: Machine::this(),
            reference: Source { name: reference.name.clone(), method: reference.method.clone() },
            standing: Standing::of(&lines),
            rows: lines,
        })
    }

    /// The table, with what to know about it above and how it stands against the reference below.
    pub(crate) fn table(&self) -> String {
        table::text(self)
    }

    /// Writes the report as JSON.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let what = || format!("report {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(what)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self).with_context(what)? + "\n").with_context(what)
    }
}

impl Standing {
    fn of(lines: &[Line]) -> Self {
        let mut standing = Self::default();
        for line in lines {
            let keys = match line.verdict {
                Some(verdict) if verdict.is_worse() => &mut standing.worse,
                Some(_) => &mut standing.not_worse,
                None if line.reference.is_some() => &mut standing.not_comparable,
                None => &mut standing.no_figure,
            };
            keys.push(line.key.clone());
        }
        standing
    }
}

impl Machine {
    fn this() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model.map_or("unknown", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}
