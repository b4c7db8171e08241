//! What the tests share: the built library, loaded as a program would, and a simulation for it to find.
#![expect(unsafe_code)]
// UNSAFETY: calls C functions found by name, and sets an environment variable before the first of them.
#![allow(dead_code, unused_imports, unused_macros, reason = "each test program uses a part of it")]

use std::ffi::{CString, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use ffi_headers::cuda::*;
use simulator::device::Description;
use simulator::presets::{DRIVERS, Driver, Preset};
use simulator::server::Server;

pub const MIB: u64 = 1 << 20;
pub const PAGE: u64 = 2 * MIB;
/// Device memory of a context in the tests' simulations.
pub const CONTEXT: u64 = 96 * MIB;

/// The library that cargo built beside this test program.
pub fn library_path() -> PathBuf {
    let mut folder = std::env::current_exe().expect("own path");
    folder.pop();
    let path = folder.join("libcuda.so");
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// The address of an exported function.
pub fn lookup(name: &str) -> *mut c_void {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    let library = *LIBRARY.get_or_init(|| {
        let path = CString::new(library_path().into_os_string().into_encoded_bytes()).expect("no NUL");
        // SAFETY: loads the library under test; its constructors are those of any Rust library.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        assert!(!handle.is_null(), "cannot load {path:?}");
        handle as usize
    });
    let name = CString::new(name).expect("no NUL");
    #[expect(clippy::disallowed_methods, reason = "no preload here; the tests load the library as programs do")]
    // SAFETY: a live handle and a string that ends in NUL.
    unsafe {
        libc::dlsym(library as *mut c_void, name.as_ptr())
    }
}

/// Calls an exported function by its name, with the signature that its declaration gives; returns the result code.
macro_rules! cu {
    ($name:ident($($argument:expr),* $(,)?)) => {{
        let address = $crate::common::lookup(stringify!($name));
        assert!(!address.is_null(), "{} is not exported", stringify!($name));
        // SAFETY: the address is that of the function whose type this is.
        let function: pastey::paste! { ffi_headers::cuda::[<PFN_ $name>] } = unsafe { std::mem::transmute(address) };
        // SAFETY: the tests pass arguments as the function's contract wants them, or null where that is what is tested.
        #[allow(clippy::macro_metavars_in_unsafe)]
        unsafe { function.expect("not null")($($argument),*) }
    }};
}

/// Calls a function that must succeed.
macro_rules! ok {
    ($name:ident($($argument:expr),* $(,)?)) => {
        assert_eq!($crate::common::cu!($name($($argument),*)), ffi_headers::cuda::CUDA_SUCCESS, "{}", stringify!($name))
    };
}

pub(crate) use {cu, ok};

/// Starts a simulation for this process and initialises the library. Returns a device that no other test uses.
///
/// Tests of one program share the process and its simulation, and run side by side on devices of their own.
pub fn own_device() -> CUdevice {
    own_device_under(&DRIVERS[0])
}

/// As [`own_device`], with another driver than the usual one; the same throughout a test program.
pub fn own_device_under(driver: &Driver) -> CUdevice {
    static NEXT: AtomicI32 = AtomicI32::new(0);
    static SIMULATION: OnceLock<(Server, tempfile::TempDir)> = OnceLock::new();
    SIMULATION.get_or_init(|| {
        let h200 = Preset::find("H200").expect("the default model");
        let started = start_described(h200.describe(16, None, driver, CONTEXT));
        #[expect(
            clippy::disallowed_methods,
            reason = "this process is the client, so there is no command to set it on"
        )]
        // SAFETY: the other threads are tests that wait for this very initialisation.
        unsafe {
            std::env::set_var(simulator::SOCKET_ENV, started.1.path().join("socket"));
        }
        ok!(cuInit(0));
        started
    });
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Starts a simulation of H200s, in a folder of its own.
pub fn start(devices: usize, memory: Option<u64>) -> (Server, tempfile::TempDir) {
    start_described(describe(devices, memory))
}

/// Several H200s.
pub fn describe(devices: usize, memory: Option<u64>) -> Description {
    Preset::find("H200").expect("the default model").describe(devices, memory, &DRIVERS[0], CONTEXT)
}

/// Starts the simulation described, in a folder of its own.
pub fn start_described(description: Description) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("socket"), description).expect("a server");
    (server, folder)
}

/// A context on `device`, current in this thread.
pub fn context_on(device: CUdevice) -> CUcontext {
    let mut context = std::ptr::null_mut();
    ok!(cuCtxCreate_v2(&mut context, 0, device));
    context
}

/// Bytes of the current device in use.
pub fn used() -> u64 {
    let (mut free, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    (total - free) as u64
}

pub fn alloc(bytes: u64) -> CUdeviceptr {
    let mut address = 0;
    ok!(cuMemAlloc_v2(&mut address, bytes as usize));
    address
}
