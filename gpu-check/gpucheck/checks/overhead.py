"""What the library costs: the same calls without it, with it, and with it under a quota, in turn. Figures, no verdict."""

from .. import judge
from ..registry import check

ROUNDS = 9
SPAWNS = 60


def variants(ctx):
    """The environments that are compared."""
    return {"native": ctx.native, "library": ctx.hooked(), "quota": ctx.hooked("4g")}


def compare(ctx, name, unit, programs, one_round, rounds=ROUNDS):
    """Times each program in turn, `rounds` times after one warm-up; records median and spread."""
    samples = {variant: [] for variant in programs}
    for turn in range(rounds + 1):
        for variant, program in programs.items():
            value = one_round(program)
            if turn:
                samples[variant].append(value)
    figures = {variant: judge.spread(values) for variant, values in samples.items()}
    ctx.measurements[name] = {"unit": unit, **figures}
    texts = [
        f"{variant} {figure['median']:.2f} ({figure['p25']:.2f} to {figure['p75']:.2f})"
        for variant, figure in figures.items()
    ]
    return f"{unit}: " + ", ".join(texts)


def _runtime_programs(ctx):
    return {variant: ctx.runtime(env, f"{variant} program") for variant, env in variants(ctx).items()}


@check("measured: cudaMalloc + cudaFree of 1 MiB", 40.0, needs=("cudart",))
def pair(ctx):
    """A pair through ctypes, whose own cost is part of each figure."""
    programs = _runtime_programs(ctx)
    return compare(ctx, "malloc_free_pair", "µs a pair", programs, lambda p: p.call("time_pairs", count=300) / 1000)


@check("measured: cudaMemGetInfo", 40.0, needs=("cudart",))
def mem_info(ctx):
    """One call through ctypes."""
    programs = _runtime_programs(ctx)
    return compare(ctx, "mem_get_info", "µs a call", programs, lambda p: p.call("time_mem_info", count=2000) / 1000)


@check("measured: kernel launches through PyTorch", 75.0, needs=("torch",))
def launches(ctx):
    """A small in-place addition, synchronised at the end of each batch."""
    environments = variants(ctx)
    programs = dict(zip(environments, ctx.pytorch_programs(environments)))
    return compare(ctx, "torch_launch", "µs a launch", programs, lambda p: p.call("time_launches", count=3000) / 1000)


@check("measured: /bin/true", 30.0)
def start_up(ctx):
    """Starting and reaping a program that never uses the device."""
    starter = ctx.worker("spawn", ctx.native, "starter")
    return compare(
        ctx, "bin_true", "µs a program", variants(ctx),
        lambda env: starter.call("time_spawns", env=env, count=SPAWNS) / 1000,
    )
