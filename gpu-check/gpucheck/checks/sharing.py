"""Several processes under one quota: together never over it, and the dead and the stopped stand in nobody's way."""

import signal

from .. import judge
from ..context import GIB, MIB, QUOTA
from ..harness import Failure, poll
from ..judge import mib
from ..registry import check
from .pytorch import PIECE, SIDE
from .quota import raise_problems

RACERS = 4
RACE_QUOTA = 8 * GIB
RACE_PIECE = 64 * MIB
# Where a racer stops by itself: four times this is well over the quota, and no more than a small card has.
RACER_MOST = 3 * GIB


@check("sharing: two PyTorch programs, one quota", 75.0, needs=("torch",))
def two_programs(ctx):
    """Turn by turn until both are refused: both see the same use, and together they stay within the quota."""
    before = ctx.settle()
    env = ctx.hooked("4g")
    pair = ctx.pytorch_programs({"first program": env, "second program": env})
    granted = [0, 0]
    open_ones = {0, 1}
    problems = []
    while open_ones and sum(granted) <= QUOTA:
        for index in sorted(open_ones):
            if pair[index].call("take", size=PIECE):
                granted[index] += PIECE
            else:
                open_ones.discard(index)
        views = [program.call("mem_info") for program in pair]
        if views[0] != views[1]:
            problems.append(f"the two see different figures: {views}")
            break
    if sum(granted) > QUOTA:
        problems.append(f"{mib(sum(granted))} granted under {mib(QUOTA)}")
    elif not problems and views[0]["free"] >= PIECE + SIDE:
        problems.append(f"both refused while {mib(views[0]['free'])} were free")
    real, source = ctx.real_use(before)
    problems += judge.within(real, source, QUOTA)
    raise_problems(problems)
    return f"{mib(granted[0])} and {mib(granted[1])} granted; {source}: {mib(real)}"


@check("sharing: four programs race", 60.0, needs=("cudart",))
def race(ctx):
    """All at once in pieces of 64 MiB: never over the quota, and no refusal while there is room for a piece."""
    before = ctx.settle()
    env = ctx.hooked("8g")
    racers = [ctx.runtime(env, f"racer {index}") for index in range(RACERS)]
    for racer in racers:
        racer.call("mem_info")  # makes the context: the race is about allocations
    for racer in racers:
        racer.send("grab", piece=RACE_PIECE, most=RACER_MOST)
    results = [racer.receive() for racer in racers]
    end = racers[0].call("mem_info")
    total = sum(result["bytes"] for result in results)
    problems = [f"a racer got error {r['code']}" for r in results if r["code"] not in (judge.OUT_OF_MEMORY, None)]
    if total > RACE_QUOTA or end["used"] < total:
        problems.append(f"{mib(total)} granted under {mib(RACE_QUOTA)}, {mib(end['used'])} shown as used")
    if end["free"] >= RACE_PIECE and any(result["code"] for result in results):
        problems.append(f"refusals, and yet {mib(end['free'])} are free")
    real, source = ctx.real_use(before)
    problems += judge.within(real, source, RACE_QUOTA)
    raise_problems(problems)
    shares = ", ".join(mib(result["bytes"]) for result in results)
    return f"granted {shares}; {source}: {mib(real)}"


@check("sharing: a killed program's memory comes back", 75.0, needs=("torch",))
def killed(ctx):
    """After SIGKILL of one program, the other sees its bytes free again and can take them."""
    env = ctx.hooked("4g")
    survivor, victim = ctx.pytorch(env, "survivor"), ctx.worker("pytorch", env, "victim")
    alone = survivor.call("mem_info")["used"]
    victim.call("start", timeout=60.0)
    raise_problems(judge.filled(victim.call("fill", piece=PIECE, most=QUOTA), QUOTA, PIECE, SIDE))
    held = survivor.call("mem_info")["used"] - alone
    if held < GIB:
        raise Failure(f"the victim took only {mib(held)}: nothing to give back")
    victim.kill()
    back, spent = poll(lambda: survivor.call("mem_info")["used"] <= alone, 5.0)
    if not back:
        raise Failure(f"{mib(survivor.call('mem_info')['used'] - alone)} of {mib(held)} still charged after 5 s")
    if not survivor.call("take", size=held - PIECE):
        raise Failure("the freed memory is shown, but not granted")
    ctx.measurements["killed_program_back_ms"] = round(spent * 1000, 1)
    return f"{mib(held)} back {spent * 1000:.0f} ms after the kill was reaped"


@check("sharing: a stopped program blocks nobody", 45.0, needs=("cudart",))
def stopped(ctx):
    """With one program stopped (SIGSTOP), the other one allocates, frees and asks without waiting for it."""
    env = ctx.hooked("4g")
    worker, sleeper = ctx.runtime(env, "working program"), ctx.runtime(env, "stopped program")
    for program in (worker, sleeper):
        if program.call("take", kind="malloc", size=RACE_PIECE):
            raise Failure(f"{mib(RACE_PIECE)} refused to the {program.label}")
    sleeper.signal(signal.SIGSTOP)
    trace = worker.call("fill", timeout=10.0, kind="malloc", piece=RACE_PIECE, most=QUOTA)
    raise_problems(judge.filled(trace, QUOTA, RACE_PIECE))
    worker.call("release_all", timeout=10.0)
    return ""
