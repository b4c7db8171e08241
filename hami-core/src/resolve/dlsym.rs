//! `dlsym` and `dlvsym`, invisible for every name that is not ours.
//!
//! libc answers by who asks: RTLD_NEXT and RTLD_DEFAULT depend on the return address. So for a name that is not ours the
//! call is not forwarded but *jumped* to libc's own function, with the caller's return address on the stack as it was,
//! and nothing is remembered. For a name in the table libc is asked as well, and only its finding of the vendor's
//! function is answered with ours.
// UNSAFETY: naked functions that end in a jump to the C library, and calls to what was found there.
#![expect(unsafe_code)]

use core::arch::naked_asm;
use core::ffi::{CStr, c_char, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::table::{self, Row};
use crate::{find, guard};

type Dlsym = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;
type Dlvsym = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> *mut c_void;

/// libc's own functions; the naked functions jump through these.
static LIBC_DLSYM: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
static LIBC_DLVSYM: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// What a naked function does next. Two registers, in either calling convention.
#[repr(C)]
struct Verdict {
    /// Where to jump, with the caller's arguments; NULL: return `answer` instead.
    jump: *const c_void,
    answer: *mut c_void,
}

/// What libc would answer if it had no such function: there is no C library in this process that we know.
unsafe extern "C" fn nothing() -> *mut c_void {
    ptr::null_mut()
}

fn libc_function(slot: &AtomicPtr<c_void>, name: &CStr) -> *const c_void {
    // Relaxed: the address of code that is mapped for good.
    let known = slot.load(Ordering::Relaxed);
    if !known.is_null() {
        return known;
    }
    let found = find::in_c_library(name).unwrap_or(nothing as *const c_void);
    slot.store(found.cast_mut(), Ordering::Relaxed); // as above
    found
}

unsafe extern "C" fn judge_dlsym(handle: *mut c_void, name: *const c_char, caller: *const c_void) -> Verdict {
    let libc = libc_function(&LIBC_DLSYM, c"dlsym");
    let jump = Verdict { jump: libc, answer: ptr::null_mut() };
    // SAFETY: the address of libc's dlsym (or of `nothing`, which takes no arguments and ignores them).
    let ask = || unsafe { core::mem::transmute::<*const c_void, Dlsym>(libc)(handle, name) };
    guard::fence(Verdict { jump: libc, answer: ptr::null_mut() }, || judge(handle, name, caller, ask).unwrap_or(jump))
}

unsafe extern "C" fn judge_dlvsym(
    handle: *mut c_void,
    name: *const c_char,
    version: *const c_char,
    caller: *const c_void,
) -> Verdict {
    let libc = libc_function(&LIBC_DLVSYM, c"dlvsym");
    let jump = Verdict { jump: libc, answer: ptr::null_mut() };
    // SAFETY: the address of libc's dlvsym (or of `nothing`, which takes no arguments and ignores them).
    let ask = || unsafe { core::mem::transmute::<*const c_void, Dlvsym>(libc)(handle, name, version) };
    guard::fence(Verdict { jump: libc, answer: ptr::null_mut() }, || judge(handle, name, caller, ask).unwrap_or(jump))
}

/// Decides for a name; `None`: not ours to answer.
fn judge(
    handle: *mut c_void,
    name: *const c_char,
    caller: *const c_void,
    ask: impl FnOnce() -> *mut c_void,
) -> Option<Verdict> {
    if name.is_null() {
        return None;
    }
    // SAFETY: not NULL, so a NUL-terminated name, as dlsym requires.
    let text = unsafe { CStr::from_ptr(name) };
    if text == c"dlsym" || text == c"dlvsym" {
        return judge_own(handle, text, caller, ask);
    }
    let row = table::find(text)?;
    let ours = Verdict { jump: ptr::null(), answer: row.hook.cast_mut() };
    // These search the global scope, in which we stand before the driver.
    if handle == libc::RTLD_NEXT || handle == libc::RTLD_DEFAULT {
        return Some(if row.original().is_some() { ours } else { nothing_behind_us(name) });
    }
    let answer = ask();
    if answer.cast_const() == row.hook {
        return Some(if row.original().is_some() { ours } else { nothing_behind_us(name) }); // the program's own handle
    }
    let answer = if !answer.is_null() && is_the_vendors(row, answer) { ours.answer } else { answer };
    Some(Verdict { jump: ptr::null(), answer })
}

/// Decides for `dlsym` and `dlvsym` themselves: who would get libc's gets ours, through which libc's is reached.
fn judge_own(
    handle: *mut c_void,
    name: &CStr,
    caller: *const c_void,
    ask: impl FnOnce() -> *mut c_void,
) -> Option<Verdict> {
    let (slot, ours) =
        if name == c"dlsym" { (&LIBC_DLSYM, dlsym as *const c_void) } else { (&LIBC_DLVSYM, dlvsym as *const c_void) };
    let ours = Verdict { jump: ptr::null(), answer: ours.cast_mut() };
    if handle == libc::RTLD_NEXT {
        // An interposer in front of us that looks for the next one, by the version that libc's has: that is ours. For
        // one behind us, it is libc's.
        return find::stands_before_us(caller).then_some(ours);
    }
    let answer = ask();
    let libcs = answer.cast_const() == libc_function(slot, name);
    Some(if libcs { ours } else { Verdict { jump: ptr::null(), answer } })
}

/// What a program gets that looks for a vendor's function where no vendor's library is: libc looks from here on, finds
/// nothing and sets dlerror.
fn nothing_behind_us(name: *const c_char) -> Verdict {
    let libc = libc_function(&LIBC_DLSYM, c"dlsym");
    // SAFETY: the address of libc's dlsym (or of `nothing`), called with a valid name.
    let answer = unsafe { core::mem::transmute::<*const c_void, Dlsym>(libc)(libc::RTLD_NEXT, name) };
    Verdict { jump: ptr::null(), answer }
}

/// Whether libc found the vendor's function, not one that another library has under the same name.
fn is_the_vendors(row: &Row, found: *mut c_void) -> bool {
    row.original() == Some(found.cast_const()) || find::lies_in_library(row.library.soname(), found)
}

/// `void *dlsym(void *handle, const char *name)`, as libc has it.
///
/// # Safety
/// As dlsym(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // rdi, rsi: the arguments, saved across the call. Three pushes' worth of stack keep it aligned to 16 bytes.
    naked_asm!(
        "endbr64",
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "mov rdx, [rsp + 24]", // the return address: who asks
        "call {judge}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "test rax, rax",
        "jz 2f",
        "jmp rax",
        "2: mov rax, rdx",
        "ret",
        judge = sym judge_dlsym,
    )
}

