//! What an array looks like in memory: elements, rows, slices, levels, and the bytes that they take.

use ffi_headers::cuda::*;

use crate::abi::Outcome;

/// Rows lie this many bytes apart, or a multiple of it.
const ROW_BYTES: u64 = 64;
/// A slice has this many rows, or a multiple of it.
const SLICE_ROWS: u64 = 8;
/// What the size of a whole array is rounded up to; also its alignment.
pub const ALIGNMENT: u64 = 64 << 10;

const FLAGS: u32 = CUDA_ARRAY3D_LAYERED
    | CUDA_ARRAY3D_SURFACE_LDST
    | CUDA_ARRAY3D_CUBEMAP
    | CUDA_ARRAY3D_TEXTURE_GATHER
    | CUDA_ARRAY3D_DEPTH_TEXTURE
    | CUDA_ARRAY3D_COLOR_ATTACHMENT
    | CUDA_ARRAY3D_SPARSE
    | CUDA_ARRAY3D_DEFERRED_MAPPING;

/// Largest extents, from the table of technical specifications by compute capability (6.x and later).
const LIMIT_1D: u64 = 131_072;
const LIMIT_2D: [u64; 2] = [131_072, 65_536];
const LIMIT_3D: u64 = 16_384;
const LIMIT_LAYERED: [u64; 2] = [32_768, 2048];
const CUBE_FACES: u64 = 6;

/// The smallest thing that an array stores: one element, or a square block of them in a compressed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Texel {
    bytes: u64,
    /// Elements along an edge.
    edge: u64,
}

/// One array, level or plane: rows of texels, slices of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of an element; copies start and end between two of them.
    pub element: u64,
    /// Bytes of a row without its padding.
    pub row: u64,
    /// Rows of a slice without their padding.
    pub rows: u64,
    /// Layers, faces, or the third dimension.
    pub slices: u64,
    /// Bytes from one row to the next.
    pub pitch: u64,
    /// Bytes from one slice to the next.
    pub slice: u64,
}

/// Both kinds of descriptor, in the wider form.
pub type Descriptor = CUDA_ARRAY3D_DESCRIPTOR;

fn texel(format: CUarray_format, channels: u32) -> Outcome<Texel> {
    let plain = |bytes: u64| match channels {
        1 | 2 | 4 => Ok(Texel { bytes: bytes * u64::from(channels), edge: 1 }),
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    };
    // The format itself says how many channels there are.
    let packed = |bytes| Ok(Texel { bytes, edge: 1 });
    match format {
        CU_AD_FORMAT_UNSIGNED_INT8 | CU_AD_FORMAT_SIGNED_INT8 => plain(1),
        CU_AD_FORMAT_UNSIGNED_INT16 | CU_AD_FORMAT_SIGNED_INT16 | CU_AD_FORMAT_HALF => plain(2),
        CU_AD_FORMAT_UNSIGNED_INT32 | CU_AD_FORMAT_SIGNED_INT32 | CU_AD_FORMAT_FLOAT => plain(4),
        CU_AD_FORMAT_UNORM_INT_101010_2 => packed(4),
        CU_AD_FORMAT_UNORM_INT8X1 | CU_AD_FORMAT_SNORM_INT8X1 => packed(1),
        CU_AD_FORMAT_UNORM_INT8X2 | CU_AD_FORMAT_SNORM_INT8X2 => packed(2),
        CU_AD_FORMAT_UNORM_INT8X4 | CU_AD_FORMAT_SNORM_INT8X4 => packed(4),
        CU_AD_FORMAT_UNORM_INT16X1 | CU_AD_FORMAT_SNORM_INT16X1 => packed(2),
        CU_AD_FORMAT_UNORM_INT16X2 | CU_AD_FORMAT_SNORM_INT16X2 => packed(4),
        CU_AD_FORMAT_UNORM_INT16X4 | CU_AD_FORMAT_SNORM_INT16X4 => packed(8),
        CU_AD_FORMAT_BC1_UNORM | CU_AD_FORMAT_BC1_UNORM_SRGB | CU_AD_FORMAT_BC4_UNORM | CU_AD_FORMAT_BC4_SNORM => {
            Ok(Texel { bytes: 8, edge: 4 })
        }
        CU_AD_FORMAT_BC2_UNORM..=CU_AD_FORMAT_BC3_UNORM_SRGB | CU_AD_FORMAT_BC5_UNORM..=CU_AD_FORMAT_BC7_UNORM_SRGB => {
            Ok(Texel { bytes: 16, edge: 4 })
        }
        _ => Err(CUDA_ERROR_INVALID_VALUE),
    }
}

