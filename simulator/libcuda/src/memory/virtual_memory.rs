//! Addresses beside the devices' own ranges: reservations, what is mapped there, and the handles of what can be mapped.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use ffi_headers::cuda::*;
use nix::errno::Errno;
use simulator::books::PAGE_BYTES;
use simulator::client::Opened;

use super::mapping::{self, Protection};
use super::multicast::Multicast;
use super::physical::{Backing, Physical, Properties};
use super::{Owner, PoolId};
use crate::abi::Outcome;
use crate::driver::Driver;
use crate::hash::WordMap;

/// Smallest unit of an address reservation.
const HOST_PAGE: u64 = 4096;

/// See the module.
#[derive(Default)]
pub struct VirtualMemory {
    /// Size by first address.
    reservations: BTreeMap<u64, u64>,
    mapped: BTreeMap<u64, Mapped>,
    /// With the number of releases that each awaits.
    handles: WordMap<u64, (Backing, u32)>,
    /// Objects that other processes know: what stands for them here.
    objects: WordMap<u64, Shadow>,
}

/// A handle's object that may have gone.
enum Shadow {
    Memory(Weak<Physical>),
    Multicast(Weak<Multicast>),
}

/// One mapping.
pub struct Mapped {
    pub base: u64,
    pub bytes: u64,
    pub backing: Backing,
    pub role: Role,
    /// Who may use it, and how; nobody at first.
    access: Vec<CUmemAccessDesc>,
    /// Addresses in it that were given to the program and not taken back, see [`VirtualMemory::open`].
    opened: Vec<u64>,
}

/// How a mapping came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// cuMemMap.
    Virtual,
    /// cuIpcOpenMemHandle, in this context.
    Ipc(Owner),
    /// cuMemPoolImportPointer, of this pool.
    PoolPart(PoolId),
    /// cuExternalMemoryGetMappedBuffer.
    External,
    /// An array lies there; no address of it is known to the program.
    Array,
}

impl Mapped {
    /// The access of one location.
    pub fn access(&self, location: &CUmemLocation) -> CUmemAccess_flags {
        let found = self.access.iter().find(|entry| same(&entry.location, location));
        found.map_or(CU_MEM_ACCESS_FLAGS_PROT_NONE, |entry| entry.flags)
    }

    fn end(&self) -> u64 {
        self.base + self.bytes
    }

    fn holds(&self, address: u64) -> bool {
        (self.base..self.end()).contains(&address)
    }

    /// What the host side of the mapping must allow: the most that any location may do.
    fn protection(&self) -> Protection {
        match self.access.iter().map(|entry| entry.flags).max() {
            Some(CU_MEM_ACCESS_FLAGS_PROT_READWRITE) => Protection::ReadWrite,
            Some(CU_MEM_ACCESS_FLAGS_PROT_READ) => Protection::Read,
            _ => Protection::None,
        }
    }

    fn allows(&self, write: bool) -> bool {
        if matches!(self.backing, Backing::Multicast(_)) {
            return false;
        }
        match self.protection() {
            Protection::None => false,
            Protection::Read => !write,
            Protection::ReadWrite => true,
        }
    }
}

impl VirtualMemory {
    /// Reserves addresses, near `hint` if that is free. `align` is a power of two, or 0.
    pub fn reserve(&mut self, bytes: u64, align: u64, hint: u64) -> Outcome<u64> {
        let pages = |number: u64| number.is_multiple_of(HOST_PAGE);
        if bytes == 0 || !pages(bytes) || !pages(hint) || (align != 0 && !align.is_power_of_two()) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let base = mapping::reserve(bytes, align.max(PAGE_BYTES), hint).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
        self.reservations.insert(base, bytes);
        Ok(base)
    }

    /// Gives up a whole reservation in which nothing is mapped.
    pub fn free_reservation(&mut self, base: u64, bytes: u64) -> Outcome {
        let whole = self.reservations.get(&base) == Some(&bytes);
        if !whole || self.overlapping(base, bytes).next().is_some() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        self.reservations.remove(&base);
        mapping::unmap(base, bytes);
        Ok(())
    }

