//! A simulated GPU and its kernel driver.
//!
//! [`server`] plays the kernel: it owns the devices, says who gets device memory and notices the death of a process.
//! [`books`] is the memory that it shares with every process of a simulation. [`client`] is what the simulated vendor
//! libraries use. The model itself is described in this folder's README.md.

pub mod books;
mod channel;
pub mod client;
pub mod device;
pub mod faults;
mod futex;
pub mod presets;
pub mod protocol;
pub mod server;
pub mod size;
pub mod timeline;

/// Environment variable that names the server's socket inside a simulation.
pub const SOCKET_ENV: &str = "SIMGPU_SOCKET";

/// Exported vendor names, as `LIBRARY NAME` lines in order of library and name.
pub const EXPORTED: &str = include_str!(concat!(env!("OUT_DIR"), "/exported.txt"));

/// Exported vendor names without behaviour, as `LIBRARY NAME` lines in order of library and name.
pub const UNSUPPORTED: &str = include_str!(concat!(env!("OUT_DIR"), "/unsupported.txt"));
