"""What nvidia-smi and NVML clients show inside a container."""

import re

from .. import locate
from ..context import GIB, MIB, QUOTA
from ..harness import Failure
from ..judge import mib
from ..registry import check
from .quota import raise_problems

QUERY = ["--query-gpu=memory.total,memory.used,memory.free", "--format=csv,noheader,nounits"]
HELD = GIB


def smi(ctx, env, *arguments):
    """nvidia-smi on the device under test; raises Failure when it fails."""
    done = ctx.run([locate.nvidia_smi(), "-i", str(ctx.device), *arguments], env, 20.0)
    if done.status:
        raise Failure(f"nvidia-smi {' '.join(arguments)} ended with {done.status}: {(done.out + done.err).strip()[-300:]}")
    return done


def query(ctx, env):
    """nvidia-smi's total, used and free, in MiB."""
    out = smi(ctx, env, *QUERY).out
    numbers = [int(part) for part in re.findall(r"\d+", out)]
    if len(numbers) != 3:
        raise Failure(f"nvidia-smi gives no three numbers: {out.strip()!r}")
    return dict(zip(("total", "used", "free"), numbers))


@check("nvidia-smi: shows the quota, and no line of ours", 60.0, needs=("nvidia-smi",))
def shows_quota(ctx):
    """The plain table, the query and -q all show 4096 MiB; stderr is what it is without the library."""
    problems = []
    env = ctx.hooked("4g")
    shown = query(ctx, env)
    if shown["total"] != QUOTA // MIB or abs(shown["total"] - shown["used"] - shown["free"]) > 1:
        problems.append(f"the query shows {shown}")
    plain, native = smi(ctx, env), smi(ctx, ctx.native)
    if not re.search(r"/\s*4096MiB", plain.out):
        problems.append("the plain table does not show '/ 4096MiB'")
    if len(plain.out.splitlines()) > len(native.out.splitlines()) or "hami" in plain.out.lower():
        problems.append("the plain table has lines that nvidia-smi did not print without the library")
    if plain.err != native.err:
        problems.append(f"stderr: {plain.err.strip()!r}, without the library {native.err.strip()!r}")
    details = smi(ctx, env, "-q", "-d", "MEMORY").out
    if not re.search(r"FB Memory Usage\s+Total\s*:\s*4096 MiB", details):
        problems.append("-q -d MEMORY does not show a total of 4096 MiB")
    raise_problems(problems)
    return f"{shown['used']} MiB used in an empty container"


@check("nvidia-smi: shows the use of its container", 60.0, needs=("nvidia-smi", "cudart"))
def shows_use(ctx):
    """While a tenant holds memory, nvidia-smi in the same container agrees with it, and another container sees none."""
    env = ctx.hooked("4g")
    tenant = ctx.runtime(env)
    if tenant.call("take", kind="malloc", size=HELD):
        raise Failure("1 GiB was refused under 4 GiB")
    used = tenant.call("mem_info")["used"]
    same, other = query(ctx, env), query(ctx, ctx.hooked("4g"))
    problems = []
    if abs(same["used"] * MIB - used) > MIB or same["used"] * MIB < HELD:
        problems.append(f"nvidia-smi shows {same['used']} MiB used, the tenant {mib(used)}")
    # Each figure is rounded to a MiB by itself.
    if abs(same["total"] - same["used"] - same["free"]) > 1:
        problems.append(f"total − used ≠ free: {same}")
    if other["used"] * MIB >= HELD:
        problems.append(f"another container's nvidia-smi shows {other['used']} MiB used")
    raise_problems(problems)
    return f"{same['used']} MiB in the container, {other['used']} MiB in another"


def agree(view, used):
    """Problems in an NVML view, both forms, of a container whose tenant counts `used` bytes."""
    problems = []
    for form, shown in view.items():
        if shown["total"] != QUOTA or shown["used"] != used or shown["free"] != QUOTA - used:
            problems.append(f"{form} shows {shown}; the tenant has {used} of {QUOTA} in use")
    return problems


@check("NVML by direct calls: agrees with the tenant", 30.0, needs=("cudart",))
def nvml(ctx):
    """nvmlDeviceGetMemoryInfo and _v2 agree with cudaMemGetInfo to the byte."""
    env = ctx.hooked("4g")
    tenant = ctx.runtime(env)
    tenant.call("take", kind="malloc", size=HELD)
    client = ctx.worker("nvml", env, "NVML program")
    client.call("open_device", index=ctx.device)
    raise_problems(agree(client.call("memory"), tenant.call("mem_info")["used"]))
    return ""


@check("nvidia-ml-py: agrees with the tenant", 30.0, needs=("pynvml", "cudart"))
def pynvml(ctx):
    """The same through pynvml."""
    env = ctx.hooked("4g")
    tenant = ctx.runtime(env)
    tenant.call("take", kind="malloc", size=HELD)
    view = ctx.worker("nvml_py", env, "pynvml program").call("view", index=ctx.device)
    raise_problems(agree(view, tenant.call("mem_info")["used"]))
    return ""
