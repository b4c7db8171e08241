//! The lines that `programs/client.c --audit` prints, and what must hold in each.

use crate::Output;

/// 2²⁰ bytes.
pub const MIB: u64 = 1 << 20;

/// One call of the client.
#[derive(Debug)]
pub struct Step {
    /// The line as it was printed.
    pub line: String,
    /// What the call answered; 0 is success.
    pub result: i32,
    /// In use as cuMemGetInfo tells; `None` when it fails, as it does without a context.
    pub view: Option<u64>,
    /// The device's size as the same call tells.
    pub total: Option<u64>,
    /// In use by the client's process, by the simulator's books.
    pub own: u64,
    /// In use on the device, by the same.
    pub device: u64,
    /// Contexts on the device, by the same.
    pub contexts: u64,
    /// After the call; it was 1234 before.
    pub errno: u64,
}

/// All calls of one client.
#[derive(Debug)]
pub struct Audit {
    /// The calls in order.
    pub steps: Vec<Step>,
}

/// The whole number behind a word of a line.
///
/// # Panics
/// When there is none.
pub fn figure(line: &str, word: &str) -> u64 {
    let mut words = line.split(' ').skip_while(|found| *found != word).skip(1);
    words.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no figure {word:?} in {line:?}"))
}

impl Audit {
    /// Reads what the client printed.
    ///
    /// # Panics
    /// When a line is not as expected, or something is on standard error.
    pub fn of(output: Output) -> Audit {
        assert_eq!(output.stderr, "", "{output}");
        let steps: Vec<_> = output.stdout.lines().filter(|line| line.contains(" = ")).map(step).collect();
        assert!(!steps.is_empty(), "{output}");
        Audit { steps }
    }

    /// Checks that after each call the device is shown with `total` bytes, that the view of what is in use is what the
    /// books say, and that a call that succeeds leaves errno alone.
    ///
    /// # Panics
    /// At the first step where one of them does not hold.
    pub fn agrees(&self, total: u64) {
        let mut seen = 0;
        for step in &self.steps {
            seen += u32::from(step.view.is_some());
            assert!(step.view.is_none_or(|view| view == step.own), "view and books differ: {}", step.line);
            assert!(step.total.is_none_or(|shown| shown == total), "not {total} bytes in all: {}", step.line);
            assert!(step.result != 0 || step.errno == 1234, "errno changed: {}", step.line);
        }
        assert_ne!(seen, 0, "no step had a view: {self:#?}");
    }
}

fn step(line: &str) -> Step {
    let result = line.split(" = ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let seen = !line.contains("view none");
    Step {
        line: line.to_owned(),
        result: result.unwrap_or_else(|| panic!("no result in {line:?}")),
        view: seen.then(|| figure(line, "view")),
        total: seen.then(|| figure(line, "total")),
        own: figure(line, "own"),
        device: figure(line, "device"),
        contexts: figure(line, "contexts"),
        errno: figure(line, "errno"),
    }
}
