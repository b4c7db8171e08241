//! The border to C: arguments as the caller passed them, and the macros that make exported functions of plain blocks.
//!
#![expect(unsafe_code)]
// UNSAFETY: reads and writes through pointers that C callers pass.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use ffi_headers::cuda::{CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_UNKNOWN, CUDA_SUCCESS, CUresult};

/// What a driver function comes to: an error is the code that the caller gets.
pub type Outcome<T = ()> = Result<T, CUresult>;

/// Runs a driver function; a panic stays inside and becomes an unknown error.
pub fn fence(body: impl FnOnce() -> Outcome) -> CUresult {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => CUDA_SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => CUDA_ERROR_UNKNOWN,
    }
}

/// A pointer to which the caller wants a value written; may be null.
///
/// Values of this type come only from C callers, who by the contract of the driver API pass null or a place for a `T`.
#[repr(transparent)]
pub struct Out<T>(*mut T);

/// A pointer to values that the caller passes; may be null. The same contract as for [`Out`].
#[repr(transparent)]
pub struct In<T>(*const T);

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<T> {}

impl<T> Out<T> {
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Writes `value`; an invalid-value error for null.
    pub fn set(self, value: T) -> Outcome {
        if self.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        self.set_if_wanted(value);
        Ok(())
    }

    /// An invalid-value error for null: for functions that must not act before they know where the answer goes.
    pub fn required(self) -> Outcome<Self> {
        if self.is_null() { Err(CUDA_ERROR_INVALID_VALUE) } else { Ok(self) }
    }

    /// Writes `value` unless the pointer is null.
    pub fn set_if_wanted(self, value: T) {
        if !self.is_null() {
            // SAFETY: not null, so by the contract of the type a place for a `T`; C callers need not align byte buffers.
            unsafe { self.0.write_unaligned(value) };
        }
    }

    /// Writes `values` one behind the other; the caller said that there is room for as many.
    pub fn set_slice(self, values: impl IntoIterator<Item = T>) {
        if self.is_null() {
            return;
        }
        for (index, value) in values.into_iter().enumerate() {
            // SAFETY: as in `set_if_wanted`, for an array as long as the caller's own count.
            unsafe { self.0.add(index).write_unaligned(value) };
        }
    }
}

impl<T> Out<T> {
    /// A place that the API hands over as one of several untyped pointers.
    pub const fn from_raw(pointer: *mut T) -> Self {
        Self(pointer)
    }

    /// For arrays that the API only reads although it does not say so.
    pub fn as_input(self) -> In<T> {
        In(self.0)
    }
}

impl Out<c_void> {
    /// The place as one for a `T`, which the API defines by another argument.
    pub fn of<T>(self) -> Out<T> {
        Out(self.0.cast())
    }
}

impl<T: Copy> Out<T> {
    /// What stands there before it is written.
    pub fn get(self) -> Outcome<T> {
        In(self.0.cast_const()).get()
    }
}

impl<T: Copy> In<T> {
    /// The value; an invalid-value error for null.
    pub fn get(self) -> Outcome<T> {
        self.get_optional().ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    pub fn get_optional(self) -> Option<T> {
        // SAFETY: not null, so by the contract of the type a readable `T`.
        (!self.0.is_null()).then(|| unsafe { self.0.read_unaligned() })
    }

    /// The `count` values from here on; none for null.
    pub fn slice(self, count: usize) -> Vec<T> {
        if self.0.is_null() {
            return Vec::new();
        }
        // SAFETY: by the contract of the type and the caller's own count, readable.
        (0..count).map(|index| unsafe { self.0.add(index).read_unaligned() }).collect()
    }
}

impl<T> In<T> {
    /// A place that the API hands over within a structure.
    pub fn from_raw(pointer: *const T) -> Self {
        Self(pointer)
    }

    pub fn address(self) -> *const T {
        self.0
    }
}

impl In<c_char> {
    /// The string; an invalid-value error for null.
    pub fn text(self) -> Outcome<&'static CStr> {
        if self.0.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // SAFETY: not null, so by the contract of the API a string that ends in NUL and outlives the call. The reference is
        // called static for want of a name for the call; no function keeps it.
        Ok(unsafe { CStr::from_ptr(self.0) })
    }
}

/// The C type of an argument, to hold each function against its declaration in ffi-headers.
pub trait Argument {
    type C;
}

impl<T> Argument for Out<T> {
    type C = *mut T;
}

impl<T> Argument for In<T> {
    type C = *const T;
}

impl<T> Argument for *mut T {
    type C = *mut T;
}

impl<T> Argument for *const T {
    type C = *const T;
}

impl<T> Argument for Option<T> {
    type C = Self;
}

macro_rules! plain_arguments {
    ($($type:ty),*) => { $(impl Argument for $type { type C = Self; })* };
}
plain_arguments!(
    i32,
    u8,
    u16,
    u32,
    u64,
    usize,
    f32,
    ffi_headers::cuda::CUmemLocation,
    ffi_headers::cuda::CUipcMemHandle,
    ffi_headers::cuda::CUipcEventHandle
);

/// Makes exported functions: `extern "C" fn`, name, arguments and body, as in Rust but without a result type.
///
/// The body may use `?` on [`Outcome`] and runs behind [`fence`]. Several names with one body are separated by commas. A
/// name in brackets before the arguments is bound to what the null stream means in the function that was called. A call that
/// the plan of [`simulator::faults`] names fails before the body. The
/// signature of every function must be that of its `PFN_` type in ffi-headers, except for `_ptds` and `_ptsz` forms, which
/// share that of the first name.
macro_rules! driver_functions {
    ($(
        $(#[$meta:meta])*
        extern "C" fn $first:ident $(, extern "C" fn $more:ident)* $([$null:ident])? ($($arguments:tt)*) $body:block
    )*) => {
        $(
            $crate::abi::named_functions!([$(#[$meta])*] [$first $($more)*] [$($null)?] ($($arguments)*) $body);
            $crate::abi::same_signature!($first ($($arguments)*));
        )*
    };
}

macro_rules! named_functions {
    ($meta:tt [$($name:ident)*] $null:tt $arguments:tt $body:block) => {
        $($crate::abi::driver_function!($meta $name $null $arguments $body);)*
    };
}

macro_rules! driver_function {
    ([$(#[$meta:meta])*] $name:ident [$($null:ident)?] ($($argument:ident : $type:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[unsafe(no_mangle)]
        pub extern "C" fn $name($($argument: $type),*) -> ffi_headers::cuda::CUresult {
            if let Some(code) = simulator::faults::injected(stringify!($name)) {
                return code;
            }
            $(let $null = const { $crate::stream::NullStream::in_function(stringify!($name)) };)?
            $crate::abi::fence(move || {
                $body;
                Ok(())
            })
        }
    };
}

macro_rules! same_signature {
    ($name:ident ($($argument:ident : $type:ty),* $(,)?)) => {
        pastey::paste! {
            const _: ffi_headers::cuda::[<PFN_ $name>] = None::<
                unsafe extern "C" fn($(<$type as $crate::abi::Argument>::C),*) -> ffi_headers::cuda::CUresult,
            >;
        }
    };
}

pub(crate) use {driver_function, driver_functions, named_functions, same_signature};
