"""What limiting compute costs and what it must leave alone: launches, timing events, tokens a second of a transformer."""

import statistics

from .. import locate
from ..harness import Failure
from ..registry import check
from .overhead import compare
from .quota import PROGRAMS, raise_problems

BATCHES, LAUNCHES = 200, 128
EVENT_US = 1000
STEPS = 256
ROUNDS = 6


@check("measured: kernel launches in a loop of C", 60.0, needs=("cc",))
def launches(ctx):
    """An empty kernel, without the library, with it, and limited to 90 % while it uses less: it never has to wait."""
    library = ctx.workdir / "launch.so"
    source = str(PROGRAMS / "launch.c")
    built = ctx.run([locate.compiler(), "-O2", "-shared", "-fPIC", "-o", str(library), source, "-ldl"], ctx.native, 60.0)
    if built.status:
        raise Failure(f"launch.c could not be built: {built.err.strip()[-400:]}")
    environments = {"native": ctx.native, "library": ctx.hooked(), "90 %, not waiting": ctx.tenant(90)}
    programs = {label: ctx.worker("launch", env, label) for label, env in environments.items()}
    for program, env in zip(programs.values(), environments.values()):
        program.call("start", library=str(library))
        ctx.hold_to_preload(program, env)
    return compare(
        ctx, "launch_in_c", "ns a launch", programs,
        lambda program: program.call("time_launches", batches=BATCHES, each=LAUNCHES),
    )


@check("compute: the program's own timing events", 60.0)
def events(ctx):
    """Single kernels take as long as without the library where nothing waits, and never less where launches do."""
    programs = dict(zip(("native", "library", "90 %, not waiting", "30 %, waiting"), ctx.programs("load", {
        "native": ctx.native, "library": ctx.hooked(), "90 %": ctx.tenant(90), "30 %": ctx.tenant(30),
    })))
    load = {"microseconds": EVENT_US, "n": programs["native"].call("calibrate", microseconds=EVENT_US)["n"]}
    waiting = programs.pop("30 %, waiting")
    figures = {label: program.call("singles", count=100, gap_s=0.003, **load) for label, program in programs.items()}
    native = statistics.median(figures["native"])
    problems = [
        f"{label}: {statistics.median(seen):.1f} µs, {native:.1f} µs without the library"
        for label, seen in figures.items()
        if abs(statistics.median(seen) - native) > native / 10
    ]
    crowded = waiting.call("crowded", count=200, **load)
    shortest = min(crowded)
    if shortest < min(figures["native"]) * 0.9:
        problems.append(f"a kernel took {shortest:.1f} µs under a cap, {min(figures['native']):.1f} µs at least without")
    medians = {label: round(statistics.median(seen), 2) for label, seen in {**figures, "30 %, waiting": crowded}.items()}
    ctx.measurements["event_us_of_one_kernel"] = medians | {"shortest while waiting": round(shortest, 2)}
    raise_problems(problems)
    return ", ".join(f"{label} {median} µs" for label, median in medians.items())


@check("compute: tokens of a transformer, and how many a second", 120.0, needs=("torch",))
def tokens(ctx):
    """The same tokens without the library, with it, and under half the device and a memory quota; eager and as a graph."""
    environments = {"native": ctx.native, "library": ctx.hooked(), "50 %": ctx.tenant(50, limit="8g")}
    programs = dict(zip(environments, ctx.programs("torch_load", environments)))
    batch = {program.call("build_transformer", timeout=60.0) for program in programs.values()}.pop()
    texts, seen = [], {}

    def one_round(program, mode):
        run = program.call("tokens", mode=mode, steps=STEPS, timeout=60.0)
        seen.setdefault(mode, {}).setdefault(program.label, run["tokens"])
        return batch * STEPS / run["seconds"]

    for mode in ("eager", "graph"):
        texts.append(compare(
            ctx, f"tokens_{mode}", f"tokens/s ({mode})", programs, lambda program, mode=mode: one_round(program, mode), ROUNDS,
        ))
    raise_problems([
        f"{mode}: other tokens with {label} than without the library"
        for mode, made in seen.items() for label, last in made.items() if last != made["native"]
    ])
    return "; ".join(texts)
