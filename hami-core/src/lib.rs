//! The preloaded library: stands between a program and the vendor's driver, keeps the memory quota, shows the part.
//!
//! A call enters through one of three doors (direct link, `dlsym`, `cuGetProcAddress`), all of which lead to the function
//! that a row of [`table`] generates. The row's shape (in [`shapes`]) asks the [`tenant`] whether there is a quota here
//! at all; if there is, it takes the bytes from the shared region first, then calls the driver's own function, and then
//! settles what the driver really took. Nothing happens when the library is loaded: no constructor, no thread, no file,
//! no system call before the first device call.

/// What a program asked the driver for: its allocations, their pages, its contexts, its pools.
mod books;
/// Gating of submitted work.
mod compute;
/// What the environment says, read once; a value that cannot be read means "nothing is granted".
mod config;
/// The calling thread's current context, and which device it is on.
mod current;
/// Finding functions in loaded libraries without `dlsym`.
mod find;
/// The panic fence, the depth guard, errno and cancellation.
mod guard;
/// Lines on stderr.
mod log;
/// What the device says a context takes.
mod measure;
/// What only one thread of this process at a time may touch.
mod private;
/// The tenant's part of one device.
mod quota;
/// `dlsym`, `dlvsym` and `cuGetProcAddress`: which function a name leads to.
mod resolve;
/// What hooked functions do, one file per family; rows of the table name these.
mod shapes;
/// One row per vendor symbol.
pub mod table;
/// This process as a tenant: limits, region, books.
mod tenant;
/// Unwinding that is not ours passes through our frames.
mod unwind;
/// The vendors' own functions that hooks call.
mod vendor;
/// CUDA_VISIBLE_DEVICES: which of the container's devices each CUDA ordinal is.
mod visible;
