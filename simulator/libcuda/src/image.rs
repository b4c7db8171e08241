//! Device code images: how long they are, and which names occur in them. Code is not executed, so no more is read.
//!
#![expect(unsafe_code)]
// UNSAFETY: an image comes as a bare pointer; its own header says how long it is.

use std::ffi::{CStr, c_void};

use ffi_headers::cuda::*;
use memchr::memmem;

use crate::abi::{In, Outcome};

const FATBIN: u32 = 0xba55_ed50;
const FATBIN_WRAPPER: u32 = 0x4662_43b1;
const ELF: u32 = u32::from_le_bytes(*b"\x7fELF");
const ELF_HEADER: usize = 64;
/// A bit of the flags in an entry of a fat binary: its contents are compressed.
const FATBIN_COMPRESSED: u64 = 0x2000;

/// A copy of an image.
pub struct Image {
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Elf,
    Ptx,
    /// Several images in one; `opaque` when one of them is compressed, so that its names cannot be read.
    Fatbin {
        opaque: bool,
    },
}

/// A variable in device memory.
pub struct Variable<'a> {
    /// Size in bytes.
    pub bytes: usize,
    /// Its first contents; missing for zeros.
    pub contents: Option<&'a [u8]>,
}

impl Image {
    /// Reads the image at `pointer`.
    pub fn from_pointer(pointer: In<c_void>) -> Outcome<Self> {
        let mut pointer = pointer.address().cast::<u8>();
        if pointer.is_null() {
            return Err(CUDA_ERROR_INVALID_VALUE);
        }
        // SAFETY: by the contract of the API an image: at least four readable bytes, or a shorter text that ends in NUL, and
        // then `starts_with` stops there.
        if unsafe { starts_with(pointer, FATBIN_WRAPPER) } {
            // SAFETY: a wrapper: two 32-bit words, then the pointer to the image.
            pointer = unsafe { pointer.add(8).cast::<*const u8>().read_unaligned() };
        }
        // SAFETY: as above, for the image behind the wrapper.
        let length = unsafe { image_length(pointer)? };
        // SAFETY: the header says that the image is this long.
        Self::new(unsafe { std::slice::from_raw_parts(pointer, length) }.to_vec())
    }

    /// Takes `bytes` as an image.
    pub fn new(bytes: Vec<u8>) -> Outcome<Self> {
        let kind = match u32_at(&bytes, 0) {
            Some(ELF) => Kind::Elf,
            Some(FATBIN) => Kind::Fatbin { opaque: has_compressed_entry(&bytes) },
            _ if is_ptx(&bytes) => Kind::Ptx,
            _ => return Err(CUDA_ERROR_INVALID_IMAGE),
        };
        Ok(Self { bytes, kind })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn is_ptx(&self) -> bool {
        self.kind == Kind::Ptx
    }

    /// Whether `name` occurs as a whole name. In a compressed image any name does.
    pub fn has_name(&self, name: &CStr) -> bool {
        let text = name.to_bytes();
        if text.is_empty() {
            return false;
        }
        if self.kind == (Kind::Fatbin { opaque: true }) {
            return true;
        }
        let part_of_name = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"_$".contains(b));
        let mut from = 0;
        while let Some(found) = memmem::find(&self.bytes[from..], text) {
            let start = from + found;
            let before = start.checked_sub(1).and_then(|i| self.bytes.get(i));
            if !part_of_name(before) && !part_of_name(self.bytes.get(start + text.len())) {
                return true;
            }
            from = start + 1;
        }
        false
    }

    /// Bytes that the image takes in device memory: the sections of an ELF file that are loaded there, else all of it.
    pub fn device_bytes(&self) -> u64 {
        let loaded = if self.kind == Kind::Elf { loaded_bytes(&self.bytes) } else { None };
        loaded.unwrap_or(self.bytes.len() as u64)
    }

