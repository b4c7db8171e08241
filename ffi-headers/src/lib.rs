//! Declarations of the vendor interfaces this project touches: types, values and exported names. No logic.
#![no_std]

// UNSAFETY: the generated `Default` of structures that hold pointers or unions fills them with zero bytes.
#[expect(unsafe_code)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks)]
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[rustfmt::skip] // bindgen formats it by prettyplease, and a test compares it byte by byte.
pub mod cuda;

// UNSAFETY: as for `cuda`.
#[expect(unsafe_code)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks)]
#[allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[rustfmt::skip]
pub mod nvml;

pub mod symbols;
