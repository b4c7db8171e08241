//! Arrays, mipmapped arrays, and the bytes that are copied from and to them.
#![expect(unsafe_code)]
// UNSAFETY: calls the library through C function pointers.

mod common;

use std::ptr::null_mut;

use common::{CONTEXT, MIB, PAGE, alloc, context_on, cu, ok, own_device, used};
use ffi_headers::cuda::*;

const FLOAT: CUarray_format = CU_AD_FORMAT_FLOAT;
const BYTE: CUarray_format = CU_AD_FORMAT_UNSIGNED_INT8;

fn described(extents: [usize; 3], format: CUarray_format, channels: u32, flags: u32) -> CUDA_ARRAY3D_DESCRIPTOR {
    let [width, height, depth] = extents;
    CUDA_ARRAY3D_DESCRIPTOR {
        Width: width,
        Height: height,
        Depth: depth,
        Format: format,
        NumChannels: channels,
        Flags: flags,
    }
}

fn array(extents: [usize; 3], format: CUarray_format, channels: u32, flags: u32) -> CUarray {
    let mut array = null_mut();
    ok!(cuArray3DCreate_v2(&mut array, &described(extents, format, channels, flags)));
    array
}

#[test]
fn an_array_takes_whole_pages_until_it_is_destroyed() {
    context_on(own_device());
    // Rows of 64 bytes, 8 rows at least, 64 KiB at least, and whole pages of 2 MiB for each array.
    let cases = [
        ([1, 0, 0], BYTE, 1, 0, 1),
        // 4 bytes × 8 rows × 65,536 elements are one page exactly; one element more is not.
        ([65_536, 8, 0], FLOAT, 1, 0, 1),
        ([65_537, 8, 0], FLOAT, 1, 0, 2),
        ([1024, 1024, 0], FLOAT, 4, 0, 8),
        // 17 rows are stored as 24, in each of 100 layers.
        ([1000, 17, 100], FLOAT, 1, CUDA_ARRAY3D_LAYERED, (4032 * 24 * 100u64).div_ceil(PAGE)),
        ([256, 256, 6], FLOAT, 4, CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_SURFACE_LDST, 3),
        ([100, 100, 100], FLOAT, 1, 0, (448 * 104 * 100u64).div_ceil(PAGE)),
    ];
    for (extents, format, channels, flags, pages) in cases {
        let array = array(extents, format, channels, flags);
        assert_eq!(used(), CONTEXT + pages * PAGE, "{extents:?}");
        let mut found = CUDA_ARRAY3D_DESCRIPTOR::default();
        ok!(cuArray3DGetDescriptor_v2(&mut found, array));
        assert_eq!([found.Width, found.Height, found.Depth], extents);
        assert_eq!((found.Format, found.NumChannels, found.Flags), (format, channels, flags));
        ok!(cuArrayDestroy(array));
        assert_eq!(used(), CONTEXT, "{extents:?} destroyed");
        assert_eq!(cu!(cuArrayDestroy(array)), CUDA_ERROR_INVALID_HANDLE);
        assert_eq!(cu!(cuArray3DGetDescriptor_v2(&mut found, array)), CUDA_ERROR_INVALID_HANDLE);
    }
    let (a, b) = (array([1, 0, 0], BYTE, 1, 0), array([1, 0, 0], BYTE, 1, 0));
    assert_eq!(used(), CONTEXT + 2 * PAGE, "arrays share no pages");
    ok!(cuArrayDestroy(a));
    ok!(cuArrayDestroy(b));
}

