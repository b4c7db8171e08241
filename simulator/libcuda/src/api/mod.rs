//! The exported functions, grouped as the vendor's manual groups them. Each checks its arguments and calls the model.

mod context;
mod device;
mod error;
mod event;
mod function;
mod host_memory;
mod init;
mod launch;
mod library;
mod linker;
mod memcpy;
mod memory;
mod memset;
mod module;
mod occupancy;
mod pointer;
mod pool;
mod primary;
mod proc_address;
mod stream;

/// The exported names that have no behaviour.
mod stubs {
    use ffi_headers::cuda::{CUDA_ERROR_NOT_SUPPORTED, CUresult};

    include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
}
