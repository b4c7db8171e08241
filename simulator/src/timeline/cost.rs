//! How long work takes alone on a device: by the name of a kernel, by a table of the user's, or by its size.

use serde::{Deserialize, Serialize};

use super::{FOREVER, FULL_WIDTH, Kernel, LONGEST_NS, Meet};
use crate::device::DeviceInfo;

/// Time of a kernel of which nothing is known: a launch, and one step per round of resident blocks.
const LAUNCH_NS: u64 = 2_000;
const ROUND_NS: u64 = 1_000;
/// Time of any copy or fill before its first byte.
const COPY_NS: u64 = 1_000;
/// Bytes per second over the host link per lane and generation: 16 lanes of generation 5 give 64 GB/s.
const LINK_LANE_BYTES: u64 = 250_000_000;

/// Most rules of a table, and longest pattern in bytes: every client is told the table when it connects.
const MOST_RULES: usize = 500;
const LONGEST_PATTERN: usize = 128;

/// A table of kernel times; the first rule that fits a name decides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelModel {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rule {
    /// `*` stands for any text.
    pattern: String,
    base_ns: u64,
    round_ns: u64,
    jitter_percent: u8,
}

/// Why a table of kernel times cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}: '{text}': {what}; accepted is a name pattern (`*` for any text), a time such as 20us, 1.5ms or \
     2us+800ns/round (per round of resident blocks), and, if it varies, ~N% (0 to 100)"
)]
pub struct ModelError {
    line: usize,
    text: String,
    what: String,
}

/// What a kernel's name says about its time; the launch's size may add to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelCost {
    base_ns: u64,
    round_ns: u64,
    jitter_percent: u8,
    meet: Option<Meet>,
}

impl KernelModel {
    /// Reads a table: one rule per line, `#` begins a comment.
    ///
    /// # Errors
    /// [`ModelError`] for the first line that is no rule.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let rule = line.split('#').next().unwrap_or_default().trim();
            if !rule.is_empty() {
                let error = |what| ModelError { line: index + 1, text: rule.to_owned(), what };
                if rules.len() == MOST_RULES {
                    return Err(error(format!("a table has {MOST_RULES} rules at most")));
                }
                rules.push(Rule::parse(rule).map_err(error)?);
            }
        }
        Ok(Self { rules })
    }

    /// What is known of the kernel called `name`.
    pub fn cost(&self, name: &str) -> KernelCost {
        match self.rules.iter().find(|rule| fits(&rule.pattern, name)) {
            Some(rule) => KernelCost {
                base_ns: rule.base_ns,
                round_ns: rule.round_ns,
                jitter_percent: rule.jitter_percent,
                meet: meet(name),
            },
            None => KernelCost::named(name),
        }
    }
}

impl Rule {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let (Some(pattern), Some(time)) = (words.next(), words.next()) else {
            return Err("a pattern and a time are needed".into());
        };
        if pattern.len() > LONGEST_PATTERN || !pattern.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        {
            return Err(format!("the pattern is not of 1 to {LONGEST_PATTERN} characters that names have"));
        }
        let jitter_percent = match words.next() {
            None => 0,
            Some(word) => {
                let digits = word.strip_prefix('~').and_then(|word| word.strip_suffix('%'));
                let percent = digits.and_then(|digits| digits.parse().ok()).filter(|percent| *percent <= 100);
                percent.ok_or_else(|| format!("'{word}' is no jitter"))?
            }
        };
        if let Some(word) = words.next() {
            return Err(format!("'{word}' is too much"));
        }
        let (mut base_ns, mut round_ns) = (0u64, 0u64);
        for part in time.split('+') {
            match part.strip_suffix("/round") {
                Some(part) => round_ns += duration_ns(part)?,
                None => base_ns += duration_ns(part)?,
            }
        }
        Ok(Self { pattern: pattern.to_owned(), base_ns, round_ns, jitter_percent })
    }
}

/// Nanoseconds of a text such as `1.5ms`.
///
/// # Errors
/// What is wrong with it, and what is accepted.
pub fn duration_ns(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1.0,
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(format!("'{text}' is no time with a unit of ns, us, ms or s")),
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value = digits.parse::<f64>().ok().filter(|_| plain).map(|value| value * unit);
    let value = value.filter(|ns| *ns <= LONGEST_NS as f64);
    value.map(|ns| ns.round() as u64).ok_or_else(|| format!("'{text}' is no time from 0ns to {LONGEST_NS}ns"))
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.len() >= last.len() && left.ends_with(last)
}

/// The number behind the last `mark` in a name, if digits follow it.
fn number_behind(name: &str, mark: &str) -> Option<u64> {
    let (_, rest) = name.rsplit_once(mark)?;
    let digits = &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())];
    digits.parse().ok()
}

