//! Failures on purpose: which calls of which exported functions fail, and with what code.
//!
//! The plan is text, `function[@nth][=code]` separated by commas: `cuMemAlloc_v2@3=2` fails the third call of that function in
//! each process with code 2, `cuMemFree_v2@1+` every call from the first on with [`DEFAULT_CODE`], `cuInit` every call. A call
//! that fails so does nothing else. Calls are counted in each process from its first call on; a fork goes on counting from
//! where its parent was.

use std::io::Write;
use std::str::FromStr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::EXPORTED;

/// Environment variable that the simulated libraries read the plan from, at the first call of any of their functions.
pub const FAIL_ENV: &str = "SIMGPU_FAIL";

/// The code where the plan names none: "unknown error", in both libraries.
pub const DEFAULT_CODE: u32 = 999;

/// Exported functions whose answer is not a result code.
const WITHOUT_CODE: [&str; 1] = ["nvmlErrorString"];

/// Which calls fail.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    function: String,
    /// The calls that fail, numbered from 1: from the first to the last of these.
    calls: (u64, u64),
    code: u32,
    /// Calls so far.
    count: AtomicU64,
}

/// What is wrong with a plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{entry}': {reason}")]
pub struct PlanError {
    /// The part between two commas.
    entry: String,
    /// What is wrong with it, and what is accepted.
    reason: String,
}

/// This process's plan.
static PLAN: LazyLock<Plan> = LazyLock::new(from_environment);

/// Whether any call has to fail.
#[inline]
pub fn armed() -> bool {
    !PLAN.rules.is_empty()
}

/// The code with which this call of `function` has to fail, if it has to. Call it once per call of the function.
#[inline]
pub fn injected(function: &str) -> Option<u32> {
    if armed() { PLAN.count_call(function) } else { None }
}

/// A plan that cannot be read fails nothing; one line on standard error says so.
#[cold]
fn from_environment() -> Plan {
    let text = std::env::var_os(FAIL_ENV).unwrap_or_default();
    if text.is_empty() {
        return Plan::default();
    }
    text.to_string_lossy().parse().unwrap_or_else(|error| {
        // Nothing is left to be done where standard error is closed.
        let _ = writeln!(std::io::stderr(), "simgpu: {FAIL_ENV}: {error}; no call is made to fail");
        Plan::default()
    })
}

impl Plan {
    /// Counts a call of `function`; the code with which it has to fail, if it has to. Of several rules the first decides.
    #[cold]
    pub fn count_call(&self, function: &str) -> Option<u32> {
        let rules = self.rules.iter().filter(|rule| rule.function == function);
        let hits = rules.filter(|rule| {
            // Relaxed: only the number matters, and each call gets its own.
            let call = rule.count.fetch_add(1, Ordering::Relaxed) + 1;
            (rule.calls.0..=rule.calls.1).contains(&call)
        });
        // All of them count, so all are asked.
        hits.fold(None, |first, rule| first.or(Some(rule.code)))
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let rule = |entry: &str| {
            Rule::parse(entry.trim()).map_err(|reason| PlanError { entry: entry.trim().to_owned(), reason })
        };
        Ok(Self { rules: text.split(',').map(rule).collect::<Result<_, _>>()? })
    }
}

impl Rule {
    fn parse(entry: &str) -> Result<Self, String> {
        let (call, code) = match entry.split_once('=') {
            None => (entry, DEFAULT_CODE),
            Some((call, code)) => (call, parse_code(code)?),
        };
        let (function, calls) = match call.split_once('@') {
            None => (call, (1, u64::MAX)),
            Some((function, calls)) => (function, parse_calls(calls)?),
        };
        if WITHOUT_CODE.contains(&function) {
            return Err(format!("'{function}' cannot fail, it answers no result code"));
        }
        if !is_exported(function) {
            return Err(format!(
                "there is no function '{function}'; accepted is FUNCTION[@CALL[+]][=CODE] with the name of a function that \
                 libcuda or libnvidia-ml exports, such as cuMemAlloc_v2@3=2"
            ));
        }
        Ok(Self { function: function.to_owned(), calls, code, count: AtomicU64::new(0) })
    }
}

fn parse_code(text: &str) -> Result<u32, String> {
    let code = text.parse().ok().filter(|code| *code > 0);
    code.ok_or_else(|| format!("the code '{text}' is not a number from 1 to {}", u32::MAX))
}

fn parse_calls(text: &str) -> Result<(u64, u64), String> {
    let (number, open) = match text.strip_suffix('+') {
        Some(number) => (number, true),
        None => (text, false),
    };
    let first = number.parse().ok().filter(|call| *call > 0);
    let first =
        first.ok_or_else(|| format!("the call '{text}' is not a number from 1 on, or one with a '+' behind it"))?;
    Ok((first, if open { u64::MAX } else { first }))
}

fn is_exported(function: &str) -> bool {
    EXPORTED.lines().filter_map(|line| line.split_once(' ')).any(|(_, name)| name == function)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(plan: &Plan, function: &str, calls: usize) -> Vec<u32> {
        (0..calls).map(|_| plan.count_call(function).unwrap_or(0)).collect()
    }

    #[test]
    fn each_rule_fails_the_calls_it_names() {
        let plan: Plan = "cuMemAlloc_v2@2=2, cuMemAlloc_v2@4+=7,cuMemFree_v2,nvmlInit_v2@1".parse().expect("a plan");
        assert_eq!(codes(&plan, "cuMemAlloc_v2", 6), [0, 2, 0, 7, 7, 7]);
        assert_eq!(codes(&plan, "cuMemFree_v2", 3), [DEFAULT_CODE; 3]);
        assert_eq!(codes(&plan, "nvmlInit_v2", 3), [DEFAULT_CODE, 0, 0]);
        assert_eq!(codes(&plan, "cuMemAlloc", 3), [0, 0, 0]);
    }

    #[test]
    fn a_bad_plan_is_refused_with_its_entry_and_what_is_accepted() {
        for (plan, entry, reason) in [
            ("cuMemAllocate=2", "cuMemAllocate=2", "'cuMemAllocate'"),
            ("cuInit,,cuMemFree_v2", "", "FUNCTION[@CALL[+]][=CODE]"),
            ("cuInit@0", "cuInit@0", "the call '0' is not a number from 1 on"),
            ("cuInit@+", "cuInit@+", "the call '+'"),
            ("cuInit@1=two", "cuInit@1=two", "the code 'two' is not a number from 1 to 4294967295"),
            ("cuInit=0", "cuInit=0", "the code '0'"),
            ("cuInit=1@2", "cuInit=1@2", "the code '1@2'"),
            ("nvmlErrorString", "nvmlErrorString", "no result code"),
        ] {
            let error = plan.parse::<Plan>().expect_err(plan);
            assert_eq!(error.entry, entry);
            assert!(error.reason.contains(reason), "{error}");
        }
    }
}
