"""Makes a shared object linked for old glibc need libc.so.6 alone. Edits the file in place, changing no layout.

Before glibc 2.34 the names of threads and of dlopen stood in libpthread.so.0 and libdl.so.2, so a linker that targets
2.17 records those libraries, and ld-linux-x86-64.so.2 for __tls_get_addr. Each is a file that every process under the
preload would look up and map, and musl has no ld-linux. What this does instead:

* NEEDED keeps libc.so.6 only, and the version records of the others are moved to libc.so.6, which defines every
  GLIBC_2.x version itself (the loader refuses a record that names a library that is not loaded; it compares the
  version, not the file name, when it binds a symbol).
* Imports that libpthread.so.0 or libdl.so.2 provided become weak: a program on an old glibc that has loaded neither
  still starts, with LD_BIND_NOW=1 too, and calls none of them: only what uses a device does, and the driver loads both.
* The personality routine that the unwinder asks for our frames becomes hami_eh_personality (hami-core/src/unwind.rs,
  which says why): the one slot through which every frame names Rust's own routine gets the other's address.

usage: slim_elf.py FILE
"""

import struct
import sys

DT_NULL, DT_NEEDED, DT_STRTAB, DT_SYMTAB = 0, 1, 5, 6
DT_RELA, DT_RELASZ, R_RELATIVE = 7, 8, (8, 1027)
SHT_SYMTAB, SHT_DYNSYM = 2, 11
DT_VERSYM, DT_VERNEED, DT_VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
PT_LOAD, PT_DYNAMIC = 1, 2
STB_GLOBAL, STB_WEAK = 1, 2
# The slot through which every frame names its personality routine, the routine of Rust, and ours.
PERSONALITIES = ("DW.ref.rust_eh_personality", "rust_eh_personality", "hami_eh_personality")
KEPT = "libc.so.6"
# Always in the global scope of a glibc process, since libc.so.6 itself needs it: its imports stay strong.
LOADER = "ld-linux"
# Outside libc.so.6 before glibc 2.34; a process may have none of them.
OPTIONAL = ("libpthread.so.0", "libdl.so.2", "librt.so.1")


