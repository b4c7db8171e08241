//! CUDA_VISIBLE_DEVICES: which of the container's devices each CUDA ordinal is. Pure text and numbers, no call to anybody.
//!
//! Sources: CUDA C++ Programming Guide, "CUDA Environment Variables"; NVIDIA MIG User Guide, "CUDA Visible Devices". The driver
//! has decided already how many ordinals there are. So an entry that the driver would not take may be read here without
//! harm, and one that the driver takes must not be read otherwise.

/// A device's UUID: its 16 bytes in the order of its text.
pub type Uuid = [u8; 16];

/// A device as the container has it: its index there, and its UUID.
pub type Device = (usize, Uuid);

/// Length of a UUID's text, without `GPU-`.
const UUID_TEXT: usize = 36;

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// By index.
    Index(usize),
    /// `GPU-…`: a UUID or a beginning of one, without `GPU-`.
    Gpu(&'a str),
    /// `MIG-…`: the UUID of a MIG instance, which does not tell whose instance it is. Without `MIG-`.
    Mig(&'a str),
    /// `MIG-GPU-…/gi/ci`, the form of drivers before R470.
    MigOf {
        /// UUID of the device that the instance is on, without `GPU-`.
        gpu: &'a str,
        /// GPU instance.
        instance: u32,
        /// Compute instance.
        compute: u32,
    },
}

/// Reads one entry; `None`: it names nothing (`-1`, `NoDevFiles`, nothing at all), and the list ends there.
pub fn entry(text: &str) -> Option<Entry<'_>> {
    let text = text.trim();
    if let Some(gpu) = text.strip_prefix("GPU-") {
        return begins_a_uuid(gpu).then_some(Entry::Gpu(gpu));
    }
    if let Some(old) = text.strip_prefix("MIG-GPU-") {
        let mut parts = old.split('/');
        let (gpu, instance, compute) = (parts.next()?, parts.next()?, parts.next()?);
        let named = parts.next().is_none() && begins_a_uuid(gpu);
        let (instance, compute) = (instance.parse().ok()?, compute.parse().ok()?);
        return named.then_some(Entry::MigOf { gpu, instance, compute });
    }
    if let Some(mig) = text.strip_prefix("MIG-") {
        return begins_a_uuid(mig).then_some(Entry::Mig(mig));
    }
    // As strtoul does, the driver reads the digits in front: "1gpu" is 1.
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().map(Entry::Index)
}

/// Index, among the container's devices, of the CUDA device with this ordinal. `devices` are those that are known: an empty
/// slice is none, and then only indices can be told. `None`: the list ends before the ordinal, or names it in a way that
/// does not lead to a known device.
pub fn container_index(list: &str, ordinal: usize, devices: &[Device]) -> Option<usize> {
    let mut entries = list.split(',');
    for _ in 0..ordinal {
        let before = entry(entries.next()?)?;
        // The driver stops at an entry that no device matches; that can be told only when the devices are known.
        if !devices.is_empty() && !matches!(before, Entry::Mig(_)) {
            index_of(before, devices)?;
        }
    }
    index_of(entry(entries.next()?)?, devices)
}

fn index_of(entry: Entry<'_>, devices: &[Device]) -> Option<usize> {
    match entry {
        Entry::Index(index) => {
            (devices.is_empty() || devices.iter().any(|(known, _)| *known == index)).then_some(index)
        }
        Entry::Gpu(beginning) | Entry::MigOf { gpu: beginning, .. } => {
            let mut matching = devices.iter().filter(|(_, uuid)| begins_with(*uuid, beginning));
            let (index, _) = matching.next()?;
            matching.next().is_none().then_some(*index)
        }
        Entry::Mig(_) => None,
    }
}

/// Place of a device in a list that names devices by their UUIDs, or beginnings of them. `None`: it names none so;
/// `Some(None)`: it does, but not this device.
pub fn place_by_uuid(list: &str, uuid: Uuid) -> Option<Option<usize>> {
    let entries = || list.split(',').map(entry);
    if !entries().any(|entry| matches!(entry, Some(Entry::Gpu(_)))) {
        return None;
    }
    Some(entries().position(|entry| matches!(entry, Some(Entry::Gpu(beginning)) if begins_with(uuid, beginning))))
}

/// Whether this is the beginning of some UUID's text: hexadecimal digits, with hyphens in their places.
fn begins_a_uuid(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= UUID_TEXT
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if is_hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// Where hyphens stand: 8-4-4-4-12 digits.
fn is_hyphen(at: usize) -> bool {
    matches!(at, 8 | 13 | 18 | 23)
}

/// Whether the UUID's text begins so; the case of letters does not count.
fn begins_with(uuid: Uuid, beginning: &str) -> bool {
    let digits = uuid.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    let written = beginning.bytes().enumerate().filter(|(at, _)| !is_hyphen(*at)).map(|(_, byte)| byte);
    begins_a_uuid(beginning)
        && written.zip(digits).all(|(byte, digit)| char::from(byte).to_digit(16) == Some(u32::from(digit)))
}

#[cfg(test)]
#[path = "visible_tests.rs"]
mod tests;
