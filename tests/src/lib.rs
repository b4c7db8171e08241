//! Harness of the whole-system tests: finds what `make build` made, compiles C programs, runs commands with a deadline.

pub mod artefacts;
pub mod poll;
pub mod program;
pub mod run;

pub use poll::poll_until;
pub use program::Program;
pub use run::{Output, Run, Running};
