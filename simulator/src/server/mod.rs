//! The kernel driver of a simulation: a single-threaded server that gives out device memory and notices deaths.
//!
//! A client is known by its connection. When the last descriptor of a connection is closed, by exit, by SIGKILL or by the
//! end of the last fork, the client's slot is wiped, as a kernel driver does in its release function.

mod engine;
mod ledger;
mod run;
mod shared;

pub use run::Server;
