//! What is measured, one file per situation. Each round measures native and hooked in turn.

/// One process, one thread: what each call takes.
mod calls;
/// First calls, several processes starting at once, memory and threads.
mod first_calls;
/// Instructions per call, as valgrind counts them.
mod instructions;
/// Launches of kernels.
mod launches;
/// Several processes of one tenant.
mod peers;
/// Programs that never touch a device.
mod spawn;

use crate::client::Clients;
use crate::options::Options;
use crate::samples::Samples;

pub(crate) use calls::CALLS;
pub(crate) use first_calls::{AT_ONCE, FIRST_CALLS};
pub(crate) use launches::LAUNCHES;
pub(crate) use peers::{ACTIVE, IDLE};

/// Measures everything; says on stderr how far it is.
pub(crate) fn all(clients: &Clients, options: &Options, samples: &mut Samples) -> anyhow::Result<()> {
    let rounds = options.rounds();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        calls::measure(clients, options, round, samples)?;
        launches::measure(clients, options, round, samples)?;
        peers::measure(clients, options, round, samples)?;
        first_calls::measure(clients, round, samples)?;
        spawn::measure(clients, options, round, samples)?;
    }
    eprintln!("instructions");
    instructions::measure(clients, options, samples)
}