class Elf:
    """A little-endian 64-bit ELF file with one dynamic section."""

    def __init__(self, data):
        if data[:6] != b"\x7fELF\x02\x01":
            sys.exit("slim_elf: not a little-endian 64-bit ELF file")
        self.data = data
        (offset,) = struct.unpack_from("<Q", data, 0x20)
        size, count = struct.unpack_from("<HH", data, 0x36)
        self.segments = [struct.unpack_from("<IIQQQQQQ", data, offset + i * size) for i in range(count)]
        self.dynamic_at, self.dynamic_size = next((s[2], s[5]) for s in self.segments if s[0] == PT_DYNAMIC)
        self.dynamic = [struct.unpack_from("<QQ", data, self.dynamic_at + i) for i in range(0, self.dynamic_size, 16)]
        self.dynamic = self.dynamic[: [tag for tag, _ in self.dynamic].index(DT_NULL)]
        self.strings = self.table(DT_STRTAB)

    def value(self, tag):
        """The value of the first dynamic entry with this tag."""
        return next(value for t, value in self.dynamic if t == tag)

    def table(self, tag):
        """The file offset of the table that this dynamic entry points to."""
        address = self.value(tag)
        for kind, _, offset, start, _, in_file, _, _ in self.segments:
            if kind == PT_LOAD and start <= address < start + in_file:
                return offset + address - start
        sys.exit(f"slim_elf: no segment holds address {address:#x}")

    def string(self, offset):
        """The dynamic string at this offset."""
        start = self.strings + offset
        return self.data[start : self.data.index(0, start)].decode()

    def keep_one_library(self):
        """Leaves libc.so.6 as the only NEEDED entry; returns its string offset."""
        needed = [value for tag, value in self.dynamic if tag == DT_NEEDED]
        unknown = [n for n in map(self.string, needed) if n != KEPT and not n.startswith(LOADER) and n not in OPTIONAL]
        if unknown:
            accepted = ", ".join((KEPT, LOADER + "*", *OPTIONAL))
            sys.exit(f"slim_elf: the file needs {', '.join(unknown)}; accepted are {accepted}")
        kept = next(value for value in needed if self.string(value) == KEPT)
        self.dynamic = [entry for entry in self.dynamic if entry[0] != DT_NEEDED or entry[1] == kept]
        for i in range(self.dynamic_size // 16):
            entry = self.dynamic[i] if i < len(self.dynamic) else (DT_NULL, 0)
            struct.pack_into("<QQ", self.data, self.dynamic_at + 16 * i, *entry)
        return kept

    def move_versions(self, kept):
        """Names libc.so.6 in every version record; returns the version indices that optional libraries provided."""
        optional = set()
        at = self.table(DT_VERNEED)
        for _ in range(self.value(DT_VERNEEDNUM)):
            _, count, file, first, following = struct.unpack_from("<HHIII", self.data, at)
            aux = at + first
            for _ in range(count):
                _, _, index, _, next_aux = struct.unpack_from("<IHHII", self.data, aux)
                if self.string(file) in OPTIONAL:
                    optional.add(index)
                aux += next_aux
            struct.pack_into("<I", self.data, at + 4, kept)
            at += following
        return optional

    def weaken(self, versions):
        """Makes the imports with these version indices weak; returns their names."""
        names = []
        symbols, versym = self.table(DT_SYMTAB), self.table(DT_VERSYM)
        for i in range(1, self.section(SHT_DYNSYM)[1] // 24):
            version = struct.unpack_from("<H", self.data, versym + 2 * i)[0] & 0x7FFF
            name, info, _, section = struct.unpack_from("<IBBH", self.data, symbols + 24 * i)
            if version in versions and section == 0 and info >> 4 == STB_GLOBAL:
                self.data[symbols + 24 * i + 4] = STB_WEAK << 4 | info & 15
                names.append(self.string(name))
        return names

    def redirect_personality(self):
        """Makes the slot of Rust's personality routine hold the address of ours."""
        slot, rust, ours = map(self.address, PERSONALITIES)
        if ours is None:
            sys.exit(f"slim_elf: no {PERSONALITIES[2]}: a thread cancelled inside a driver call would crash")
        at = self.table(DT_RELA)
        for entry in range(at, at + self.value(DT_RELASZ), 24):
            place, info, addend = struct.unpack_from("<QQQ", self.data, entry)
            if place == slot and info in R_RELATIVE and addend == rust:
                struct.pack_into("<Q", self.data, entry + 16, ours)
                return
        sys.exit(f"slim_elf: no relative relocation gives {PERSONALITIES[0]} the address of {PERSONALITIES[1]}")

    def address(self, wanted):
        """The address of a symbol of the full symbol table, if it is there."""
        start, length, link = self.section(SHT_SYMTAB)
        strings = struct.unpack_from("<Q", self.data, self.section_header(link) + 24)[0]
        text = wanted.encode() + b"\0"
        for entry in range(start, start + length, 24):
            name, _, _, _, address = struct.unpack_from("<IBBHQ", self.data, entry)
            if self.data[strings + name : strings + name + len(text)] == text:
                return address
        return None

    def section_header(self, index):
        """The file offset of a section's header."""
        return struct.unpack_from("<Q", self.data, 0x28)[0] + index * struct.unpack_from("<H", self.data, 0x3A)[0]

    def section(self, kind):
        """Offset, length and linked section of the first section of this type."""
        for index in range(struct.unpack_from("<H", self.data, 0x3C)[0]):
            _, found, _, _, offset, length, link = struct.unpack_from("<IIQQQQI", self.data, self.section_header(index))
            if found == kind:
                return offset, length, link
        sys.exit(f"slim_elf: no section of type {kind}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: slim_elf.py FILE")
    with open(sys.argv[1], "r+b") as file:
        elf = Elf(bytearray(file.read()))
        names = elf.weaken(elf.move_versions(elf.keep_one_library()))
        elf.redirect_personality()
        file.seek(0)
        file.write(elf.data)
    print(f"slim_elf: needs {KEPT} alone; weak: {' '.join(names) or 'nothing more'}")


if __name__ == "__main__":
    main()
