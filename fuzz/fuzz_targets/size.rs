//! The size parser: any text is a size or is none, and a size means the same however it is spelt.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared_region::size;

fuzz_target!(|text: &str| {
    let Ok(bytes) = size::parse(text) else { return };
    assert_eq!(size::parse(&bytes.to_string()), Ok(bytes), "{text:?}");
    assert_eq!(size::parse(&text.to_ascii_uppercase()), Ok(bytes), "{text:?}");
    assert_eq!(size::parse(&format!(" {text}\t")), Ok(bytes), "{text:?}");
});