/// The descriptors of the planes of a format whose colours lie apart: brightness, then colour in half the size.
pub fn planes(descriptor: &Descriptor) -> Outcome<Vec<Descriptor>> {
    let format = match descriptor.Format {
        CU_AD_FORMAT_NV12 => CU_AD_FORMAT_UNSIGNED_INT8,
        CU_AD_FORMAT_P010 | CU_AD_FORMAT_P016 => CU_AD_FORMAT_UNSIGNED_INT16,
        _ => return Ok(Vec::new()),
    };
    let even = |extent: usize| extent > 0 && extent.is_multiple_of(2);
    if descriptor.NumChannels != 3 || !even(descriptor.Width) || !even(descriptor.Height) {
        return Err(CUDA_ERROR_INVALID_VALUE);
    }
    let bright = Descriptor { Format: format, NumChannels: 1, ..*descriptor };
    let colour = Descriptor {
        Width: descriptor.Width / 2,
        Height: descriptor.Height / 2,
        Format: format,
        NumChannels: 2,
        ..*descriptor
    };
    Ok(vec![bright, colour])
}

/// The largest extent that an attribute of the device states, if it states one of arrays for textures.
pub fn largest(attribute: CUdevice_attribute) -> Option<i32> {
    let extent = match attribute {
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_WIDTH => LIMIT_1D,
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_WIDTH => LIMIT_2D[0],
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_HEIGHT => LIMIT_2D[1],
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_WIDTH
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_HEIGHT
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE3D_DEPTH => LIMIT_3D,
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_WIDTH
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_WIDTH
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_HEIGHT
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_WIDTH
        | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH => LIMIT_LAYERED[0],
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LAYERED_LAYERS | CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE2D_LAYERED_LAYERS => {
            LIMIT_LAYERED[1]
        }
        // The last whole cube.
        CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS => LIMIT_LAYERED[1] / CUBE_FACES * CUBE_FACES,
        _ => return None,
    };
    i32::try_from(extent).ok()
}

/// Refuses extents and flags that the vendor's manual does not allow together.
pub fn check(descriptor: &Descriptor) -> Outcome {
    let [width, height, depth] = extents(descriptor);
    let has = |flag| descriptor.Flags & flag != 0;
    let (layered, cube) = (has(CUDA_ARRAY3D_LAYERED), has(CUDA_ARRAY3D_CUBEMAP));
    let good = match (layered, cube) {
        (_, true) => {
            let faces = if layered { depth > 0 && depth.is_multiple_of(CUBE_FACES) } else { depth == CUBE_FACES };
            width == height && faces && width <= LIMIT_LAYERED[0] && depth < LIMIT_LAYERED[1]
        }
        (true, false) => {
            (1..=LIMIT_LAYERED[1]).contains(&depth) && width <= LIMIT_LAYERED[0] && height <= LIMIT_LAYERED[0]
        }
        (false, false) if depth > 0 => height > 0 && [width, height, depth].iter().all(|size| *size <= LIMIT_3D),
        (false, false) if height > 0 => width <= LIMIT_2D[0] && height <= LIMIT_2D[1],
        (false, false) => width <= LIMIT_1D,
    };
    let gather = !has(CUDA_ARRAY3D_TEXTURE_GATHER) || (height > 0 && depth == 0);
    let known = descriptor.Flags & !FLAGS == 0;
    if good && gather && known && width > 0 { Ok(()) } else { Err(CUDA_ERROR_INVALID_VALUE) }
}

/// The descriptor of a level: each spatial extent halved that often, layers kept.
pub fn level(descriptor: &Descriptor, level: u32) -> Descriptor {
    let halved = |extent: usize| if extent == 0 { 0 } else { (extent >> level).max(1) };
    let flat = descriptor.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP) != 0;
    Descriptor {
        Width: halved(descriptor.Width),
        Height: halved(descriptor.Height),
        Depth: if flat { descriptor.Depth } else { halved(descriptor.Depth) },
        ..*descriptor
    }
}

/// Levels down to one element: one more than the logarithm of the longest extent.
pub fn most_levels(descriptor: &Descriptor) -> u32 {
    let [width, height, depth] = extents(descriptor);
    let flat = descriptor.Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP) != 0;
    1 + width.max(height).max(if flat { 0 } else { depth }).max(1).ilog2()
}

