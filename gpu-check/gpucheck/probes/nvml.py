"""NVML through ctypes: what the device says of itself, and the views of a program in a container."""

import ctypes

NOT_AVAILABLE = 2**64 - 1  # NVML_VALUE_NOT_AVAILABLE
INSUFFICIENT_SIZE = 7
MEMORY_V2 = 0x2000028

_state = {}


class Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class MemoryV2(ctypes.Structure):
    """nvmlMemory_v2_t."""

    _fields_ = [("version", ctypes.c_uint)] + [(name, ctypes.c_ulonglong) for name in ("total", "reserved", "free", "used")]


class ProcessInfo(ctypes.Structure):
    """nvmlProcessInfo_t as nvmlDeviceGetComputeRunningProcesses_v3 fills it."""

    _fields_ = [
        ("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong),
        ("gpu_instance", ctypes.c_uint), ("compute_instance", ctypes.c_uint),
    ]


def _call(name, *arguments, allowed=()):
    code = getattr(_state["nvml"], name)(*arguments)
    if code and code not in allowed:
        raise RuntimeError(f"{name} returned {code}")
    return code


def open_device(index):
    """Opens NVML and a device; its name and the driver's versions."""
    _state["nvml"] = ctypes.CDLL("libnvidia-ml.so.1")
    _call("nvmlInit_v2")
    handle = ctypes.c_void_p()
    _call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
    _state["device"] = handle
    name, driver = ctypes.create_string_buffer(96), ctypes.create_string_buffer(80)
    _call("nvmlDeviceGetName", handle, name, ctypes.c_uint(96))
    _call("nvmlSystemGetDriverVersion", driver, ctypes.c_uint(80))
    cuda = ctypes.c_int()
    _call("nvmlSystemGetCudaDriverVersion_v2", ctypes.byref(cuda))
    return {"name": name.value.decode(), "driver": driver.value.decode(), "cuda_driver_version": cuda.value}


def memory():
    """The device's memory by both forms of nvmlDeviceGetMemoryInfo, in bytes."""
    one, two = Memory(), MemoryV2(version=MEMORY_V2)
    _call("nvmlDeviceGetMemoryInfo", _state["device"], ctypes.byref(one))
    _call("nvmlDeviceGetMemoryInfo_v2", _state["device"], ctypes.byref(two))
    return {
        "v1": {"total": one.total, "free": one.free, "used": one.used},
        "v2": {"total": two.total, "reserved": two.reserved, "free": two.free, "used": two.used},
    }


def processes():
    """Bytes used by process id, as NVML lists compute processes; None where it gives no figure."""
    room = 64
    while True:
        count, rows = ctypes.c_uint(room), (ProcessInfo * room)()
        code = _call(
            "nvmlDeviceGetComputeRunningProcesses_v3", _state["device"], ctypes.byref(count), rows,
            allowed=(INSUFFICIENT_SIZE,),
        )
        if not code:
            return {str(row.pid): None if row.used == NOT_AVAILABLE else row.used for row in rows[: count.value]}
        room = max(count.value, room) * 2


def snapshot():
    """Device memory in use without the driver's reserve, what is free, and the processes; in bytes."""
    now = memory()["v2"]
    return {"used": now["used"], "free": now["free"], "total": now["total"], "processes": processes()}
