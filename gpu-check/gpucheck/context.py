"""What a check works with: environments with and without the library, workers, and a look at the device from outside."""

import itertools
import os
from pathlib import Path

from . import harness, locate
from .harness import Failure

MIB = 1 << 20
GIB = 1 << 30
QUOTA = 4 * GIB
# A context grows with the kernels loaded into it, after it was measured: the charge may lag the driver's figure by this.
CONTEXT_TOLERANCE = 64 * MIB

# Variables that would change what is measured: the library's own (HAMi's names), and PyTorch's allocator settings.
_DROPPED = (
    "LD_PRELOAD", "CUDA_DEVICE_", "CUDA_TASK_PRIORITY", "GPU_CORE_UTILIZATION_POLICY", "CUDA_OVERSUBSCRIBE",
    "LIBCUDA_LOG_LEVEL", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_NVML_BASED_CUDA_CHECK",
    "CUDA_LAUNCH_BLOCKING", "NPU_", "ASCEND_DEVICE_", "HAMI_",
)


def base_environment(device, mark):
    """The environment of a program without the library, that sees only the device under test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    kept |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": str(device), harness.MARK: mark}
    kept |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept


class Context:
    """One run's settings and tools, shared by all checks."""

    def __init__(self, lib, device, workdir, mark, clock):
        self.lib = Path(lib)
        self.device = device
        self.workdir = Path(workdir)
        self.clock = clock
        self.native = base_environment(device, mark)
        # Not the machine's own: what this run's tenants write there ends with it.
        self.turns = str(self.workdir / "turns")
        self.workers = []
        self.facts = {}
        self.measurements = {}
        self.observer = harness.Worker("nvml", self.native, clock, "observer")
        self._idle = None
        self._containers = itertools.count()

    # Environments

    def container(self):
        """A new region path: processes that are given the same one share one quota."""
        return str(self.workdir / f"container-{next(self._containers)}.cache")

    def hooked(self, limit=None, container=None, **more):
        """The environment of a program under the library: `limit` as the text of CUDA_DEVICE_MEMORY_LIMIT."""
        env = self.native | {"LD_PRELOAD": str(self.lib)} | more
        if limit is not None:
            env["CUDA_DEVICE_MEMORY_LIMIT"] = limit
            env["CUDA_DEVICE_MEMORY_SHARED_CACHE"] = container or self.container()
        return env

    def tenant(self, cores, policy=None, limit=None):
        """The environment of a container of its own that has `cores` percent of the device, and `limit` of its memory."""
        env = self.hooked(limit, CUDA_DEVICE_SM_LIMIT=str(cores), HAMI_TURNS=self.turns)
        env["CUDA_DEVICE_MEMORY_SHARED_CACHE"] = env.get("CUDA_DEVICE_MEMORY_SHARED_CACHE", self.container())
        return env | ({"GPU_CORE_UTILIZATION_POLICY": policy} if policy else {})

    # Programs

    def run(self, argv, env, timeout=20.0):
        """Runs a program to its end."""
        return harness.run(argv, env, self.clock, timeout)

    def worker(self, module, env, label=""):
        """A worker that ends with the running check. One that should have the library loaded is held to it."""
        worker = harness.Worker(module, env, self.clock, label)
        self.workers.append(worker)
        return worker

    def runtime(self, env, label="libcudart program"):
        """A worker that calls libcudart, with its device context made."""
        worker = self.worker("runtime", env, label)
        worker.call("open_library", path=locate.cudart())
        self.hold_to_preload(worker, env)
        return worker

    def pytorch(self, env, label="PyTorch program"):
        """A worker that has imported PyTorch and made its device context."""
        return self.pytorch_programs({label: env})[0]

    def pytorch_programs(self, environments, module="pytorch"):
        """Such workers by label and environment, started at the same time: importing PyTorch takes seconds."""
        return self.programs(module, environments)

    def programs(self, module, environments):
        """Workers of a probe module that has a function `start`, started at the same time."""
        workers = [self.worker(module, env, label) for label, env in environments.items()]
        for worker in workers:
            worker.send("start")
        for worker, env in zip(workers, environments.values()):
            worker.receive(timeout=60.0)
            self.hold_to_preload(worker, env)
        return workers

    def hold_to_preload(self, worker, env):
        """Raises Failure unless the worker has the library mapped exactly when `env` asks for it."""
        mapped = self.lib.name in Path(f"/proc/{worker.pid}/maps").read_text()
        if mapped != ("LD_PRELOAD" in env):
            raise Failure(f"{worker.label}: {self.lib.name} is {'' if mapped else 'not '}mapped in it")

    def end_workers(self):
        """Ends the running check's workers."""
        for worker in self.workers:
            worker.close()
        self.workers.clear()

    # The device from outside

    def settle(self):
        """Waits until the memory of ended programs is back (10 s at most), then a snapshot to compare with."""
        if self._idle is None:
            self._idle = self.observer.call("snapshot")
        harness.poll(lambda: self.observer.call("snapshot")["used"] <= self._idle["used"] + 8 * MIB, 10.0, 0.02)
        return self.observer.call("snapshot")

    def real_use(self, before):
        """Device memory taken since `before`: (bytes, source). NVML's per-process figures where it gives them."""
        now = self.observer.call("snapshot")
        new = [size for pid, size in now["processes"].items() if pid not in before["processes"]]
        if new and None not in new:
            return sum(new), "NVML process list"
        return now["used"] - before["used"], "NVML device use"
