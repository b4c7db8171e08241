//! The exported functions, grouped as the vendor's manual groups them. Each checks its arguments and calls the model.

mod array;
mod batch;
mod capture;
mod context;
mod device;
mod error;
mod event;
mod external;
mod function;
mod graph;
mod graph_exec;
mod graph_node;
mod green;
mod host_memory;
mod init;
mod ipc;
mod launch;
mod library;
mod linker;
mod managed;
mod memcpy;
mod memcpy_v1;
mod memory;
mod memory_v1;
mod memset;
mod module;
mod multicast;
mod occupancy;
mod pointer;
mod pool;
mod pool_share;
mod primary;
mod proc_address;
mod stream;
mod virtual_memory;

/// The exported names that have no behaviour.
mod stubs {
    use ffi_headers::cuda::{CUDA_ERROR_NOT_SUPPORTED, CUresult};

    include!(concat!(env!("OUT_DIR"), "/stubs.rs"));
}
