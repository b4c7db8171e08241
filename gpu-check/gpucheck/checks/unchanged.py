"""Without limits the library changes nothing; with them it changes no result."""

from ..context import QUOTA
from ..harness import Failure
from ..registry import check
from .quota import raise_problems
from .views import query


@check("unchanged: results of a PyTorch computation", 75.0, needs=("torch",))
def results(ctx):
    """Bit-identical results without the library, with it, and with it under a quota."""
    hashes = {}
    totals = {}
    for program in ctx.pytorch_programs({"native": ctx.native, "library": ctx.hooked(), "quota": ctx.hooked("4g")}):
        hashes[program.label] = program.call("compute", timeout=60.0)
        totals[program.label] = program.call("mem_info")["total"]
    problems = [
        f"{result} differs {name}"
        for name in ("library", "quota")
        for result in hashes["native"]
        if hashes[name][result] != hashes["native"][result]
    ]
    if totals["library"] != totals["native"]:
        problems.append(f"mem_get_info's total is {totals['library']} with the library, {totals['native']} without")
    if totals["quota"] != QUOTA:
        problems.append(f"mem_get_info's total is {totals['quota']} under a quota of {QUOTA}")
    raise_problems(problems)
    return f"{len(hashes['native'])} results"


@check("unchanged: nvidia-smi without limits", 30.0, needs=("nvidia-smi",))
def smi_total(ctx):
    """The total is the device's."""
    native, hooked = query(ctx, ctx.native), query(ctx, ctx.hooked())
    if native["total"] != hooked["total"]:
        raise Failure(f"total {hooked['total']} MiB with the library, {native['total']} MiB without")
    return f"{hooked['total']} MiB"


@check("unchanged: the host process", 30.0, needs=("cudart",))
def host_process(ctx):
    """Threads, umask and signal dispositions of a program that has allocated are the same with the library."""
    states = {}
    for name, env in (("native", ctx.native), ("library", ctx.hooked())):
        program = ctx.runtime(env, f"libcudart program ({name})")
        program.call("take", kind="malloc", size=1 << 20)
        states[name] = program.call("process_state")
    if states["native"] != states["library"]:
        raise Failure(f"{states['library']} with the library, {states['native']} without")
    return ""
