//! Collects what differs between our declarations and a reference, and what was never compared.
use std::collections::BTreeSet;

use crate::signature;

/// What one test compared, and where the two sides differ.
#[derive(Default)]
pub struct Comparison {
    names: BTreeSet<&'static str>,
    differences: Vec<String>,
}

impl Comparison {
    /// Notes one pair: a constant's two values, or a type's two layouts.
    pub fn note<T: PartialEq + std::fmt::Debug>(&mut self, name: &'static str, ours: T, theirs: T) {
        assert!(self.names.insert(name), "{name} is listed twice");
        if ours != theirs {
            self.differences.push(format!("{name}: ours {ours:?}, theirs {theirs:?}"));
        }
    }

    /// Notes the signatures of one function.
    pub fn agree(&mut self, name: &'static str, ours: Vec<String>, theirs: Vec<String>) {
        let same = ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| signature::agree(a, b));
        if same { self.note(name, (), ()) } else { self.note(name, ours, theirs) }
    }

    /// Fails if something differs, or if a name in `declared` was neither compared nor excepted, or excepted in vain.
    pub fn finish(self, declared: &BTreeSet<&str>, exceptions: &BTreeSet<&str>) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
        let covered: BTreeSet<&str> = self.names.union(exceptions).copied().collect();
        let missed: Vec<_> = declared.difference(&covered).collect();
        assert!(missed.is_empty(), "declared but compared with nothing: {missed:?}");
        let gone: Vec<_> = covered.difference(declared).collect();
        assert!(gone.is_empty(), "compared or excepted but not declared: {gone:?}");
        let needless: Vec<_> = self.names.intersection(exceptions).collect();
        assert!(needless.is_empty(), "compared, so no exception: {needless:?}");
    }
}

/// Names of the `pub const` items of a generated module.
pub fn constants(source: &str) -> BTreeSet<&str> {
    source.lines().filter_map(|line| line.strip_prefix("pub const ")?.split(':').next()).collect()
}

/// Names of the functions that a generated module has pointer types for.
pub fn functions(source: &str) -> BTreeSet<&str> {
    source.lines().filter_map(|line| line.strip_prefix("pub type PFN_")?.split(' ').next()).collect()
}

/// Names of the structures and unions of a generated module, without those that only stand behind opaque handles.
pub fn structures(source: &str) -> BTreeSet<&str> {
    let items = source.split("\npub struct ").flat_map(|part| part.split("\npub union ")).skip(1);
    items.filter(|item| !item.contains(" {\n    _unused: [u8; 0],")).filter_map(|item| item.split(' ').next()).collect()
}

/// Size of the field that `_field` borrows.
pub fn field_size<S, F>(_field: impl Fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// Size and alignment, and per field its offset and size, of a structure or union of ours against theirs:
/// `layout!(found, struct Ours == path::Theirs { field })`.
/// The size of a union's field is in the union's own size: reading it would be unsafe.
macro_rules! layout {
    ($found:ident, struct $ours:ident == $($theirs:ident)::+ { $($field:ident),* $(,)? }) => {
        $found.note(stringify!($ours), layout!(fields $ours, $($field)*), layout!(fields $($theirs)::+, $($field)*))
    };
    ($found:ident, union $ours:ident == $($theirs:ident)::+ { $($field:ident),* $(,)? }) => {
        $found.note(stringify!($ours), layout!(offsets $ours, $($field)*), layout!(offsets $($theirs)::+, $($field)*))
    };
    (fields $type:path, $($field:ident)*) => {
        (size_of::<$type>(), align_of::<$type>(),
            vec![$((offset_of!($type, $field), compare::field_size(|value: &$type| &value.$field))),*])
    };
    (offsets $type:path, $($field:ident)*) => {
        (size_of::<$type>(), align_of::<$type>(), vec![$((offset_of!($type, $field), 0)),*])
    };
}
