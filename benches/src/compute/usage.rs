//! Who had the device when, as the simulator's usage log says: device-time per client in buckets of 10 ms.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

/// The log of one simulation.
#[derive(Debug)]
pub(crate) struct Usage {
    lines: Vec<Line>,
}

/// One client's use of one device, as the log has it.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    pid: u32,
    device: u32,
    /// Length of a bucket.
    bucket_ns: u64,
    /// Start of the first bucket, by the monotonic clock.
    first_ns: u64,
    /// Device-time within each bucket.
    busy_ns: Vec<u64>,
}

/// A stretch of time by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: u64,
    pub(crate) until: u64,
}

impl Window {
    /// `length` nanoseconds from `from` on.
    pub(crate) fn of(from: u64, length: u64) -> Self {
        Self { from, until: from + length }
    }
}

impl Usage {
    /// Reads the log, which is complete once the simulation has ended.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("usage log {}", path.display()))?;
        let lines = text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("usage log: {line}")));
        Ok(Self { lines: lines.collect::<Result<_, _>>()? })
    }

    /// Device-time of these processes on a device within the window, in nanoseconds; of all processes when `pids` is empty.
    pub(crate) fn busy(&self, device: u32, pids: &[u32], window: Window) -> f64 {
        let own = |line: &&Line| line.device == device && (pids.is_empty() || pids.contains(&line.pid));
        self.lines.iter().filter(own).map(|line| line.within(window)).sum()
    }

    /// The same as a percentage of the window.
    pub(crate) fn share(&self, device: u32, pids: &[u32], window: Window) -> f64 {
        100.0 * self.busy(device, pids, window) / (window.until - window.from) as f64
    }

    /// The largest share in any stretch of `length` nanoseconds within the window; stretches start every 10 ms.
    pub(crate) fn largest_share(&self, device: u32, pids: &[u32], window: Window, length: u64) -> f64 {
        stretches(window, length).map(|part| self.share(device, pids, part)).fold(0.0, f64::max)
    }
}

/// Stretches of `length` within the window, one every 10 ms.
pub(crate) fn stretches(window: Window, length: u64) -> impl Iterator<Item = Window> {
    (window.from..=window.until.saturating_sub(length)).step_by(10_000_000).map(move |from| Window::of(from, length))
}

impl Line {
    /// Device-time within the window; of buckets that it cuts, in proportion.
    fn within(&self, window: Window) -> f64 {
        let part = |(index, busy): (usize, &u64)| {
            let start = self.first_ns + index as u64 * self.bucket_ns;
            let common = window.until.min(start + self.bucket_ns).saturating_sub(window.from.max(start));
            *busy as f64 * common as f64 / self.bucket_ns as f64
        };
        self.busy_ns.iter().enumerate().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"pid":7,"start":1,"slot":0,"device":0,"bucket_ns":10,"first_ns":100,"busy_ns":[10,0,5]}
{"pid":8,"start":1,"slot":1,"device":0,"bucket_ns":10,"first_ns":110,"busy_ns":[10]}
{"pid":7,"start":1,"slot":0,"device":1,"bucket_ns":10,"first_ns":100,"busy_ns":[3]}
"#;

    #[test]
    fn sums_of_a_log() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), LOG).expect("the log");
        let usage = Usage::read(file.path()).expect("a log");
        let whole = Window { from: 100, until: 130 };
        assert_eq!(usage.busy(0, &[7], whole), 15.0);
        assert_eq!(usage.busy(0, &[], whole), 25.0);
        assert_eq!(usage.busy(1, &[], whole), 3.0);
        // Half of the first bucket, and all of the second, which is empty.
        assert_eq!(usage.busy(0, &[7], Window { from: 105, until: 120 }), 5.0);
        assert_eq!(usage.share(0, &[7], Window { from: 100, until: 110 }), 100.0);
    }

    #[test]
    fn stretches_lie_within_the_window() {
        let found: Vec<_> = stretches(Window::of(5, 30_000_000), 10_000_000).map(|part| part.from).collect();
        assert_eq!(found, [5, 10_000_005, 20_000_005]);
    }
}
