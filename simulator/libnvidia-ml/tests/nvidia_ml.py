"""Asks nvidia-ml-py everything about one idle device's memory, processes and utilisation; prints its name and size."""

import pynvml

pynvml.nvmlInit()
assert pynvml.nvmlDeviceGetCount() == 1
device = pynvml.nvmlDeviceGetHandleByIndex(0)
first = pynvml.nvmlDeviceGetMemoryInfo(device)
second = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
assert (first.total, first.used, first.free) == (second.total, second.used, second.free)
assert first.used + first.free == first.total
for form in ("", "_v2", "_v3"):
    for kind in ("Compute", "Graphics", "MPSCompute"):
        assert getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses{form}")(device) == []
assert pynvml.nvmlDeviceGetUtilizationRates(device).gpu == 0
try:
    pynvml.nvmlDeviceGetProcessUtilization(device, 0)
except pynvml.NVMLError_NotFound:
    pass
else:
    raise AssertionError("an idle device has no process samples")
same = pynvml.nvmlDeviceGetHandleByUUID(pynvml.nvmlDeviceGetUUID(device))
assert pynvml.nvmlDeviceGetIndex(same) == 0
try:
    pynvml.nvmlDeviceGetHandleByIndex(1)
except pynvml.NVMLError_InvalidArgument:
    pass
else:
    raise AssertionError("there is no second device")
print(pynvml.nvmlDeviceGetName(device), first.total >> 20, "MiB")
pynvml.nvmlShutdown()
