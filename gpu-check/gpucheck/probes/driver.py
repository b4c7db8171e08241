"""Facts of the real driver through the driver API, so that a model of it can be held against them."""

import ctypes

KIB, MIB = 1 << 10, 1 << 20
POOL_RELEASE_THRESHOLD, POOL_RESERVED, POOL_USED = 4, 5, 7  # CUmemPool_attribute
ALLOCATION_PINNED, LOCATION_DEVICE = 1, 1
ATTACH_GLOBAL = 1

_state = {}


class AllocationProp(ctypes.Structure):
    """CUmemAllocationProp."""

    _fields_ = [
        ("type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location_type", ctypes.c_int),
        ("location_id", ctypes.c_int), ("win32_metadata", ctypes.c_void_p), ("alloc_flags", ctypes.c_ubyte * 8),
    ]


def _cuda(name, *arguments):
    code = getattr(_state["cuda"], name)(*arguments)
    if code:
        raise RuntimeError(f"{name} returned {code}")


def initialise():
    """Loads libcuda and initialises it; its version. Makes no context."""
    _state["cuda"] = ctypes.CDLL("libcuda.so.1")
    _cuda("cuInit", 0)
    device, version = ctypes.c_int(), ctypes.c_int()
    _cuda("cuDeviceGet", ctypes.byref(device), 0)
    _cuda("cuDriverGetVersion", ctypes.byref(version))
    _state["device"] = device
    return version.value


def primary_context():
    """Retains the primary context and makes it current."""
    context = ctypes.c_void_p()
    _cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), _state["device"])
    _cuda("cuCtxSetCurrent", context)


def sizes():
    """cuDeviceTotalMem and cuMemGetInfo, in bytes."""
    total = ctypes.c_size_t()
    _cuda("cuDeviceTotalMem_v2", ctypes.byref(total), _state["device"])
    free, shown = _info()
    return {"device_total": total.value, "mem_info_total": shown, "mem_info_free": free}


def _info():
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _cuda("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value


def _free_bytes():
    return _info()[0]


def _alloc(size):
    address = ctypes.c_uint64()
    _cuda("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
    return address


def allocation_drops():
    """What free memory falls by for an allocation, and what stays gone after its free; in bytes."""
    cases = [(1, 1), (512 * KIB, 1), (MIB, 1), (MIB + 1, 1), (2 * MIB, 1), (2 * MIB + 1, 1), (3 * MIB, 1), (4 * KIB, 1000)]
    facts = {}
    for size, count in cases:
        before = _free_bytes()
        blocks = [_alloc(size) for _ in range(count)]
        during = _free_bytes()
        for block in blocks:
            _cuda("cuMemFree_v2", block)
        facts[f"{count} x {size}"] = {"drop": before - during, "kept_after_free": before - _free_bytes()}
    return facts


def pitches():
    """The pitch of cuMemAllocPitch by row width in bytes and element size; 16 rows each."""
    facts = {}
    for width in (1, 100, 512, 513, 4096, 4097):
        for element in (4, 8, 16):
            address, pitch = ctypes.c_uint64(), ctypes.c_size_t()
            _cuda(
                "cuMemAllocPitch_v2", ctypes.byref(address), ctypes.byref(pitch),
                ctypes.c_size_t(width), ctypes.c_size_t(16), ctypes.c_uint(element),
            )
            _cuda("cuMemFree_v2", address)
            facts[f"width {width}, element {element}"] = pitch.value
    return facts


def pool_growth():
    """The default pool's reserved and used bytes, and the fall of free memory, step by step."""
    pool = ctypes.c_void_p()
    _cuda("cuDeviceGetDefaultMemPool", ctypes.byref(pool), _state["device"])

    def attribute(number):
        value = ctypes.c_uint64()
        _cuda("cuMemPoolGetAttribute", pool, number, ctypes.byref(value))
        return value.value

    start = _free_bytes()
    steps = {}

    def note(step):
        steps[step] = {"reserved": attribute(POOL_RESERVED), "used": attribute(POOL_USED), "free_drop": start - _free_bytes()}

    def allocate(size):
        address = ctypes.c_uint64()
        _cuda("cuMemAllocAsync", ctypes.byref(address), ctypes.c_size_t(size), None)
        return address

    note("before")
    small = allocate(MIB)
    note("after 1 MiB")
    large = allocate(40 * MIB)
    note("after 40 MiB more")
    _cuda("cuMemFreeAsync", small, None)
    _cuda("cuMemFreeAsync", large, None)
    note("after both freed")
    _cuda("cuStreamSynchronize", None)
    note("after synchronising")
    return {"release_threshold": attribute(POOL_RELEASE_THRESHOLD), "steps": steps}


def managed_drop():
    """What free memory falls by for 64 MiB of managed memory: allocated, then touched by the device; in bytes."""
    before = _free_bytes()
    address = ctypes.c_uint64()
    _cuda("cuMemAllocManaged", ctypes.byref(address), ctypes.c_size_t(64 * MIB), ctypes.c_uint(ATTACH_GLOBAL))
    allocated = _free_bytes()
    _cuda("cuMemsetD8_v2", address, ctypes.c_ubyte(1), ctypes.c_size_t(64 * MIB))
    _cuda("cuCtxSynchronize")
    touched = _free_bytes()
    _cuda("cuMemFree_v2", address)
    return {"allocated": before - allocated, "touched": before - touched, "kept_after_free": before - _free_bytes()}


def virtual_granularity():
    """cuMemGetAllocationGranularity of device memory, in bytes."""
    prop = AllocationProp(type=ALLOCATION_PINNED, location_type=LOCATION_DEVICE, location_id=_state["device"].value)
    facts = {}
    for name, option in (("minimum", 0), ("recommended", 1)):
        size = ctypes.c_size_t()
        _cuda("cuMemGetAllocationGranularity", ctypes.byref(size), ctypes.byref(prop), option)
        facts[name] = size.value
    return facts


def second_context_drop():
    """What free memory falls by for a second context in the same process; in bytes."""
    before = _free_bytes()
    context = ctypes.c_void_p()
    _cuda("cuCtxCreate_v2", ctypes.byref(context), 0, _state["device"])
    drop = before - _free_bytes()
    _cuda("cuCtxDestroy_v2", context)
    primary_context()
    return {"drop": drop, "kept_after_destroy": before - _free_bytes()}
