//! The first calls of a process, several processes starting at once, and what a process takes of the machine.

use crate::client::{Clients, Door, Mode, figure};
use crate::samples::{Samples, Summary};

/// Figures of a process that starts alone, as the client names them, and in words.
pub(crate) const FIRST_CALLS: &[(&str, &str)] = &[
    ("open", "dlopen and dlsym of the driver"),
    ("cuInit", "first cuInit"),
    ("context", "first context"),
    ("cuMemAlloc", "first cuMemAlloc"),
    ("to-first-allocation", "cuInit to first allocation"),
    ("open-to-first-allocation", "dlopen to first allocation"),
    ("cuMemGetInfo", "first cuMemGetInfo"),
    ("nvmlDeviceGetMemoryInfo", "first nvmlDeviceGetMemoryInfo"),
    ("resident", "resident memory"),
    ("resident-with-nvml", "resident memory, NVML open"),
    ("private", "private memory"),
    ("dirty", "private memory, written"),
    ("threads", "threads"),
];

/// Numbers of processes that start at once.
pub(crate) const AT_ONCE: [usize; 4] = [1, 4, 8, 16];

pub(super) fn measure(clients: &Clients, round: u32, samples: &mut Samples) -> anyhow::Result<()> {
    let arguments = ["first-calls".to_owned()];
    for door in Door::ALL {
        for count in AT_ONCE {
            for mode in Mode::in_turn(Mode::TWO, round) {
                // A new region each time: the first process of a tenant makes it.
                let tenant = format!("start-{count}-{}-{round}", door.name());
                let processes = clients.at_gate((door, mode), &tenant, &arguments, count)?.open()?;
                let mut times = Vec::with_capacity(count);
                for figures in &processes {
                    times.push(figure(figures, "to-first-allocation")?);
                }
                if let Some(summary) = Summary::of(&times) {
                    samples.add(format!("start-{count}-median/{}", door.name()), mode, summary.median);
                    samples.add(format!("start-{count}-worst/{}", door.name()), mode, summary.max);
                }
                if let ([alone], 1) = (&processes[..], count) {
                    for (name, _) in FIRST_CALLS {
                        samples.add(format!("first-{name}/{}", door.name()), mode, figure(alone, name)?);
                    }
                }
            }
        }
    }
    Ok(())
}