    /// The variable of this name, for images that are plain ELF.
    pub fn variable(&self, name: &CStr) -> Option<Variable<'_>> {
        const SYMBOL_TABLE: u32 = 2;
        const PROGRAM_BITS: u32 = 1;
        const SYMBOL: usize = 24;
        const OBJECT: u8 = 1;
        if self.kind != Kind::Elf {
            return None;
        }
        let data = &self.bytes;
        let section = |index: usize| {
            let table = u64_at(data, 40)? as usize;
            let entry = usize::from(u16_at(data, 58)?);
            data.get(table.checked_add(index.checked_mul(entry)?)?..)
        };
        for index in 0..usize::from(u16_at(data, 60)?) {
            let header = section(index)?;
            if u32_at(header, 4)? != SYMBOL_TABLE {
                continue;
            }
            let names = u64_at(section(u32_at(header, 40)? as usize)?, 24)? as usize;
            let (start, size) = (u64_at(header, 24)? as usize, u64_at(header, 32)? as usize);
            for symbol in data.get(start..start.checked_add(size)?)?.chunks_exact(SYMBOL) {
                let text = data.get(names.checked_add(u32_at(symbol, 0)? as usize)?..)?;
                if symbol[4] & 15 != OBJECT || !text.starts_with(name.to_bytes_with_nul()) {
                    continue;
                }
                let bytes = u64_at(symbol, 16)? as usize;
                let home = section(usize::from(u16_at(symbol, 6)?))?;
                let from = (u64_at(home, 24)? as usize).checked_add(u64_at(symbol, 8)? as usize)?;
                let contents =
                    if u32_at(home, 4)? == PROGRAM_BITS { data.get(from..from.checked_add(bytes)?) } else { None };
                return Some(Variable { bytes, contents });
            }
        }
        None
    }
}

/// # Safety
/// `pointer` leads to four readable bytes, or to fewer of which the last is NUL.
unsafe fn starts_with(pointer: *const u8, magic: u32) -> bool {
    // SAFETY: a byte is read only after all bytes before it have matched; no magic has a NUL in it.
    magic.to_le_bytes().iter().enumerate().all(|(index, byte)| unsafe { *pointer.add(index) } == *byte)
}

/// # Safety
/// `pointer` leads to a complete ELF file or fat binary, or to a text that ends in NUL.
unsafe fn image_length(pointer: *const u8) -> Outcome<usize> {
    if pointer.is_null() {
        return Err(CUDA_ERROR_INVALID_IMAGE);
    }
    // SAFETY: as the caller promises.
    let (elf, fatbin) = unsafe { (starts_with(pointer, ELF), starts_with(pointer, FATBIN)) };
    if fatbin {
        // SAFETY: the 16-byte header of a fat binary.
        let header = unsafe { std::slice::from_raw_parts(pointer, 16) };
        let length = u64_at(header, 8).and_then(|size| size.checked_add(u64::from(u16_at(header, 6)?)));
        return length.and_then(|l| usize::try_from(l).ok()).ok_or(CUDA_ERROR_INVALID_IMAGE);
    }
    if !elf {
        // SAFETY: neither magic, so a text; it ends in NUL.
        return Ok(unsafe { CStr::from_ptr(pointer.cast()) }.to_bytes_with_nul().len());
    }
    // SAFETY: the header of a 64-bit ELF file.
    let header = unsafe { std::slice::from_raw_parts(pointer, ELF_HEADER) };
    if header[4] != 2 {
        return Err(CUDA_ERROR_INVALID_IMAGE);
    }
    let table_end = |offset: usize, size: usize, count: usize| {
        let bytes = u64::from(u16_at(header, size)?) * u64::from(u16_at(header, count)?);
        usize::try_from(u64_at(header, offset)?.checked_add(bytes)?).ok()
    };
    // A file may end with either table or with a section.
    let programs = table_end(32, 54, 56).ok_or(CUDA_ERROR_INVALID_IMAGE)?;
    let sections = table_end(40, 58, 60).ok_or(CUDA_ERROR_INVALID_IMAGE)?;
    let known = programs.max(sections).max(ELF_HEADER);
    // SAFETY: the file is complete, so its tables are readable.
    let data = unsafe { std::slice::from_raw_parts(pointer, known) };
    Ok(last_section_end(data).unwrap_or(known).max(known))
}

fn last_section_end(data: &[u8]) -> Option<usize> {
    const NO_BITS: u32 = 8;
    let (table, entry) = (u64_at(data, 40)? as usize, usize::from(u16_at(data, 58)?));
    let mut end = 0;
    for index in 0..usize::from(u16_at(data, 60)?) {
        let header = data.get(table + index * entry..)?;
        if u32_at(header, 4)? != NO_BITS {
            end = end.max(u64_at(header, 24)?.checked_add(u64_at(header, 32)?)?);
        }
    }
    usize::try_from(end).ok()
}

