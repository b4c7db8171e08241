"""Facts of the device and its driver, without the library: recorded for comparison with the simulator, not judged."""

from ..harness import Failure
from ..registry import check
from .quota import raise_problems

# Driver functions that take memory, give it back or show it, and that submit work: all of these must go through the library.
HOOKED = (
    "cuMemAlloc", "cuMemAllocPitch", "cuMemAllocManaged", "cuMemAllocAsync", "cuMemFree", "cuMemFreeAsync",
    "cuMemGetInfo", "cuDeviceTotalMem", "cuMemAllocFromPoolAsync", "cuMemCreate", "cuMemRelease", "cuMemMap", "cuMemUnmap",
    "cuArrayCreate", "cuArray3DCreate", "cuMipmappedArrayCreate", "cuGraphInstantiate", "cuGraphLaunch", "cuModuleLoadData",
    "cuLibraryLoadData", "cuCtxCreate", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease",
    "cuLaunchKernel", "cuLaunchKernelEx", "cuLaunchCooperativeKernel", "cuMemsetD8", "cuMemsetD8Async", "cuMemsetD32Async",
    "cuMemcpyDtoD", "cuMemcpyDtoDAsync", "cuStreamBeginCapture", "cuStreamEndCapture",
)
# Others whose rules of version and stream are worth knowing.
RELATED = (
    "cuGetProcAddress", "cuCtxDestroy", "cuMemcpyHtoD", "cuMemcpyHtoDAsync", "cuMemPrefetchAsync", "cuMemAdvise",
    "cuStreamSynchronize", "cuEventElapsedTime",
)


@check("every look-up of a hooked call leads to the library", 30.0)
def origin(ctx):
    """cuGetProcAddress gives the library's functions under limits."""
    program = ctx.worker("entry_points", ctx.tenant(50, limit="4g"), "look-ups under limits")
    program.call("initialise")
    problems = []
    for version in (3020, 12000, 13000):
        for name, file in program.call("origin", names=list(HOOKED), version=version).items():
            # A version from before the function existed has no answer, with or without the library.
            if file != ctx.lib.name and not file.startswith("error"):
                problems.append(f"{name} at {version} comes from {file}")
            if version >= 12000 and file.startswith("error"):
                problems.append(f"{name} at {version}: {file}")
    raise_problems(problems)
    return ""


@check("recorded: entry points", 30.0)
def entry_points(ctx):
    """Versions, stream flags and exported addresses, of the driver alone."""
    program = ctx.worker("entry_points", ctx.native)
    program.call("initialise")
    ctx.facts["entry_points"] = program.call("resolve", names=[*HOOKED, *RELATED])
    return f"{len(HOOKED) + len(RELATED)} names"


@check("recorded: context, allocations, pitch, pool", 60.0)
def memory(ctx):
    """Each figure from the driver alone; one that cannot be had fails the check and the rest are kept."""
    before = ctx.settle()
    program = ctx.worker("driver", ctx.native)
    ctx.facts["driver_version"] = program.call("initialise")
    by_init, source = ctx.real_use(before)
    program.call("primary_context")
    real, source = ctx.real_use(before)
    ctx.facts["bare_primary_context"] = {"after_cuInit": by_init, "after_retain": real, "source": source}
    ctx.facts["nvml_memory"] = ctx.observer.call("memory")
    problems = []
    for name in (
        "sizes", "allocation_drops", "pitches", "pool_growth", "virtual_granularity", "managed_drop", "second_context_drop",
    ):
        try:
            ctx.facts[name] = program.call(name)
        except Failure as error:
            problems.append(f"{name}: {error}")
    raise_problems(problems)
    return f"bare primary context {real / (1 << 20):.1f} MiB ({source})"
