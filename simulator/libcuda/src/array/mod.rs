//! Arrays: memory that textures and surfaces read, known by a handle and not by an address.

mod shape;

use std::sync::Arc;

use ffi_headers::cuda::*;
use parking_lot::Mutex;
use simulator::books::PAGE_BYTES;

use crate::abi::Outcome;
use crate::context::Context;
use crate::copy::{Extent, Lines, Side};
use crate::driver::{Driver, driver, memory_code};
use crate::memory::{Physical, Role};

pub use shape::{ALIGNMENT, Descriptor, Layout, largest};

/// The memory of one array or of all levels of a mipmapped one.
pub struct Storage {
    /// Whose memory it is; it goes with that context.
    pub context: &'static Context,
    /// What it needs: its levels and planes one behind the other, rounded up to [`ALIGNMENT`].
    pub bytes: u64,
    /// Gets its memory from cuMemMapArrayAsync only.
    pub deferred: bool,
    place: Mutex<Place>,
}

/// Where the memory of an array is: its first address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    None,
    /// In pages of its own.
    Own(u64),
    /// In memory of someone else's.
    Mapped(u64),
}

/// An array, or a level or plane of one.
pub struct Array {
    pub descriptor: Descriptor,
    pub storage: Arc<Storage>,
    /// Parts have handles of their own and go with the whole.
    pub part: bool,
    pub planes: Vec<Arc<Array>>,
    /// None where the planes have it.
    layout: Option<Layout>,
    offset: u64,
}

/// A mipmapped array.
pub struct Mipmap {
    pub storage: Arc<Storage>,
    pub levels: Vec<Arc<Array>>,
}

/// A whole of one or more levels before it has memory.
struct Plan {
    levels: Vec<(Descriptor, Vec<Plane>)>,
    bytes: u64,
}

/// A plane of a level, the only one for most formats.
struct Plane {
    descriptor: Descriptor,
    layout: Layout,
    /// In the memory of the whole.
    offset: u64,
}

impl Plan {
    fn new(descriptor: &Descriptor, levels: u32) -> Outcome<Self> {
        shape::check(descriptor)?;
        if descriptor.Flags & CUDA_ARRAY3D_SPARSE != 0 {
            return Err(CUDA_ERROR_NOT_SUPPORTED);
        }
        let mut plan = Self { levels: Vec::new(), bytes: 0 };
        for level in 0..levels {
            let descriptor = shape::level(descriptor, level);
            let mut planes = shape::planes(&descriptor)?;
            if planes.is_empty() {
                planes.push(descriptor);
            }
            let mut placed = Vec::new();
            for descriptor in planes {
                let layout = Layout::of(&descriptor)?;
                placed.push(Plane { descriptor, layout, offset: plan.bytes });
                plan.bytes += layout.bytes();
            }
            plan.levels.push((descriptor, placed));
        }
        plan.bytes = plan.bytes.next_multiple_of(ALIGNMENT);
        Ok(plan)
    }

    /// Takes the memory in whole pages of its own, unless it is to come later.
    fn storage(&self, driver: &Driver, context: &'static Context, flags: u32) -> Outcome<Arc<Storage>> {
        let deferred = flags & CUDA_ARRAY3D_DEFERRED_MAPPING != 0;
        let place = if deferred {
            Place::None
        } else {
            let bytes = self.bytes.next_multiple_of(PAGE_BYTES);
            Place::Own(driver.device_of(context).space().allocate_array(context.id, bytes).map_err(memory_code)?)
        };
        Ok(Arc::new(Storage { context, bytes: self.bytes, deferred, place: Mutex::new(place) }))
    }

    fn arrays(self, storage: &Arc<Storage>, part: bool) -> Vec<Arc<Array>> {
        let array = |descriptor, layout, offset, part, planes| {
            Arc::new(Array { descriptor, storage: Arc::clone(storage), part, planes, layout, offset })
        };
        let level = |(descriptor, planes): (Descriptor, Vec<Plane>)| {
            if let [plane] = &planes[..] {
                return array(descriptor, Some(plane.layout), plane.offset, part, Vec::new());
            }
            let planes = planes.into_iter();
            let planes =
                planes.map(|plane| array(plane.descriptor, Some(plane.layout), plane.offset, true, Vec::new()));
            array(descriptor, None, 0, part, planes.collect())
        };
        self.levels.into_iter().map(level).collect()
    }
}

impl Array {
    /// Makes an array in the memory of `context`.
    pub fn create(driver: &Driver, context: &'static Context, descriptor: &Descriptor) -> Outcome<Arc<Self>> {
        let plan = Plan::new(descriptor, 1)?;
        let storage = plan.storage(driver, context, descriptor.Flags)?;
        plan.arrays(&storage, false).pop().ok_or(CUDA_ERROR_UNKNOWN)
    }

