//! Harness of the whole-system tests: finds what `make build` made, compiles C programs, runs commands with a deadline.

pub mod artefacts;
pub mod audit;
pub mod cast;
pub mod cores;
pub mod poll;
pub mod program;
pub mod run;
pub mod tenant;

pub use poll::poll_until;
pub use program::Program;
pub use run::{Output, Run, Running};
pub use tenant::Tenant;
