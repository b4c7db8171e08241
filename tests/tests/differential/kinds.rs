//! The kinds of steps, as one table, and what their functions use.

mod array;
mod context;
mod graph;
mod lending;
mod memory;
mod other;
mod pool;
mod shared;
mod stream;
mod virtual_memory;

use std::sync::LazyLock;

use crate::Fault;
use crate::executor::{Argument, Door, Reply};
use crate::model::{Class, Model, Object};
use crate::world::{Take, World};

/// Device memory is taken in pages of this size.
pub const PAGE: u64 = 2 << 20;

/// What a step does; nothing, where what it needs is not there.
type Run = fn(&mut Turn<'_, '_>, [u64; 3]) -> Result<(), Fault>;

/// One kind of step.
pub struct Kind {
    pub name: &'static str,
    /// How often it is drawn, beside the others.
    pub weight: u32,
    /// Least and greatest of each argument; it shrinks to the least.
    pub arguments: [(u64, u64); 3],
    pub run: Run,
}

/// All kinds.
pub static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let families = [
        context::KINDS,
        memory::KINDS,
        stream::KINDS,
        pool::KINDS,
        virtual_memory::KINDS,
        shared::KINDS,
        array::KINDS,
        graph::KINDS,
        other::KINDS,
    ];
    let rows = families.iter().flat_map(|rows| rows.iter());
    rows.map(|(name, weight, arguments, run)| Kind { name, weight: *weight, arguments: *arguments, run: *run })
        .collect()
});

/// A row, as the families write it.
type Row = (&'static str, u32, [(u64, u64); 3], Run);

/// An argument that is not used.
const NONE: (u64, u64) = (0, 0);
/// Picks one of several things.
const PICK: (u64, u64) = (0, 15);

/// One step's turn: whose it is, and through which door.
pub struct Turn<'w, 'b> {
    pub world: &'w mut World<'b>,
    pub process: usize,
    pub door: Door,
}

fn number(value: u64) -> Argument {
    Argument::Number(value)
}

/// A place for 8 bytes.
fn place() -> Argument {
    Argument::Buffer(vec![0; 8])
}

/// Numbers one after the other, as a C structure has them.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    fn zeros(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    fn buffer(self) -> Argument {
        Argument::Buffer(self.0)
    }
}

/// CUmemLocation of a device: type and ordinal.
fn on_device(bytes: Bytes, ordinal: usize) -> Bytes {
    bytes.u32(1).u32(ordinal as u32)
}

/// The number of bytes in whole pages.
fn in_pages(bytes: u64) -> u64 {
    bytes.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX)
}

impl Turn<'_, '_> {
    fn model(&mut self) -> &mut Model {
        self.world.model(self.process)
    }

    /// A call that takes no device memory.
    fn call(&mut self, function: &str, arguments: &[Argument]) -> Result<Reply, Fault> {
        self.world.call(self.process, self.door, function, arguments, None)
    }

    /// A call that takes at most `bytes` of a device, of the quota as of the device.
    fn take(&mut self, device: usize, bytes: u64, function: &str, arguments: &[Argument]) -> Result<Reply, Fault> {
        let take = Take { device, of_quota: bytes, of_device: bytes };
        self.world.call(self.process, self.door, function, arguments, Some(take))
    }

    /// The current context and its device; `None` where there is none.
    fn current(&mut self) -> Option<(u64, usize)> {
        self.model().current
    }

    fn pick(&mut self, class: Class, number: u64) -> Option<Object> {
        self.model().pick(class, number)
    }

    fn add(&mut self, class: Class, handle: u64, size: u64, device: usize, context: u64) {
        self.model().add(Object { class, handle, size, device, context, extra: 0, loan: None });
    }

    /// Another process of the same tenant, the next one.
    fn sibling(&self) -> Option<usize> {
        let count = self.world.count();
        (1..count).map(|more| (self.process + more) % count).find(|other| self.world.same_tenant(self.process, *other))
    }

    /// Lets go of a thing by the function that its class has for it, once nobody else has it.
    fn undo(&mut self, object: Object) -> Result<(), Fault> {
        if !self.may_end(object)? {
            return Ok(());
        }
        let (function, with_size) = object.class.undone_by();
        let mut arguments = vec![number(object.handle)];
        if with_size {
            arguments.push(number(object.size));
        }
        let reply = self.call(function, &arguments)?;
        if reply.result == 0 {
            self.forget(object);
        }
        Ok(())
    }

    /// Forgets a thing that the driver has let go of, and what goes with it.
    fn forget(&mut self, object: Object) {
        let model = self.model();
        model.remove(object.class, object.handle);
        match object.class {
            Class::Pointer | Class::Pooled | Class::Imported => model.freed.push(object.handle),
            Class::Context => model.context_gone(object.handle),
            _ => {}
        }
    }

    /// Lets go of what it has from others.
    pub fn return_everything(&mut self) -> Result<(), Fault> {
        self.enter_some_context()?;
        self.model().borrowed().into_iter().try_for_each(|object| self.undo(object))
    }

    /// Makes a context current if none is and there is one.
    fn enter_some_context(&mut self) -> Result<(), Fault> {
        if self.current().is_some() {
            return Ok(());
        }
        let made = self.pick(Class::Context, 0).map(|context| context.handle);
        let context = match made {
            Some(made) => Some(made),
            None => context::some_primary(self)?,
        };
        context.map_or(Ok(()), |context| self.call("cuCtxSetCurrent", &[number(context)]).map(drop))
    }

    /// Frees everything that the process has, as a tidy program does before it ends.
    pub fn free_everything(&mut self) -> Result<(), Fault> {
        self.enter_some_context()?;
        for class in Class::ALL {
            for object in self.model().of(class) {
                self.undo(object)?;
            }
        }
        self.call("cuCtxSynchronize", &[])?;
        graph::trim_all(self)?;
        pool::empty_all(self)?;
        context::release_primaries(self)
    }
}