fn extents(descriptor: &Descriptor) -> [u64; 3] {
    [descriptor.Width, descriptor.Height, descriptor.Depth].map(|extent| extent as u64)
}

impl Layout {
    /// Of an array whose format has one plane. The extents were checked.
    pub fn of(descriptor: &Descriptor) -> Outcome<Self> {
        let texel = texel(descriptor.Format, descriptor.NumChannels)?;
        let [width, height, depth] = extents(descriptor);
        let row = width.div_ceil(texel.edge) * texel.bytes;
        let rows = height.max(1).div_ceil(texel.edge);
        let pitch = row.next_multiple_of(ROW_BYTES);
        let slice = pitch * rows.next_multiple_of(SLICE_ROWS);
        Ok(Self { element: texel.bytes, row, rows, slices: depth.max(1), pitch, slice })
    }

    pub fn bytes(&self) -> u64 {
        self.slice * self.slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(extents: [usize; 3], format: CUarray_format, channels: u32, flags: u32) -> Descriptor {
        let [width, height, depth] = extents;
        Descriptor { Width: width, Height: height, Depth: depth, Format: format, NumChannels: channels, Flags: flags }
    }

    #[test]
    fn rows_and_slices_are_padded() {
        let bytes = |extents, format, channels| Layout::of(&described(extents, format, channels, 0)).map(|l| l.bytes());
        assert_eq!(bytes([1, 0, 0], CU_AD_FORMAT_UNSIGNED_INT8, 1), Ok(64 * 8));
        assert_eq!(bytes([17, 9, 0], CU_AD_FORMAT_FLOAT, 1), Ok(128 * 16));
        assert_eq!(bytes([16, 8, 3], CU_AD_FORMAT_FLOAT, 4), Ok(256 * 8 * 3));
        assert_eq!(bytes([64, 64, 0], CU_AD_FORMAT_BC1_UNORM, 4), Ok(16 * 8 * 16));
        assert_eq!(bytes([64, 64, 0], CU_AD_FORMAT_BC7_UNORM, 4), Ok(16 * 16 * 16));
        for (format, channels) in [(CU_AD_FORMAT_FLOAT, 3), (CU_AD_FORMAT_NV12, 3), (0, 1), (7, 1)] {
            assert_eq!(bytes([8, 8, 0], format, channels), Err(CUDA_ERROR_INVALID_VALUE), "{format} {channels}");
        }
    }

    #[test]
    fn extents_must_fit_the_flags() {
        let check = |extents, flags| check(&described(extents, CU_AD_FORMAT_FLOAT, 1, flags)).is_ok();
        assert!(check([131_072, 0, 0], 0) && !check([131_073, 0, 0], 0) && !check([0, 0, 0], 0));
        assert!(check([131_072, 65_536, 0], 0) && !check([1, 65_537, 0], 0));
        assert!(check([16_384, 1, 16_384], 0) && !check([1, 0, 2], 0) && !check([1, 1, 16_385], 0));
        assert!(check([9, 0, 2048], CUDA_ARRAY3D_LAYERED) && !check([9, 9, 0], CUDA_ARRAY3D_LAYERED));
        assert!(check([9, 9, 6], CUDA_ARRAY3D_CUBEMAP) && !check([9, 8, 6], CUDA_ARRAY3D_CUBEMAP));
        let layered_cube = CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_LAYERED;
        assert!(check([9, 9, 12], layered_cube) && !check([9, 9, 12], CUDA_ARRAY3D_CUBEMAP));
        assert!(check([9, 9, 0], CUDA_ARRAY3D_TEXTURE_GATHER) && !check([9, 9, 9], CUDA_ARRAY3D_TEXTURE_GATHER));
        assert!(!check([9, 9, 0], 1 << 20));
    }

    #[test]
    fn levels_halve_down_to_one_element() {
        let whole = described([100, 40, 7], CU_AD_FORMAT_FLOAT, 1, 0);
        assert_eq!(most_levels(&whole), 7);
        assert_eq!(extents(&level(&whole, 3)), [12, 5, 1]);
        let layers = described([4, 4, 1000], CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED);
        assert_eq!((most_levels(&layers), extents(&level(&layers, 2))), (3, [1, 1, 1000]));
    }
}
