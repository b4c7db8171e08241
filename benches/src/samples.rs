//! Figures gathered, and their medians and spreads.

use std::collections::HashMap;

use serde::Serialize;

use crate::client::Mode;

/// Figures by row and mode, one for each time that a scenario was measured.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    figures: HashMap<(String, Mode), Vec<f64>>,
    instructions: HashMap<(String, Mode), f64>,
}

impl Samples {
    /// Adds one figure to a row.
    pub(crate) fn add(&mut self, row: impl Into<String>, mode: Mode, figure: f64) {
        self.figures.entry((row.into(), mode)).or_default().push(figure);
    }

    /// Enters how many instructions one call of a row takes.
    pub(crate) fn set_instructions(&mut self, row: impl Into<String>, mode: Mode, count: f64) {
        self.instructions.insert((row.into(), mode), count);
    }

    /// How many instructions one call of a row takes; `None` where they were not counted.
    pub(crate) fn instructions(&self, row: &str, mode: Mode) -> Option<f64> {
        self.instructions.get(&(row.to_owned(), mode)).copied()
    }

    /// What a row's figures come to; `None` when there is none.
    pub(crate) fn summary(&self, row: &str, mode: Mode) -> Option<Summary> {
        Summary::of(self.figures.get(&(row.to_owned(), mode))?)
    }
}

/// Median and spread of some figures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) first_quartile: f64,
    pub(crate) third_quartile: f64,
    /// How many figures.
    pub(crate) count: usize,
}

impl Summary {
    /// `None` when there is no figure.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self {
            median: quantile(&sorted, 0.5),
            min,
            max,
            first_quartile: quantile(&sorted, 0.25),
            third_quartile: quantile(&sorted, 0.75),
            count: sorted.len(),
        })
    }
}

/// Quantile of sorted figures, interpolated between the two nearest.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_of_known_figures() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0]).expect("four figures");
        assert_eq!((summary.median, summary.min, summary.max, summary.count), (3.0, 1.0, 5.0, 4));
        assert_eq!((summary.first_quartile, summary.third_quartile), (1.75, 4.25));
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn modes_of_a_row_are_kept_apart() {
        let mut samples = Samples::default();
        samples.add("row", Mode::Native, 1.0);
        samples.add("row", Mode::Limited, 3.0);
        samples.add("row", Mode::Limited, 5.0);
        assert_eq!(samples.summary("row", Mode::Native).map(|s| s.median), Some(1.0));
        assert_eq!(samples.summary("row", Mode::Limited).map(|s| s.median), Some(4.0));
        assert_eq!(samples.summary("row", Mode::Unlimited), None);
    }
}
