"""The memory quota through the CUDA runtime: every allocating call, and every way a program finds the driver."""

import json
from pathlib import Path

from .. import judge, locate
from ..context import GIB, MIB, QUOTA
from ..harness import Failure
from ..judge import mib
from ..registry import check

PIECE = 64 * MIB
GRANULE = 2 * MIB
POOL_CHUNK = 64 * MIB
MOST_SHOWN = 5
PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


def raise_problems(problems):
    """Raises Failure with the problems, if there are any."""
    shown = problems[:MOST_SHOWN] + [f"and {len(problems) - MOST_SHOWN} more"] * (len(problems) > MOST_SHOWN)
    if problems:
        raise Failure("; ".join(shown))


def fill_and_free(ctx, kind, slack=0, on_device=True):
    """Takes all there is of a 4 GiB quota by one kind of call, frees, takes again; the detail text."""
    before = ctx.settle()
    tenant = ctx.runtime(ctx.hooked("4g"))
    start = tenant.call("mem_info")
    trace = tenant.call("fill", kind=kind, piece=PIECE, most=QUOTA)
    problems = judge.filled(trace, QUOTA, PIECE, slack)
    if trace["used"] < trace["bytes"]:
        problems.append(f"{mib(trace['bytes'])} granted, but only {mib(trace['used'])} shown as used")
    real, source = ctx.real_use(before)
    if on_device:
        problems += judge.within(real, source, QUOTA)
    raise_problems(problems)
    if not tenant.call("round_trip"):
        problems.append("data copied into a granted block came back changed")
    tenant.call("release_one")
    again = tenant.call("take", kind=kind, size=PIECE)
    if again:
        problems.append(f"{mib(PIECE)} refused with error {again} after as much was freed")
    end = tenant.call("release_all")
    if start["free"] - end["free"] > GRANULE:
        problems.append(f"{mib(start['free'] - end['free'])} still charged after everything was freed")
    raise_problems(problems)
    return f"{mib(trace['bytes'])} granted, {mib(trace['free'])} free at the refusal; {source}: {mib(real)}"


@check("preloading prints nothing", 10.0)
def silent(ctx):
    """A program that never uses the device says the same with the library as without, on both streams."""
    for argv in (["/bin/true"], ["/bin/sh", "-c", "echo hello"], ["/bin/ls", "/"]):
        native, hooked = ctx.run(argv, ctx.native), ctx.run(argv, ctx.hooked("4g"))
        if (native.status, native.out, native.err) != (hooked.status, hooked.out, hooked.err):
            raise Failure(f"{argv}: status {hooked.status}, stderr {hooked.err.strip()!r} with the library")
    return ""


@check("quota: cudaMalloc", needs=("cudart",))
def malloc(ctx):
    """cudaMalloc gets the quota and no more, and again after cudaFree."""
    return fill_and_free(ctx, "malloc")


@check("quota: cudaMalloc to the last granule", needs=("cudart",))
def malloc_tail(ctx):
    """What pieces of 64 MiB leave is granted in pieces of 2 MiB, until less than one is left."""
    tenant = ctx.runtime(ctx.hooked("4g"))
    tenant.call("fill", kind="malloc", piece=PIECE, most=QUOTA)
    trace = tenant.call("fill", kind="malloc", piece=GRANULE, most=PIECE)
    problems = [] if trace["code"] == judge.OUT_OF_MEMORY else [f"the last call returned {trace['code']}"]
    if trace["free"] >= GRANULE:
        problems.append(f"2 MiB refused while {mib(trace['free'])} were free")
    raise_problems(problems)
    return f"{trace['free']} bytes free at the last refusal"


@check("quota: cudaMallocPitch", needs=("cudart",))
def pitch(ctx):
    """Rows of one byte are charged by the driver's pitch."""
    return fill_and_free(ctx, "pitch")


@check("quota: cudaMallocManaged", needs=("cudart",))
def managed(ctx):
    """Managed memory counts in full when it is allocated."""
    return fill_and_free(ctx, "managed", on_device=False)


@check("quota: cudaMallocAsync", needs=("cudart",))
def pool(ctx):
    """Stream-ordered memory counts as the pool reserves it."""
    return fill_and_free(ctx, "async", slack=POOL_CHUNK)


@check("quota: one allocation over it", needs=("cudart",))
def too_large(ctx):
    """One call for more than the quota is refused by every kind, and takes nothing."""
    tenant = ctx.runtime(ctx.hooked("4g"))
    start = tenant.call("mem_info")
    problems = []
    for kind in ("malloc", "pitch", "managed", "async"):
        code = tenant.call("take", kind=kind, size=5 * GIB)
        if code != judge.OUT_OF_MEMORY:
            problems.append(f"{kind} of 5 GiB returned {code}, not {judge.OUT_OF_MEMORY}")
        if not code:
            tenant.call("release_one")
    end = tenant.call("mem_info")
    if end != start:
        problems.append(f"free memory went from {start['free']} to {end['free']} bytes")
    raise_problems(problems)
    return ""


def compiled(ctx, source, arguments):
    """Builds a program with nvcc and runs it under a 4 GiB quota; what it printed."""
    binary = ctx.workdir / Path(source).stem
    built = ctx.run([locate.nvcc(), "-O1", "-o", str(binary), str(PROGRAMS / source), *arguments], ctx.native, 60.0)
    if built.status:
        raise Failure(f"nvcc could not build {source}: {built.err.strip()[-400:]}")
    done = ctx.run([str(binary), str(PIECE), str(QUOTA)], ctx.hooked("4g"), 30.0)
    if done.status:
        raise Failure(f"{source} ended with status {done.status}: {done.err.strip()[-400:]}")
    trace = json.loads(done.out)
    problems = judge.filled(trace, QUOTA, PIECE)
    if trace["again"]:
        problems.append(f"refused with error {trace['again']} after as much was freed")
    if not trace["intact"]:
        problems.append("what the program wrote to the device came back changed")
    if done.err:
        problems.append(f"stderr: {done.err.strip()!r}")
    raise_problems(problems)
    return f"{mib(trace['bytes'])} granted, {mib(trace['free'])} free at the refusal"


@check("quota: a compiled program with the runtime linked in", 75.0, needs=("nvcc",))
def static_runtime(ctx):
    """nvcc's default: libcudart is part of the program, which looks the driver up by itself; it runs a kernel too."""
    return compiled(ctx, "runtime.cu", [])


@check("quota: a compiled program linked against libcuda", 75.0, needs=("nvcc",))
def direct_link(ctx):
    """The driver API by direct link."""
    return compiled(ctx, "driver.cpp", ["-lcuda"])
