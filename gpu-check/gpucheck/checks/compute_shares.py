"""Shares of the device: programs under a cap and side by side, by their iterations a second against alone, in the same run."""

import time
from functools import partial

from .. import judge, shares
from ..harness import Failure
from ..probes.loops import batch_of
from ..registry import check
from .quota import raise_problems

# How long a program runs alone, under a cap, and beside another one.
ALONE_S, CAP_S, PAIR_S = 1.5, 3.0, 3.0
# Errors aimed at, in points; a report says for each row whether it is within. Facts are held wider: shares.TOLERANCE.
CAP_BOUND, PAIR_BOUND, LENT_LEAST = 1.5, 2.0, 97.0
LENGTHS_US = (20, 1000, 10000)
LOADS = {"matmul": "matrix products", "small": "small kernels", "graph": "a replayed CUDA graph"}


def side_by_side(runs, seconds):
    """Starts `saturate` in each program at the same instant: `runs` maps a program to its arguments; their notes in order."""
    start_ns = time.monotonic_ns() + 150_000_000
    for program, arguments in runs.items():
        program.send("saturate", start_ns=start_ns, seconds=seconds, **arguments)
    return [program.receive(timeout=seconds + 20.0) for program in runs]


def alone(program, arguments, seconds=ALONE_S):
    """Iterations a second of a program that has the device for itself, without the library."""
    found = shares.rate(side_by_side({program: arguments}, seconds)[0], seconds)
    if not found:
        raise Failure(f"{program.label}: not one batch was done in {seconds} s")
    return found


def capped(program, cap, arguments, rate):
    """The row of a program that has the device for itself and is limited."""
    run = side_by_side({program: arguments}, CAP_S)[0]
    return shares.row(f"{cap} alone", cap, run, rate, CAP_S, CAP_BOUND)


def lent(program, case, arguments, rate):
    """The row of a program that may have what nobody else uses."""
    run = side_by_side({program: arguments}, ALONE_S)[0]
    return shares.row_alone(case, run, rate, ALONE_S, LENT_LEAST)


def pair(programs, asked, arguments, rates):
    """The rows of two programs side by side."""
    runs = side_by_side(dict(zip(programs, arguments)), PAIR_S)
    return [
        shares.row(f"{own} beside {other}", own, run, rate, PAIR_S, PAIR_BOUND)
        for own, other, run, rate in zip(asked, reversed(asked), runs, rates)
    ]


def report(ctx, name, rows, pairs, rates):
    """Records a table under `name`, and raises what it denies; its text."""
    rows = rows + [made for two in pairs for made in two]
    ctx.measurements.setdefault("shares", {})[name] = {
        "unit": "percent of the same program's iterations a second alone, without the library", "alone_per_second": rates,
        "rows": rows, "jain": [shares.jain(two) for two in pairs],
    }
    raise_problems([problem for made in rows for problem in shares.problems(made)])
    return "; ".join(map(shares.text, rows))


@check("compute: shares of kernels of 20 µs, 1 ms and 10 ms", 100.0)
def kernels(ctx):
    """Through the driver API: caps alone, lending, no limit by policy, and two programs with unequal kernels."""
    native, thirty, fifty, seventy, burst, free = ctx.programs("load", {
        "native": ctx.native, "30 %": ctx.tenant(30), "50 %": ctx.tenant(50), "70 %": ctx.tenant(70),
        "50 %, burst-share": ctx.tenant(50, "burst-share"), "30 %, disable": ctx.tenant(30, "disable"),
    })
    loads, rates, rows = {}, {}, []
    for us in LENGTHS_US:
        loads[us] = {"microseconds": us, "n": native.call("calibrate", microseconds=us)["n"]}
        rates[us] = alone(native, loads[us])
        for program, cap in ((thirty, 30), (fifty, 50)):
            made = capped(program, cap, loads[us], rates[us])
            rows.append(made | {"case": f"{us} µs, {made['case']}"})
    rows.append(lent(burst, "burst-share alone", loads[1000], rates[1000]))
    rows.append(lent(free, "disable alone", loads[1000], rates[1000]))
    unequal = pair((thirty, seventy), (30, 70), (loads[20], loads[10000]), (rates[20], rates[10000]))
    again = {us: alone(native, loads[us]) for us in LENGTHS_US}
    figures = {f"{us} µs": {"before": round(rates[us], 2), "after": round(again[us], 2)} for us in LENGTHS_US}
    return report(ctx, "kernels", rows, [unequal], figures)


def pytorch(ctx, kind):
    """One load: caps alone, lending, 30 beside 70 and 50 beside 50; and what the device does with two by itself."""
    native, other, thirty, fifty, seventy, half, burst = ctx.programs("torch_load", {
        "native": ctx.native, "second native": ctx.native, "30 %": ctx.tenant(30), "50 %": ctx.tenant(50),
        "70 %": ctx.tenant(70), "other 50 %": ctx.tenant(50), "50 %, burst-share": ctx.tenant(50, "burst-share"),
    })
    programs = (native, other, thirty, fifty, seventy, half, burst)
    elements = native.call("small_size")
    microseconds = [program.call("prepare", kind=kind, elements=elements) for program in programs]
    load = {"kind": kind, "batch": batch_of(microseconds[0])}
    rate = alone(native, load)
    rows = [capped(thirty, 30, load, rate), capped(fifty, 50, load, rate), lent(burst, "burst-share alone", load, rate)]
    both = (((thirty, seventy), (30, 70)), ((fifty, half), (50, 50)))
    pairs = [pair(two, asked, (load, load), (rate, rate)) for two, asked in both]
    by_itself = side_by_side({native: load, other: load}, ALONE_S)
    figures = {"before": round(rate, 2), "after": round(alone(native, load), 2), "microseconds": judge.spread(microseconds[:2])}
    figures["two_without_the_library"] = [round(shares.rate(run, ALONE_S) / rate * 100, 2) for run in by_itself]
    return report(ctx, kind, rows, pairs, figures)


for _kind, _words in LOADS.items():
    check(f"compute: shares of PyTorch programs, {_words}", 90.0, needs=("torch",))(partial(pytorch, kind=_kind))
