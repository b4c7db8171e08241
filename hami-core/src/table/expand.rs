//! The macro that turns rows into exported functions, originals and look-up entries.

/// Expands the rows of one library.
///
/// `shape` is called with the original function and the row's arguments. If the original cannot be found, or the hook
/// panics, the function answers with the value given for that.
macro_rules! rows {
    (
        library $library:ident, result $result:ty, missing $missing:expr, panic $panic:expr;
        $( $class:ident $name:ident
           $(as $lookup:literal @ $version:literal $(| $also:literal @ $since:literal)? $($per_thread:ident)?)?
           ( $($arg:ident : $ty:ty),* $(,)? ) => $shape:path; )*
    ) => {
        $(
            /// Generated from the row of this name.
            ///
            /// # Safety
            /// As the vendor documents the function of this name.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> $result {
                type Original = unsafe extern "C" fn($($ty),*) -> $result;
                $crate::guard::fence($panic, || {
                    let Some(original) = originals::$name.original() else { return $missing };
                    // SAFETY: the vendor's library defines this name with the signature in the row, which its header
                    // documents.
                    let original = unsafe { core::mem::transmute::<*const core::ffi::c_void, Original>(original) };
                    $shape(original, $($arg),*)
                })
            }
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
    (@class account) => { Class::Account };
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
