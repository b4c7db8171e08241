//! Tests of the limits file: merging, generations, writers that end at each step, files that are none.

use std::os::unix::fs::FileExt;

use super::*;
use crate::share::LAST_PRIORITY;

const A: [u8; 16] = *b"device-number--A";
const B: [u8; 16] = *b"device-number--B";
const ALL_BYTES: Limit = Limit { memory: Some(u64::MAX), cores: None, policy: None, priority: None };

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let region = folder.path().join("region");
    (folder, region)
}

fn reader(region: &Path) -> Limits {
    Limits::open(region).unwrap().expect("a limits file")
}

#[test]
fn what_a_device_does_not_say_all_devices_say() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let reader = reader(&region);
    assert_eq!(reader.of(A).unwrap(), Limit::default());
    let all = Limit { memory: Some(5), cores: Some(1250), policy: Some(Policy::BurstShare), priority: Some(0) };
    writer.set(None, all).unwrap();
    writer.set(Some(A), Limit { memory: Some(0), policy: Some(Policy::FixedShare), ..Limit::default() }).unwrap();
    assert_eq!(reader.of(B).unwrap(), all);
    assert_eq!(reader.of(A).unwrap(), Limit { memory: Some(0), policy: Some(Policy::FixedShare), ..all });
    writer.clear(None).unwrap();
    assert_eq!(reader.of(B).unwrap(), Limit::default());
    writer.clear(Some(A)).unwrap();
    assert_eq!(reader.of(A).unwrap(), Limit::default());
}

#[test]
fn each_change_is_a_new_generation() {
    let (_folder, region) = place();
    assert!(Limits::open(&region).unwrap().is_none());
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let reader = reader(&region);
    for cores in 1..=5 {
        let before = reader.generation();
        writer.set(Some(B), Limit { cores: Some(cores), ..Limit::default() }).unwrap();
        assert_ne!(reader.generation(), before);
        assert_eq!(reader.of(B).unwrap().cores, Some(cores));
    }
    let exists = LimitsWriter::create(&region, Access::default()).unwrap_err();
    assert!(exists.to_string().contains("File exists"), "{exists}");
}

#[test]
fn a_writer_that_ends_at_any_step_has_changed_nothing_or_all() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let reader = reader(&region);
    let old = Limit { memory: Some(1), cores: Some(1), policy: Some(Policy::BestEffort), priority: Some(1) };
    let new = Limit { memory: Some(9), cores: Some(9), policy: Some(Policy::Disabled), priority: Some(9) };
    writer.set(Some(A), old).unwrap();
    let mut entries = writer.content().read().unwrap();
    entries[1] = Entry::new(Some(A), new);
    let mut steps = 0;
    writer.content().write(&entries, |_| {
        steps += 1;
        false
    });
    assert_eq!(steps, 1);
    for last in 0..=ENTRIES * 8 {
        writer.content().write(&entries, |step| step < last);
        assert_eq!(reader.of(A).unwrap(), old, "after {last} steps");
    }
    // Who comes next finishes its own change, not the one that was given up.
    writer.set(Some(B), new).unwrap();
    assert_eq!((reader.of(A).unwrap(), reader.of(B).unwrap()), (old, new));
    writer.content().write(&entries, |_| true);
    assert_eq!(reader.of(A).unwrap(), new);
}

#[test]
fn readers_never_see_half_a_change() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let state = |n: u64| Limit { memory: Some(n), cores: Some(n as u16), policy: None, priority: Some((n % 10) as u8) };
    writer.set(Some(A), state(0)).unwrap();
    let done = core::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let (reader, mut last) = (reader(&region), 0);
                    while !done.load(core::sync::atomic::Ordering::Relaxed) {
                        let seen = reader.of(A).unwrap();
                        let number = seen.memory.unwrap();
                        assert_eq!(seen, state(number));
                        assert!(number >= last, "{number} after {last}");
                        last = number;
                    }
                    last
                })
            })
            .collect();
        (1..=20_000).for_each(|n| writer.set(Some(A), state(n)).unwrap());
        done.store(true, core::sync::atomic::Ordering::Relaxed);
        assert!(readers.into_iter().any(|reader| reader.join().unwrap() > 0), "no reader saw a change");
    });
    assert_eq!(reader(&region).of(A).unwrap(), state(20_000));
}

