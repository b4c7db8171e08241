//! Virtual memory management: reservations, physical memory, mappings and access.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use common::{CONTEXT, MIB, PAGE, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

const SIZE: usize = PAGE as usize;

fn on(location: CUmemLocationType, id: i32) -> CUmemAllocationProp {
    let location = CUmemLocation { type_: location, id };
    CUmemAllocationProp { type_: CU_MEM_ALLOCATION_TYPE_PINNED, location, ..Default::default() }
}

fn create(device: CUdevice, bytes: usize) -> CUmemGenericAllocationHandle {
    let mut handle = 0;
    ok!(cuMemCreate(&mut handle, bytes, &on(CU_MEM_LOCATION_TYPE_DEVICE, device), 0));
    handle
}

fn reserve(bytes: usize) -> CUdeviceptr {
    let mut address = 0;
    ok!(cuMemAddressReserve(&mut address, bytes, 0, 0, 0));
    assert!(address.is_multiple_of(PAGE));
    address
}

fn access(device: CUdevice, flags: CUmemAccess_flags) -> CUmemAccessDesc {
    CUmemAccessDesc { location: CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device }, flags }
}

fn writable(device: CUdevice, address: CUdeviceptr, bytes: usize) {
    ok!(cuMemSetAccess(address, bytes, &access(device, CU_MEM_ACCESS_FLAGS_PROT_READWRITE), 1));
}

fn write(address: CUdeviceptr, bytes: &[u8]) -> CUresult {
    cu!(cuMemcpyHtoD_v2(address, bytes.as_ptr().cast(), bytes.len()))
}

fn read(address: CUdeviceptr) -> Result<[u8; 4], CUresult> {
    let mut bytes = [0; 4];
    match cu!(cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), address, 4)) {
        CUDA_SUCCESS => Ok(bytes),
        code => Err(code),
    }
}

