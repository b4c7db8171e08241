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

/// The rows of the CUDA driver by what `cuGetProcAddress` is asked for.
struct Lookups {
    rows: Sorted<(u64, i32)>,
    /// One bit for each value of a hash's upper bits, set if a row has it: tells most other names at once.
    seen: [u64; 1 << (SEEN_BITS - 6)],
}

/// Upper bits of a hash that tell names apart: some hundred names leave nearly all of their values free.
const SEEN_BITS: u32 = 12;

impl Lookups {
    fn get() -> &'static Self {
        static LOOKUPS: OnceLock<Lookups> = OnceLock::new();
        LOOKUPS.get_or_init(|| {
            let cuda = rows().filter(|row| row.library == Library::Cuda);
            let rows =
                sorted(cuda.flat_map(|row| row.lookups().map(move |(lookup, since)| ((hash(lookup), since), row))));
            let mut seen = [0; 1 << (SEEN_BITS - 6)];
            for ((hash, _), _) in &rows {
                let (word, bit) = Self::place(*hash);
                seen[word] |= bit;
            }
            Self { rows, seen }
        })
    }

    /// Where the bit for a hash is.
    fn place(hash: u64) -> (usize, u64) {
        let value = hash >> (u64::BITS - SEEN_BITS);
        ((value >> 6) as usize, 1 << (value & 63))
    }
}

/// Whether `cuGetProcAddress` may mean a row by this name. False for nearly every name that no row has, so that asking
/// for these, which is most of what programs do, costs next to nothing.
pub(crate) fn may_be_looked_up(lookup: &CStr) -> bool {
    let (word, bit) = Lookups::place(hash(lookup));
    Lookups::get().seen[word] & bit != 0
}

/// The rows of the CUDA driver that `cuGetProcAddress` can mean by a name, each with the version from which on; in most
/// cases none.
fn forms(lookup: &CStr) -> impl Iterator<Item = (i32, &'static Row)> + Clone {
    let rows = &Lookups::get().rows;
    let wanted = hash(lookup);
    let first = rows.partition_point(|((known, _), _)| *known < wanted);
    let found = rows[first..].iter().take_while(move |((known, _), _)| *known == wanted);
    found
        .filter(move |(_, row)| row.lookups().any(|(known, _)| known == lookup))
        .map(|((_, version), row)| (*version, *row))
}

/// The row for a function that the driver has answered for this name: the one whose original stands at its address. Only
/// among rows of that name, since a driver may fold functions of the same code into one address; for the same reason the
/// one goes first that the version and the choice of default stream ask for.
pub(crate) fn find_by_original(
    lookup: &CStr,
    version: i32,
    per_thread: bool,
    address: *const c_void,
) -> Option<&'static Row> {
    let stands_there = |row: &&'static Row| row.original() == Some(address);
    find_by_lookup(lookup, version, per_thread)
        .filter(stands_there)
        .or_else(|| forms(lookup).map(|(_, row)| row).find(stands_there))
}

/// The row that `cuGetProcAddress` means by a name, a version and the choice of default stream.
pub(crate) fn find_by_lookup(lookup: &CStr, version: i32, per_thread: bool) -> Option<&'static Row> {
    let forms = forms(lookup).filter(|(since, _)| *since <= version);
    let newest = |per_thread| {
        let of_kind = forms.clone().filter(|(_, row)| row.per_thread == per_thread);
        of_kind.max_by_key(|(since, _)| *since).map(|(_, row)| row)
    };
    (if per_thread { newest(true) } else { None }).or_else(|| newest(false))
}
