//! The simulated CUDA driver library.
//!
//! `api` holds the exported functions and nothing else; what they do lies in the other modules, which know no C.

mod abi;
// UNSAFETY: exports functions under the vendor's names, which no other code of this library may use.
#[expect(unsafe_code)]
#[allow(non_snake_case)]
mod api;
mod array;
mod context;
mod copy;
mod driver;
mod event;
mod fill;
mod graph;
mod green;
mod handles;
mod hash;
mod host_call;
mod image;
mod launch;
mod memory;
mod module;
mod overhead;
mod stream;
mod token;
mod transfer;
mod visible;
