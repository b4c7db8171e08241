"""What is charged is what the device gave: each kind of memory against NVML's figure for the process."""

from ..context import MIB
from ..harness import Failure
from ..judge import mib
from ..registry import check
from .quota import raise_problems

SIZE = 64 * MIB
# One page: the step in which NVML's figures move.
TOLERANCE = 2 * MIB


@check("each kind of memory is charged as NVML counts it", 60.0)
def each_kind(ctx):
    """Linear, small, pitched, managed, stream-ordered, physical, array, graph memory, heap: taken and given back."""
    before = ctx.settle()
    tenant = ctx.worker("kinds", ctx.hooked("4g"), "program that takes each kind of memory")
    tenant.call("start")

    def difference():
        real, source = ctx.real_use(before)
        if source != "NVML process list":
            raise Failure(f"NVML does not list the program's memory ({source}): nothing to compare with")
        return tenant.call("used") - real

    start = difference()
    rows, problems = {"context": start / MIB}, []
    for kind in tenant.call("kinds"):
        try:
            tenant.call("take", kind=kind, size=SIZE)
        except Failure as error:
            problems.append(f"{kind}: {error}")
            continue
        held = difference()
        tenant.call("give", kind=kind)
        after = difference()
        rows[kind] = {"held": held / MIB, "after": after / MIB}
        for moment, off in (("held", held - start), ("given back", after - start)):
            if abs(off) > TOLERANCE:
                problems.append(f"{kind}, {moment}: charged {mib(off)} more than NVML counts")
    ctx.measurements["charged_minus_nvml_mib"] = rows
    if abs(start) > TOLERANCE:
        problems.append(f"the context alone: charged {mib(start)} more than NVML counts")
    raise_problems(problems)
    return f"{len(rows) - 1} kinds within {mib(TOLERANCE)}"
