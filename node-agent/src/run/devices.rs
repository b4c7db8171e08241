//! The devices asked for: indices or UUIDs, as `CUDA_VISIBLE_DEVICES` takes them.

use super::Environment;
use crate::variables::VISIBLE_DEVICES;

/// Reads one device of `--device`.
pub fn parse(text: &str) -> Result<String, String> {
    let is_index = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_index || is_uuid(text) {
        return Ok(text.to_owned());
    }
    Err("accepted are an index (0, 1, …) or a UUID as `nvidia-smi -L` prints it (GPU- and 32 hexadecimal digits with \
        4 hyphens, or the beginning of it)"
        .to_owned())
}

/// Whether this is a UUID in the vendor's spelling, or the beginning of one: CUDA takes any that fits one device only.
fn is_uuid(text: &str) -> bool {
    const SHAPE: &[u8] = b"00000000-0000-0000-0000-000000000000";
    let Some(digits) = text.strip_prefix("GPU-") else { return false };
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'-' { byte == b'-' } else { byte.is_ascii_hexdigit() };
    !digits.is_empty() && digits.len() <= SHAPE.len() && digits.bytes().zip(SHAPE).all(fits)
}

/// Refuses a device named twice, and one that the environment has hidden already.
///
/// # Errors
/// The device, and what there is to choose from.
pub fn refuse_wider(asked: &[String], inherited: &Environment) -> Result<(), String> {
    for (index, device) in asked.iter().enumerate() {
        if asked[..index].contains(device) {
            return Err(format!("--device {device} is given twice; CUDA would show no device at all"));
        }
    }
    let Some(visible) = inherited.get(std::ffi::OsStr::new(VISIBLE_DEVICES)) else { return Ok(()) };
    let visible = visible.to_string_lossy();
    let hidden = |device: &&String| !visible.split(',').any(|shown| shown.trim() == device.as_str());
    match asked.iter().find(hidden) {
        Some(device) => Err(format!(
            "--device {device}: around this run {VISIBLE_DEVICES}={visible:?} hides it; choose among those, spelled the same way"
        )),
        None => Ok(()),
    }
}
