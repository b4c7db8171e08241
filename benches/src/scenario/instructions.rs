//! Instructions per call, as valgrind counts them: they do not depend on what else the machine does.

use crate::client::{Clients, Door, Mode};
use crate::options::Options;
use crate::samples::Samples;

use super::CALLS;

/// Calls that are counted of each kind.
const COUNT: u32 = 1000;

/// Whether a call's instructions are counted. Not those of the slowest one of many, which no name tells from the others;
/// not those beside 100,000 pieces of 2 MiB, for which there are not enough addresses in valgrind. A quick run leaves out
/// what valgrind takes long for: very many allocations.
fn counted(call: &str, options: &Options) -> bool {
    let live = call.rsplit_once('-').and_then(|(_, live)| live.parse::<u32>().ok()).unwrap_or(0);
    let room = !(call.contains("2MiB") && live >= 100_000);
    !call.starts_with("slowest") && room && (live <= 1000 || !options.quick())
}

/// Counts once: the next time it would be the same. Through one door, since behind it the calls are the same.
pub(super) fn measure(clients: &Clients, options: &Options, samples: &mut Samples) -> anyhow::Result<()> {
    let door = Door::Direct;
    for (call, _) in CALLS.iter().filter(|(call, _)| counted(call, options)) {
        for mode in Mode::ALL {
            let count = clients.instructions(door, mode, call, COUNT)?;
            samples.set_instructions(format!("{call}/{}", door.name()), mode, count);
        }
    }
    Ok(())
}
