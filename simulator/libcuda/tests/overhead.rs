//! Device memory of code and of raised limits.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

/// Text of this many bytes, its NUL included.
fn ptx(bytes: u64) -> Vec<u8> {
    let mut text = b".version 8.4\n.visible .entry quick()\n{ ret; }\n".to_vec();
    text.resize(bytes as usize - 1, b' ');
    text.push(0);
    text
}

fn load(image: &[u8]) -> CUmodule {
    let mut module = null_mut();
    ok!(cuModuleLoadData(&mut module, image.as_ptr().cast()));
    module
}

/// Takes all whole pages that the device has left.
fn fill() -> CUdeviceptr {
    let (mut free, mut total) = (0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    alloc(free as u64 / PAGE * PAGE)
}

/// An ELF file with code, shared memory and a variable `table` of zeros, in sections of these sizes.
fn elf(code: u64, shared: u64, table: u64) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.nv.shared.quick\0.nv.global\0.symtab\0.names\0table\0";
    let name = |wanted: &[u8]| NAMES.windows(wanted.len()).position(|part| part == wanted).expect("a name") as u32;
    let (code_at, header) = (64u64, 64u64);
    let symbols_at = code_at + code;
    let names_at = symbols_at + 24;
    let sections_at = names_at + NAMES.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(40, 0);
    file.extend(sections_at.to_le_bytes());
    file.resize(52, 0);
    for half in [header as u16, 56, 0, 64, 6, 5] {
        file.extend(half.to_le_bytes());
    }
    file.resize(symbols_at as usize, 0);
    file.extend(name(b"table\0").to_le_bytes());
    file.extend([1, 0]);
    file.extend(3u16.to_le_bytes());
    file.extend([0u64, table].map(u64::to_le_bytes).concat());
    file.extend(NAMES);
    let allocated = 2;
    for (named, kind, flags, at, bytes, link) in [
        (&b"\0"[..], 0u32, 0u64, 0u64, 0u64, 0u32),
        (b".text\0", 1, allocated, code_at, code, 0),
        (b".nv.shared.quick\0", 8, allocated, 0, shared, 0),
        (b".nv.global\0", 8, allocated, 0, table, 0),
        (b".symtab\0", 2, 0, symbols_at, 24, 5),
        (b".names\0", 3, 0, names_at, NAMES.len() as u64, 0),
    ] {
        file.extend(name(named).to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend([flags, 0, at, bytes].map(u64::to_le_bytes).concat());
        file.extend([link, 0].map(u32::to_le_bytes).concat());
        file.extend([0u64; 2].map(u64::to_le_bytes).concat());
    }
    file
}

#[test]
fn code_beyond_the_heap_of_the_context_takes_pages() {
    context_on(own_device());
    let first = load(&ptx(3 * MIB));
    assert_eq!(used(), CONTEXT, "it fits into the 4 MiB that a context has for code");
    let second = load(&ptx(3 * MIB));
    assert_eq!(used(), CONTEXT + 2 * PAGE);
    load(&ptx(MIB));
    assert_eq!(used(), CONTEXT + 2 * PAGE, "the rest of the heap");
    load(&ptx(512));
    assert_eq!(used(), CONTEXT + 3 * PAGE, "the heap is full");
    ok!(cuModuleUnload(second));
    assert_eq!(used(), CONTEXT + PAGE);
    ok!(cuModuleUnload(first));
    assert_eq!(cu!(cuModuleUnload(first)), CUDA_ERROR_INVALID_HANDLE);
    load(&ptx(3 * MIB));
    assert_eq!(used(), CONTEXT + PAGE);
}

#[test]
fn code_that_finds_no_room_is_refused() {
    context_on(own_device());
    let all = fill();
    let (mut module, image) = (null_mut(), ptx(5 * MIB));
    assert_eq!(cu!(cuModuleLoadData(&mut module, image.as_ptr().cast())), CUDA_ERROR_OUT_OF_MEMORY);
    ok!(cuMemFree_v2(all));
    assert_eq!(used(), CONTEXT);
    load(&image);
    assert_eq!(used(), CONTEXT + 3 * PAGE);
}

#[test]
fn a_library_takes_memory_in_each_context_that_uses_it() {
    let device = own_device();
    let a = context_on(device);
    let (mut library, mut kernel, mut module, none) = (null_mut(), null_mut(), null_mut(), null_mut());
    let image = ptx(8 * MIB);
    ok!(cuLibraryLoadData(&mut library, image.as_ptr().cast(), none, null_mut(), 0, null_mut(), null_mut(), 0));
    ok!(cuLibraryGetKernel(&mut kernel, library, c"quick".as_ptr()));
    assert_eq!(used(), CONTEXT);
    ok!(cuLibraryGetModule(&mut module, library));
    assert_eq!(used(), CONTEXT + 4 * PAGE);
    let b = context_on(device);
    let launch = || cu!(cuLaunchKernel(kernel.cast(), 1, 1, 1, 1, 1, 1, 0, null_mut(), null_mut(), null_mut()));
    assert_eq!([launch(), launch()], [CUDA_SUCCESS; 2]);
    assert_eq!(used(), 2 * (CONTEXT + 4 * PAGE));
    ok!(cuCtxDestroy_v2(b));
    ok!(cuCtxSetCurrent(a));
    assert_eq!(used(), CONTEXT + 4 * PAGE);
    ok!(cuLibraryUnload(library));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn the_variables_of_a_module_lie_in_its_memory() {
    context_on(own_device());
    let module = load(&elf(1000, 100 * MIB, 10 * MIB));
    assert_eq!(used(), CONTEXT + 6 * PAGE, "10 MiB of variables and a little code, and no shared memory");
    let (mut address, mut bytes) = (0, 0);
    ok!(cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"table".as_ptr()));
    assert_eq!((bytes as u64, used()), (10 * MIB, CONTEXT + 6 * PAGE));
    let (mut first, mut last) = (7u8, 7u8);
    ok!(cuMemcpyDtoH_v2((&raw mut first).cast(), address, 1));
    ok!(cuMemsetD8_v2(address, 3, bytes));
    ok!(cuMemcpyDtoH_v2((&raw mut last).cast(), address + 10 * MIB - 1, 1));
    assert_eq!((first, last), (0, 3));
    assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuModuleUnload(module));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuMemsetD8_v2(address, 3, 1)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn a_raised_limit_takes_memory_until_it_is_lowered() {
    context_on(own_device());
    let limit = |limit| {
        let mut value = 0;
        ok!(cuCtxGetLimit(&mut value, limit));
        value
    };
    assert_eq!(limit(CU_LIMIT_MALLOC_HEAP_SIZE), 8 << 20);
    ok!(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 16 << 20));
    assert_eq!(used(), CONTEXT + 4 * PAGE);
    ok!(cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, (1 << 20) + 1));
    assert_eq!(used(), CONTEXT + 5 * PAGE);
    // 1 KiB more for each of 2048 threads on 132 multiprocessors.
    ok!(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048));
    assert_eq!(used(), CONTEXT + 5 * PAGE + 132 * 2 * MIB);
    for (limit, value) in
        [(CU_LIMIT_STACK_SIZE, 512), (CU_LIMIT_MALLOC_HEAP_SIZE, 8 << 20), (CU_LIMIT_PRINTF_FIFO_SIZE, 1)]
    {
        ok!(cuCtxSetLimit(limit, value));
    }
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, (512 << 10) + 1)), CUDA_ERROR_INVALID_VALUE);
    for bytes in [200 << 30, usize::MAX] {
        assert_eq!(cu!(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, bytes)), CUDA_ERROR_OUT_OF_MEMORY);
    }
    assert_eq!((limit(CU_LIMIT_MALLOC_HEAP_SIZE), limit(CU_LIMIT_STACK_SIZE), used()), (8 << 20, 512, CONTEXT));
}

#[test]
fn a_context_that_ends_gives_its_overhead_back() {
    let device = own_device();
    let mut primary = null_mut();
    context_on(device);
    ok!(cuDevicePrimaryCtxRetain(&mut primary, device));
    ok!(cuCtxPushCurrent_v2(primary));
    ok!(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 16 << 20));
    load(&ptx(3 * MIB));
    load(&ptx(5 * MIB));
    assert_eq!(used(), 2 * CONTEXT + 7 * PAGE);
    ok!(cuDevicePrimaryCtxReset_v2(device));
    ok!(cuCtxPopCurrent_v2(&mut primary));
    assert_eq!(used(), CONTEXT);
    let mut value = 0;
    ok!(cuDevicePrimaryCtxRetain(&mut primary, device));
    ok!(cuCtxPushCurrent_v2(primary));
    ok!(cuCtxGetLimit(&mut value, CU_LIMIT_MALLOC_HEAP_SIZE));
    load(&ptx(4 * MIB));
    assert_eq!((value, used()), (8 << 20, 2 * CONTEXT), "limits and code heap are those of a new context");
}
