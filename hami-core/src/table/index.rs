//! Rows found by name, by look-up name and by the address of the original.

use core::ffi::{CStr, c_void};
use std::sync::OnceLock;

use super::{Library, Row, rows};

/// All rows, sorted by some key.
type Sorted<K> = Box<[(K, &'static Row)]>;

fn sorted<K: Ord>(keyed: impl Iterator<Item = (K, &'static Row)>) -> Sorted<K> {
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    keyed.into()
}

/// The row that exports this name.
pub(crate) fn find(name: &CStr) -> Option<&'static Row> {
    static BY_NAME: OnceLock<Sorted<&CStr>> = OnceLock::new();
    // Comparisons of a few bytes decide for nearly every name that a program looks up.
    if !matches!(name.to_bytes(), [b'c', b'u', b'A'..=b'Z', ..] | [b'n', b'v', b'm', b'l', ..]) {
        return None;
    }
    let rows = BY_NAME.get_or_init(|| sorted(rows().map(|row| (row.name, row))));
    rows.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|found| rows[found].1)
}

/// Tells names apart, eight bytes at a step; equal hashes are only a hint.
fn hash(name: &CStr) -> u64 {
    let (words, rest) = name.to_bytes().as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words.iter().chain([&last]).fold(0, |hash: u64, word| {
        (hash.rotate_left(5) ^ u64::from_ne_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

/// The rows of the CUDA driver that `cuGetProcAddress` can mean by a name: in most cases none.
fn forms(lookup: &CStr) -> impl Iterator<Item = &'static Row> + Clone {
    static BY_LOOKUP: OnceLock<Sorted<u64>> = OnceLock::new();
    let rows = BY_LOOKUP
        .get_or_init(|| sorted(rows().filter(|row| row.library == Library::Cuda).map(|row| (hash(row.lookup), row))));
    let wanted = hash(lookup);
    let first = rows.partition_point(|(known, _)| *known < wanted);
    let found = rows[first..].iter().take_while(move |(known, _)| *known == wanted).map(|(_, row)| *row);
    found.filter(move |row| row.lookup == lookup)
}

/// The row for a function that the driver has answered for this name: the one whose original stands at its address.
/// Only among rows of that name, since a driver may fold functions of the same code into one address.
pub(crate) fn find_by_original(lookup: &CStr, address: *const c_void) -> Option<&'static Row> {
    forms(lookup).find(|row| row.original() == Some(address))
}

/// The row that `cuGetProcAddress` means by a name, a version and the choice of default stream.
pub(crate) fn find_by_lookup(lookup: &CStr, version: i32, per_thread: bool) -> Option<&'static Row> {
    let forms = forms(lookup).filter(|row| row.version <= version);
    let newest = |per_thread| forms.clone().filter(|row| row.per_thread == per_thread).max_by_key(|row| row.version);
    (if per_thread { newest(true) } else { None }).or_else(|| newest(false))
}
