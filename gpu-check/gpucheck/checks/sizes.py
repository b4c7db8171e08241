"""How the quota may be spelled, and what happens when it cannot be read."""

from .. import judge
from ..context import GIB, MIB
from ..harness import Failure
from ..registry import check
from .quota import raise_problems

VARIABLE = "CUDA_DEVICE_MEMORY_LIMIT"
SPELLINGS = {
    "4096m": 4 * GIB,
    "4Gi": 4 * GIB,
    "4294967296": 4 * GIB,
    "4GB": 4 * GIB,
    "1.5GiB": 3 * GIB // 2,
    "4194304K": 4 * GIB,
}
UNREADABLE = ("abc", "-1", "12q", "5gg")


def device_total(ctx, env):
    """The device's size that cudaMemGetInfo shows under `env`."""
    return ctx.runtime(env).call("mem_info")["total"]


@check("sizes: every spelling of the quota", 60.0, needs=("cudart",))
def spellings(ctx):
    """Each spelling gives the same quota."""
    problems = []
    for text, size in SPELLINGS.items():
        shown = device_total(ctx, ctx.hooked(text))
        ctx.end_workers()
        if shown != size:
            problems.append(f"{text!r} gives {shown} bytes, not {size}")
    raise_problems(problems)
    return ", ".join(SPELLINGS)


@check("sizes: 80GB is the quota or the whole device", 30.0, needs=("cudart",))
def large(ctx):
    """A quota over the device's size shows the device, one below it shows itself."""
    whole = device_total(ctx, ctx.native)
    shown = device_total(ctx, ctx.hooked("80GB"))
    if shown != min(80 * GIB, whole):
        raise Failure(f"80GB on a device of {whole} bytes shows {shown} bytes")
    return f"{shown / GIB:.1f} GiB"


@check("sizes: empty is unset, 0 is no limit", 30.0, needs=("cudart",))
def unlimited(ctx):
    """HAMi's rule: both leave the device as it is."""
    whole = device_total(ctx, ctx.native)
    shown = {text: device_total(ctx, ctx.hooked(text)) for text in ("", "0")}
    raise_problems([f"{VARIABLE}={text!r} shows {size} bytes, not {whole}" for text, size in shown.items() if size != whole])
    return ""


@check("sizes: what cannot be read grants nothing and says so once", 60.0, needs=("cudart",))
def unreadable(ctx):
    """One line on stderr with the variable and its value; every allocation is out of memory."""
    problems = []
    for value in UNREADABLE:
        tenant = ctx.runtime(ctx.hooked(value))
        codes = [tenant.call("take", kind=kind, size=MIB) for kind in ("malloc", "managed", "malloc")]
        text = tenant.stderr()
        ctx.end_workers()
        if codes != [judge.OUT_OF_MEMORY] * 3:
            problems.append(f"{value!r}: allocations returned {codes}")
        problems += [f"{value!r}: {problem}" for problem in judge.one_line_about(text, VARIABLE, value)]
    raise_problems(problems)
    return ", ".join(UNREADABLE)
