"""Every kind of device memory through the driver API: taken and given back one by one."""

import ctypes

from . import driver
from .driver import ALLOCATION_PINNED, ATTACH_GLOBAL, LOCATION_DEVICE, MIB, AllocationProp

FLOAT_FORMAT, MALLOC_HEAP = 0x20, 2  # CU_AD_FORMAT_FLOAT, CU_LIMIT_MALLOC_HEAP_SIZE

_taken = {}


class ArrayDescriptor(ctypes.Structure):
    """CUDA_ARRAY3D_DESCRIPTOR."""

    _fields_ = [
        ("width", ctypes.c_size_t), ("height", ctypes.c_size_t), ("depth", ctypes.c_size_t), ("format", ctypes.c_int),
        ("channels", ctypes.c_uint), ("flags", ctypes.c_uint),
    ]


class PoolProps(ctypes.Structure):
    """CUmemPoolProps."""

    _fields_ = [
        ("alloc_type", ctypes.c_int), ("handle_types", ctypes.c_int), ("location_type", ctypes.c_int),
        ("location_id", ctypes.c_int), ("attributes", ctypes.c_void_p), ("max_size", ctypes.c_size_t),
        ("reserved", ctypes.c_ubyte * 56),
    ]


class AllocNodeParams(ctypes.Structure):
    """CUDA_MEM_ALLOC_NODE_PARAMS."""

    _fields_ = [
        ("pool", PoolProps), ("access", ctypes.c_void_p), ("access_count", ctypes.c_size_t), ("size", ctypes.c_size_t),
        ("address", ctypes.c_uint64),
    ]


def start():
    """Initialises the driver and makes the primary context."""
    version = driver.initialise()
    driver.primary_context()
    return version


def used():
    """Bytes in use as cuMemGetInfo shows them."""
    free, total = driver._info()
    return total - free


def take(kind, size):
    """Takes about `size` bytes of this kind of memory. Raises when the driver refuses."""
    _taken[kind] = _TAKE[kind](size)


def give(kind):
    """Gives them back."""
    _GIVE[kind](_taken.pop(kind))
    driver._cuda("cuCtxSynchronize")


def kinds():
    """What `take` knows."""
    return list(_TAKE)


def _device():
    return driver._state["device"].value


def _pitched(size):
    address, pitch = ctypes.c_uint64(), ctypes.c_size_t()
    driver._cuda(
        "cuMemAllocPitch_v2", ctypes.byref(address), ctypes.byref(pitch), ctypes.c_size_t(1000),
        ctypes.c_size_t(size // 1024), ctypes.c_uint(4),
    )
    return address


def _managed(size):
    address = ctypes.c_uint64()
    driver._cuda("cuMemAllocManaged", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_uint(ATTACH_GLOBAL))
    # On a real device its pages come when they are touched.
    driver._cuda("cuMemsetD8_v2", address, ctypes.c_ubyte(1), ctypes.c_size_t(size))
    driver._cuda("cuCtxSynchronize")
    return address


def _async(size):
    address = ctypes.c_uint64()
    driver._cuda("cuMemAllocAsync", ctypes.byref(address), ctypes.c_size_t(size), None)
    return address


def _small(size):
    return [driver._alloc(4096) for _ in range(size // 4096)]


def _physical(size):
    handle, address = ctypes.c_uint64(), ctypes.c_uint64()
    prop = AllocationProp(type=ALLOCATION_PINNED, location_type=LOCATION_DEVICE, location_id=_device())
    driver._cuda("cuMemCreate", ctypes.byref(handle), ctypes.c_size_t(size), ctypes.byref(prop), ctypes.c_ulonglong(0))
    driver._cuda(
        "cuMemAddressReserve", ctypes.byref(address), ctypes.c_size_t(size), ctypes.c_size_t(0), ctypes.c_uint64(0),
        ctypes.c_ulonglong(0),
    )
    driver._cuda("cuMemMap", address, ctypes.c_size_t(size), ctypes.c_size_t(0), handle, ctypes.c_ulonglong(0))
    # Released at once: the mapping alone keeps it.
    driver._cuda("cuMemRelease", handle)
    return address, size


def _unmap(taken):
    address, size = taken
    driver._cuda("cuMemUnmap", address, ctypes.c_size_t(size))
    driver._cuda("cuMemAddressFree", address, ctypes.c_size_t(size))


def _array(size):
    array = ctypes.c_void_p()
    described = ArrayDescriptor(width=1024, height=size // 4096, depth=0, format=FLOAT_FORMAT, channels=1, flags=0)
    driver._cuda("cuArray3DCreate_v2", ctypes.byref(array), ctypes.byref(described))
    return array


def _graph(size):
    graph, node, executable = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    driver._cuda("cuGraphCreate", ctypes.byref(graph), ctypes.c_uint(0))
    params = AllocNodeParams(
        pool=PoolProps(alloc_type=ALLOCATION_PINNED, location_type=LOCATION_DEVICE, location_id=_device()), size=size,
    )
    driver._cuda("cuGraphAddMemAllocNode", ctypes.byref(node), graph, None, ctypes.c_size_t(0), ctypes.byref(params))
    freed = ctypes.c_void_p()
    driver._cuda(
        "cuGraphAddMemFreeNode", ctypes.byref(freed), graph, ctypes.byref(node), ctypes.c_size_t(1),
        ctypes.c_uint64(params.address),
    )
    driver._cuda("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
    driver._cuda("cuGraphLaunch", executable, None)
    driver._cuda("cuCtxSynchronize")
    return graph, executable


def _end_graph(taken):
    graph, executable = taken
    driver._cuda("cuGraphExecDestroy", executable)
    driver._cuda("cuGraphDestroy", graph)
    driver._cuda("cuDeviceGraphMemTrim", ctypes.c_int(_device()))


def _heap(size):
    before = ctypes.c_size_t()
    driver._cuda("cuCtxGetLimit", ctypes.byref(before), ctypes.c_int(MALLOC_HEAP))
    driver._cuda("cuCtxSetLimit", ctypes.c_int(MALLOC_HEAP), ctypes.c_size_t(size))
    return before


def _free(address):
    driver._cuda("cuMemFree_v2", address)


_TAKE = {
    "linear": driver._alloc, "small": _small, "pitched": _pitched, "managed": _managed, "async": _async,
    "physical": _physical, "array": _array, "graph": _graph, "heap": _heap,
}
_GIVE = {
    "linear": _free, "small": lambda all_of_it: [_free(address) for address in all_of_it], "pitched": _free,
    "managed": _free, "async": lambda address: driver._cuda("cuMemFreeAsync", address, None), "physical": _unmap,
    "array": lambda array: driver._cuda("cuArrayDestroy", array), "graph": _end_graph,
    "heap": lambda before: driver._cuda("cuCtxSetLimit", ctypes.c_int(MALLOC_HEAP), before),
}
