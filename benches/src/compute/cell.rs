//! What was measured in one situation, and the bounds it must keep.

use serde::Serialize;

/// One line of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Cell {
    /// The row of the table, 1 to 8.
    pub(crate) row: u8,
    /// Unique.
    pub(crate) key: String,
    /// Share of the device that was asked for, in percent, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<f64>,
    /// Share that the simulator says was had, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) achieved: Option<f64>,
    /// Figures with their bounds.
    pub(crate) checks: Vec<Check>,
    /// Figures without a bound.
    pub(crate) notes: Vec<Note>,
    /// Why nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}

/// A figure and what it may be.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) bound: Bound,
    pub(crate) pass: bool,
}

/// A figure to read beside the others.
#[derive(Debug, Serialize)]
pub(crate) struct Note {
    pub(crate) what: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
}

/// What a figure may be, in its unit.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        // A figure that is no number keeps no bound.
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl Cell {
    pub(crate) fn new(row: u8, key: impl Into<String>) -> Self {
        let (checks, notes) = (Vec::new(), Vec::new());
        Self { row, key: key.into(), asked: None, achieved: None, checks, notes, failed: None }
    }

    /// A share, asked and achieved, in percent.
    pub(crate) fn share(mut self, asked: f64, achieved: f64) -> Self {
        (self.asked, self.achieved) = (Some(asked), Some(achieved));
        self
    }

    /// Achieved less asked, in points.
    pub(crate) fn error(&self) -> Option<f64> {
        Some(self.achieved? - self.asked?)
    }

    /// Adds a figure with its bound.
    pub(crate) fn check(mut self, what: &'static str, value: f64, unit: &'static str, bound: Bound) -> Self {
        self.checks.push(Check { what, value, unit, bound, pass: bound.holds(value) });
        self
    }

    /// Bounds the error, in points.
    pub(crate) fn within_points(self, points: f64) -> Self {
        let error = self.error().map_or(f64::NAN, f64::abs);
        self.check("error", error, "points", Bound::AtMost(points))
    }

    /// Adds a figure without a bound.
    pub(crate) fn note(mut self, what: &'static str, value: f64, unit: &'static str) -> Self {
        self.notes.push(Note { what, value, unit });
        self
    }

    /// Nothing was measured, and why.
    pub(crate) fn failed(mut self, error: &anyhow::Error) -> Self {
        self.failed = Some(format!("{error:#}"));
        self
    }

    /// Whether something was measured and every bound was kept.
    pub(crate) fn passed(&self) -> bool {
        self.failed.is_none() && self.checks.iter().all(|check| check.pass)
    }
}

/// Jain's index of achieved by asked: 1 when all have the same part of what they asked for, 1/n when one has all.
pub(crate) fn jain(shares: &[(f64, f64)]) -> f64 {
    let parts: Vec<f64> = shares.iter().map(|(asked, achieved)| achieved / asked).collect();
    let (sum, squares) = (parts.iter().sum::<f64>(), parts.iter().map(|part| part * part).sum::<f64>());
    sum * sum / (parts.len() as f64 * squares)
}

/// The value that 99 of 100 do not exceed: the smallest one with at least that part of all at or below it.
pub(crate) fn p99(values: &[u64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() * 99).div_ceil(100);
    place.checked_sub(1).and_then(|place| sorted.get(place)).map_or(f64::NAN, |value| *value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_figures() {
        assert_eq!(jain(&[(30.0, 30.0), (70.0, 70.0)]), 1.0);
        assert_eq!(jain(&[(50.0, 100.0), (50.0, 0.0)]), 0.5);
        assert_eq!(p99(&(1..=200).collect::<Vec<_>>()), 198.0);
        assert!(p99(&[]).is_nan());
    }

    #[test]
    fn a_bound_can_be_missed() {
        let cell = || Cell::new(1, "key").share(30.0, 32.0);
        assert!(cell().within_points(2.0).passed());
        assert!(!cell().within_points(1.5).passed());
        assert!(!cell().check("kept", f64::NAN, "%", Bound::AtLeast(98.0)).passed());
        assert!(!cell().failed(&anyhow::anyhow!("no device")).passed());
    }
}