    /// Makes a handle, or one more release of it necessary.
    pub fn retain(&mut self, backing: Backing) -> CUmemGenericAllocationHandle {
        let handle = backing.handle();
        self.handles.entry(handle).or_insert((backing, 0)).1 += 1;
        handle
    }

    /// What a handle stands for.
    pub fn backing(&self, handle: CUmemGenericAllocationHandle) -> Outcome<Backing> {
        self.handles.get(&handle).map(|(backing, _)| backing.clone()).ok_or(CUDA_ERROR_INVALID_VALUE)
    }

    /// The memory that a handle stands for.
    pub fn physical(&self, handle: CUmemGenericAllocationHandle) -> Outcome<Arc<Physical>> {
        match self.backing(handle)? {
            Backing::Memory(physical) => Ok(physical),
            Backing::Multicast(_) => Err(CUDA_ERROR_INVALID_VALUE),
        }
    }

    /// Notes that other processes know what a handle stands for as this object.
    pub fn export(&mut self, object: u64, backing: &Backing) {
        self.objects.retain(|_, shadow| match shadow {
            Shadow::Memory(memory) => memory.strong_count() > 0,
            Shadow::Multicast(multicast) => multicast.strong_count() > 0,
        });
        let shadow = match backing {
            Backing::Memory(memory) => Shadow::Memory(Arc::downgrade(memory)),
            Backing::Multicast(multicast) => Shadow::Multicast(Arc::downgrade(multicast)),
        };
        self.objects.insert(object, shadow);
    }

    /// Makes a handle for an object that this process has opened; the same one as long as it lives here.
    pub fn import(&mut self, driver: &Driver, opened: Opened) -> Outcome<CUmemGenericAllocationHandle> {
        let object = opened.key.object;
        let known = self.objects.get(&object).and_then(|shadow| match shadow {
            Shadow::Memory(memory) => memory.upgrade().map(Backing::Memory),
            Shadow::Multicast(multicast) => multicast.upgrade().map(Backing::Multicast),
        });
        let backing = match known {
            Some(known) => {
                driver.simulation.let_go(object);
                known
            }
            None => match Multicast::imported(&opened) {
                Some(multicast) => Backing::Multicast(Arc::new(multicast)),
                None => Backing::Memory(Arc::new(Physical::imported(driver, opened)?)),
            },
        };
        self.export(object, &backing);
        Ok(self.retain(backing))
    }

    /// Takes one reference of a handle away.
    pub fn release(&mut self, handle: CUmemGenericAllocationHandle) -> Outcome {
        let (_, count) = self.handles.get_mut(&handle).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        *count -= 1;
        if *count == 0 {
            self.handles.remove(&handle);
        }
        Ok(())
    }

    /// Maps the first `bytes` of what a handle stands for, without access.
    pub fn map(&mut self, base: u64, bytes: u64, backing: Backing) -> Outcome {
        let whole_pages = [base, bytes].iter().all(|number| number.is_multiple_of(PAGE_BYTES));
        if bytes == 0 || !whole_pages || bytes > backing.bytes() || !self.is_reserved(base, bytes) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        if self.overlapping(base, bytes).next().is_some() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // What a multicast object shows is written by kernels alone; copies to it are refused.
        if let Backing::Memory(physical) = &backing {
            mapping::map(base, bytes, &physical.file, physical.offset, Protection::None).map_err(no_room)?;
        }
        let (role, access, opened) = (Role::Virtual, Vec::new(), Vec::new());
        self.mapped.insert(base, Mapped { base, bytes, backing, role, access, opened });
        Ok(())
    }

