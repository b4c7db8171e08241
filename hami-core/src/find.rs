//! Finding functions in loaded libraries without `dlsym`: ours is in front of it, and old C libraries keep it elsewhere.
//!
//! The loader's list of objects is walked with `dl_iterate_phdr`, and each object's own symbol table is read as the ELF
//! gABI and the GNU hash extension describe it.
// UNSAFETY: reads the tables of loaded ELF objects, which only the loader's word vouches for.
#![expect(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};

/// One loaded object.
struct Object<'a> {
    base: usize,
    name: &'a CStr,
    segments: &'a [libc::Elf64_Phdr],
}

/// What an object's dynamic section points to.
struct Tables {
    symbols: *const libc::Elf64_Sym,
    strings: *const c_char,
    gnu_hash: *const u32,
    sysv_hash: *const u32,
    versions: *const u16,
    soname: Option<usize>,
}

/// One entry of a dynamic section (`Elf64_Dyn`).
#[repr(C)]
struct Dynamic {
    tag: i64,
    value: usize,
}

const DT_NULL: i64 = 0;
const DT_HASH: i64 = 4;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_SONAME: i64 = 14;
const DT_GNU_HASH: i64 = 0x6fff_fef5;
const DT_VERSYM: i64 = 0x6fff_fff0;
/// Bit of a version index that marks a symbol version as not the default one.
const VERSION_HIDDEN: u16 = 0x8000;

impl Object<'_> {
    fn contains(&self, address: usize) -> bool {
        self.segments.iter().any(|segment| {
            let start = self.base.wrapping_add(segment.p_vaddr as usize);
            segment.p_type == libc::PT_LOAD && address.wrapping_sub(start) < segment.p_memsz as usize
        })
    }

    fn tables(&self) -> Option<Tables> {
        let dynamic = self.segments.iter().find(|segment| segment.p_type == libc::PT_DYNAMIC)?;
        let mut entry = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const Dynamic;
        let mut tables = Tables {
            symbols: ptr::null(),
            strings: ptr::null(),
            gnu_hash: ptr::null(),
            sysv_hash: ptr::null(),
            versions: ptr::null(),
            soname: None,
        };
        // glibc turns these offsets into addresses when it loads an object; musl, and the vdso, leave them.
        let address = |value: usize| if value < self.base { self.base + value } else { value };
        loop {
            // SAFETY: the dynamic section of a loaded object is mapped and ends with DT_NULL.
            let Dynamic { tag, value } = unsafe { entry.read() };
            match tag {
                DT_NULL => break,
                DT_HASH => tables.sysv_hash = address(value) as *const u32,
                DT_STRTAB => tables.strings = address(value) as *const c_char,
                DT_SYMTAB => tables.symbols = address(value) as *const libc::Elf64_Sym,
                DT_SONAME => tables.soname = Some(value),
                DT_GNU_HASH => tables.gnu_hash = address(value) as *const u32,
                DT_VERSYM => tables.versions = address(value) as *const u16,
                _ => {}
            }
            entry = entry.wrapping_add(1);
        }
        (!tables.symbols.is_null() && !tables.strings.is_null()).then_some(tables)
    }

    /// Whether this is the library of that soname (or, if it states none, of that file name).
    fn is(&self, soname: &CStr) -> bool {
        if let Some(tables) = self.tables()
            && let Some(offset) = tables.soname
        {
            // SAFETY: DT_SONAME is an offset into the object's string table, whose strings end with NUL.
            return unsafe { CStr::from_ptr(tables.strings.add(offset)) } == soname;
        }
        self.name.to_bytes().rsplit(|byte| *byte == b'/').next() == Some(soname.to_bytes())
    }

    /// Address of the function `name` that this object defines, in its default version.
    fn function(&self, name: &CStr) -> Option<*const c_void> {
        let tables = self.tables()?;
        let mut found = None;
        tables.each_candidate(name, |index| {
            // SAFETY: the index came from the object's hash table, so it is within its symbol table.
            let symbol = unsafe { &*tables.symbols.add(index) };
            let kind = symbol.st_info & 0xf;
            // NOTYPE or FUNC, and defined here.
            if kind > 2 || kind == 1 || symbol.st_shndx == 0 || symbol.st_value == 0 {
                return false;
            }
            // SAFETY: st_name is an offset into the object's string table, whose strings end with NUL.
            if unsafe { CStr::from_ptr(tables.strings.add(symbol.st_name as usize)) } != name {
                return false;
            }
            found = Some(self.base.wrapping_add(symbol.st_value as usize) as *const c_void);
            // A hidden version serves only if there is no default one.
            // SAFETY: the version table has one entry per symbol.
            tables.versions.is_null() || unsafe { tables.versions.add(index).read() } & VERSION_HIDDEN == 0
        });
        found
    }
}

