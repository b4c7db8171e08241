//! The reader of a region file: any words anywhere in it. It is refused, or it is used without harm and without granting
//! more than a limit.
#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use shared_region::{Access, MAX_DEVICES, Region};
use tempfile::TempDir;

const UUID: [u8; 16] = *b"0123456789abcdef";
const LIMIT: u64 = 1 << 30;

struct Place {
    folder: TempDir,
    first_page: Vec<u8>,
    size: u64,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    let path = folder.path().join("good");
    drop(Region::open_or_create(&path, Access::default()).expect("a region"));
    let mut first_page = vec![0; 4096];
    let file = File::open(&path).expect("the region");
    file.read_exact_at(&mut first_page, 0).expect("its first page");
    let size = file.metadata().expect("its size").len();
    Place { folder, first_page, size }
});

// Each input is a list of words to write: a place (in words) and a value. The top bits of a place choose a part of the file,
// so that the few words that matter are met often.
fuzz_target!(|words: (u16, Vec<(u32, u64)>)| {
    let (cut, words) = words;
    let place = &*PLACE;
    let path = place.folder.path().join("region");
    let file = File::create(&path).expect("a file");
    file.set_len(place.size).expect("room");
    file.write_all_at(&place.first_page, 0).expect("a first page");
    for (at, value) in words {
        let word = match at >> 30 {
            0 => u64::from(at) % (place.size / 8),
            1 => u64::from(at) % 4,          // the header
            2 => 512 + u64::from(at) % 64,   // the first devices
            _ => 1024 + u64::from(at) % 300, // the first slots
        };
        file.write_all_at(&value.to_ne_bytes(), 8 * word).expect("a word");
    }
    if cut % 16 == 1 {
        file.set_len(u64::from(cut) * 16).expect("a shorter file");
    }
    drop(file);
    let Ok(region) = Region::open(&path) else { return };
    for device in 0..MAX_DEVICES {
        let _shown = (region.used(device), region.holders(device), region.context_bytes(device));
    }
    region.sweep(None);
    let (Ok(device), Ok(mut member)) = (region.device(UUID), region.join()) else { return };
    for bytes in [1, LIMIT / 2, LIMIT, u64::MAX] {
        if member.take(&region, device, bytes, LIMIT).is_ok() {
            assert!(region.used(device) <= LIMIT);
        }
    }
    region.sweep(Some(&member));
    member.give(&region, device, 1);
    member.give(&region, device, u64::MAX);
    assert_eq!(member.held(device), 0);
});
