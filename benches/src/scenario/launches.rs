//! One process, one thread: what a launch takes, and what is kept of the device's throughput.

use crate::client::{Clients, Door, Mode, figure};
use crate::options::Options;
use crate::samples::Samples;

/// Keys, the part of the client that prints them, and in words.
pub(crate) const LAUNCHES: &[(&str, &str, &str)] = &[
    ("launch", "launches", "cuLaunchKernel, 1 us kernels, not waiting"),
    ("launch-saturated", "saturated", "20 us kernels without pause, each, at 100 %"),
];

pub(super) fn measure(clients: &Clients, options: &Options, round: u32, samples: &mut Samples) -> anyhow::Result<()> {
    for door in Door::ALL {
        for mode in Mode::in_turn(Mode::ALL, round) {
            for (key, part, _) in LAUNCHES {
                let arguments = [(*part).to_owned(), options.launch_ms().to_string()];
                let figures = clients.run(door, mode, part, &arguments)?;
                samples.add(format!("{key}/{}", door.name()), mode, figure(&figures, key)?);
            }
        }
    }
    Ok(())
}
