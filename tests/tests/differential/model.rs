//! What a process has, as far as the test must know it to choose its next call.

/// Kinds of things that a process can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Opened from another process's handle.
    Opened,
    /// Memory of another process's pool.
    Imported,
    Exec,
    Graph,
    Multicast,
    /// A mapping of physical memory at an address.
    Mapping,
    /// A reserved range of addresses.
    Range,
    /// Physical memory.
    Physical,
    Array,
    Mipmap,
    /// Memory of the context: linear, pitched or managed.
    Pointer,
    /// Memory of a pool.
    Pooled,
    Module,
    Library,
    Host,
    Event,
    Stream,
    Pool,
    Green,
    Context,
}

impl Class {
    /// In the order in which they are let go of at the end.
    pub const ALL: [Self; 20] = [
        Self::Opened,
        Self::Imported,
        Self::Exec,
        Self::Graph,
        Self::Multicast,
        Self::Mapping,
        Self::Range,
        Self::Physical,
        Self::Array,
        Self::Mipmap,
        Self::Pointer,
        Self::Pooled,
        Self::Module,
        Self::Library,
        Self::Host,
        Self::Event,
        Self::Stream,
        Self::Pool,
        Self::Green,
        Self::Context,
    ];

    /// The function that lets go of one, and whether it takes the size after the handle.
    pub fn undone_by(self) -> (&'static str, bool) {
        match self {
            Self::Opened => ("cuIpcCloseMemHandle", false),
            Self::Exec => ("cuGraphExecDestroy", false),
            Self::Graph => ("cuGraphDestroy", false),
            Self::Multicast | Self::Physical => ("cuMemRelease", false),
            Self::Mapping => ("cuMemUnmap", true),
            Self::Range => ("cuMemAddressFree", true),
            Self::Array => ("cuArrayDestroy", false),
            Self::Mipmap => ("cuMipmappedArrayDestroy", false),
            Self::Pointer | Self::Pooled | Self::Imported => ("cuMemFree_v2", false),
            Self::Module => ("cuModuleUnload", false),
            Self::Library => ("cuLibraryUnload", false),
            Self::Host => ("cuMemFreeHost", false),
            Self::Event => ("cuEventDestroy_v2", false),
            Self::Stream => ("cuStreamDestroy_v2", false),
            Self::Pool => ("cuMemPoolDestroy", false),
            Self::Green => ("cuGreenCtxDestroy", false),
            Self::Context => ("cuCtxDestroy_v2", false),
        }
    }
}

/// One thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    pub class: Class,
    /// Handle or address.
    pub handle: u64,
    /// In bytes, where it has one.
    pub size: u64,
    /// Its device, in NVML's order.
    pub device: usize,
    /// The context that it dies with; 0: it outlives all.
    pub context: u64,
    /// What the class wants to remember beside.
    pub extra: u64,
    /// Whose it is, if it is another process's.
    pub loan: Option<Loan>,
}

/// A thing of another process, which keeps it at least as long as it is borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loan {
    pub lender: usize,
    pub class: Class,
    /// Its handle or address there.
    pub handle: u64,
}

/// The things of one process.
#[derive(Debug, Default)]
pub struct Model {
    objects: Vec<Object>,
    /// Addresses that were freed, newest last.
    pub freed: Vec<u64>,
    /// How often the primary context of each device was retained, by ordinal.
    pub retained: [u32; 2],
    /// The current context: its handle and its device in NVML's order.
    pub current: Option<(u64, usize)>,
    /// Devices, in NVML's order, whose default pools may keep memory.
    pub pools_used: bool,
}

impl Model {
    pub fn add(&mut self, object: Object) {
        self.objects.push(object);
    }

    /// The `number`-th thing of a class, counted round.
    pub fn pick(&self, class: Class, number: u64) -> Option<Object> {
        let of_class: Vec<_> = self.of(class);
        (!of_class.is_empty()).then(|| of_class[(number % of_class.len() as u64) as usize])
    }

    /// All of a class, oldest first.
    pub fn of(&self, class: Class) -> Vec<Object> {
        self.objects.iter().filter(|object| object.class == class).copied().collect()
    }

    /// What it has from others, in the order in which it is let go of.
    pub fn borrowed(&self) -> Vec<Object> {
        let mut borrowed: Vec<_> = self.objects.iter().filter(|object| object.loan.is_some()).copied().collect();
        borrowed.sort_by_key(|object| object.class);
        borrowed
    }

    /// The memory at an address.
    pub fn at(&self, address: u64) -> Option<Object> {
        let memory = [Class::Pointer, Class::Pooled, Class::Imported];
        self.objects.iter().find(|object| object.handle == address && memory.contains(&object.class)).copied()
    }

    /// How many handles and mappings there are of a handle's physical memory.
    pub fn holds(&self, handle: u64) -> usize {
        let of_it = |object: &&Object| match object.class {
            Class::Physical => object.handle == handle,
            Class::Mapping => object.extra == handle,
            _ => false,
        };
        self.objects.iter().filter(of_it).count()
    }

    /// Marks a thing as holding what is another process's.
    pub fn borrow(&mut self, class: Class, handle: u64, loan: Option<Loan>) {
        let found = self.objects.iter_mut().find(|object| object.class == class && object.handle == handle);
        if let Some(object) = found {
            object.loan = loan;
        }
    }

    /// Forgets a thing.
    pub fn remove(&mut self, class: Class, handle: u64) -> Option<Object> {
        let at = self.objects.iter().position(|object| object.class == class && object.handle == handle)?;
        Some(self.objects.remove(at))
    }

    /// Forgets everything that dies with a context.
    pub fn context_gone(&mut self, context: u64) {
        self.objects.retain(|object| object.context != context);
    }
}
