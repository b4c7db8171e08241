//! Which function a name leads to: `dlsym`, `dlvsym`, `cuGetProcAddress`.

/// `dlsym` and `dlvsym`, invisible for every name that is not ours.
mod dlsym;
/// `cuGetProcAddress`: the driver is asked first.
pub(crate) mod proc_address;
