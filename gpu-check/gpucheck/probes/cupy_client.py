"""CuPy as a tenant."""

_state = {}


def start():
    """Imports CuPy and makes its context; its version."""
    import cupy

    _state["cupy"] = cupy
    _state["first"] = cupy.zeros(1)
    return cupy.__version__


def mem_info():
    """CuPy's cudaMemGetInfo, in bytes."""
    free, total = _state["cupy"].cuda.runtime.memGetInfo()
    return {"free": free, "total": total}


def take(size):
    """One array of `size` bytes, kept; whether it was granted (only CuPy's OutOfMemoryError is caught)."""
    cupy = _state["cupy"]
    try:
        _state["array"] = cupy.full(size, 3, dtype=cupy.uint8)
        cupy.cuda.runtime.deviceSynchronize()
    except cupy.cuda.memory.OutOfMemoryError:
        return False
    return True


def array_sum():
    """The sum over the kept array."""
    return int(_state["array"].sum(dtype="uint64"))
