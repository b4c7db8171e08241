//! Programs that never touch a device, started with and without the preload.

use crate::client::{Clients, Door, LIMIT, Mode, figure};
use crate::options::Options;
use crate::samples::Samples;

pub(super) fn measure(clients: &Clients, options: &Options, round: u32, samples: &mut Samples) -> anyhow::Result<()> {
    let library = clients.library().display().to_string();
    let arguments = ["spawn".to_owned(), options.spawns().to_string(), library, LIMIT.to_owned()];
    let tenant = format!("spawn-{round}");
    // The client itself runs without the library and gives it to what it starts, in turn.
    let figures = clients.run(Door::Dlsym, Mode::Native, &tenant, &arguments)?;
    for (mode, name) in [(Mode::Native, "native"), (Mode::Limited, "hooked"), (Mode::Unlimited, "unlimited")] {
        samples.add("bin-true", mode, figure(&figures, name)?);
    }
    Ok(())
}
