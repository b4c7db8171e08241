//! CUDA_VISIBLE_DEVICES: the devices that a process gets, and in which order.
//!
//! Source of the rules: CUDA C++ Programming Guide, chapter "CUDA Environment Variables". It is silent on blanks around an
//! entry (ignored here), on the case of UUIDs (must be as printed) and on an entry that repeats a device: PyTorch's parser,
//! which imitates the driver's, leaves no device then, and so does this. CUDA_DEVICE_ORDER needs no code: the devices of a simulation are of one model, so the fastest first is the order
//! of the bus. MIG instances do not exist, so their names match nothing.

/// What the name of a whole device starts with.
const UUID_START: &str = "GPU-";

/// Indices of the devices that a value of the variable selects, in its order, up to the first entry that selects none;
/// no device at all if one comes twice. `uuids` are those of all devices, in the order of their indices.
pub fn select(list: &str, uuids: &[String]) -> Vec<usize> {
    let mut selected = Vec::new();
    for entry in list.split(',') {
        match find(entry.trim(), uuids) {
            Some(index) if selected.contains(&index) => return Vec::new(),
            Some(index) => selected.push(index),
            None => break,
        }
    }
    selected
}

/// The one device that `entry` names: by its index, by its UUID, or by a start of it that no other has.
fn find(entry: &str, uuids: &[String]) -> Option<usize> {
    if entry.strip_prefix(UUID_START).is_some_and(|digits| !digits.is_empty()) {
        let mut matching = (0..uuids.len()).filter(|index| uuids[*index].starts_with(entry));
        let first = matching.next()?;
        return matching.next().is_none().then_some(first);
    }
    entry.parse().ok().filter(|index| *index < uuids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_two_devices_share_names_neither() {
        let uuids = ["GPU-8932f937-d72c", "GPU-8932f937-0000", "GPU-11111111-0000"].map(str::to_owned);
        assert_eq!(select("GPU-8932f937", &uuids), [0; 0]);
        assert_eq!(select("GPU-8932f937-0,GPU-1,GPU-8", &uuids), [1, 2]);
        assert_eq!(select("GPU-8932F937-0", &uuids), [0; 0]);
    }
}