    /// Maps `bytes` from `offset` on of memory that this process has opened, for reading and writing. Returns the address of
    /// the byte `inside` of that. For interprocess handles each object is
    /// mapped once in a context, as the vendor documents.
    pub fn open(
        &mut self,
        opened: Opened,
        (offset, bytes, inside): (u64, u64, u64),
        role: Role,
        device: usize,
    ) -> Outcome<u64> {
        let location = CUmemLocation { type_: CU_MEM_LOCATION_TYPE_DEVICE, id: device as i32 };
        let properties = Properties { handle_types: CU_MEM_HANDLE_TYPE_NONE, location, rdma: false, usage: 0 };
        let object = opened.key.object;
        // Dropped at every return from here on, and then let go.
        let memory = Physical::opened(opened, properties)?;
        let end = offset.checked_add(bytes).filter(|end| *end <= memory.bytes);
        if bytes == 0 || inside >= bytes || end.is_none() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        let same = |mapped: &&mut Mapped| matches!(&mapped.backing, Backing::Memory(m) if m.object() == Some(object));
        if matches!(role, Role::Ipc(_))
            && let Some(mapped) = self.mapped.values_mut().filter(|mapped| mapped.role == role).find(same)
        {
            let address = mapped.base + inside;
            mapped.opened.push(address);
            return Ok(address);
        }
        let base = self.show(Arc::new(memory), (offset, bytes), role, location)?;
        let address = base + inside;
        if let Some(mapped) = self.mapped.get_mut(&base) {
            mapped.opened.push(address);
        }
        Ok(address)
    }

    /// Maps `bytes` from `offset` on of some memory, which must be within it, at addresses of their own, for reading and
    /// writing. Returns the first address.
    pub fn show(
        &mut self,
        memory: Arc<Physical>,
        (offset, bytes): (u64, u64),
        role: Role,
        location: CUmemLocation,
    ) -> Outcome<u64> {
        let from = memory.offset + offset;
        let lead = from % HOST_PAGE;
        let length = (lead + bytes).next_multiple_of(HOST_PAGE);
        let start = mapping::reserve(length, PAGE_BYTES, 0).map_err(|_| CUDA_ERROR_OUT_OF_MEMORY)?;
        if let Err(error) = mapping::map(start, length, &memory.file, from - lead, Protection::ReadWrite) {
            mapping::unmap(start, length);
            return Err(no_room(error));
        }
        let base = start + lead;
        let access = vec![CUmemAccessDesc { location, flags: CU_MEM_ACCESS_FLAGS_PROT_READWRITE }];
        let backing = Backing::Memory(memory);
        self.mapped.insert(base, Mapped { base, bytes, backing, role, access, opened: Vec::new() });
        Ok(base)
    }

    /// Ends what [`Self::show`] has mapped in a role; false when nothing is mapped so from `base` on.
    pub fn hide(&mut self, base: u64, role: Role) -> bool {
        let found = self.mapped.get(&base).is_some_and(|mapped| mapped.role == role);
        if found {
            self.end(base);
        }
        found
    }

    /// Takes back an address that [`Self::open`] gave for an interprocess handle; false when it did not.
    pub fn close(&mut self, address: u64) -> bool {
        self.close_in(address, |role| matches!(role, Role::Ipc(_)))
    }

    /// Takes back an address that was given for memory of another process's pool or of another interface; false when it was
    /// not.
    pub fn close_pointer(&mut self, address: u64) -> bool {
        if self.hide(address, Role::External) {
            return true;
        }
        self.close_in(address, |role| matches!(role, Role::PoolPart(_)))
    }

    fn close_in(&mut self, address: u64, wanted: impl Fn(Role) -> bool) -> bool {
        let Some((base, mapped)) = self.mapped.range_mut(..=address).next_back() else { return false };
        let found = mapped.opened.iter().position(|opened| *opened == address).filter(|_| wanted(mapped.role));
        let Some(found) = found else { return false };
        mapped.opened.swap_remove(found);
        if mapped.opened.is_empty() {
            let base = *base;
            self.end(base);
        }
        true
    }

    /// Ends what was opened in a context.
    pub fn close_all_of(&mut self, context: Owner) {
        let of_context = |mapped: &&Mapped| mapped.role == Role::Ipc(context);
        let bases: Vec<u64> = self.mapped.values().filter(of_context).map(|mapped| mapped.base).collect();
        bases.into_iter().for_each(|base| self.end(base));
    }

    fn end(&mut self, base: u64) {
        if let Some(mapped) = self.mapped.remove(&base) {
            let start = base - base % HOST_PAGE;
            mapping::unmap(start, (mapped.end() - start).next_multiple_of(HOST_PAGE));
        }
    }