#[test]
fn entries_run_out_with_an_error_and_are_used_again() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let device = |n: usize| Some((n as u128 + 1).to_le_bytes());
    (0..MAX_LIMITED_DEVICES).for_each(|n| writer.set(device(n), ALL_BYTES).unwrap());
    assert!(matches!(writer.set(device(99), ALL_BYTES), Err(LimitsError::Full { .. })));
    writer.set(None, ALL_BYTES).unwrap();
    writer.clear(device(7)).unwrap();
    writer.set(device(99), ALL_BYTES).unwrap();
    assert_eq!(reader(&region).of(device(99).unwrap()).unwrap(), ALL_BYTES);
}

#[test]
fn what_no_writer_writes_is_an_error() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let too_low = Limit { priority: Some(LAST_PRIORITY + 1), ..Limit::default() };
    assert!(matches!(writer.set(Some(A), too_low), Err(LimitsError::Unreadable { what: "the priority", .. })));
    writer.set(Some(A), Limit { memory: Some(4096), ..Limit::default() }).unwrap();
    for (word, value) in [(2, 0x1_0011), (2, u64::MAX), (4, 1 << 16), (5, 4), (6, 10)] {
        let mut entries = writer.content().read().unwrap();
        entries[1] = Entry::new(Some(A), Limit { memory: Some(4096), ..Limit::default() });
        entries[1].0[2] = 0x1f;
        entries[1].0[word] = value;
        writer.content().write(&entries, |_| true);
        let error = reader(&region).of(A).unwrap_err().to_string();
        assert!(error.contains(&value.to_string()) && error.contains("accepted"), "{error}");
        // It might have been another device's entry.
        assert!(reader(&region).of(B).is_err());
        assert!(writer.set(Some(B), Limit::default()).is_err());
    }
}

#[test]
fn a_file_that_is_overwritten_while_it_is_read_limits_to_nothing() {
    for byte in [0, 1, 0xa5, 0xff] {
        let (_folder, region) = place();
        let writer = LimitsWriter::create(&region, Access::default()).unwrap();
        let reader = reader(&region);
        writer.set(Some(A), Limit { memory: Some(4096), ..Limit::default() }).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(path_of(&region)).unwrap();
        // All but the first words and the generation, then that as well.
        file.write_all_at(&[byte; 33 * 64 * 2], 40).unwrap();
        assert!(reader.of(A).is_err(), "{byte}");
        if byte != 0 {
            file.write_all_at(&[byte; 8], 32).unwrap();
            assert!(reader.of(A).is_err(), "{byte}");
        }
    }
}

#[test]
fn files_that_are_none_are_refused() {
    let (_folder, region) = place();
    let path = path_of(&region);
    std::fs::write(&path, b"").unwrap();
    assert!(Limits::open(&region).unwrap_err().to_string().contains("0 bytes long"));
    std::fs::write(&path, vec![7; 1 << 16]).unwrap();
    let error = Limits::open(&region).unwrap_err().to_string();
    assert!(error.starts_with(&format!("limits file {}: not a limits file", path.display())), "{error}");
    std::fs::remove_file(&path).unwrap();
    LimitsWriter::create(&region, Access::default()).unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(length - 1).unwrap();
    assert!(Limits::open(&region).unwrap_err().to_string().contains("bytes long"));
    file.set_len(length).unwrap();
    file.write_all_at(&[200], 8).unwrap();
    assert!(matches!(Limits::open(&region), Err(LimitsError::File(FileError::OtherVersion { .. }))));
}

#[test]
fn a_writer_waits_for_another_and_then_says_so() {
    let (_folder, region) = place();
    let writer = LimitsWriter::create(&region, Access::default()).unwrap();
    let other = LimitsWriter::open(&region).unwrap();
    let held = use_lock::keep_others_out(other.opened.file()).unwrap().unwrap();
    assert!(matches!(writer.set(None, ALL_BYTES), Err(LimitsError::Locked { .. })));
    drop(held);
    writer.set(None, ALL_BYTES).unwrap();
    assert_eq!(reader(&region).of(A).unwrap(), ALL_BYTES);
}
