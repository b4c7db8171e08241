//! Arrays: one to three dimensions, layers, cube maps, levels.

use super::{Bytes, NONE, PICK, Row, Turn, in_pages, number, place};
use crate::Fault;
use crate::executor::Argument;
use crate::model::Class;

/// Formats: unsigned 8 bits, signed 32 bits, float; with their bytes.
const FORMATS: [(u32, u64); 3] = [(0x01, 1), (0x0a, 4), (0x20, 4)];
/// CUDA_ARRAY3D_LAYERED, _SURFACE_LDST, _CUBEMAP.
const LAYERED: u32 = 1;
const SURFACE: u32 = 2;
const CUBE: u32 = 4;

pub const KINDS: &[Row] = &[
    ("array.create", 4, [(1, 4000), (0, 900), (0, 8)], create),
    ("array.create_3d", 3, [(1, 300), (0, 120), (0, 120)], create_3d),
    ("array.create_layered", 2, [(1, 500), (0, 300), (1, 20)], create_layered),
    ("array.create_cube", 1, [(1, 300), NONE, NONE], create_cube),
    ("array.destroy", 3, [PICK, NONE, NONE], destroy),
    ("array.descriptor", 1, [PICK, NONE, NONE], descriptor),
    ("mipmap.create", 3, [(1, 600), (1, 400), (1, 9)], create_levels),
    ("mipmap.level", 1, [PICK, (0, 8), NONE], level),
    ("mipmap.destroy", 2, [PICK, NONE, NONE], destroy_levels),
];

/// Bytes of an array of these rows, slices and layers, as simulator/README.md has it: a row in 64 bytes, a slice in 8 rows.
/// It lies in whole pages of its own.
fn laid_out(width: u64, height: u64, depth: u64, element: u64) -> u64 {
    (width * element).next_multiple_of(64) * height.max(1).next_multiple_of(8) * depth.max(1)
}

/// CUDA_ARRAY3D_DESCRIPTOR.
fn described(sizes: [u64; 3], format: u32, channels: u32, flags: u32) -> Argument {
    let bytes = sizes.iter().fold(Bytes::default(), |bytes, size| bytes.u64(*size));
    bytes.u32(format).u32(channels).u32(flags).zeros(4).buffer()
}

fn made(
    turn: &mut Turn<'_, '_>,
    class: Class,
    function: &str,
    arguments: &[Argument],
    bytes: u64,
) -> Result<(), Fault> {
    let (context, device) = turn.current().unwrap_or((0, 0));
    let reply = turn.take(device, in_pages(bytes), function, arguments)?;
    if reply.result == 0 {
        turn.add(class, reply.number(0), bytes, device, context);
    }
    Ok(())
}

fn create(turn: &mut Turn<'_, '_>, [width, height, shape]: [u64; 3]) -> Result<(), Fault> {
    let ((format, element), channels) = (FORMATS[(shape % 3) as usize], 1 << (shape / 3));
    let descriptor = Bytes::default().u64(width).u64(height).u32(format).u32(channels).buffer();
    let bytes = laid_out(width, height, 1, element * u64::from(channels));
    made(turn, Class::Array, "cuArrayCreate_v2", &[place(), descriptor], bytes)
}

fn create_3d(turn: &mut Turn<'_, '_>, [width, height, depth]: [u64; 3]) -> Result<(), Fault> {
    let descriptor = described([width, height, depth], FORMATS[1].0, 2, SURFACE);
    made(turn, Class::Array, "cuArray3DCreate_v2", &[place(), descriptor], laid_out(width, height, depth, 8))
}

fn create_layered(turn: &mut Turn<'_, '_>, [width, height, layers]: [u64; 3]) -> Result<(), Fault> {
    let descriptor = described([width, height, layers], FORMATS[2].0, 1, LAYERED);
    made(turn, Class::Array, "cuArray3DCreate_v2", &[place(), descriptor], laid_out(width, height, layers, 4))
}

fn create_cube(turn: &mut Turn<'_, '_>, [width, ..]: [u64; 3]) -> Result<(), Fault> {
    let descriptor = described([width, width, 6], FORMATS[0].0, 4, CUBE);
    made(turn, Class::Array, "cuArray3DCreate_v2", &[place(), descriptor], laid_out(width, width, 6, 4))
}

fn destroy(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Array, which) {
        Some(array) => turn.undo(array),
        None => Ok(()),
    }
}

fn descriptor(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    let Some(array) = turn.pick(Class::Array, which) else { return Ok(()) };
    let room = Argument::Buffer(vec![0; 40]);
    turn.call("cuArray3DGetDescriptor_v2", &[room, number(array.handle)]).map(drop)
}

fn create_levels(turn: &mut Turn<'_, '_>, [width, height, levels]: [u64; 3]) -> Result<(), Fault> {
    let descriptor = described([width, height, 0], FORMATS[1].0, 1, 0);
    let bytes = (0..levels).map(|level| laid_out((width >> level).max(1), (height >> level).max(1), 1, 4)).sum();
    made(turn, Class::Mipmap, "cuMipmappedArrayCreate", &[place(), descriptor, number(levels)], bytes)
}

/// A level is part of its array and takes nothing.
fn level(turn: &mut Turn<'_, '_>, [which, level, _]: [u64; 3]) -> Result<(), Fault> {
    if turn.pick(Class::Mipmap, 0).is_none() {
        create_levels(turn, [600, 400, 1 + level])?;
    }
    let Some(array) = turn.pick(Class::Mipmap, which) else { return Ok(()) };
    turn.call("cuMipmappedArrayGetLevel", &[place(), number(array.handle), number(level)]).map(drop)
}

fn destroy_levels(turn: &mut Turn<'_, '_>, [which, ..]: [u64; 3]) -> Result<(), Fault> {
    match turn.pick(Class::Mipmap, which) {
        Some(array) => turn.undo(array),
        None => Ok(()),
    }
}
