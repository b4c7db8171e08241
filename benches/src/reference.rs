//! The reference's published figures, as `reference.json` has them.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::rows::{self, Unit};
use crate::samples::Summary;

/// The reference's figures and where they come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// Which program, in which version.
    pub(crate) name: String,
    /// How its figures were measured.
    pub(crate) method: String,
    rows: BTreeMap<String, Figures>,
}

/// Figures for one row, in the row's unit.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hooked: Option<f64>,
    /// Hooked less native, where only that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) difference: Option<f64>,
    /// What keeps the figure from being compared with ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_comparable: Option<String>,
}

/// How ours stands against the reference's figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// So many times better; below 1 it is worse.
    BetterBy(f64),
    /// Ours costs nothing over native, so there is no ratio.
    NoCost,
}

impl Reference {
    /// Reads the figures that are built in.
    ///
    /// # Errors
    /// When the file is not as this module has it, or has a row that the table has not.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let reference: Self = serde_json::from_str(include_str!("../reference.json")).context("reference.json")?;
        let known = rows::all();
        for (key, figures) in &reference.rows {
            ensure!(known.iter().any(|row| row.key == *key), "reference.json: no row '{key}'");
            ensure!(figures.hooked.or(figures.difference).is_some(), "reference.json: row '{key}' has no figure");
        }
        Ok(reference)
    }

    /// The figures for a row.
    pub(crate) fn row(&self, key: &str) -> Option<&Figures> {
        self.rows.get(key)
    }
}

impl Figures {
    /// Compares hooked with hooked where the reference has it, and the difference over native otherwise.
    pub(crate) fn verdict(&self, unit: Unit, native: &Summary, hooked: &Summary) -> Option<Verdict> {
        if self.not_comparable.is_some() {
            return None;
        }
        let (theirs, ours) = match (self.hooked, self.difference) {
            (Some(theirs), _) => (theirs, hooked.median),
            (None, Some(theirs)) => (theirs, hooked.median - native.median),
            (None, None) => return None,
        };
        Some(if unit.more_is_better() {
            Verdict::BetterBy(ours / theirs)
        } else if ours <= 0.0 {
            Verdict::NoCost
        } else {
            Verdict::BetterBy(theirs / ours)
        })
    }
}

impl Verdict {
    /// Whether the reference is better.
    pub(crate) fn is_worse(self) -> bool {
        matches!(self, Self::BetterBy(times) if times < 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(hooked: Option<f64>, difference: Option<f64>) -> Figures {
        Figures { native: None, hooked, difference, not_comparable: None }
    }

    fn of(value: f64) -> Summary {
        Summary::of(&[value]).expect("one figure")
    }

    #[test]
    fn verdicts() {
        let hooked = figures(Some(600.0), None);
        assert_eq!(hooked.verdict(Unit::Nanoseconds, &of(50.0), &of(150.0)), Some(Verdict::BetterBy(4.0)));
        assert!(hooked.verdict(Unit::Nanoseconds, &of(50.0), &of(601.0)).is_some_and(Verdict::is_worse));
        assert_eq!(hooked.verdict(Unit::PairsPerSecond, &of(0.0), &of(1200.0)), Some(Verdict::BetterBy(2.0)));
        let difference = figures(None, Some(440.0));
        assert_eq!(difference.verdict(Unit::Kibibytes, &of(1000.0), &of(1110.0)), Some(Verdict::BetterBy(4.0)));
        assert_eq!(difference.verdict(Unit::Count, &of(1.0), &of(1.0)), Some(Verdict::NoCost));
        let other = Figures { not_comparable: Some("slower contexts".to_owned()), ..hooked };
        assert_eq!(other.verdict(Unit::Nanoseconds, &of(1.0), &of(2.0)), None);
    }

    #[test]
    fn the_file_is_read() {
        let reference = Reference::read().expect("reference.json");
        assert!(reference.row("pair-4KiB-1/direct").is_some());
    }
}