fn meet(name: &str) -> Option<Meet> {
    let count = number_behind(name, "_meet").and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 1)?;
    // FNV-1a: the same in every process.
    let key = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    Some(Meet { key, count })
}

impl KernelCost {
    fn named(name: &str) -> Self {
        let meet = meet(name);
        let stated = number_behind(name, "_us").map(|us| us.saturating_mul(1000).min(LONGEST_NS));
        let (base_ns, round_ns) = match stated {
            _ if name.contains("_forever") => (FOREVER, 0),
            Some(ns) => (ns, 0),
            None if meet.is_some() => (0, 0),
            None => (LAUNCH_NS, ROUND_NS),
        };
        Self { base_ns, round_ns, jitter_percent: 0, meet }
    }

    /// A launch of `blocks` blocks of `threads` threads on `device`.
    pub fn kernel(&self, blocks: u64, threads: u64, device: &DeviceInfo) -> Kernel {
        let per_sm = u64::from(device.max_threads_per_sm) / threads.next_multiple_of(32).max(32);
        let resident = per_sm.clamp(1, u64::from(device.max_blocks_per_sm)) * u64::from(device.sm_count);
        let ns = if self.base_ns == FOREVER {
            FOREVER
        } else {
            self.base_ns.saturating_add(blocks.div_ceil(resident).saturating_mul(self.round_ns)).min(LONGEST_NS)
        };
        let width = (u128::from(blocks) * u128::from(FULL_WIDTH) / u128::from(resident)).min(u128::from(FULL_WIDTH));
        let Self { jitter_percent, meet, .. } = *self;
        Kernel { ns, width: (width as u32).max(1), jitter_percent, meet }
    }
}

/// Time of `bytes` over the host link, in nanoseconds.
pub fn link_ns(bytes: u64, device: &DeviceInfo) -> u64 {
    let link = LINK_LANE_BYTES * u64::from(device.pci.link_width) * (1 << (device.pci.link_generation - 1));
    at(bytes, link)
}

/// Time of a copy of `bytes` within device memory, in nanoseconds: each byte is read and written.
pub fn device_copy_ns(bytes: u64, device: &DeviceInfo) -> u64 {
    at(bytes, device.memory_bandwidth / 2)
}

/// Time of a fill of `bytes`, in nanoseconds.
pub fn fill_ns(bytes: u64, device: &DeviceInfo) -> u64 {
    at(bytes, device.memory_bandwidth)
}

fn at(bytes: u64, bandwidth: u64) -> u64 {
    let transfer = u128::from(bytes) * 1_000_000_000 / u128::from(bandwidth.max(1));
    (u128::from(COPY_NS) + transfer).min(u128::from(LONGEST_NS)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_states_its_duration() {
        for (name, ns) in [("spin_us20", 20_000), ("_ZN8__main__9spin_us300B2v1E", 300_000), ("a_us1_us7", 7_000)] {
            assert_eq!(KernelCost::named(name).base_ns, ns, "{name}");
        }
        for name in ["spin", "spin_us", "spin_usage9"] {
            assert_eq!(KernelCost::named(name).round_ns, ROUND_NS, "{name}");
        }
        assert_eq!(KernelCost::named("spin_forever").base_ns, FOREVER);
        let all = KernelCost::named("all_meet2_us30");
        assert_eq!((all.base_ns, all.meet.map(|meet| meet.count)), (30_000, Some(2)));
        assert_ne!(all.meet, KernelCost::named("other_meet2_us30").meet);
    }

    #[test]
    fn a_table_overrides_names_and_the_first_rule_decides() {
        let model = KernelModel::parse("# mine\ngemm*_f16  120us ~10%\n*  2us+1.5us/round\n").expect("a table");
        let cost = model.cost("gemm_us5_f16");
        assert_eq!((cost.base_ns, cost.round_ns, cost.jitter_percent), (120_000, 0, 10));
        let cost = model.cost("gemm_us5_f32");
        assert_eq!((cost.base_ns, cost.round_ns, cost.jitter_percent), (2_000, 1_500, 0));
    }

    #[test]
    fn a_bad_line_is_named() {
        let long = format!("{} 5us", "a".repeat(129));
        for line in [
            &long,
            "a\"b 5us",
            "a",
            "a 5",
            "a 5us ~101%",
            "a 5us 10%",
            "a 5us ~5% x",
            "a -5us",
            "a 1e9s",
            "a us",
            "a infs",
        ] {
            let error = KernelModel::parse(&format!("b 1us\n{line}")).expect_err(line).to_string();
            assert!(error.starts_with(&format!("line 2: '{line}': ")), "{error}");
        }
    }

    #[test]
    fn a_pattern_fits_whole_names() {
        for (pattern, name, fit) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*ca*a", "aca", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