#[test]
fn every_form_of_create_and_describe_means_the_same() {
    context_on(own_device());
    let (mut a, mut b, mut c) = (null_mut(), null_mut(), null_mut());
    let flat = CUDA_ARRAY_DESCRIPTOR { Width: 30, Height: 20, Format: FLOAT, NumChannels: 2 };
    ok!(cuArrayCreate_v2(&mut a, &flat));
    let old = CUDA_ARRAY_DESCRIPTOR_v1 { Width: 30, Height: 20, Format: FLOAT, NumChannels: 2 };
    ok!(cuArrayCreate(&mut b, &old));
    let old3d = CUDA_ARRAY3D_DESCRIPTOR_v1 { Width: 30, Height: 20, Depth: 5, Format: FLOAT, NumChannels: 2, Flags: 2 };
    ok!(cuArray3DCreate(&mut c, &old3d));
    for array in [a, b] {
        let (mut found, mut found_old) = Default::default();
        ok!(cuArrayGetDescriptor_v2(&mut found, array));
        ok!(cuArrayGetDescriptor(&mut found_old, array));
        assert_eq!((found.Width, found.Height, found.Format, found.NumChannels), (30, 20, FLOAT, 2));
        assert_eq!((found_old.Width, found_old.Height, found_old.Format, found_old.NumChannels), (30, 20, FLOAT, 2));
    }
    let mut found = CUDA_ARRAY3D_DESCRIPTOR_v1::default();
    ok!(cuArray3DGetDescriptor(&mut found, c));
    assert_eq!((found.Width, found.Height, found.Depth, found.Flags), (30, 20, 5, 2));
}

#[test]
fn what_cannot_be_made_takes_nothing() {
    context_on(own_device());
    let mut array = null_mut();
    let mut create = |descriptor| cu!(cuArray3DCreate_v2(&mut array, &descriptor));
    for descriptor in [
        described([0, 0, 0], FLOAT, 1, 0),
        described([8, 0, 8], FLOAT, 1, 0),
        described([8, 8, 0], FLOAT, 3, 0),
        described([8, 8, 0], 99, 1, 0),
        described([8, 4, 6], FLOAT, 1, CUDA_ARRAY3D_CUBEMAP),
        described([1 << 18, 0, 0], FLOAT, 1, 0),
        described([8, 8, 0], FLOAT, 1, 1 << 30),
    ] {
        assert_eq!(create(descriptor), CUDA_ERROR_INVALID_VALUE, "{descriptor:?}");
    }
    assert_eq!(create(described([8, 8, 0], FLOAT, 1, CUDA_ARRAY3D_SPARSE)), CUDA_ERROR_NOT_SUPPORTED);
    // 16,384³ elements of 16 bytes are 64 TiB.
    assert_eq!(create(described([16_384; 3], FLOAT, 4, 0)), CUDA_ERROR_OUT_OF_MEMORY);
    assert_eq!(cu!(cuArray3DCreate_v2(null_mut(), &described([8, 8, 0], FLOAT, 1, 0))), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuArray3DCreate_v2(&mut array, std::ptr::null())), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(used(), CONTEXT);
}

#[test]
fn arrays_go_with_their_context() {
    let device = own_device();
    context_on(device);
    let lost = context_on(device);
    let one = array([1024, 1024, 0], FLOAT, 1, 0);
    let mut mipmap = null_mut();
    ok!(cuMipmappedArrayCreate(&mut mipmap, &described([64, 64, 0], FLOAT, 1, 0), 3));
    assert_eq!(used(), 2 * CONTEXT + 3 * PAGE);
    ok!(cuCtxDestroy_v2(lost));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuArrayDestroy(one)), CUDA_ERROR_INVALID_HANDLE);
    assert_eq!(cu!(cuMipmappedArrayDestroy(mipmap)), CUDA_ERROR_INVALID_HANDLE);
}

#[test]
fn a_mipmapped_array_has_the_memory_of_its_levels() {
    context_on(own_device());
    let (mut mipmap, mut level, mut again) = (null_mut(), null_mut(), null_mut());
    // 4 MiB, 1 MiB, 256 KiB: 2 + 1 pages.
    ok!(cuMipmappedArrayCreate(&mut mipmap, &described([1024, 1024, 0], FLOAT, 1, 0), 3));
    assert_eq!(used(), CONTEXT + 3 * PAGE);
    let mut found = CUDA_ARRAY3D_DESCRIPTOR::default();
    for (index, edge) in [1024, 512, 256].into_iter().enumerate() {
        ok!(cuMipmappedArrayGetLevel(&mut level, mipmap, index as u32));
        ok!(cuMipmappedArrayGetLevel(&mut again, mipmap, index as u32));
        assert_eq!(level, again);
        ok!(cuArray3DGetDescriptor_v2(&mut found, level));
        assert_eq!([found.Width, found.Height, found.Depth], [edge, edge, 0]);
    }
    assert_eq!(cu!(cuMipmappedArrayGetLevel(&mut again, mipmap, 3)), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuArrayDestroy(level)), CUDA_ERROR_INVALID_HANDLE, "a level goes with the whole");
    ok!(cuMipmappedArrayDestroy(mipmap));
    assert_eq!(used(), CONTEXT);
    assert_eq!(cu!(cuArray3DGetDescriptor_v2(&mut found, level)), CUDA_ERROR_INVALID_HANDLE);
    // More levels than there are become as many as there are: 4, 2, 1.
    ok!(cuMipmappedArrayCreate(&mut mipmap, &described([4, 4, 0], FLOAT, 1, 0), 99));
    ok!(cuMipmappedArrayGetLevel(&mut level, mipmap, 2));
    assert_eq!(cu!(cuMipmappedArrayGetLevel(&mut level, mipmap, 3)), CUDA_ERROR_INVALID_VALUE);
}

