"""PyTorch's other allocators, CUDA graphs, and the pattern of an inference server: all within the quota."""

from .. import judge
from ..context import GIB, MIB, QUOTA
from ..judge import mib
from ..registry import check
from .pytorch import PIECE, SIDE
from .quota import raise_problems


def filled_twice(ctx, setting, slack):
    """Fills the quota, lets everything go, and fills it again, with this PYTORCH_CUDA_ALLOC_CONF."""
    before = ctx.settle()
    tenant = ctx.pytorch(ctx.hooked("4g", PYTORCH_CUDA_ALLOC_CONF=setting))
    problems, rounds = [], []
    for _ in range(2):
        trace = tenant.call("fill", piece=PIECE, most=QUOTA)
        problems += judge.filled(trace, QUOTA, PIECE, slack)
        real, source = ctx.real_use(before)
        problems += judge.within(real, source, QUOTA)
        if not tenant.call("tensors_intact"):
            problems.append("a tensor's content changed")
        tenant.call("drop", count=trace["pieces"])
        rounds.append(trace["bytes"])
    if min(rounds) < max(rounds):
        problems.append(f"{mib(rounds[1])} the second time, {mib(rounds[0])} the first")
    raise_problems(problems)
    return f"{mib(rounds[0])} twice; {source}: {mib(real)}"


@check("PyTorch: expandable segments stay within the quota", 90.0, needs=("torch",))
def expandable_segments(ctx):
    """Segments that grow by mapping physical memory (cuMemCreate, cuMemMap)."""
    return filled_twice(ctx, "expandable_segments:True", SIDE)


@check("PyTorch: the cudaMallocAsync back end stays within the quota", 90.0, needs=("torch",))
def async_back_end(ctx):
    """Stream-ordered allocation from the device's pool, which keeps what was freed."""
    return filled_twice(ctx, "backend:cudaMallocAsync", SIDE + PIECE)


@check("PyTorch: CUDA graphs compute as without the library, within the quota", 90.0, needs=("torch",))
def graphs(ctx):
    """A captured computation with its own memory pool, replayed: the same bytes as eager, and as without the library."""
    before = ctx.settle()
    native, tenant = ctx.pytorch_programs({"without": ctx.native, "under the quota": ctx.hooked("4g")})
    results = {worker.label: worker.call("graph", size=GIB // 4, timeout=60.0) for worker in (native, tenant)}
    native.close()
    real, source = ctx.real_use(before)
    problems = judge.within(real, source, QUOTA)
    for label, result in results.items():
        if result["graph"] != result["eager"]:
            problems.append(f"{label}: the replayed graph gives other bytes than eager execution")
    if results["without"]["graph"] != results["under the quota"]["graph"]:
        problems.append("the graph gives other bytes under the quota than without the library")
    raise_problems(problems)
    return f"{source}: {mib(real)}"


@check("inference server's pattern: cache of what is free, blocks, long run", 120.0, needs=("torch",))
def inference_server(ctx):
    """As vLLM does: weights, then a cache of 90 % of what mem_get_info says is free, then activations that come and go."""
    before = ctx.settle()
    tenant = ctx.pytorch(ctx.hooked("4g"))
    run = tenant.call("serve", weights=GIB // 2, share=0.9, steps=300, timeout=90.0)
    real, source = ctx.real_use(before)
    problems = judge.within(real, source, QUOTA)
    if run["refused"]:
        problems.append(f"{run['refused']} of {run['steps']} steps were out of memory, though 10 % was left for them")
    if not run["intact"]:
        problems.append("the cache's content changed")
    raise_problems(problems)
    return f"cache {mib(run['cache'])}, {run['steps']} steps; {source}: {mib(real)}"


@check("PyTorch: what a dead neighbour held is granted", 60.0, needs=("torch",))
def dead_neighbour(ctx):
    """Two programs of one container; one is killed while it holds 2 GiB, and the other gets them."""
    region = ctx.container()
    first, second = ctx.pytorch_programs({
        "first": ctx.hooked("4g", container=region), "second": ctx.hooked("4g", container=region),
    })
    problems = []
    if not first.call("take", size=2 * GIB):
        problems.append("2 GiB were refused to the first program")
    if second.call("take", size=2 * GIB + 512 * MIB):
        problems.append("2.5 GiB were granted beside 2 GiB under a quota of 4 GiB")
    first.kill()
    if not second.call("take", size=2 * GIB + 512 * MIB):
        problems.append("2.5 GiB were refused after the neighbour's death")
    raise_problems(problems)
    return ""
