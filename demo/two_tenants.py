"""Two tenants under quotas on one device: what each sees, what is refused, what a killed process leaves."""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from device import Real, Simulated, outside
from report import ReaderGone, Report
from tenant import MIB, DemoError, Tenant

GRANTED = "granted"
OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"

# How long memory may take to come back until the demo calls it lost; it is measured, and takes milliseconds.
RETURN_LIMIT_S = 5.0

# On a real device the driver's own figure holds small things that are nobody's allocation.
REAL_TOLERANCE = 0.05


def mib(count):
    return f"{count / MIB:.0f} MiB"


class Demo:
    def __init__(self, options, folder):
        self.report = Report()
        self.holder, self.nvidia_smi = shlex.quote(options.holder), shlex.quote(options.nvidia_smi)
        self.real = options.world == "real"
        self.tolerance = REAL_TOLERANCE if self.real else 0
        hami_run, self.smi_device = [options.hami, "run"], ""
        if self.real:
            # By UUID: CUDA and nvidia-smi may number the devices differently.
            listed = subprocess.run([options.nvidia_smi, "-L"], env=outside(), check=True, stdout=subprocess.PIPE, text=True)
            uuid = re.search(r"GPU-[0-9a-f-]+", listed.stdout)[0]
            self.device = Real(options.nvidia_smi, uuid)
            hami_run += ["--device", uuid]
            self.smi_device = f" -i {uuid}"
        else:
            self.device = Simulated(options.simgpu)
        what, truth = self.device.describe()
        self.report.heading(f"Two tenants on {what}")
        self.report.say(f"What the device itself says comes from {truth}.")
        self.before = self.device.used()
        self.tenants = [Tenant(name, [*hami_run, "--memory", size], folder) for name, size in (("A", "4g"), ("B", "8g"))]

    def say(self, text):
        self.report.say(text)

    def smi(self, tenant):
        """Total and used bytes as the tenant's own nvidia-smi has them."""
        query = "--query-gpu=memory.total,memory.used --format=csv,noheader,nounits"
        total, used = tenant.run(f"{self.nvidia_smi}{self.smi_device} {query}").split(",")
        return int(total) * MIB, int(used) * MIB

    def side_by_side(self):
        """Both at once: each holds memory, and sees its own part as the whole device."""
        a, b = self.tenants
        self.report.heading("1. Both hold memory at the same time")
        self.say("A: hami run --memory 4g -- sh      two processes, 2048 and 512 MiB")
        self.say("B: hami run --memory 8g -- sh      one process, 6144 MiB")
        self.a1, self.a2, self.b1 = a.start(self.holder), a.start(self.holder), b.start(self.holder)
        held = 0
        for process, size in ((self.a1, 2048), (self.a2, 512), (self.b1, 6144)):
            self.report.row(f"{process.name} takes {size} MiB", GRANTED, process.take(size))
            held += size * MIB

        views = []
        for tenant, quota in ((a, 4096 * MIB), (b, 8192 * MIB)):
            self.report.heading(f"   nvidia-smi in tenant {tenant.name}")
            table = tenant.run(f"{self.nvidia_smi}{self.smi_device}")
            memory = [line.strip(" |") for line in table.splitlines() if re.search(r"\d+MiB / +\d+MiB", line)]
            self.report.output(table, "\n".join(memory))
            total, used = self.smi(tenant)
            self.report.row(f"size in {tenant.name}'s nvidia-smi", mib(quota), mib(total))
            free, whole = map(int, tenant.holders[-1].ask("info").split())
            self.report.row(f"cuMemGetInfo in {tenant.name} agrees", f"{mib(used)} of {mib(total)}", f"{mib(whole - free)} of {mib(whole)}")
            views.append(used)

        on_device = self.device.used() - self.before
        self.report.row("used in A and B, against the device", *self.nearly(on_device, sum(views)))
        self.report.row("device holds at least what was taken", f">= {mib(held)}", mib(on_device), on_device >= held)

    def refusal(self):
        """Over the quota: the driver's own error, and the device never hears of it."""
        self.report.heading("2. An allocation over the quota is refused")
        before = self.device.used()
        total, used = self.smi(self.tenants[0])
        answer = self.a2.take(2048)
        self.say(f"A has {mib(total - used)} left, and its second process asks for 2048 MiB: {answer}")
        self.report.row("A2 takes 2048 MiB over A's quota", OUT_OF_MEMORY, answer)
        self.report.row("device memory taken by the refusal", "0 MiB", mib(self.device.used() - before))
        answer = self.b1.take(1024)
        self.say(f"B has room, and is not concerned: 1024 MiB more, {answer}")
        self.report.row("B1 takes 1024 MiB meanwhile", GRANTED, answer)

    def death_of_a_process(self):
        """A killed process: what it held serves the rest of its tenant."""
        self.report.heading("3. A killed process's memory comes back to its tenant")
        self.a1.kill()
        start = time.monotonic()
        while (answer := self.a2.take(2048)) == OUT_OF_MEMORY and time.monotonic() - start < RETURN_LIMIT_S:
            pass
        took = f"{(time.monotonic() - start) * 1000:.1f} ms"
        self.say(f"A's first process gets SIGKILL; its second asks for the 2048 MiB again: {answer} after {took}")
        self.report.row("A2 takes 2048 MiB once A1 was killed", GRANTED, f"{answer}, after {took}", answer == GRANTED)
        for process in (self.a2, self.b1):
            self.report.row(f"what {process.name} wrote", "intact", process.ask("check"))

    def death_of_a_tenant(self):
        """A tenant whose every process is killed: the device has its memory back."""
        self.report.heading("4. A killed tenant leaves nothing on the device")
        _, used = self.smi(self.tenants[1])
        held = self.device.used()
        self.b1.kill()
        took, left = self.wait_for_device(lambda now: held - now >= used * (1 - self.tolerance))
        self.say(f"B's only process gets SIGKILL: {mib(held - left)} are free on the device after {took}")
        self.report.row("device memory freed by B's death", *self.nearly(used, held - left))

    def end(self):
        """All ends: the device is as it was."""
        for tenant in self.tenants:
            tenant.end()
        _, left = self.wait_for_device(lambda now: now <= self.before)
        self.report.row("device memory left in use at the end", mib(self.before), mib(left))

    def wait_for_device(self, satisfied):
        """Asks the device until `satisfied` with the bytes in use, or too long; how long that took, and the last figure."""
        start = time.monotonic()
        while not satisfied(left := self.device.used()) and time.monotonic() - start < RETURN_LIMIT_S:
            pass
        return f"{(time.monotonic() - start) * 1000:.1f} ms", left

    def nearly(self, asked, observed):
        """Cells and verdict of a row in which the device's figure may differ by the tolerance."""
        label = mib(asked) + (f" ±{self.tolerance:.0%}" if self.tolerance else "")
        return label, mib(observed), abs(observed - asked) <= self.tolerance * asked


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=["real", "simulated"], required=True, help="which kind of device this is")
    parser.add_argument("--hami", required=True, help="the program hami")
    parser.add_argument("--holder", required=True, help="holder.c, compiled")
    parser.add_argument("--nvidia-smi", required=True, help="the real nvidia-smi")
    parser.add_argument("--simgpu", help="the simulator's program, for --world simulated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            demo = Demo(options, folder)
            demo.side_by_side()
            demo.refusal()
            demo.death_of_a_process()
            demo.death_of_a_tenant()
            demo.end()
        except (DemoError, OSError, subprocess.CalledProcessError) as error:
            print(f"demo: {error}", file=sys.stderr)
            return 1
        except ReaderGone:
            # What is still buffered has nowhere to go; Python would complain about it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE  # as a shell reports a program that a closed pipe ended
        except KeyboardInterrupt:
            return 130  # the programs end with their pipes
        return 0 if demo.report.close() else 1


if __name__ == "__main__":
    sys.exit(main())