    /// The lines that a copy of `extent` from or to the given byte, row and slice takes; an error if they leave the array.
    pub fn lines(&self, [x, y, z]: [u64; 3], extent: &Extent) -> Outcome<Lines> {
        let layout = self.layout.ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let base = self.storage.base()?;
        let within = |from: u64, count: u64, all: u64| from <= all && count <= all - from;
        let whole = x.is_multiple_of(layout.element) && extent.width.is_multiple_of(layout.element);
        let inside = within(x, extent.width, layout.row)
            && within(y, extent.height, layout.rows)
            && within(z, extent.depth, layout.slices);
        if !whole || !inside {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let base = base + self.offset + z * layout.slice + y * layout.pitch + x;
        Ok(Lines { side: Side::Device, base, pitch: layout.pitch, plane: layout.slice })
    }
}

impl Mipmap {
    /// Makes a mipmapped array; a number of levels out of range means the nearest one that is in it.
    pub fn create(
        driver: &Driver,
        context: &'static Context,
        descriptor: &Descriptor,
        levels: u32,
    ) -> Outcome<Arc<Self>> {
        shape::check(descriptor)?;
        let plan = Plan::new(descriptor, levels.clamp(1, shape::most_levels(descriptor)))?;
        let storage = plan.storage(driver, context, descriptor.Flags)?;
        let levels = plan.arrays(&storage, true);
        Ok(Arc::new(Self { storage, levels }))
    }
}

impl Mipmap {
    /// Makes a mipmapped array from `offset` on of someone else's memory, of which `bytes` are there.
    pub fn within(
        driver: &Driver,
        context: &'static Context,
        (descriptor, levels): (&Descriptor, u32),
        memory: Arc<Physical>,
        (offset, bytes): (u64, u64),
    ) -> Outcome<Arc<Self>> {
        shape::check(descriptor)?;
        let plan = Plan::new(descriptor, levels.clamp(1, shape::most_levels(descriptor)))?;
        if offset.checked_add(plan.bytes).is_none_or(|end| end > bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: context.device as CUdevice };
        let base = driver.mapped.write().show(memory, (offset, plan.bytes), Role::Array, location)?;
        let place = Mutex::new(Place::Mapped(base));
        let storage = Arc::new(Storage { context, bytes: plan.bytes, deferred: false, place });
        let levels = plan.arrays(&storage, true);
        Ok(Arc::new(Self { storage, levels }))
    }
}

impl Storage {
    fn base(&self) -> Outcome<u64> {
        match *self.place.lock() {
            Place::None => Err(CUDA_ERROR_INVALID_VALUE),
            Place::Own(base) | Place::Mapped(base) => Ok(base),
        }
    }

    /// Puts an array that is mapped later in memory of cuMemCreate on its device, from a multiple of [`ALIGNMENT`] on.
    pub fn map(&self, driver: &Driver, memory: Arc<Physical>, offset: u64) -> Outcome {
        let mut place = self.place.lock();
        let fits = offset.checked_add(self.bytes).is_some_and(|end| end <= memory.bytes);
        let good = self.deferred && *place == Place::None && memory.device() == Some(self.context.device);
        if !good || !fits || !offset.is_multiple_of(ALIGNMENT) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let location = memory.properties.location;
        *place = Place::Mapped(driver.mapped.write().show(memory, (offset, self.bytes), Role::Array, location)?);
        Ok(())
    }

    /// Undoes [`Self::map`].
    pub fn unmap(&self, driver: &Driver) -> Outcome {
        let mut place = self.place.lock();
        let Place::Mapped(base) = *place else { return Err(CUDA_ERROR_INVALID_VALUE) };
        *place = Place::None;
        driver.mapped.write().hide(base, Role::Array);
        Ok(())
    }

    /// Gives the memory back; where it was mapped, the memory stays its owner's.
    pub fn free(&self, driver: &Driver) {
        let place = std::mem::replace(&mut *self.place.lock(), Place::None);
        match place {
            Place::None => {}
            Place::Own(base) => {
                driver.device_of(self.context).space().free_array(base);
            }
            Place::Mapped(base) => {
                driver.mapped.write().hide(base, Role::Array);
            }
        }
    }
}

impl Drop for Storage {
    /// Ends what was mapped; memory of its own goes with the context.
    fn drop(&mut self) {
        if let (Place::Mapped(base), Ok(driver)) = (*self.place.get_mut(), driver()) {
            driver.mapped.write().hide(base, Role::Array);
        }
    }
}