/// `void *dlvsym(void *handle, const char *name, const char *version)`, as libc has it.
///
/// # Safety
/// As dlvsym(3).
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlvsym(handle: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void {
    // rdi, rsi, rdx: the arguments, saved across the call; three pushes align the stack.
    naked_asm!(
        "endbr64",
        "push rdi",
        "push rsi",
        "push rdx",
        "mov rcx, [rsp + 24]", // the return address: who asks
        "call {judge}",
        "mov rcx, rdx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "test rax, rax",
        "jz 2f",
        "jmp rax",
        "2: mov rax, rcx",
        "ret",
        judge = sym judge_dlvsym,
    )
}

/// `void *dlsym(void *handle, const char *name)`, as libc has it.
///
/// # Safety
/// As dlsym(3).
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void {
    // x0, x1: the arguments; x30: the return address, which libc takes for the caller.
    naked_asm!(
        "stp x29, x30, [sp, #-32]!",
        "stp x0, x1, [sp, #16]",
        "mov x2, x30", // the return address: who asks
        "bl {judge}",
        "mov x16, x0",
        "mov x17, x1",
        "ldp x0, x1, [sp, #16]",
        "ldp x29, x30, [sp], #32",
        "cbz x16, 2f",
        "br x16",
        "2: mov x0, x17",
        "ret",
        judge = sym judge_dlsym,
    )
}

/// `void *dlvsym(void *handle, const char *name, const char *version)`, as libc has it.
///
/// # Safety
/// As dlvsym(3).
#[cfg(target_arch = "aarch64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlvsym(handle: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void {
    // As `dlsym`, with x2.
    naked_asm!(
        "stp x29, x30, [sp, #-48]!",
        "stp x0, x1, [sp, #16]",
        "str x2, [sp, #32]",
        "mov x3, x30", // the return address: who asks
        "bl {judge}",
        "mov x16, x0",
        "mov x17, x1",
        "ldp x0, x1, [sp, #16]",
        "ldr x2, [sp, #32]",
        "ldp x29, x30, [sp], #48",
        "cbz x16, 2f",
        "br x16",
        "2: mov x0, x17",
        "ret",
        judge = sym judge_dlvsym,
    )
}
