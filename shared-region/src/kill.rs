//! Numbered points at which a test ends or stops the process, or has our code panic:
//! `HAMI_KILL_POINT=POINT[@PASS][=KILL|STOP|PANIC]`.
//!
//! `PASS` counts from 0, over all threads; without it the first pass is meant, without a signal SIGKILL.
// UNSAFETY: kill(2) has no safe wrapper here.
#![expect(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::OnceLock;

/// The variable that arms a point.
const VARIABLE: &str = "HAMI_KILL_POINT";

/// What is to happen, and where.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    point: u32,
    pass: u64,
    /// `None`: a panic.
    signal: Option<libc::c_int>,
}

fn parse(text: &str) -> Option<Target> {
    let (place, signal) = text.split_once('=').unwrap_or((text, "KILL"));
    let (point, pass) = place.split_once('@').unwrap_or((place, "0"));
    let signal = match signal {
        "KILL" => Some(libc::SIGKILL),
        "STOP" => Some(libc::SIGSTOP),
        "PANIC" => None,
        _ => return None,
    };
    Some(Target { point: point.parse().ok()?, pass: pass.parse().ok()?, signal })
}

fn target() -> Option<&'static Target> {
    static TARGET: OnceLock<Option<Target>> = OnceLock::new();
    let read = || {
        let text = std::env::var(VARIABLE).ok()?;
        let target = parse(&text);
        if target.is_none() {
            eprintln!("{VARIABLE}={text}: accepted is POINT[@PASS][=KILL|STOP|PANIC], with numbers");
        }
        target
    };
    TARGET.get_or_init(read).as_ref()
}

/// Called at each point.
pub(crate) fn at(point: u32) {
    static PASSES: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only counts.
    if let Some(target) = target().filter(|target| target.point == point)
        && PASSES.fetch_add(1, Ordering::Relaxed) == target.pass
    {
        let Some(signal) = target.signal else { panic!("{VARIABLE} asks for it") };
        // SAFETY: a signal to this very process, which only a test asks for.
        unsafe { libc::kill(libc::getpid(), signal) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_as_people_write_them() {
        let target = |point, pass, signal| Some(Target { point, pass, signal });
        assert_eq!(parse("3"), target(3, 0, Some(libc::SIGKILL)));
        assert_eq!(parse("12@40"), target(12, 40, Some(libc::SIGKILL)));
        assert_eq!(parse("7@1=STOP"), target(7, 1, Some(libc::SIGSTOP)));
        assert_eq!(parse("20=PANIC"), target(20, 0, None));
        for text in ["", "x", "1@", "@1", "1=TERM", "1@2@3", "-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