impl Tables {
    /// Calls `visit` with the index of each symbol that may have this name, until it answers true.
    fn each_candidate(&self, name: &CStr, mut visit: impl FnMut(usize) -> bool) {
        if !self.gnu_hash.is_null() {
            self.each_in_gnu_hash(name, visit);
        } else if !self.sysv_hash.is_null() {
            // SAFETY: word 1 of a DT_HASH table is the number of symbols.
            let count = unsafe { self.sysv_hash.add(1).read() } as usize;
            let _found = (1..count).any(&mut visit);
        }
    }

    fn each_in_gnu_hash(&self, name: &CStr, mut visit: impl FnMut(usize) -> bool) {
        let hash =
            name.to_bytes().iter().fold(5381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)));
        // SAFETY: a DT_GNU_HASH table begins with four words: buckets, first hashed symbol, bloom words, bloom shift.
        let [buckets, first, bloom_words, _shift] = unsafe { self.gnu_hash.cast::<[u32; 4]>().read() };
        if buckets == 0 {
            return;
        }
        // Bloom words are 64 bits wide in a 64-bit object.
        let bucket_table = self.gnu_hash.wrapping_add(4 + 2 * bloom_words as usize);
        let chains = bucket_table.wrapping_add(buckets as usize);
        // SAFETY: there are `buckets` buckets.
        let mut index = unsafe { bucket_table.add((hash % buckets) as usize).read() };
        if index < first {
            return;
        }
        loop {
            // SAFETY: chains have one word per symbol from `first` on, and the last of a chain has bit 0 set.
            let entry = unsafe { chains.add((index - first) as usize).read() };
            if (entry | 1) == (hash | 1) && visit(index as usize) {
                return;
            }
            if entry & 1 != 0 {
                return;
            }
            index += 1;
        }
    }
}

/// Walks the loaded objects in load order, until `visit` answers.
fn first_object<T>(visit: impl FnMut(&Object<'_>) -> Option<T>) -> Option<T> {
    struct Walk<V, T> {
        visit: V,
        found: Option<T>,
    }
    unsafe extern "C" fn step<V: FnMut(&Object<'_>) -> Option<T>, T>(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        data: *mut c_void,
    ) -> c_int {
        // SAFETY: `data` is the Walk that `first_object` passed and nobody else touches meanwhile; `info` is valid
        // during the call, by the contract of dl_iterate_phdr.
        let (walk, info) = unsafe { (&mut *data.cast::<Walk<V, T>>(), &*info) };
        // SAFETY: the loader gives as many program headers as it says; the name is a NUL-terminated string or NULL.
        let object = unsafe {
            Object {
                base: info.dlpi_addr as usize,
                name: if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) },
                segments: core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)),
            }
        };
        walk.found = (walk.visit)(&object);
        c_int::from(walk.found.is_some())
    }
    fn callback<V: FnMut(&Object<'_>) -> Option<T>, T>(
        _walk: &Walk<V, T>,
    ) -> unsafe extern "C" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int {
        step::<V, T>
    }
    let mut walk = Walk { visit, found: None };
    let callback = callback(&walk);
    // SAFETY: the callback gets exactly the Walk that it is written for, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut walk).cast()) };
    walk.found
}

/// Any address inside this library.
fn an_address_of_ours() -> usize {
    an_address_of_ours as *const () as usize
}

/// Address of a function in the loaded library of this soname.
pub(crate) fn in_library(soname: &CStr, name: &CStr) -> Option<*const c_void> {
    first_object(|object| if object.is(soname) { object.function(name) } else { None })
}

