//! Memory of other interfaces, brought in by a descriptor.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr::null_mut;

use common::{CONTEXT, PAGE, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

fn described(descriptor: i32, size: u64) -> CUDA_EXTERNAL_MEMORY_HANDLE_DESC {
    let mut wanted = CUDA_EXTERNAL_MEMORY_HANDLE_DESC {
        type_: CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD,
        size,
        ..Default::default()
    };
    wanted.handle.fd = descriptor;
    wanted
}

fn is_open(descriptor: i32) -> bool {
    std::path::Path::new(&format!("/proc/self/fd/{descriptor}")).exists()
}

#[test]
fn a_file_becomes_device_memory_that_takes_no_pages() {
    context_on(own_device());
    let mut file: File = tempfile::tempfile().expect("a file");
    file.write_all(&[7; 8192]).expect("room");
    let mut watched = file.try_clone().expect("a copy");
    let (mut memory, mut address, mut back) = (null_mut(), 0, [0u8; 16]);
    let descriptor = file.as_raw_fd();
    assert_eq!(cu!(cuImportExternalMemory(&mut memory, &described(descriptor, 8193))), CUDA_ERROR_INVALID_VALUE);
    assert!(is_open(descriptor), "refused, it stays the program's");
    let mut other = described(descriptor, 8192);
    other.type_ = CU_EXTERNAL_MEMORY_HANDLE_TYPE_DMABUF_FD;
    assert_eq!(cu!(cuImportExternalMemory(&mut memory, &other)), CUDA_ERROR_NOT_SUPPORTED);
    ok!(cuImportExternalMemory(&mut memory, &described(file.into_raw_fd(), 8192)));
    let buffer = CUDA_EXTERNAL_MEMORY_BUFFER_DESC { offset: 100, size: 5000, ..Default::default() };
    ok!(cuExternalMemoryGetMappedBuffer(&mut address, memory, &buffer));
    let outside = CUDA_EXTERNAL_MEMORY_BUFFER_DESC { offset: 8000, size: 193, ..Default::default() };
    let mut nothing = 0;
    assert_eq!(cu!(cuExternalMemoryGetMappedBuffer(&mut nothing, memory, &outside)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(used(), CONTEXT);
    ok!(cuDestroyExternalMemory(memory));
    assert_eq!(cu!(cuDestroyExternalMemory(memory)), CUDA_ERROR_INVALID_HANDLE);
    ok!(cuMemcpyDtoH_v2(back.as_mut_ptr().cast(), address, 16));
    assert_eq!(back, [7; 16]);
    ok!(cuMemsetD8_v2(address + 8, 9, 4));
    ok!(cuCtxSynchronize());
    watched.seek(SeekFrom::Start(100)).expect("seek");
    watched.read_exact(&mut back).expect("read");
    assert_eq!(back, [7, 7, 7, 7, 7, 7, 7, 7, 9, 9, 9, 9, 7, 7, 7, 7]);
    assert_eq!(cu!(cuMemsetD8_v2(address + 4999, 0, 2)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuMemFree_v2(address));
    assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn a_mipmapped_array_can_lie_in_a_file() {
    context_on(own_device());
    let file = tempfile::tempfile().expect("a file");
    file.set_len(1 << 20).expect("room");
    let (mut memory, mut mipmap, mut level, mut back) = (null_mut(), null_mut(), null_mut(), [0u8; 64]);
    ok!(cuImportExternalMemory(&mut memory, &described(file.into_raw_fd(), 1 << 20)));
    let shape = CUDA_ARRAY3D_DESCRIPTOR {
        Width: 256,
        Height: 256,
        Format: CU_AD_FORMAT_UNSIGNED_INT8,
        NumChannels: 1,
        ..Default::default()
    };
    // Levels of 64 KiB, 16 KiB and less: two units of 64 KiB.
    let mut wanted = CUDA_EXTERNAL_MEMORY_MIPMAPPED_ARRAY_DESC { arrayDesc: shape, numLevels: 3, ..Default::default() };
    wanted.offset = (1 << 20) - (128 << 10) + 1;
    let outside = cu!(cuExternalMemoryGetMappedMipmappedArray(&mut mipmap, memory, &wanted));
    assert_eq!(outside, CUDA_ERROR_INVALID_VALUE);
    wanted.offset -= 1;
    ok!(cuExternalMemoryGetMappedMipmappedArray(&mut mipmap, memory, &wanted));
    assert_eq!(used(), CONTEXT);
    ok!(cuMipmappedArrayGetLevel(&mut level, mipmap, 1));
    ok!(cuMemcpyHtoA_v2(level, 0, [5u8; 64].as_ptr().cast(), 64));
    ok!(cuMemcpyAtoH_v2(back.as_mut_ptr().cast(), level, 0, 64));
    assert_eq!(back, [5; 64]);
    ok!(cuMipmappedArrayDestroy(mipmap));
    ok!(cuDestroyExternalMemory(memory));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn memory_of_cumemcreate_keeps_its_pages_while_it_is_imported() {
    let device = own_device();
    context_on(device);
    let (mut handle, mut memory, mut address, mut descriptor) = (0, null_mut(), 0, -1);
    let mut properties = CUmemAllocationProp {
        type_: CU_MEM_ALLOCATION_TYPE_PINNED,
        requestedHandleTypes: CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
        ..Default::default()
    };
    properties.location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device };
    ok!(cuMemCreate(&mut handle, PAGE as usize, &properties, 0));
    let kind = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    ok!(cuMemExportToShareableHandle((&raw mut descriptor).cast(), handle, kind, 0));
    ok!(cuImportExternalMemory(&mut memory, &described(descriptor, PAGE)));
    let buffer = CUDA_EXTERNAL_MEMORY_BUFFER_DESC { size: PAGE, ..Default::default() };
    ok!(cuExternalMemoryGetMappedBuffer(&mut address, memory, &buffer));
    ok!(cuMemRelease(handle));
    ok!(cuDestroyExternalMemory(memory));
    assert_eq!(used(), CONTEXT + PAGE, "counted once, and still there");
    ok!(cuMemsetD8_v2(address, 1, PAGE as usize));
    ok!(cuCtxSynchronize());
    ok!(cuMemFree_v2(address));
    assert_eq!(used(), CONTEXT);
}