#[test]
fn memory_is_taken_at_creation_and_lives_while_a_handle_or_a_mapping_does() {
    let device = own_device();
    context_on(device);
    let address = reserve(8 * SIZE);
    assert_eq!(used(), CONTEXT, "addresses take no memory");
    let handle = create(device, 3 * SIZE);
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    ok!(cuMemMap(address, 3 * SIZE, 0, handle, 0));
    ok!(cuMemRelease(handle));
    assert_eq!(used(), CONTEXT + 3 * PAGE, "still mapped");
    assert_eq!(cu!(cuMemRelease(handle)), CUDA_ERROR_INVALID_VALUE);
    let mut again = 0;
    ok!(cuMemRetainAllocationHandle(&mut again, (address + 2 * PAGE + 5) as *mut _));
    ok!(cuMemUnmap(address, 3 * SIZE));
    assert_eq!(used(), CONTEXT + 3 * PAGE, "still retained");
    ok!(cuMemRelease(again));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuMemAddressFree(address, SIZE)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuMemAddressFree(address, 8 * SIZE));
    assert_eq!(cu!(cuMemAddressFree(address, 8 * SIZE)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn each_retain_needs_a_release() {
    let device = own_device();
    context_on(device);
    let (address, handle) = (reserve(SIZE), create(device, SIZE));
    ok!(cuMemMap(address, SIZE, 0, handle, 0));
    let mut retained = 0;
    for _ in 0..3 {
        ok!(cuMemRetainAllocationHandle(&mut retained, address as *mut _));
    }
    ok!(cuMemUnmap(address, SIZE));
    assert_eq!(cu!(cuMemRetainAllocationHandle(&mut retained, address as *mut _)), CUDA_ERROR_INVALID_VALUE);
    for _ in 0..3 {
        ok!(cuMemRelease(retained));
        assert_eq!(used(), CONTEXT + PAGE);
    }
    ok!(cuMemRelease(handle));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn mapped_memory_can_be_used_once_access_is_set() {
    let device = own_device();
    context_on(device);
    let (address, handle) = (reserve(2 * SIZE), create(device, SIZE));
    assert_eq!(write(address, b"none"), CUDA_ERROR_INVALID_VALUE, "only reserved");
    ok!(cuMemMap(address, SIZE, 0, handle, 0));
    assert_eq!(write(address, b"none"), CUDA_ERROR_INVALID_VALUE, "no access yet");
    let (mut flags, here) = (9, access(device, 0).location);
    ok!(cuMemGetAccess(&mut flags, &here, address));
    assert_eq!(flags, u64::from(CU_MEM_ACCESS_FLAGS_PROT_NONE));
    writable(device, address, SIZE);
    ok!(cuMemGetAccess(&mut flags, &here, address + 100));
    assert_eq!(flags, u64::from(CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    assert_eq!(write(address, b"abcd"), CUDA_SUCCESS);
    ok!(cuMemSetAccess(address, SIZE, &access(device, CU_MEM_ACCESS_FLAGS_PROT_READ), 1));
    assert_eq!(write(address, b"efgh"), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(read(address), Ok(*b"abcd"));
    assert_eq!(read(address + PAGE - 2), Err(CUDA_ERROR_INVALID_VALUE), "beyond the mapping");
    ok!(cuMemUnmap(address, SIZE));
    assert_eq!(read(address), Err(CUDA_ERROR_INVALID_VALUE));
    // A new mapping starts without access and shows what was written through the old one.
    ok!(cuMemMap(address + PAGE, SIZE, 0, handle, 0));
    assert_eq!(read(address + PAGE), Err(CUDA_ERROR_INVALID_VALUE));
    writable(device, address + PAGE, SIZE);
    assert_eq!(read(address + PAGE), Ok(*b"abcd"));
}

#[test]
fn two_mappings_of_one_handle_show_the_same_bytes() {
    let device = own_device();
    context_on(device);
    let (address, handle) = (reserve(4 * SIZE), create(device, SIZE));
    for place in [address, address + 2 * PAGE] {
        ok!(cuMemMap(place, SIZE, 0, handle, 0));
        writable(device, place, SIZE);
    }
    assert_eq!(used(), CONTEXT + PAGE);
    assert_eq!(write(address + 10, b"same"), CUDA_SUCCESS);
    assert_eq!(read(address + 2 * PAGE + 10), Ok(*b"same"));
    ok!(cuMemsetD8_v2(address + 2 * PAGE + 10, b'x', 2));
    assert_eq!(read(address + 10), Ok(*b"xxme"));
    // Freed memory comes back empty.
    ok!(cuMemUnmap(address, SIZE));
    ok!(cuMemUnmap(address + 2 * PAGE, SIZE));
    ok!(cuMemRelease(handle));
    let handle = create(device, SIZE);
    ok!(cuMemMap(address, SIZE, 0, handle, 0));
    writable(device, address, SIZE);
    assert_eq!(read(address + 10), Ok([0; 4]));
}

#[test]
fn neighbouring_mappings_are_one_range_and_are_unmapped_whole() {
    let device = own_device();
    context_on(device);
    let address = reserve(8 * SIZE);
    for (page, pages) in [(0, 1), (1, 2), (3, 1), (5, 1)] {
        let handle = create(device, pages * SIZE);
        ok!(cuMemMap(address + page * PAGE, pages * SIZE, 0, handle, 0));
        ok!(cuMemRelease(handle));
    }
    assert_eq!(cu!(cuMemMap(address + 2 * PAGE, SIZE, 0, create(device, SIZE), 0)), CUDA_ERROR_INVALID_VALUE, "taken");
    assert_eq!(used(), CONTEXT + 6 * PAGE);
    assert_eq!(cu!(cuMemSetAccess(address, 2 * SIZE, &access(device, 3), 1)), CUDA_ERROR_INVALID_VALUE, "cuts one");
    writable(device, address, 4 * SIZE);
    let line = vec![7u8; 4 * SIZE];
    assert_eq!(write(address, &line), CUDA_SUCCESS, "over three mappings");
    assert_eq!(read(address + 3 * PAGE - 2), Ok([7; 4]));
    assert_eq!(cu!(cuMemsetD8_v2(address, 0, 6 * SIZE)), CUDA_ERROR_INVALID_VALUE, "over a gap");
    for (page, pages) in [(1, 1), (2, 1), (0, 2), (0, 6), (3, 3), (4, 1)] {
        let code = cu!(cuMemUnmap(address + page * PAGE, pages * SIZE));
        assert_eq!(code, CUDA_ERROR_INVALID_VALUE, "{pages} pages from {page}");
    }
    assert_eq!(used(), CONTEXT + 6 * PAGE);
    assert_eq!(cu!(cuMemAddressFree(address, 8 * SIZE)), CUDA_ERROR_INVALID_VALUE, "still mapped");
    ok!(cuMemUnmap(address, 4 * SIZE));
    assert_eq!(used(), CONTEXT + 2 * PAGE);
}

#[test]
fn memory_of_the_host_takes_none_of_the_device() {
    let device = own_device();
    context_on(device);
    for (kind, id) in [
        (CU_MEM_LOCATION_TYPE_HOST, 0),
        (CU_MEM_LOCATION_TYPE_HOST_NUMA, 0),
        (CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, 0),
    ] {
        let mut handle = 0;
        ok!(cuMemCreate(&mut handle, 2 * SIZE, &on(kind, id), 0));
        assert_eq!(used(), CONTEXT);
        let address = reserve(2 * SIZE);
        ok!(cuMemMap(address, 2 * SIZE, 0, handle, 0));
        let host = CUmemAccessDesc { location: on(kind, id).location, flags: CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
        ok!(cuMemSetAccess(address, 2 * SIZE, &host, 1));
        assert_eq!(write(address, b"host"), CUDA_SUCCESS);
        assert_eq!(read(address), Ok(*b"host"));
        let mut properties = CUmemAllocationProp::default();
        ok!(cuMemGetAllocationPropertiesFromHandle(&mut properties, handle));
        assert_eq!(properties.location.type_, kind);
        ok!(cuMemUnmap(address, 2 * SIZE));
        ok!(cuMemRelease(handle));
    }
}

#[test]
fn memory_outlives_contexts_and_what_does_not_fit_is_refused() {
    let device = own_device();
    let context = context_on(device);
    let handle = create(device, 5 * SIZE);
    ok!(cuCtxDestroy_v2(context));
    context_on(device);
    assert_eq!(used(), CONTEXT + 5 * PAGE);
    let (mut free, mut total, mut more) = (0, 0, 0);
    ok!(cuMemGetInfo_v2(&mut free, &mut total));
    let rest = free / SIZE * SIZE;
    let place = on(CU_MEM_LOCATION_TYPE_DEVICE, device);
    assert_eq!(cu!(cuMemCreate(&mut more, rest + SIZE, &place, 0)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(used(), CONTEXT + 5 * PAGE);
    ok!(cuMemCreate(&mut more, rest, &place, 0));
    ok!(cuMemRelease(more));
    ok!(cuMemRelease(handle));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn bad_arguments_are_refused() {
    let device = own_device();
    context_on(device);
    let (mut handle, mut address, place) = (0, 0, on(CU_MEM_LOCATION_TYPE_DEVICE, device));
    for bytes in [0, 4096, SIZE + 1] {
        assert_eq!(cu!(cuMemCreate(&mut handle, bytes, &place, 0)), CUDA_ERROR_INVALID_VALUE, "{bytes}");
    }
    assert_eq!(cu!(cuMemCreate(&mut handle, SIZE, &place, 1)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemCreate(&mut handle, SIZE, &on(1, 99), 0)), CUDA_ERROR_INVALID_DEVICE);
    assert_eq!(cu!(cuMemCreate(&mut handle, SIZE, &on(0, 0), 0)), CUDA_ERROR_INVALID_VALUE);
    let windows = CUmemAllocationProp { requestedHandleTypes: CU_MEM_HANDLE_TYPE_WIN32, ..place };
    assert_eq!(cu!(cuMemCreate(&mut handle, SIZE, &windows, 0)), CUDA_ERROR_NOT_SUPPORTED);
    let mut granularity = 0;
    for option in [CU_MEM_ALLOC_GRANULARITY_MINIMUM, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED] {
        ok!(cuMemGetAllocationGranularity(&mut granularity, &place, option));
        assert_eq!(granularity, SIZE);
    }
    assert_eq!(cu!(cuMemAddressReserve(&mut address, 100, 0, 0, 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemAddressReserve(&mut address, SIZE, 3 << 20, 0, 0)), CUDA_ERROR_INVALID_VALUE);
    let handle = create(device, 2 * SIZE);
    let address = reserve(4 * SIZE);
    for (at, bytes, offset) in
        [(address + MIB, SIZE, 0), (address, 3 * SIZE, 0), (address, SIZE, SIZE), (PAGE, SIZE, 0)]
    {
        assert_eq!(cu!(cuMemMap(at, bytes, offset, handle, 0)), CUDA_ERROR_INVALID_VALUE);
    }
    assert_eq!(cu!(cuMemMap(address + 3 * PAGE, 2 * SIZE, 0, handle, 0)), CUDA_ERROR_INVALID_VALUE, "over the end");
    assert_eq!(cu!(cuMemMap(address, SIZE, 0, handle + 8, 0)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemFree_v2(address)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn a_reservation_takes_the_address_that_was_asked_for_if_it_is_free() {
    let device = own_device();
    context_on(device);
    let first = reserve(4 * SIZE);
    ok!(cuMemAddressFree(first, 4 * SIZE));
    let mut second = 0;
    ok!(cuMemAddressReserve(&mut second, SIZE, 1 << 30, 0, 0));
    assert!(second.is_multiple_of(1 << 30));
    let mut third = 0;
    ok!(cuMemAddressReserve(&mut third, SIZE, 0, second, 0));
    assert_ne!(third, second);
}

#[test]
fn an_address_tells_of_its_mapping() {
    let device = own_device();
    context_on(device);
    let (address, handle) = (reserve(4 * SIZE), create(device, 2 * SIZE));
    ok!(cuMemMap(address + PAGE, 2 * SIZE, 0, handle, 0));
    let (mut base, mut size) = (0, 0);
    ok!(cuMemGetAddressRange_v2(&mut base, &mut size, address + 2 * PAGE + 7));
    assert_eq!((base, size), (address + PAGE, 2 * SIZE));
    assert_eq!(cu!(cuMemGetAddressRange_v2(&mut base, &mut size, address)), CUDA_ERROR_NOT_FOUND);
    let (mut kind, mut ordinal) = (0u32, -1i32);
    ok!(cuPointerGetAttribute((&raw mut kind).cast(), CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address + PAGE));
    ok!(cuPointerGetAttribute((&raw mut ordinal).cast(), CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address + PAGE));
    assert_eq!((kind, ordinal), (CU_MEMORYTYPE_DEVICE, device));
    let place = (&raw mut kind).cast();
    assert_eq!(cu!(cuPointerGetAttribute(place, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address)), CUDA_ERROR_INVALID_VALUE);
}
