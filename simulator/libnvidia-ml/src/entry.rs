//! The way in from C: pointers that a caller lends, the panic fence, and the checks every NVML function begins with.
// UNSAFETY: reads and writes memory that a C caller lends for the length of one call.
#![expect(unsafe_code)]

use crate::device::Device;
use crate::session;
use core::ffi::{c_char, c_uint};
use ffi_headers::nvml::*;
use simulator::faults;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a function body answers: nothing, or an NVML error code.
pub type Answer = Result<(), nvmlReturn_t>;

/// A pointer argument of an NVML function, laid out as the plain pointer it is in C. It is null, or valid for the
/// length of the call: NVML's contract with its caller, which makes a null the only wrong pointer a library can
/// notice.
#[repr(transparent)]
pub struct Lent<T>(*mut T);

impl<T> Clone for Lent<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Lent<T> {}

impl<T> From<*mut T> for Lent<T> {
    /// A pointer found inside a structure that the caller lends, under the same contract.
    fn from(pointer: *mut T) -> Self {
        Self(pointer)
    }
}

impl<T> Lent<T> {
    /// Null is an invalid argument; NVML checks it before it looks at anything else behind the pointer.
    pub fn check(self) -> Answer {
        if self.0.is_null() { Err(NVML_ERROR_INVALID_ARGUMENT) } else { Ok(()) }
    }

    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    pub fn write(self, value: T) -> Answer {
        self.check()?;
        // SAFETY: not null, so by NVML's contract it points to one writable T.
        unsafe { self.0.write(value) };
        Ok(())
    }

    pub fn write_all(self, values: &[T]) -> Answer
    where
        T: Copy,
    {
        if values.is_empty() {
            return Ok(());
        }
        self.check()?;
        // SAFETY: not null, and the caller said it has room for `values.len()` elements (each user of this checks
        // that first); the caller's array cannot overlap our own slice.
        unsafe { self.0.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
        Ok(())
    }

    /// The element `index`; the caller gave the array's length and `index` is below it.
    pub fn element(self, index: usize) -> Lent<T> {
        Lent(self.0.wrapping_add(index))
    }

    pub fn read(self) -> Result<T, nvmlReturn_t>
    where
        T: Copy,
    {
        self.check()?;
        // SAFETY: not null, so by NVML's contract it points to one readable T.
        Ok(unsafe { self.0.read() })
    }

    /// The value behind the pointer, to be changed in place.
    pub fn edit(self, change: impl FnOnce(&mut T) -> Answer) -> Answer {
        self.check()?;
        // SAFETY: not null, so by NVML's contract it points to one T that nobody else touches during the call.
        change(unsafe { &mut *self.0 })
    }
}

impl Lent<c_char> {
    /// Writes a NUL-terminated text into the caller's buffer of `length` bytes; NVML refuses a buffer that is too
    /// small and leaves it alone.
    pub fn write_text(self, length: c_uint, text: &str) -> Answer {
        self.check()?;
        if text.len() + 1 > length as usize {
            return Err(NVML_ERROR_INSUFFICIENT_SIZE);
        }
        // SAFETY: not null, and the caller's buffer has `length` bytes, of which text and terminator take no more.
        unsafe {
            self.0.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
            self.0.add(text.len()).write(0);
        }
        Ok(())
    }

    pub fn read_text<'call>(self) -> Result<&'call str, nvmlReturn_t> {
        self.check()?;
        // SAFETY: not null, so by NVML's contract a NUL-terminated string that lives for the call; the reference does
        // not outlive it.
        unsafe { CStr::from_ptr(self.0) }.to_str().map_err(|_| NVML_ERROR_INVALID_ARGUMENT)
    }
}

/// NVML's rule for lists: `count` holds the room on the way in and the number there is on the way out; too little
/// room is INSUFFICIENT_SIZE, with the number that is needed.
pub fn write_list<T: Copy>(count: Lent<c_uint>, items: Lent<T>, values: &[T]) -> Answer {
    let room = count.read()? as usize;
    count.write(values.len() as c_uint)?;
    if values.len() > room {
        return Err(NVML_ERROR_INSUFFICIENT_SIZE);
    }
    items.write_all(values)
}

/// A fixed array of `char` holding `text`, cut where it does not fit, always NUL-terminated.
pub fn fixed_text<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(text.bytes()).take(N - 1) {
        *to = from as c_char;
    }
    array
}

/// The answer of a query that no simulated device can answer, for a reason stated where it is used.
pub const NOT_SUPPORTED: Answer = Err(NVML_ERROR_NOT_SUPPORTED);

/// Runs a body so that no panic unwinds into the caller's C frames, unless the call is one that has to fail.
///
/// Bodies are closures written in the exported function: that is how its name is known.
pub fn fence<Body: FnOnce() -> Answer>(body: Body) -> nvmlReturn_t {
    enter::<Body>(body)
}

/// As [`fence`], for a function that needs an initialised library.
pub fn initialised<Body: FnOnce() -> Answer>(body: Body) -> nvmlReturn_t {
    enter::<Body>(|| {
        session::check()?;
        body()
    })
}

/// As [`fence`], for a function of one device: the library is initialised and the handle is one of its devices.
pub fn on_device<Body: FnOnce(Device) -> Answer>(handle: nvmlDevice_t, body: Body) -> nvmlReturn_t {
    enter::<Body>(|| {
        session::check()?;
        body(Device::of(handle)?)
    })
}

fn enter<Body>(run: impl FnOnce() -> Answer) -> nvmlReturn_t {
    if let Some(code) = injected::<Body>() {
        return code;
    }
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => NVML_SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => NVML_ERROR_UNKNOWN,
    }
}

/// The code with which this call has to fail, if it has to. The name of a closure's type ends in that of the function it is
/// written in and `{{closure}}`.
fn injected<Body>() -> Option<nvmlReturn_t> {
    if !faults::armed() {
        return None;
    }
    faults::injected(std::any::type_name::<Body>().rsplit("::").nth(1)?)
}

/// Checks the version word of a versioned structure: its size in the low three bytes, its number in the high one
/// (NVML_STRUCT_VERSION).
pub fn version(given: c_uint, size: usize, number: c_uint) -> Answer {
    if given == size as c_uint | number << 24 { Ok(()) } else { Err(NVML_ERROR_ARGUMENT_VERSION_MISMATCH) }
}
