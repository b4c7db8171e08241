"""Compute through the driver API: kernels of a known length, endless ones, ones that wait for the host or for a peer."""

import ctypes
import time

from . import loops, ptx

SM_COUNT = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
EVENT_BLOCKING, EVENT_DEFAULT = 1, 0
STREAM_NON_BLOCKING = 1
HOST_MAPPED = 3  # CU_MEMHOSTALLOC_PORTABLE and DEVICEMAP
BLOCKS_PER_SM, THREADS = 8, 256

_state = {}


def _cuda(name, *arguments):
    code = getattr(_state["cuda"], name)(*arguments)
    if code:
        raise RuntimeError(f"{name} returned {code}")


def _device(ordinal):
    """Context, kernels, two streams and memory of a device; makes its context current."""
    devices = _state["devices"]
    if ordinal in devices:
        _cuda("cuCtxSetCurrent", devices[ordinal]["context"])
        return devices[ordinal]
    device, context, module, sms = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_int()
    _cuda("cuDeviceGet", ctypes.byref(device), ordinal)
    _cuda("cuDeviceGetAttribute", ctypes.byref(sms), SM_COUNT, device)
    _cuda("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    _cuda("cuCtxSetCurrent", context)
    _cuda("cuModuleLoadData", ctypes.byref(module), ptx.image().encode())
    streams = []
    for _ in range(2):
        stream = ctypes.c_void_p()
        _cuda("cuStreamCreate", ctypes.byref(stream), STREAM_NON_BLOCKING)
        streams.append(stream)
    memory = ctypes.c_uint64()
    _cuda("cuMemAlloc_v2", ctypes.byref(memory), ctypes.c_size_t(4096))
    _cuda("cuMemsetD8_v2", memory, ctypes.c_ubyte(0), ctypes.c_size_t(4096))
    _cuda("cuCtxSynchronize")
    devices[ordinal] = {
        "context": context, "module": module, "functions": {}, "streams": streams, "memory": memory.value,
        "blocks": sms.value * BLOCKS_PER_SM,
    }
    return devices[ordinal]


def start():
    """Initialises the driver and prepares device 0; the number of devices."""
    _state.update(cuda=ctypes.CDLL("libcuda.so.1"), devices={})
    count = ctypes.c_int()
    _cuda("cuInit", 0)
    _cuda("cuDeviceGetCount", ctypes.byref(count))
    _device(0)
    return count.value


def _launcher(name, n=0, a=None, b=0, wide=True, stream=0, ordinal=0):
    """A function that launches the kernel once; what can be prepared is prepared once."""
    device = _device(ordinal)
    if name not in device["functions"]:
        function = ctypes.c_void_p()
        _cuda("cuModuleGetFunction", ctypes.byref(function), device["module"], name.encode())
        device["functions"][name] = function
    values = [ctypes.c_uint64(device["memory"] if a is None else a), ctypes.c_uint64(b), ctypes.c_uint32(n)]
    parameters = (ctypes.c_void_p * 3)(*[ctypes.cast(ctypes.byref(value), ctypes.c_void_p) for value in values])
    blocks, threads = (device["blocks"], THREADS) if wide else (1, 1)
    arguments = (device["functions"][name], blocks, 1, 1, threads, 1, 1, 0, device["streams"][stream], parameters, None)
    launch = _state["cuda"].cuLaunchKernel

    def once(_kept=values):
        code = launch(*arguments)
        if code:
            raise RuntimeError(f"cuLaunchKernel of {name} returned {code}")

    return once


def _event(flags):
    event = ctypes.c_void_p()
    _cuda("cuEventCreate", ctypes.byref(event), flags)
    return event


def _elapsed_us(launch, count=1, stream=0):
    """Microseconds by the program's own timing events around `count` launches, by launch."""
    if "events" not in _state:
        _state["events"] = (_event(EVENT_DEFAULT), _event(EVENT_DEFAULT))
    first, last = _state["events"]
    handle, elapsed = _device(0)["streams"][stream], ctypes.c_float()
    _cuda("cuEventRecord", first, handle)
    for _ in range(count):
        launch()
    _cuda("cuEventRecord", last, handle)
    _cuda("cuEventSynchronize", last)
    _cuda("cuEventElapsedTime", ctypes.byref(elapsed), first, last)
    return elapsed.value * 1000 / count


def calibrate(microseconds):
    """The `n` with which this length's kernel takes about that long on this device, and how long it then takes."""
    name, n = ptx.work_name(microseconds), 64
    while n < 1 << 28 and _elapsed_us(_launcher(name, n), 3) < microseconds / 2:
        n *= 2
    for _ in range(2):
        # Idle devices clock up under load: the second round corrects the first.
        n = max(1, round(n * microseconds / _elapsed_us(_launcher(name, n), 20)))
    return {"n": n, "microseconds": round(_elapsed_us(_launcher(name, n), 20), 2)}


def saturate(microseconds, n, start_ns, seconds):
    """Keeps the device busy with kernels of this length: iterations of each batch, and when each batch was done."""
    launch, batch = _launcher(ptx.work_name(microseconds), n), loops.batch_of(microseconds)
    stream, events = _device(0)["streams"][0], [_event(EVENT_BLOCKING) for _ in range(loops.AHEAD + 1)]
    turn = 0

    def submit():
        for _ in range(batch):
            launch()

    def record():
        nonlocal turn
        turn += 1
        event = events[turn % len(events)]
        _cuda("cuEventRecord", event, stream)
        return event

    ends = loops.saturate(submit, record, lambda event: _cuda("cuEventSynchronize", event), start_ns, seconds)
    for event in events:
        _cuda("cuEventDestroy_v2", event)
    return {"batch": batch, "ends": ends}


def singles(microseconds, n, count, gap_s):
    """Microseconds that timing events show around single kernels, `gap_s` seconds apart."""
    launch, seen = _launcher(ptx.work_name(microseconds), n), []
    for _ in range(count):
        seen.append(_elapsed_us(launch))
        time.sleep(gap_s)
    return seen


def crowded(microseconds, n, count):
    """As `singles`, with no gap: under a cap, some of the launches between two events wait."""
    return singles(microseconds, n, count, 0.0)


def endless():
    """Starts a kernel that fills the device and never ends."""
    _launcher(ptx.ENDLESS)()


def persistent_beside(microseconds, n, count):
    """Starts one block that waits for the host, `count` kernels in another stream beside it, and lets it end when they have.

    Seconds until the other stream was done, and until everything was."""
    host, address = ctypes.c_void_p(), ctypes.c_uint64()
    device = _device(0)
    _cuda("cuMemHostAlloc", ctypes.byref(host), ctypes.c_size_t(4096), HOST_MAPPED)
    flag = ctypes.cast(host, ctypes.POINTER(ctypes.c_uint32))
    flag[0] = 0
    _cuda("cuMemHostGetDevicePointer_v2", ctypes.byref(address), host, 0)
    launch = _launcher(ptx.work_name(microseconds), n, stream=1)
    begin = time.monotonic()
    _launcher(ptx.PERSISTENT, a=address.value, wide=False)()
    for _ in range(count):
        launch()
    _cuda("cuStreamSynchronize", device["streams"][1])
    beside = time.monotonic() - begin
    flag[0] = 1
    _cuda("cuStreamSynchronize", device["streams"][0])
    both = time.monotonic() - begin
    _cuda("cuMemFreeHost", host)
    return {"beside_s": round(beside, 4), "all_s": round(both, 4)}


def meet(rounds, start_ns):
    """On devices 0 and 1, `rounds` times: a kernel on each that waits until the other one runs. Seconds of it all."""
    host = ctypes.c_void_p()
    _device(0)
    _cuda("cuMemHostAlloc", ctypes.byref(host), ctypes.c_size_t(4096), HOST_MAPPED)
    ctypes.memset(host, 0, 4096)
    words = [host.value, host.value + 2048]  # one address in every context, as the memory is portable
    while time.monotonic_ns() < start_ns:
        time.sleep(0.001)
    begin = time.monotonic()
    for number in range(1, rounds + 1):
        for ordinal in (0, 1):
            mine, peer = words[ordinal], words[1 - ordinal]
            _launcher(ptx.PEER, n=number, a=mine, b=peer, wide=False, ordinal=ordinal)()
    for ordinal in (0, 1):
        _cuda("cuStreamSynchronize", _device(ordinal)["streams"][0])
    return round(time.monotonic() - begin, 4)
