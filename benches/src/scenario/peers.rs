//! Several processes of one tenant: those that only hold memory, and those that allocate at once.

use crate::client::{Clients, Door, Mode, figure};
use crate::options::Options;
use crate::samples::Samples;

/// Numbers of processes that hold memory and sleep while one allocates.
pub(crate) const IDLE: [usize; 4] = [0, 3, 7, 63];
/// Numbers of processes that allocate at once.
pub(crate) const ACTIVE: [usize; 4] = [1, 4, 8, 16];

pub(super) fn measure(clients: &Clients, options: &Options, round: u32, samples: &mut Samples) -> anyhow::Result<()> {
    let storm = ["storm".to_owned(), options.storm_ms().to_string()];
    for count in ACTIVE {
        for mode in Mode::in_turn(Mode::TWO, round) {
            let tenant = format!("active-{count}");
            let processes = clients.at_gate((Door::Dlsym, mode), &tenant, &storm, count)?.open()?;
            let mut sum = 0.0;
            for figures in &processes {
                sum += figure(figures, "pairs-per-second")?;
            }
            samples.add(tenant, mode, sum);
        }
    }
    for count in IDLE {
        for mode in Mode::in_turn(Mode::TWO, round) {
            let tenant = format!("idle-{count}");
            let idle = clients.at_gate((Door::Dlsym, mode), &tenant, &["idle".to_owned()], count)?;
            let processes = clients.at_gate((Door::Dlsym, mode), &tenant, &storm, 1)?.open()?;
            for figures in &processes {
                samples.add(tenant.as_str(), mode, figure(figures, "nanoseconds-per-pair")?);
            }
            idle.open()?;
        }
    }
    Ok(())
}
