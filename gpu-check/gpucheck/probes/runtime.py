"""CUDA runtime calls through ctypes, as a program that loads libcudart makes them."""

import ctypes
import os
import time
from pathlib import Path

DEVICE_TO_HOST, HOST_TO_DEVICE = 2, 1
ATTACH_GLOBAL = 1
PITCH_ROW = 1  # bytes asked per row: the driver's pitch, not the row, is what must be charged

_state = {"rt": None, "blocks": []}


def open_library(path):
    """Loads libcudart and makes the device's context; its version."""
    rt = ctypes.CDLL(path)
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    signatures = {
        "cudaMalloc": [ctypes.POINTER(pointer), size],
        "cudaMallocManaged": [ctypes.POINTER(pointer), size, ctypes.c_uint],
        "cudaMallocAsync": [ctypes.POINTER(pointer), size, pointer],
        "cudaMallocPitch": [ctypes.POINTER(pointer), ctypes.POINTER(size), size, size],
        "cudaFree": [pointer],
        "cudaFreeAsync": [pointer, pointer],
        "cudaMemcpy": [pointer, pointer, size, ctypes.c_int],
        "cudaMemGetInfo": [ctypes.POINTER(size), ctypes.POINTER(size)],
        "cudaDeviceSynchronize": [],
        "cudaGetLastError": [],
        "cudaRuntimeGetVersion": [ctypes.POINTER(ctypes.c_int)],
    }
    for name, arguments in signatures.items():
        function = getattr(rt, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
    _state["rt"] = rt
    version = ctypes.c_int()
    _must("cudaRuntimeGetVersion", ctypes.byref(version))
    return version.value


def _must(name, *arguments):
    code = getattr(_state["rt"], name)(*arguments)
    if code:
        raise RuntimeError(f"{name} returned {code}")


def mem_info():
    """cudaMemGetInfo, in bytes."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _must("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
    return {"free": free.value, "total": total.value, "used": total.value - free.value}


def _allocate(kind, size):
    """One allocation: (error code, address, bytes taken)."""
    rt, address = _state["rt"], ctypes.c_void_p()
    if kind == "malloc":
        code = rt.cudaMalloc(ctypes.byref(address), size)
    elif kind == "managed":
        code = rt.cudaMallocManaged(ctypes.byref(address), size, ATTACH_GLOBAL)
    elif kind == "async":
        code = rt.cudaMallocAsync(ctypes.byref(address), size, None)
    elif kind == "pitch":
        pitch, rows = ctypes.c_size_t(), size // 512
        code = rt.cudaMallocPitch(ctypes.byref(address), ctypes.byref(pitch), PITCH_ROW, rows)
        size = pitch.value * rows
    else:
        raise ValueError(f"kind {kind!r}: malloc, managed, async or pitch")
    if code:
        rt.cudaGetLastError()  # the next call must not report this one's error
    return code, address, size


def _release(block):
    kind, address, _size = block
    if kind == "async":
        _must("cudaFreeAsync", address, None)
        _must("cudaDeviceSynchronize")
    else:
        _must("cudaFree", address)


def take(kind, size):
    """One allocation, kept; the error code (0 when granted)."""
    code, address, taken = _allocate(kind, size)
    if not code:
        _state["blocks"].append((kind, address, taken))
    return code


def fill(kind, piece, most):
    """Allocates pieces until one is refused, or `most` bytes are passed (then `code` is null).

    Also returned: pieces and bytes granted, and cudaMemGetInfo's free and total before the last call."""
    pieces = granted = 0
    while True:
        info = mem_info()
        if granted > most:
            return {"pieces": pieces, "bytes": granted, "code": None, **info}
        code = take(kind, piece)
        if code:
            return {"pieces": pieces, "bytes": granted, "code": code, **info}
        pieces, granted = pieces + 1, granted + _state["blocks"][-1][2]


def grab(piece, most):
    """Allocates pieces as fast as it can until one is refused or `most` bytes are taken; bytes granted, last code."""
    granted = 0
    while granted < most:
        code = take("malloc", piece)
        if code:
            return {"bytes": granted, "code": code}
        granted += piece
    return {"bytes": granted, "code": None}


def release_one():
    """Frees the newest block."""
    _release(_state["blocks"].pop())


def release_all():
    """Frees every block; cudaMemGetInfo afterwards."""
    while _state["blocks"]:
        release_one()
    _must("cudaDeviceSynchronize")
    return mem_info()


def round_trip(size=1 << 20):
    """Copies a pattern into the newest block and back; whether it came back intact."""
    pattern = os.urandom(size)
    back = ctypes.create_string_buffer(size)
    address = _state["blocks"][-1][1]
    _must("cudaMemcpy", address, ctypes.c_char_p(pattern), size, HOST_TO_DEVICE)
    _must("cudaMemcpy", ctypes.cast(back, ctypes.c_void_p), address, size, DEVICE_TO_HOST)
    return back.raw == pattern


def process_state():
    """What a library could have changed in its host process: threads, umask, caught signals."""
    status = Path("/proc/self/status").read_text().splitlines()
    wanted = ("Threads", "Umask", "SigCgt", "SigIgn", "SigBlk")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in status) if key in wanted}


def time_pairs(count, size=1 << 20):
    """Nanoseconds of `count` pairs of cudaMalloc and cudaFree, by pair."""
    rt, address = _state["rt"], ctypes.c_void_p()
    start = time.perf_counter_ns()
    for _ in range(count):
        if rt.cudaMalloc(ctypes.byref(address), size) or rt.cudaFree(address):
            raise RuntimeError("cudaMalloc or cudaFree failed while timed")
    return (time.perf_counter_ns() - start) / count


def time_mem_info(count):
    """Nanoseconds of `count` calls of cudaMemGetInfo, by call."""
    rt, free, total = _state["rt"], ctypes.c_size_t(), ctypes.c_size_t()
    start = time.perf_counter_ns()
    for _ in range(count):
        if rt.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total)):
            raise RuntimeError("cudaMemGetInfo failed while timed")
    return (time.perf_counter_ns() - start) / count
