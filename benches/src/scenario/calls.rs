//! One process, one thread: what each call takes, through both doors, natively, with a quota and without.

use crate::client::{Clients, Door, Mode, figure};
use crate::options::Options;
use crate::samples::Samples;

/// Calls as the client names them, and in words.
pub(crate) const CALLS: &[(&str, &str)] = &[
    ("pair-4KiB-1", "alloc+free 4 KiB, 1 live"),
    ("pair-4KiB-1000", "alloc+free 4 KiB, 1,000 live"),
    ("pair-4KiB-100000", "alloc+free 4 KiB, 100,000 live"),
    ("pair-4KiB-1000000", "alloc+free 4 KiB, 1,000,000 live"),
    ("replace-4KiB-100000", "free a random one of 100,000, alloc 4 KiB"),
    ("slowest-4KiB", "slowest alloc of 250,000 in a row, CPU time"),
    ("pair-2MiB-1", "alloc+free 2 MiB, 1 live"),
    ("pair-2MiB-1000", "alloc+free 2 MiB, 1,000 live"),
    ("pair-2MiB-100000", "alloc+free 2 MiB, 100,000 live"),
    ("replace-2MiB-100000", "free a random one of 100,000, alloc 2 MiB"),
    ("refusal", "cuMemAlloc, refused"),
    ("cuMemGetInfo", "cuMemGetInfo"),
    ("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo"),
    ("nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetMemoryInfo_v2"),
    ("cuGetProcAddress-cuMemAlloc", "cuGetProcAddress(cuMemAlloc)"),
    ("cuGetProcAddress-cuLaunchKernel", "cuGetProcAddress(cuLaunchKernel)"),
    ("cuGetProcAddress-cuEventQuery", "cuGetProcAddress(cuEventQuery)"),
];

pub(super) fn measure(clients: &Clients, options: &Options, round: u32, samples: &mut Samples) -> anyhow::Result<()> {
    let arguments = ["calls".to_owned(), options.call_budget_ms().to_string()];
    for door in Door::ALL {
        for mode in Mode::in_turn(Mode::ALL, round) {
            let figures = clients.run(door, mode, "calls", &arguments)?;
            for (call, _) in CALLS {
                samples.add(format!("{call}/{}", door.name()), mode, figure(&figures, call)?);
            }
        }
    }
    Ok(())
}
