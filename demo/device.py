"""What the device itself says, seen from outside every quota."""

import json
import os
import subprocess


def outside():
    """The environment without anything of a tenant."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("LD_PRELOAD", "CUDA_", "HAMI_"))}


class Simulated:
    """A simulated device: its books, which the simulation's server keeps."""

    def __init__(self, simgpu):
        self.simgpu = simgpu

    def books(self):
        text = subprocess.run([self.simgpu, "--books"], env=outside(), check=True, stdout=subprocess.PIPE).stdout
        return json.loads(text)["devices"][0]

    def describe(self):
        return "a simulated device (no NVIDIA device on this machine)", "its server's books (simgpu --books)"

    def used(self):
        """Bytes in use on the device, by everybody."""
        return self.books()["used_bytes"]


class Real:
    """A real device: what its driver tells nvidia-smi outside the quotas."""

    def __init__(self, nvidia_smi, uuid):
        self.nvidia_smi, self.uuid = nvidia_smi, uuid

    def describe(self):
        return f"a real device ({self.uuid})", "the driver (nvidia-smi outside the quotas)"

    def used(self):
        """Bytes in use on the device, by everybody, to the MiB."""
        query = [self.nvidia_smi, "-i", self.uuid, "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        text = subprocess.run(query, env=outside(), check=True, stdout=subprocess.PIPE, text=True).stdout
        return int(text) << 20
