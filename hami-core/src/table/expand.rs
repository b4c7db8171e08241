//! The macro that turns rows into exported functions, originals and look-up entries.

/// Expands the rows of one library.
///
/// `shape` is called with the original function and the row's arguments; in class `throttle` between these with whether the row
/// is the form for per-thread default streams. If the original cannot be found, or the hook panics, the function answers with the
/// value given for that.
macro_rules! rows {
    (
        library $library:ident, result $result:ty, missing $missing:expr, panic $panic:expr;
        $( $class:ident $name:ident
           $(as $lookup:literal @ $version:literal $(| $also:literal @ $since:literal)? $($per_thread:ident)?)?
           ( $($arg:ident : $ty:ty),* $(,)? ) => $shape:path; )*
    ) => {
        $(
            $crate::table::expand::rows!(@function $class [$($($per_thread)?)?] $name ($($arg: $ty),*) -> $result,
                missing $missing, panic $panic, $shape);
        )*

        /// One row per function: what it is, and where its original stands once it was found.
        #[expect(non_upper_case_globals)] // named after the functions
        mod originals {
            use $crate::table::{Class, Library, Row};
            $(
                pub(super) static $name: Row = Row::new(
                    $crate::table::expand::rows!(@class $class),
                    Library::$library,
                    $crate::table::expand::rows!(@cstr $name),
                    $crate::table::expand::rows!(@lookup $($lookup, $version $(, $per_thread)?)?),
                    $crate::table::expand::rows!(@also $($($also, $since)?)?),
                    super::$name as *const core::ffi::c_void,
                );
            )*
        }

        pub(super) static ROWS: &[&$crate::table::Row] = &[$(&originals::$name),*];
    };
    // A launch costs little, so where none is of interest it is a jump: the arguments stay where they are, and the fence is a
    // function of its own.
    (@function throttle [$($per_thread:ident)?] $name:ident ($($arg:ident: $ty:ty),*) -> $result:ty,
        missing $missing:expr, panic $panic:expr, $shape:path) => {
        /// Generated from the row of this name.
        ///
        /// # Safety
        /// As the vendor documents the function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> $result {
            type Original = unsafe extern "C" fn($($ty),*) -> $result;
            #[inline(never)]
            unsafe extern "C" fn fenced($($arg: $ty),*) -> $result {
                $crate::table::expand::rows!(@fenced throttle [$($per_thread)?] $name ($($arg),*),
                    missing $missing, panic $panic, $shape)
            }
            let known = if $crate::shapes::launches_pass() { originals::$name.known() } else { None };
            let function = match known {
                // SAFETY: the vendor's library defines this name with the signature in the row, which its header documents.
                Some(original) => unsafe { core::mem::transmute::<*const core::ffi::c_void, Original>(original) },
                None => fenced as Original,
            };
            // SAFETY: the program's own arguments, unchanged.
            unsafe { function($($arg),*) }
        }
    };
    (@function $class:ident [$($per_thread:ident)?] $name:ident ($($arg:ident: $ty:ty),*) -> $result:ty,
        missing $missing:expr, panic $panic:expr, $shape:path) => {
        /// Generated from the row of this name.
        ///
        /// # Safety
        /// As the vendor documents the function of this name.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> $result {
            type Original = unsafe extern "C" fn($($ty),*) -> $result;
            $crate::table::expand::rows!(@fenced $class [$($per_thread)?] $name ($($arg),*),
                missing $missing, panic $panic, $shape)
        }
    };
    (@fenced $class:ident [$($per_thread:ident)?] $name:ident ($($arg:expr),*),
        missing $missing:expr, panic $panic:expr, $shape:path) => {
        $crate::guard::fence($panic, || {
            let Some(original) = originals::$name.original() else { return $missing };
            // SAFETY: the vendor's library defines this name with the signature in the row, which its header documents.
            let original = unsafe { core::mem::transmute::<*const core::ffi::c_void, Original>(original) };
            $crate::table::expand::rows!(@call $class [$($per_thread)?] $shape, original $(, $arg)*)
        })
    };
    // What submits work has to know which stream NULL means.
    (@call throttle [] $shape:path, $original:expr $(, $arg:expr)*) => { $shape($original, false $(, $arg)*) };
    (@call throttle [per_thread] $shape:path, $original:expr $(, $arg:expr)*) => { $shape($original, true $(, $arg)*) };
    (@call $class:ident [$($per_thread:ident)?] $shape:path, $original:expr $(, $arg:expr)*) => {
        $shape($original $(, $arg)*)
    };
    (@class account) => { Class::Account };
    (@class throttle) => { Class::Throttle };
    (@class view) => { Class::View };
    (@class resolve) => { Class::Resolve };
    (@cstr $name:ident) => {
        match core::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
            Ok(name) => name,
            Err(_) => panic!("an identifier has no NUL"),
        }
    };
    (@also) => { None };
    (@also $also:literal, $since:literal) => { Some(($also, $since)) };
    (@lookup) => { None };
    (@lookup $lookup:literal, $version:literal) => { Some(($lookup, $version, false)) };
    (@lookup $lookup:literal, $version:literal, per_thread) => { Some(($lookup, $version, true)) };
}
pub(crate) use rows;