/// Sum of the sections that take memory when the code is loaded. Shared memory is not device memory.
fn loaded_bytes(data: &[u8]) -> Option<u64> {
    const TAKES_MEMORY: u64 = 2;
    let section = |index: usize| {
        let (table, entry) = (u64_at(data, 40)? as usize, usize::from(u16_at(data, 58)?));
        data.get(table.checked_add(index.checked_mul(entry)?)?..)
    };
    let names = u64_at(section(usize::from(u16_at(data, 62)?))?, 24)? as usize;
    let mut sum = 0u64;
    for index in 0..usize::from(u16_at(data, 60)?) {
        let header = section(index)?;
        let name = data.get(names.checked_add(u32_at(header, 0)? as usize)?..)?;
        if u64_at(header, 8)? & TAKES_MEMORY != 0 && !name.starts_with(b".nv.shared") {
            sum = sum.checked_add(u64_at(header, 32)?)?;
        }
    }
    Some(sum)
}

fn has_compressed_entry(bytes: &[u8]) -> bool {
    let Some(mut at) = u16_at(bytes, 6).map(usize::from) else { return false };
    while let (Some(header), Some(size)) = (u32_at(bytes, at + 4), u64_at(bytes, at + 8)) {
        if u64_at(bytes, at + 40).is_some_and(|flags| flags & FATBIN_COMPRESSED != 0) {
            return true;
        }
        let next = (header as usize).checked_add(size as usize).and_then(|step| at.checked_add(step));
        match next {
            Some(next) if next > at => at = next,
            _ => return false,
        }
    }
    false
}

/// PTX is text with a `.version` directive.
fn is_ptx(bytes: &[u8]) -> bool {
    memmem::find(bytes, b".version").is_some()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    data.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_only_as_a_whole() {
        let ptx = b".version 8.4\n.visible .entry scale_add(.param .u64 p)\n\0";
        let image = Image::from_pointer(In::from_raw(ptx.as_ptr().cast())).expect("PTX");
        assert_eq!(image.bytes(), ptx);
        assert!(image.has_name(c"scale_add"));
        for name in [c"scale", c"add", c"scale_add2", c""] {
            assert!(!image.has_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_text_without_version_is_no_image() {
        let text = b"hello\0";
        assert_eq!(Image::from_pointer(In::from_raw(text.as_ptr().cast())).err(), Some(CUDA_ERROR_INVALID_IMAGE));
        assert_eq!(Image::from_pointer(In::from_raw(std::ptr::null())).err(), Some(CUDA_ERROR_INVALID_VALUE));
    }

    #[test]
    fn a_compressed_fat_binary_may_hold_any_name() {
        let mut bytes = vec![0u8; 16 + 64];
        bytes[..4].copy_from_slice(&FATBIN.to_le_bytes());
        bytes[6..8].copy_from_slice(&16u16.to_le_bytes());
        bytes[8..16].copy_from_slice(&64u64.to_le_bytes());
        bytes[20..24].copy_from_slice(&64u32.to_le_bytes());
        let plain = Image::new(bytes.clone()).expect("a fat binary");
        assert!(!plain.has_name(c"kernel"));
        bytes[16 + 40..16 + 48].copy_from_slice(&FATBIN_COMPRESSED.to_le_bytes());
        let image = Image::from_pointer(In::from_raw(bytes.as_ptr().cast())).expect("a fat binary");
        assert_eq!(image.bytes().len(), bytes.len());
        assert!(image.has_name(c"kernel"));
    }

    #[test]
    fn the_length_of_an_elf_file_is_its_own() {
        let file = std::fs::read("/proc/self/exe").expect("the test program");
        let image = Image::from_pointer(In::from_raw(file.as_ptr().cast())).expect("an ELF file");
        assert!(image.bytes().len() <= file.len() && image.bytes().len() > file.len() / 2);
        // Put together here, as a literal would be in the file.
        let missing = std::ffi::CString::new(["main", "image", "test"].join("_9_")).expect("no NUL");
        assert!(image.has_name(c"main") && !image.has_name(&missing));
    }
}
