//! The table for people.

use std::fmt::Write;

use super::{Instructions, Line, Report, Standing};
use crate::reference::Verdict;
use crate::rows::Unit;
use crate::samples::Summary;

/// The report as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _written = write_report(&mut text, report);
    text
}

fn write_report(text: &mut String, report: &Report) -> std::fmt::Result {
    let machine = &report.machine;
    writeln!(text, "native against hooked, medians of {} rounds (minimum to maximum)", report.rounds)?;
    writeln!(text, "machine:   {}, {} cores, Linux {}", machine.processor, machine.cores, machine.kernel)?;
    writeln!(text, "library:   {}", report.library)?;
    writeln!(text, "reference: {}; another machine, over a stub driver", report.reference.name)?;
    writeln!(
        text,
        "instructions per call: natively, how many more when hooked, how many more with no limit (valgrind)"
    )?;
    if report.quick {
        writeln!(text, "A quick run: its figures are rough.")?;
    }
    let mut group = "";
    for line in &report.rows {
        if line.group != group {
            group = line.group;
            writeln!(text, "\n{group}")?;
            writeln!(
                text,
                "  {:<42} {:>27} {:>27} {:>10} {:>7} {:>10} {:>10} {:>9} {:>21}",
                "",
                "native",
                "hooked",
                "difference",
                "ratio",
                "no limit",
                "reference",
                "better by",
                instructions_heading(&report.rows, group)
            )?;
        }
        write_line(text, line)?;
    }
    write_standing(text, &report.standing)
}

/// What the comparison comes to, and what it leaves out.
fn write_standing(text: &mut String, standing: &Standing) -> std::fmt::Result {
    let Standing { not_worse, worse, not_comparable, no_figure } = standing;
    let compared = not_worse.len() + worse.len();
    let left_out = not_comparable.len() + no_figure.len();
    writeln!(text, "\nCompared with the reference: {compared} of {} rows.", compared + left_out)?;
    for (what, keys) in [
        ("Worse than the reference's", worse),
        ("Not compared, since the reference's figure is of something else (README)", not_comparable),
        ("Not compared, since the reference has no figure", no_figure),
    ] {
        match &keys[..] {
            [] => writeln!(text, "{what}: none.")?,
            keys => writeln!(text, "{what}: {}: {}.", keys.len(), keys.join(", "))?,
        }
    }
    Ok(())
}

fn write_line(text: &mut String, line: &Line) -> std::fmt::Result {
    let unlimited = line.unlimited.map(|summary| signed(summary.median - line.native.median, line.unit));
    writeln!(
        text,
        "  {:<42} {:>27} {:>27} {:>10} {:>7} {:>10} {:>10} {:>9} {:>21}",
        line.title,
        spread(&line.native, line.unit),
        spread(&line.hooked, line.unit),
        signed(line.difference, line.unit),
        format!("x{:.2}", line.ratio),
        unlimited.unwrap_or_default(),
        reference(line),
        verdict(line),
        instructions(line),
    )
}

/// Heads the column of instructions, in groups that have any.
fn instructions_heading(rows: &[Line], group: &str) -> &'static str {
    let counted = rows.iter().any(|line| line.group == group && line.instructions.is_some());
    if counted { "instructions per call" } else { "" }
}

/// Instructions native, hooked, and without a limit.
fn instructions(line: &Line) -> String {
    let Some(Instructions { native, hooked, unlimited }) = &line.instructions else { return String::new() };
    format!("{native:.0} {:+.0} {:+.0}", hooked - native, unlimited - native)
}

/// The reference's figure; one that is a difference over native has its sign.
fn reference(line: &Line) -> String {
    let Some(figures) = &line.reference else { return String::new() };
    match (figures.hooked, figures.difference) {
        (Some(hooked), _) => figure(hooked, line.unit),
        (None, Some(difference)) => signed(difference, line.unit),
        (None, None) => String::new(),
    }
}

fn verdict(line: &Line) -> String {
    match line.verdict {
        Some(Verdict::BetterBy(times)) => format!("x{times:.1}"),
        Some(Verdict::NoCost) => "no cost".to_owned(),
        None if line.reference.is_some() => "(README)".to_owned(),
        None => String::new(),
    }
}

fn spread(summary: &Summary, unit: Unit) -> String {
    let [median, min, max] = [summary.median, summary.min, summary.max].map(|value| figure(value, unit));
    if summary.count == 1 { median } else { format!("{median} ({min}-{max})") }
}

fn signed(value: f64, unit: Unit) -> String {
    format!("{}{}", if value < 0.0 { "-" } else { "+" }, figure(value.abs(), unit))
}

/// A figure with its unit: three or four digits tell all that a benchmark knows.
fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds if value < 100.0 => format!("{value:.1}ns"),
        Unit::Nanoseconds if value < 10_000.0 => format!("{value:.0}ns"),
        Unit::Nanoseconds if value < 10_000_000.0 => format!("{:.0}us", value / 1e3),
        Unit::Nanoseconds => format!("{:.0}ms", value / 1e6),
        Unit::PairsPerSecond => format!("{:.2}M/s", value / 1e6),
        Unit::Kibibytes => format!("{value:.0}KiB"),
        Unit::Count => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_that_is_worse_or_left_out_is_named() {
        let keys = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let (not_worse, worse) = (keys(&["good"]), keys(&["slow", "large"]));
        let (not_comparable, no_figure) = (keys(&["other"]), keys(&[]));
        let mut text = String::new();
        write_standing(&mut text, &Standing { not_worse, worse, not_comparable, no_figure }).expect("into a String");
        let expected = [
            "",
            "Compared with the reference: 3 of 4 rows.",
            "Worse than the reference's: 2: slow, large.",
            "Not compared, since the reference's figure is of something else (README): 1: other.",
            "Not compared, since the reference has no figure: none.",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn figures_in_words() {
        assert_eq!(figure(2.34, Unit::Nanoseconds), "2.3ns");
        assert_eq!(figure(882_000.0, Unit::Nanoseconds), "882us");
        assert_eq!(figure(1_510_000.0, Unit::PairsPerSecond), "1.51M/s");
        assert_eq!(signed(-3.0, Unit::Kibibytes), "-3KiB");
        assert_eq!(signed(0.0, Unit::Count), "+0");
    }
}
