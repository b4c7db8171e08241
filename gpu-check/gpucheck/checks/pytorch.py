"""The quota as PyTorch and CuPy programs meet it."""

from .. import judge
from ..context import CONTEXT_TOLERANCE, GIB, MIB, QUOTA
from ..harness import Failure
from ..judge import mib
from ..registry import check
from .quota import raise_problems

PIECE = 256 * MIB
# What PyTorch and the driver take on the side while tensors are allocated: kernels loaded on first use, a cached block.
SIDE = 64 * MIB


@check("PyTorch: torch.OutOfMemoryError at the quota, and the program goes on", 60.0, needs=("torch",))
def out_of_memory(ctx):
    """Tensors up to the quota, PyTorch's own exception beyond it, and work again after something is freed."""
    before = ctx.settle()
    tenant = ctx.pytorch(ctx.hooked("4g"))
    trace = tenant.call("fill", piece=PIECE, most=QUOTA)
    problems = judge.filled(trace, QUOTA, PIECE, SIDE)
    real, source = ctx.real_use(before)
    problems += judge.within(real, source, QUOTA)
    raise_problems(problems)
    tenant.call("drop", count=2)
    after = tenant.call("mem_info")
    if after["free"] < 2 * PIECE:
        problems.append(f"{mib(after['free'])} free after {mib(2 * PIECE)} were dropped")
    if not tenant.call("take", size=PIECE):
        problems.append(f"{mib(PIECE)} refused after {mib(2 * PIECE)} were dropped")
    if not tenant.call("tensors_intact"):
        problems.append("a tensor's content changed")
    raise_problems(problems)
    return f"{mib(trace['bytes'])} granted, {mib(trace['free'])} free at the exception; {source}: {mib(real)}"


@check("PyTorch: device properties show the quota", 60.0, needs=("torch",))
def properties(ctx):
    """torch.cuda.get_device_properties and mem_get_info give the quota as the device's size."""
    tenant = ctx.pytorch(ctx.hooked("4g"))
    shown = {"mem_get_info": tenant.call("mem_info")["total"], "get_device_properties": tenant.call("device_total")}
    raise_problems([f"{name} shows {size} bytes, not {QUOTA}" for name, size in shown.items() if size != QUOTA])
    return ""


@check("the context is charged", 60.0, needs=("torch",))
def context_charged(ctx):
    """Right after PyTorch made its context and one small tensor, the view agrees with the driver's own figure."""
    before = ctx.settle()
    tenant = ctx.pytorch(ctx.hooked("4g"))
    view = tenant.call("mem_info")
    charged = view["used"]
    real, source = ctx.real_use(before)
    ctx.measurements["context_mib"] = {"charged": charged / MIB, "driver": real / MIB, "source": source}
    detail = f"charged {mib(charged)}; {source}: {mib(real)}; difference {mib(charged - real)}"
    if view["total"] != QUOTA:
        raise Failure(f"the total shown is {view['total']} bytes, not the quota of {QUOTA}: its use cannot be judged")
    if charged <= 0 or abs(charged - real) > CONTEXT_TOLERANCE:
        raise Failure(f"{detail}; at most {mib(CONTEXT_TOLERANCE)} is accepted")
    return detail


@check("CuPy: one array within the quota, one over it", 60.0, needs=("cupy",))
def cupy(ctx):
    """An array of 1 GiB is granted and computes; 4 GiB raise CuPy's own exception, and the first one is intact."""
    env = ctx.hooked("4g")
    tenant = ctx.worker("cupy_client", env, "CuPy program")
    version = tenant.call("start", timeout=60.0)
    ctx.hold_to_preload(tenant, env)
    problems = []
    total = tenant.call("mem_info")["total"]
    if total != QUOTA:
        problems.append(f"memGetInfo shows {total} bytes, not {QUOTA}")
    if not tenant.call("take", size=GIB):
        problems.append("1 GiB was refused")
    if tenant.call("take", size=QUOTA):
        problems.append("4 GiB were granted beside a context under a quota of 4 GiB")
    raise_problems(problems)
    if tenant.call("array_sum") != 3 * GIB:
        raise Failure("the array's content changed")
    return f"CuPy {version}"
