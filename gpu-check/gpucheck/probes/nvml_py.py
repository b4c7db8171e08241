"""nvidia-ml-py (pynvml) in a container."""


def view(index):
    """The device's memory as pynvml shows it, both forms, in bytes."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    one = pynvml.nvmlDeviceGetMemoryInfo(handle)
    two = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    return {form: {"total": int(v.total), "free": int(v.free), "used": int(v.used)} for form, v in (("v1", one), ("v2", two))}
