//! Unwinding that is not ours passes through our frames as through C's: cancelled threads, C++ exceptions.
//!
//! The built library carries its own unwinder, for our own panics; threads are cancelled by the one in libgcc_s. That
//! one asks the personality routine of each frame it passes, and Rust's routine would read its context as our unwinder's
//! and crash. tools/slim_elf.py puts the routine below in front of Rust's: it lets pass what is not a panic of Rust.
// UNSAFETY: a personality routine is called by the unwinder; this one is assembly, and touches no memory and no stack.
#![expect(unsafe_code)]

use core::arch::global_asm;

/// `_UA_FORCE_UNWIND` of the Itanium C++ ABI is bit 3 of the actions: the stack is given up, and nobody catches.
const FORCED_BIT: u32 = 3;
/// `_URC_CONTINUE_UNWIND`: there is nothing to do in this frame.
const GO_ON: u32 = 8;
/// The class of Rust's own panics, high and low half: eight bytes in the order of memory (`panic_unwind/src/gcc.rs` of Rust 1.95).
const RUST: [u32; 2] = [u32::from_ne_bytes(*b"RUST"), u32::from_ne_bytes(*b"MOZ\0")];

// Arguments: edi version, esi actions, rdx class, rcx exception, r8 context. "R" keeps the section, which nothing calls.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.hami_eh_personality,\"axR\",@progbits",
    ".hidden hami_eh_personality",
    ".globl hami_eh_personality",
    ".type hami_eh_personality, @function",
    "hami_eh_personality:",
    "bt esi, {forced}",
    "jc 2f",
    "movabs rax, ({high} << 32) | {low}",
    "cmp rdx, rax",
    "jne 2f",
    "jmp rust_eh_personality@PLT",
    "2:",
    "mov eax, {go_on}",
    "ret",
    ".size hami_eh_personality, . - hami_eh_personality",
    ".popsection",
    forced = const FORCED_BIT,
    high = const RUST[0],
    low = const RUST[1],
    go_on = const GO_ON,
);

// Arguments: w0 version, w1 actions, x2 class, x3 exception, x4 context.
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".pushsection .text.hami_eh_personality,\"axR\",@progbits",
    ".hidden hami_eh_personality",
    ".globl hami_eh_personality",
    ".type hami_eh_personality, @function",
    "hami_eh_personality:",
    "tbnz w1, {forced}, 2f",
    "ldr x9, 3f",
    "cmp x2, x9",
    "b.ne 2f",
    "b rust_eh_personality",
    "2:",
    "mov w0, {go_on}",
    "ret",
    ".p2align 3",
    "3: .xword ({high} << 32) | {low}",
    ".size hami_eh_personality, . - hami_eh_personality",
    ".popsection",
    forced = const FORCED_BIT,
    high = const RUST[0],
    low = const RUST[1],
    go_on = const GO_ON,
);
