"""Orders the functions of libhami_core.so: those that every process with a device runs stand together.

usage: layout.py script TEMPLATE LIST > LINKER_SCRIPT     the template with the listed functions at its mark
       layout.py list LIBRARY CALLGRIND_OUT... > LIST     the library's functions that ran (recorded with --demangle=no)

A list has one symbol per line, with * where the compiler puts a hash. A stale list is never wrong: a function that it
misses stands with the seldom used ones, a line that meets nothing does nothing.
"""

import re
import sys

MARK = "@HOT@"
# Hashes in symbols: of a legacy name's item, of a v0 name's crate; and what the optimiser appends to a copy's name.
HASHES = ((r"17h[0-9a-f]{16}E", "17h*E"), (r"Cs[0-9A-Za-z]+_(?=\d)", "Cs*_"), (r"\.(llvm|cold|isra|part)\..*", "*"))


def script(template, listed):
    """The linker script."""
    with open(template) as file:
        text = file.read()
    if text.count(MARK) != 1:
        sys.exit(f"layout: {template} has the mark {MARK} {text.count(MARK)} times; it must have it once")
    with open(listed) as file:
        symbols = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    # A function that the compiler was told is seldom called (for it, not for us) has a section of that kind.
    return text.replace(MARK, "\n    ".join(f"*(.text.{symbol} .text.unlikely.{symbol})" for symbol in symbols))


def functions_of(library, record):
    """Symbols of the library's functions in which a callgrind record has counted something."""
    names, found, inside = {}, set(), False
    with open(record) as file:
        for line in file:
            # `fn=(12) name` the first time, `fn=(12)` later; ob= and fn= begin a function, cob= and cfn= a call.
            match = re.match(r"(c?)(ob|fn)=\((\d+)\)(?: (.*))?", line)
            if not match:
                continue
            call, kind, number, name = match.groups()
            if name:
                names[kind, number] = name
            if call:
                continue
            if kind == "ob":
                inside = names[kind, number].endswith("/" + library)
            elif inside:
                found.add(names[kind, number])
    return found


def without_hashes(symbol):
    """The symbol as a pattern that another build's symbol meets as well."""
    for hashed, pattern in HASHES:
        symbol = re.sub(hashed, pattern, symbol)
    return symbol


def main(arguments):
    """Does what the command line says."""
    match arguments:
        case ["script", template, listed]:
            print(script(template, listed), end="")
        case ["list", library, record, *more]:
            found = set().union(*(functions_of(library, name) for name in (record, *more)))
            # Callgrind appends '2 and so on to a function that calls itself, and has addresses for what has no name.
            named = {name.split("'")[0] for name in found if not name.startswith("0x")}
            if not named:
                sys.exit(f"layout: no function of {library} in {record}: was it preloaded, and recorded there?")
            print("# Made by tools/profile_core.sh: functions that every process with a device runs.")
            print("\n".join(sorted(map(without_hashes, named))))
        case _:
            sys.exit(__doc__.strip())


if __name__ == "__main__":
    main(sys.argv[1:])
