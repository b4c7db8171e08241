#!/usr/bin/env python3
"""Prints the function names that a CUDA or NVML release's headers declare: what `*-names.txt` beside this file hold.

usage: names_from_headers.py cuda INCLUDE_FOLDER > cuda-13.5-names.txt
       names_from_headers.py nvml INCLUDE_FOLDER > nvml-13.5-names.txt

Needs gcc. Only names and versions are kept of the headers, none of their text.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Three ways to read cuda.h: they give the newest forms, those for per-thread default streams, and all older ones.
SWITCHES = [[], ["-DCUDA_API_PER_THREAD_DEFAULT_STREAM"], ["-D__CUDA_API_VERSION_INTERNAL"]]
CUDA_HEADERS = ["cuda.h", "cudaProfiler.h", "cudaGL.h", "cudaEGL.h", "cudaVDPAU.h"]
# Their content does not matter to the preprocessor.
GRAPHICS_HEADERS = ["GL/gl.h", "EGL/egl.h", "EGL/eglext.h", "vdpau/vdpau.h"]


def preprocessed(include, header, switches):
    with tempfile.TemporaryDirectory() as stubs:
        for name in GRAPHICS_HEADERS:
            stub = Path(stubs, name)
            stub.parent.mkdir(exist_ok=True)
            stub.touch()
        command = ["gcc", "-E", "-P", *switches, "-I", include, "-I", stubs, "-x", "c", "-"]
        return subprocess.run(command, input=f'#include "{header}"', capture_output=True, text=True, check=True).stdout


def forms(include):
    """Exported names by base name and kind of default stream, older forms first."""
    declared = set()
    for header in CUDA_HEADERS:
        for switches in SWITCHES:
            text = re.sub(r"static inline[^{]*\{[^}]*\}", "", preprocessed(include, header, switches))
            declared |= set(re.findall(r"\bCUresult\s+(?:CUDAAPI\s+)?(cu[A-Z]\w*)\s*\(", text))
    found = {}
    for name in declared:
        base, number, stream = re.fullmatch(r"(\w+?)(?:_v(\d+))?(?:_(pt[sd][sz]))?", name).groups()
        found.setdefault((base, stream or "-"), []).append((int(number or 1), name))
    return {key: [name for _, name in sorted(names)] for key, names in found.items()}


def versions(include):
    """Versions by base name and kind of default stream, from the names of function types: PFN_cuMemcpy_v7000_ptds."""
    found = {}
    for header in sorted(Path(include).glob("cuda*Typedefs.h")):
        for base, version, stream in re.findall(r"\*PFN_(cu\w+?)_v(\d+)(?:_(pt[sd][sz]))?\)", header.read_text()):
            found.setdefault((base, stream or "-"), set()).add(int(version))
    return found


def cuda(include):
    known = versions(include)
    lines = []
    for (base, stream), names in forms(include).items():
        numbers = sorted(known.get((base, stream), []))
        if len(numbers) != len(names):
            sys.exit(f"{base} ({stream}): forms {names}, but versions {numbers}")
        lines += [f"{name} {base} {number} {stream}" for name, number in zip(names, numbers)]
    return lines


def nvml(include):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", Path(include, "nvml.h").read_text(), flags=re.S)
    return set(re.findall(r"\bDECLDIR[\s\w*]*?\b(nvml\w+)\s*\(", text))


if len(sys.argv) != 3 or sys.argv[1] not in ("cuda", "nvml"):
    sys.exit(__doc__)
print("\n".join(sorted({"cuda": cuda, "nvml": nvml}[sys.argv[1]](sys.argv[2]))))
