"""Real numba under a quota of 1 GiB, and nvidia-ml-py in the same process: prints a line for each thing it saw."""

import subprocess
import sys

import numpy
import pynvml
from numba import cuda
from numba.cuda.cudadrv.driver import CudaAPIError

MIB = 1 << 20


@cuda.jit
def change_nothing(values):
    """A kernel to compile and launch. Simulated devices run no kernels, so it has no result whose absence could be seen."""


# The same question from a process of its own.
ELSEWHERE = """
import pynvml
pynvml.nvmlInit()
memory = pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(0))
print(memory.used, memory.total, memory.free)
"""


def show(when):
    """Prints used, total and free bytes as CUDA, as NVML in both versions of its structure, and as another process says."""
    free, total = cuda.current_context().get_memory_info()
    print(when, "cuda", total - free, total, free)
    device = pynvml.nvmlDeviceGetHandleByIndex(0)
    for name, version in (("nvml", None), ("nvml_v2", pynvml.nvmlMemory_v2)):
        memory = pynvml.nvmlDeviceGetMemoryInfo(device, version=version)
        print(when, name, memory.used, memory.total, memory.free)
    other = subprocess.run([sys.executable, "-c", ELSEWHERE], check=True, capture_output=True, text=True)
    print(when, "elsewhere", other.stdout.strip() + other.stderr)


def allocate(mib):
    """Device memory, at once: numba keeps freed memory for a while, and this asks for none of it."""
    return cuda.device_array(mib * MIB, dtype=numpy.uint8)


def main():
    pynvml.nvmlInit()
    cuda.current_context()
    show("empty")
    large = allocate(900)
    show("large")
    try:
        allocate(200)
        print("refused not")
    except CudaAPIError as error:
        print("refused", int(error.code), error)
    show("after_refusal")
    del large
    cuda.current_context().deallocations.clear()
    show("freed")
    again = allocate(900)
    show("again")
    del again
    cuda.current_context().deallocations.clear()

    values = numpy.random.default_rng(1).integers(0, 1 << 30, 1 << 20)
    there = cuda.to_device(values)
    # That the launch is accepted and the data survives it; nothing is computed here.
    change_nothing[(values.size + 127) // 128, 128](there)
    cuda.synchronize()
    print("copied_back_after_launch", (there.copy_to_host() == values).all())
    pinned = cuda.pinned_array_like(values)
    pinned[:] = 0
    there.copy_to_host(pinned)
    print("copied_back_to_pinned", (pinned == values).all())


main()
