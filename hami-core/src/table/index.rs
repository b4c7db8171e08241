//! Rows found by name, by look-up name and by the address of the original.

use core::ffi::{CStr, c_void};
use std::sync::OnceLock;

use super::{Library, Row, rows};

/// All rows, sorted by some key.
type Sorted<K> = Box<[(K, &'static Row)]>;

fn sorted<K: Ord>(keyed: impl Iterator<Item = (K, &'static Row)>) -> Sorted<K> {
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
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

/// The row whose original stands at this address, among those of the CUDA driver. Only the driver calls for this, so it
/// is loaded, and where its functions stand no longer changes.
pub(crate) fn find_by_original(address: *const c_void) -> Option<&'static Row> {
    static BY_ORIGINAL: OnceLock<Sorted<usize>> = OnceLock::new();
    let rows = BY_ORIGINAL.get_or_init(|| {
        let of_cuda = rows().filter(|row| row.library == Library::Cuda);
        sorted(of_cuda.filter_map(|row| Some((row.original()? as usize, row))))
    });
    let found = rows.binary_search_by(|(known, _)| known.cmp(&(address as usize))).ok()?;
    Some(rows[found].1)
}

/// The row that `cuGetProcAddress` means by a name, a version and the choice of default stream.
pub(crate) fn find_by_lookup(lookup: &CStr, version: i32, per_thread: bool) -> Option<&'static Row> {
    static BY_LOOKUP: OnceLock<Sorted<&CStr>> = OnceLock::new();
    let rows = BY_LOOKUP
        .get_or_init(|| sorted(rows().filter(|row| row.library == Library::Cuda).map(|row| (row.lookup, row))));
    let first = rows.partition_point(|(known, _)| *known < lookup);
    let forms = || {
        let named = rows[first..].iter().take_while(|(known, _)| *known == lookup);
        named.map(|(_, row)| *row).filter(|row| row.version <= version)
    };
    let newest = |per_thread| forms().filter(|row| row.per_thread == per_thread).max_by_key(|row| row.version);
    (if per_thread { newest(true) } else { None }).or_else(|| newest(false))
}