/// Whether an address lies in a loaded library of this soname.
pub(crate) fn lies_in_library(soname: &CStr, address: *const c_void) -> bool {
    first_object(|object| object.contains(address as usize).then(|| object.is(soname))) == Some(true)
}

/// Address of a function that the C library (or its loader or libdl) defines: the first definition that is not ours.
pub(crate) fn in_c_library(name: &CStr) -> Option<*const c_void> {
    const LIBRARIES: [&CStr; 4] = [c"libc.so.6", c"libdl.so.2", c"libc.so", c"libc.musl-x86_64.so.1"];
    first_object(|object| {
        let candidate = LIBRARIES.iter().any(|soname| object.is(soname));
        if candidate { object.function(name) } else { None }
    })
    // A C library under another name (musl's loader has no soname on some systems).
    .or_else(|| first_object(|object| if object.contains(an_address_of_ours()) { None } else { object.function(name) }))
}

/// Keeps a loaded library where it is for good, so that addresses in it may be remembered: a program may close it and
/// open it again elsewhere. Called once an address was found, before it is kept.
pub(crate) fn pin(soname: &CStr) {
    let _for_good = dlopen(soname, libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
}

/// A library opened, and closed again when this is dropped: then it goes, unless the program uses it as well.
pub(crate) struct Opened(NonNull<c_void>);

// SAFETY: a handle of the loader, which serves every thread.
unsafe impl Send for Opened {}

impl Opened {
    /// Opens the library of this soname; `None` where the loader finds none.
    pub(crate) fn open(soname: &CStr) -> Option<Self> {
        NonNull::new(dlopen(soname, 0)).map(Self)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        type Dlclose = unsafe extern "C" fn(*mut c_void) -> c_int;
        let Some(dlclose) = in_c_library(c"dlclose") else { return };
        // SAFETY: the C library's dlclose has this signature.
        let dlclose = unsafe { core::mem::transmute::<*const c_void, Dlclose>(dlclose) };
        // SAFETY: a handle that dlopen gave and nobody else has. A failure would leave the library loaded.
        let _closed = unsafe { dlclose(self.0.as_ptr()) };
    }
}

/// The C library's own dlopen, for a library that nobody but the caller is to see.
fn dlopen(soname: &CStr, flags: c_int) -> *mut c_void {
    type Dlopen = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
    let Some(dlopen) = in_c_library(c"dlopen") else { return ptr::null_mut() };
    // SAFETY: the C library's dlopen has this signature.
    let dlopen = unsafe { core::mem::transmute::<*const c_void, Dlopen>(dlopen) };
    // SAFETY: a NUL-terminated name and valid flags.
    unsafe { dlopen(soname.as_ptr(), flags | libc::RTLD_LAZY | libc::RTLD_LOCAL) }
}

/// Whether the object that an address lies in comes before this library in load order.
pub(crate) fn stands_before_us(address: *const c_void) -> bool {
    first_object(|object| {
        let (theirs, ours) = (object.contains(address as usize), object.contains(an_address_of_ours()));
        (theirs || ours).then_some(theirs && !ours)
    }) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_loader_finds() {
        let expected = [
            (c"malloc", libc::malloc as *const c_void),
            (c"getenv", libc::getenv as *const c_void),
            (c"dl_iterate_phdr", libc::dl_iterate_phdr as *const c_void),
        ];
        for (name, address) in expected {
            assert_eq!(in_c_library(name), Some(address), "{name:?}");
        }
    }

    #[test]
    fn finds_nothing_where_there_is_nothing() {
        assert_eq!(in_library(c"libc.so.6", c"no_such_function"), None);
        assert_eq!(in_library(c"libnothing.so.1", c"malloc"), None);
    }

    #[test]
    fn knows_its_own_addresses() {
        let ours = first_object(|object| object.contains(an_address_of_ours()).then(|| object.function(c"malloc")));
        assert_eq!(ours, Some(None), "found the object that this code is in, which defines no malloc");
        assert!(lies_in_library(c"libc.so.6", in_c_library(c"malloc").unwrap()));
    }
}