#[test]
fn planes_of_a_video_format_are_arrays() {
    context_on(own_device());
    let (frame, mut plane) = (array([64, 32, 0], CU_AD_FORMAT_NV12, 3, 0), null_mut());
    assert_eq!(used(), CONTEXT + PAGE);
    let mut found = CUDA_ARRAY3D_DESCRIPTOR::default();
    for (index, width, height, channels) in [(0, 64, 32, 1), (1, 32, 16, 2)] {
        ok!(cuArrayGetPlane(&mut plane, frame, index));
        ok!(cuArray3DGetDescriptor_v2(&mut found, plane));
        assert_eq!((found.Width, found.Height, found.Format, found.NumChannels), (width, height, BYTE, channels));
        assert_eq!(cu!(cuArrayDestroy(plane)), CUDA_ERROR_INVALID_HANDLE);
    }
    assert_eq!(cu!(cuArrayGetPlane(&mut plane, frame, 2)), CUDA_ERROR_INVALID_VALUE);
    let plain = array([64, 32, 0], FLOAT, 1, 0);
    assert_eq!(cu!(cuArrayGetPlane(&mut plane, plain, 0)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuArrayDestroy(frame));
    ok!(cuArrayDestroy(plain));
    assert_eq!(used(), CONTEXT);
}

#[test]
fn an_array_that_is_mapped_later_takes_nothing_and_states_what_it_needs() {
    let device = own_device();
    context_on(device);
    let mut needs = CUDA_ARRAY_MEMORY_REQUIREMENTS::default();
    let plain = array([8, 8, 0], FLOAT, 1, 0);
    assert_eq!(cu!(cuArrayGetMemoryRequirements(&mut needs, plain, device)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuArrayDestroy(plain));
    let later = array([1024, 1025, 0], FLOAT, 1, CUDA_ARRAY3D_DEFERRED_MAPPING);
    assert_eq!(used(), CONTEXT);
    ok!(cuArrayGetMemoryRequirements(&mut needs, later, device));
    assert_eq!((needs.size, needs.alignment), ((4096 * 1032usize).next_multiple_of(64 << 10), 64 << 10));
    let mut byte = 0u8;
    assert_eq!(cu!(cuMemcpyAtoH_v2((&raw mut byte).cast(), later, 0, 4)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuArrayDestroy(later));
    let mut mipmap = null_mut();
    let wanted = described([1024, 1024, 0], FLOAT, 1, CUDA_ARRAY3D_DEFERRED_MAPPING);
    ok!(cuMipmappedArrayCreate(&mut mipmap, &wanted, 2));
    ok!(cuMipmappedArrayGetMemoryRequirements(&mut needs, mipmap, device));
    assert_eq!((needs.size as u64, used()), (5 * MIB, CONTEXT));
}

#[test]
fn an_array_is_mapped_in_memory_that_was_made_for_it() {
    let device = own_device();
    context_on(device);
    let (array, mut handle) = (array([1024, 256, 0], FLOAT, 1, CUDA_ARRAY3D_DEFERRED_MAPPING), 0);
    let mut properties = CUmemAllocationProp { type_: CU_MEM_ALLOCATION_TYPE_PINNED, ..Default::default() };
    properties.location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device };
    ok!(cuMemCreate(&mut handle, 2 * PAGE as usize, &properties, 0));
    assert_eq!(used(), CONTEXT + 2 * PAGE);
    let mut info = CUarrayMapInfo {
        resourceType: CU_RESOURCE_TYPE_ARRAY,
        memOperationType: CU_MEM_OPERATION_TYPE_MAP,
        memHandleType: CU_MEM_HANDLE_TYPE_GENERIC,
        offset: MIB,
        deviceBitMask: 1 << device,
        ..Default::default()
    };
    info.resource.array = array;
    info.memHandle.memHandle = handle;
    let map = |info: &mut CUarrayMapInfo| cu!(cuMemMapArrayAsync(info, 1, null_mut()));
    for offset in [1, 4 * MIB] {
        assert_eq!(map(&mut CUarrayMapInfo { offset, ..info }), CUDA_ERROR_INVALID_VALUE, "{offset}");
    }
    assert_eq!(
        map(&mut CUarrayMapInfo { memOperationType: CU_MEM_OPERATION_TYPE_UNMAP, ..info }),
        CUDA_ERROR_INVALID_VALUE
    );
    assert_eq!(map(&mut info), CUDA_SUCCESS);
    assert_eq!(map(&mut info), CUDA_ERROR_INVALID_VALUE, "it is mapped");
    assert_eq!(used(), CONTEXT + 2 * PAGE, "mapping takes no memory");
    let (sent, mut back) = (pattern(4096), vec![0u8; 4096]);
    ok!(cuMemcpyHtoA_v2(array, 0, sent.as_ptr().cast(), 4096));
    ok!(cuMemcpyAtoH_v2(back.as_mut_ptr().cast(), array, 0, 4096));
    assert!(back == sent);
    // The bytes lie in the memory, where another mapping shows them.
    let mut address = 0;
    ok!(cuMemAddressReserve(&mut address, 2 * PAGE as usize, 0, 0, 0));
    ok!(cuMemMap(address, 2 * PAGE as usize, 0, handle, 0));
    let access = CUmemAccessDesc { location: properties.location, flags: CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
    ok!(cuMemSetAccess(address, 2 * PAGE as usize, &access, 1));
    ok!(cuMemcpyDtoH_v2(back.as_mut_ptr().cast(), address + MIB, 4096));
    assert!(back == sent);
    ok!(cuMemUnmap(address, 2 * PAGE as usize));
    ok!(cuMemRelease(handle));
    assert_eq!(used(), CONTEXT + 2 * PAGE, "the array keeps it");
    assert_eq!(map(&mut CUarrayMapInfo { memOperationType: CU_MEM_OPERATION_TYPE_UNMAP, ..info }), CUDA_SUCCESS);
    assert_eq!(used(), CONTEXT);
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 + n / 251) as u8).collect()
}

#[test]
fn one_dimensional_copies_go_both_ways() {
    context_on(own_device());
    let (a, b) = (array([1000, 0, 0], BYTE, 1, 0), array([1000, 0, 0], BYTE, 1, 0));
    let (sent, mut back, device) = (pattern(1000), vec![0u8; 1000], alloc(1000));
    ok!(cuMemcpyHtoA_v2(a, 0, sent.as_ptr().cast(), 1000));
    ok!(cuMemcpyAtoA_v2(b, 100, a, 0, 900));
    ok!(cuMemcpyAtoD_v2(device, b, 100, 900));
    ok!(cuMemcpyDtoA_v2(a, 0, device + 50, 850));
    ok!(cuMemcpyAtoH_v2(back.as_mut_ptr().cast(), a, 0, 850));
    assert!(back[..850] == sent[50..900]);
    ok!(cuMemcpyHtoAAsync_v2(a, 10, sent.as_ptr().cast(), 20, null_mut()));
    ok!(cuMemcpyAtoHAsync_v2(back.as_mut_ptr().cast(), a, 10, 20, null_mut()));
    ok!(cuCtxSynchronize());
    assert_eq!(back[..20], sent[..20]);
    ok!(cuMemcpyHtoA(a, 0, sent.as_ptr().cast(), 7));
    ok!(cuMemcpyAtoH(back.as_mut_ptr().cast(), a, 0, 7));
    assert_eq!(back[..7], sent[..7]);
    assert_eq!(cu!(cuMemcpyAtoH_v2(back.as_mut_ptr().cast(), a, 1, 1000)), CUDA_ERROR_INVALID_VALUE);
    let words = array([10, 0, 0], FLOAT, 1, 0);
    assert_eq!(cu!(cuMemcpyHtoA_v2(words, 2, sent.as_ptr().cast(), 4)), CUDA_ERROR_INVALID_VALUE);
    ok!(cuArrayDestroy(a));
    assert_eq!(cu!(cuMemcpyHtoA_v2(a, 0, sent.as_ptr().cast(), 4)), CUDA_ERROR_INVALID_HANDLE);
}

#[test]
fn copies_in_two_dimensions_move_the_right_rows() {
    context_on(own_device());
    let array = array([10, 12, 0], FLOAT, 1, 0);
    let (sent, mut back) = (pattern(40 * 12), vec![0u8; 8 * 3]);
    let inward = CUDA_MEMCPY2D {
        srcMemoryType: CU_MEMORYTYPE_HOST,
        srcHost: sent.as_ptr().cast(),
        srcPitch: 40,
        dstMemoryType: CU_MEMORYTYPE_ARRAY,
        dstArray: array,
        WidthInBytes: 40,
        Height: 12,
        ..Default::default()
    };
    ok!(cuMemcpy2D_v2(&inward));
    let outward = CUDA_MEMCPY2D {
        srcMemoryType: CU_MEMORYTYPE_ARRAY,
        srcArray: array,
        srcXInBytes: 32,
        srcY: 9,
        dstMemoryType: CU_MEMORYTYPE_HOST,
        dstHost: back.as_mut_ptr().cast(),
        WidthInBytes: 8,
        Height: 3,
        ..Default::default()
    };
    ok!(cuMemcpy2DAsync_v2(&outward, null_mut()));
    ok!(cuCtxSynchronize());
    let expected: Vec<u8> = (9..12).flat_map(|y| sent[y * 40 + 32..y * 40 + 40].to_vec()).collect();
    assert_eq!(back, expected);
    for outside in [
        CUDA_MEMCPY2D { srcY: 10, ..outward },
        CUDA_MEMCPY2D { srcXInBytes: 36, ..outward },
        CUDA_MEMCPY2D { srcXInBytes: 30, ..outward },
    ] {
        assert_eq!(cu!(cuMemcpy2D_v2(&outside)), CUDA_ERROR_INVALID_VALUE);
    }
}

#[test]
fn copies_in_three_dimensions_move_the_right_box() {
    context_on(own_device());
    let (volume, layers) = (array([8, 5, 4], BYTE, 1, 0), array([8, 5, 4], BYTE, 1, CUDA_ARRAY3D_LAYERED));
    let (sent, mut back) = (pattern(8 * 5 * 4), vec![0u8; 3 * 2 * 2]);
    let inward = CUDA_MEMCPY3D {
        srcMemoryType: CU_MEMORYTYPE_HOST,
        srcHost: sent.as_ptr().cast(),
        dstMemoryType: CU_MEMORYTYPE_ARRAY,
        dstArray: volume,
        WidthInBytes: 8,
        Height: 5,
        Depth: 4,
        ..Default::default()
    };
    ok!(cuMemcpy3D_v2(&inward));
    let across = CUDA_MEMCPY3D { srcMemoryType: CU_MEMORYTYPE_ARRAY, srcArray: volume, dstArray: layers, ..inward };
    ok!(cuMemcpy3DAsync_v2(&across, null_mut()));
    let outward = CUDA_MEMCPY3D {
        srcMemoryType: CU_MEMORYTYPE_ARRAY,
        srcArray: layers,
        srcXInBytes: 5,
        srcY: 3,
        srcZ: 2,
        dstMemoryType: CU_MEMORYTYPE_HOST,
        dstHost: back.as_mut_ptr().cast(),
        WidthInBytes: 3,
        Height: 2,
        Depth: 2,
        ..Default::default()
    };
    ok!(cuMemcpy3D_v2(&outward));
    let place = |x: usize, y: usize, z: usize| sent[(z * 5 + y) * 8 + x];
    let expected: Vec<u8> =
        (2..4).flat_map(|z| (3..5).flat_map(move |y| (5..8).map(move |x| place(x, y, z)))).collect();
    assert_eq!(back, expected);
    assert_eq!(cu!(cuMemcpy3D_v2(&CUDA_MEMCPY3D { srcZ: 3, ..outward })), CUDA_ERROR_INVALID_VALUE);
    assert_eq!(cu!(cuMemcpy3D_v2(&CUDA_MEMCPY3D { srcLOD: 1, ..outward })), CUDA_ERROR_INVALID_VALUE);
}
