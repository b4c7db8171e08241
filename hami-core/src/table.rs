//! One row per vendor symbol: the row *is* the declaration, and everything else is generated from it.
//!
//! A row reads `class name as "lookup name" @ version [| "other name" @ version] [per-thread] (arguments) => shape;` and yields the exported
//! function with its panic fence, the lazily found original, the entry for name look-ups and the line in the docs.
//! Classes: `account` (memory in and out), `throttle` (work that waits for its share), `view` (what is shown), `resolve` (which
//! function a name leads to).

/// The CUDA driver API.
mod cuda;
/// The macro that expands rows.
mod expand;
/// Rows found by name, by look-up name and by the address of the original.
mod index;
/// NVML.
mod nvml;
/// What goes into a stream and is no work.
mod stream;
/// What puts work on a device.
mod work;

pub(crate) use index::{find, find_by_lookup, find_by_original, may_be_looked_up};

use core::ffi::{CStr, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A vendor's library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// The CUDA driver.
    Cuda,
    /// NVML.
    Nvml,
}

impl Library {
    /// The name under which the loader knows it.
    pub const fn soname(self) -> &'static CStr {
        match self {
            Self::Cuda => c"libcuda.so.1",
            Self::Nvml => c"libnvidia-ml.so.1",
        }
    }
}

/// What kind of behaviour a hooked symbol has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Takes device memory or gives it back.
    Account,
    /// Submits work to a device, lies in a stream beside it, or says whether what follows is work.
    Throttle,
    /// Shows something of the device.
    View,
    /// Tells which function a name leads to.
    Resolve,
}

/// One vendor symbol.
pub struct Row {
    /// What kind of behaviour it has.
    pub class: Class,
    /// The library that exports the original.
    pub library: Library,
    /// The exported name.
    pub name: &'static CStr,
    /// The name by which `cuGetProcAddress` finds it.
    pub lookup: &'static CStr,
    /// The CUDA version from which on `cuGetProcAddress` answers with it (1000 × major + 10 × minor); 0 for NVML.
    pub version: i32,
    /// Another such name, and the version from which on that means this function too.
    pub also: Option<(&'static CStr, i32)>,
    /// Whether it is the form for per-thread default streams.
    pub per_thread: bool,
    /// The function that we export under this name.
    pub hook: *const c_void,
    original: AtomicPtr<c_void>,
}

// UNSAFETY: a raw address keeps the compiler from deriving this.
#[expect(unsafe_code)]
// SAFETY: `hook` is the address of a function, which every thread may read and call.
unsafe impl Sync for Row {}

impl Row {
    /// The names by which `cuGetProcAddress` finds it, each with the version from which on.
    pub fn lookups(&self) -> impl Iterator<Item = (&'static CStr, i32)> {
        core::iter::once((self.lookup, self.version)).chain(self.also)
    }

    pub(crate) const fn new(
        class: Class,
        library: Library,
        name: &'static CStr,
        lookup: Option<(&'static CStr, i32, bool)>,
        also: Option<(&'static CStr, i32)>,
        hook: *const c_void,
    ) -> Self {
        let (lookup, version, per_thread) = match lookup {
            Some(lookup) => lookup,
            None => (name, 0, false),
        };
        let original = AtomicPtr::new(ptr::null_mut());
        Self { class, library, name, lookup, version, also, per_thread, hook, original }
    }

    /// The vendor's own function, if its library is loaded and has it.
    #[inline]
    pub(crate) fn original(&self) -> Option<*const c_void> {
        self.known().or_else(|| self.find_original())
    }

    /// The same, if it was found before.
    #[inline]
    pub(crate) fn known(&self) -> Option<*const c_void> {
        // Relaxed: the address of code that stays mapped for good (`find_original` sees to it); nothing else hangs on it.
        let known = self.original.load(Ordering::Relaxed);
        if known.is_null() { None } else { Some(known) }
    }

    #[cold]
    fn find_original(&self) -> Option<*const c_void> {
        let found = crate::find::in_library(self.library.soname(), self.name)?;
        crate::find::pin(self.library.soname());
        self.original.store(found.cast_mut(), Ordering::Relaxed); // as in `original`
        Some(found)
    }
}

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    cuda::ROWS.iter().chain(work::ROWS).chain(stream::ROWS).chain(nvml::ROWS).copied()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
