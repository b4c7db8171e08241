//! The reader of CUDA_VISIBLE_DEVICES: any text, any number of devices; an answer is one of the container's indices.
#![no_main]

#[path = "../../hami-core/src/visible.rs"]
#[allow(dead_code)]
mod visible;

use libfuzzer_sys::fuzz_target;
use visible::{Device, container_index, entry};

fuzz_target!(|input: (&str, u8, u8)| {
    let (list, ordinal, count) = input;
    // Twins in all but the last byte, so that beginnings of UUIDs are ambiguous.
    let device = |index: usize| -> Device { (index, core::array::from_fn(|at| if at == 15 { index as u8 } else { 0x5a })) };
    let devices: Vec<Device> = (0..usize::from(count % 20)).map(device).collect();
    for text in list.split(',') {
        let _named = entry(text);
    }
    if let Some(index) = container_index(list, usize::from(ordinal), &devices) {
        assert!(devices.is_empty() || devices.iter().any(|(known, _)| *known == index), "{list:?} names {index}");
    }
});