    /// Ends every mapping of a range, which must be made of whole ones.
    pub fn unmap(&mut self, base: u64, bytes: u64) -> Outcome {
        for start in self.whole(base, bytes)? {
            let mapped = &self.mapped[&start];
            mapping::clear(mapped.base, mapped.bytes).map_err(no_room)?;
            self.mapped.remove(&start);
        }
        Ok(())
    }

    /// Sets the access of some locations to a range, which must be made of whole mappings.
    pub fn set_access(&mut self, base: u64, bytes: u64, wanted: &[CUmemAccessDesc]) -> Outcome {
        let starts = self.whole(base, bytes)?;
        let host = |location: &CUmemLocation| location.type_ != CU_MEM_LOCATION_TYPE_DEVICE;
        // The host has access to memory of its own only.
        let foreign = |mapped: &Mapped| wanted.iter().any(|w| host(&w.location)) && mapped.backing.device().is_some();
        if starts.iter().any(|start| foreign(&self.mapped[start])) {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        for start in starts {
            let Some(mapped) = self.mapped.get_mut(&start) else { continue };
            for entry in wanted {
                mapped.access.retain(|old| !same(&old.location, &entry.location));
                mapped.access.push(*entry);
            }
            if matches!(mapped.backing, Backing::Memory(_)) {
                mapping::protect(mapped.base, mapped.bytes, mapped.protection()).map_err(no_room)?;
            }
        }
        Ok(())
    }

    /// The mapping that holds `address`.
    pub fn find(&self, address: u64) -> Option<&Mapped> {
        let (_, mapped) = self.mapped.range(..=address).next_back()?;
        mapped.holds(address).then_some(mapped)
    }

    /// Whether `bytes` from `address` on are mapped, without a gap, and may be used; `None` outside every reservation and
    /// mapping.
    pub fn covers(&self, address: u64, bytes: u64, write: bool) -> Option<bool> {
        let Some(mut mapped) = self.find(address) else {
            return self.is_reserved(address, 1).then_some(false);
        };
        let Some(end) = address.checked_add(bytes) else { return Some(false) };
        while mapped.allows(write) {
            if end <= mapped.end() {
                return Some(true);
            }
            match self.mapped.get(&mapped.end()) {
                // Mappings that touch each other are one range of addresses; other allocations end where they end.
                Some(next) if (mapped.role, next.role) == (Role::Virtual, Role::Virtual) => mapped = next,
                _ => return Some(false),
            }
        }
        Some(false)
    }

    fn is_reserved(&self, base: u64, bytes: u64) -> bool {
        let found = self.reservations.range(..=base).next_back();
        found.is_some_and(|(start, size)| {
            let inside = base - start;
            inside < *size && bytes <= size - inside
        })
    }

    /// Mappings of which some part lies in the range.
    fn overlapping(&self, base: u64, bytes: u64) -> impl Iterator<Item = &Mapped> {
        let end = base.saturating_add(bytes);
        self.mapped.range(..end).rev().map(|(_, mapped)| mapped).take_while(move |mapped| mapped.end() > base)
    }

    /// First addresses of the mappings of cuMemMap that make up exactly this range.
    fn whole(&self, base: u64, bytes: u64) -> Outcome<Vec<u64>> {
        let end = base.checked_add(bytes).filter(|end| *end > base).ok_or(CUDA_ERROR_INVALID_VALUE)?;
        let mut starts = Vec::new();
        let mut at = base;
        while at < end {
            let mapped = self.mapped.get(&at).filter(|mapped| mapped.role == Role::Virtual);
            let mapped = mapped.ok_or(CUDA_ERROR_INVALID_VALUE)?;
            starts.push(at);
            at = mapped.end();
        }
        if at == end { Ok(starts) } else { Err(CUDA_ERROR_INVALID_VALUE) }
    }
}

fn same(a: &CUmemLocation, b: &CUmemLocation) -> bool {
    // Host locations have no number of their own here: the model has one host memory.
    a.type_ == b.type_ && (a.id == b.id || a.type_ != CU_MEM_LOCATION_TYPE_DEVICE)
}

fn no_room(error: Errno) -> CUresult {
    if error == Errno::ENOMEM { CUDA_ERROR_OUT_OF_MEMORY } else { CUDA_ERROR_OPERATING_SYSTEM }
}
