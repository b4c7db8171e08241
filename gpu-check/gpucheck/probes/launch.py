"""The C loop that times launches, in this process: the context and the kernel are its own."""

import ctypes
import statistics

from . import ptx

_state = {}


def start(library):
    """Loads the built programs/launch.c and prepares an empty kernel."""
    loop = ctypes.CDLL(library)
    code = loop.prepare(ptx.image(()).encode(), ptx.EMPTY.encode())
    if code:
        raise RuntimeError(f"preparing the kernel returned {code} (-1: the driver lacks a function)")
    _state["loop"] = loop


def time_launches(batches, each):
    """Nanoseconds of a launch: the median of `batches` batches of `each` launches."""
    seen = (ctypes.c_double * batches)()
    code = _state["loop"].time_launches(batches, each, seen)
    if code:
        raise RuntimeError(f"a launch returned {code}")
    return statistics.median(seen)
