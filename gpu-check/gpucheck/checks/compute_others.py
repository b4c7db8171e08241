"""Programs that hold the device up: an endless kernel, a stopped program, a persistent kernel, kernels that wait for a peer."""

import signal
import time

from .. import shares
from ..harness import Failure, Skip
from ..registry import check

LOAD_US = 200
SECONDS = 2.0
# Of its rate alone: the other program goes on, at less than its share of 50 for as long as the device is held up.
LEAST = 10.0
# In which a program with a persistent kernel, or with kernels that wait for each other, must be done.
BOUND_S = 20.0


def goes_on(ctx, name, hold_up, let_go):
    """One of two programs of 50 % holds the device up, the other one works: before, meanwhile and after, against alone."""
    native, holder, worker = ctx.programs("load", {
        "native": ctx.native, "holding program": ctx.tenant(50), "working program": ctx.tenant(50),
    })
    load = {"microseconds": LOAD_US, "n": native.call("calibrate", microseconds=LOAD_US)["n"]}

    def share(program, rate=None):
        begin_ns = time.monotonic_ns()
        program.send("saturate", start_ns=begin_ns, seconds=SECONDS, **load)
        run = program.receive(timeout=SECONDS + 20.0)
        found = shares.rate(run, SECONDS)
        return found if rate is None else {"percent": round(found / rate * 100, 2), "first_ms": round(run["ends"][0] * 1000, 2)}

    alone = share(native)
    native.close()
    before = share(worker, alone)
    hold_up(holder, load)
    meanwhile = share(worker, alone)
    let_go(holder)
    after = share(worker, alone)
    ctx.measurements.setdefault("held_up", {})[name] = {"before": before, "meanwhile": meanwhile, "after": after}
    for moment, figure in (("meanwhile", meanwhile), ("afterwards", after)):
        if figure["percent"] < LEAST:
            raise Failure(f"the other program had {figure['percent']} % of its rate alone {moment}")
    return (
        f"the other program had {before['percent']} % before, {meanwhile['percent']} % meanwhile, {after['percent']} % after; "
        f"its first batch took {meanwhile['first_ms']} ms meanwhile"
    )


@check("compute: an endless kernel in one program, the other goes on", 60.0)
def endless(ctx):
    """A kernel that fills the device and never ends; then its program is killed."""
    return goes_on(ctx, "endless kernel", lambda holder, _load: holder.call("endless"), lambda holder: holder.kill())


@check("compute: a stopped program, the other goes on", 60.0)
def stopped(ctx):
    """SIGSTOP while the program keeps the device busy, then SIGCONT; it finishes."""

    def stop(holder, load):
        # Longer than the other one looks on: it is stopped at work.
        holder.send("saturate", start_ns=time.monotonic_ns(), seconds=SECONDS + 2.0, **load)
        time.sleep(0.5)
        holder.signal(signal.SIGSTOP)

    def go_on(holder):
        holder.signal(signal.SIGCONT)
        if not holder.receive(timeout=BOUND_S)["ends"]:
            raise Failure("the stopped program did nothing before or after")

    return goes_on(ctx, "stopped program", stop, go_on)


@check("compute: a persistent kernel that waits for its own host", 60.0)
def persistent(ctx):
    """One block waits until the host has seen 200 kernels done in another stream: it ends, with and without a cap."""
    native, tenant = ctx.programs("load", {"native": ctx.native, "50 %": ctx.tenant(50)})
    load = {"microseconds": LOAD_US, "n": native.call("calibrate", microseconds=LOAD_US)["n"], "count": 200}
    seen = {worker.label: worker.call("persistent_beside", timeout=BOUND_S, **load) for worker in (native, tenant)}
    ctx.measurements["persistent_kernel_s"] = seen
    return ", ".join(f"{label}: {figures['all_s']} s" for label, figures in seen.items())


@check("compute: kernels on two devices that wait for each other", 60.0)
def peers(ctx):
    """Two programs of 50 % at once, each with a kernel on either device that runs until its peer does: both finish."""
    if not ctx.device == 0:
        raise Skip("needs devices 0 and 1, and another one is chosen by --device")
    both = {"CUDA_VISIBLE_DEVICES": "0,1"}
    look = ctx.worker("load", ctx.native | both, "look at the devices")
    count = look.call("start")
    look.close()
    if count < 2:
        raise Skip("one device is visible; two are needed")
    pair = ctx.programs("load", {name: ctx.tenant(50) | both for name in ("first program", "second program")})
    start_ns = time.monotonic_ns() + 150_000_000
    for program in pair:
        program.send("meet", rounds=200, start_ns=start_ns)
    seconds = [program.receive(timeout=BOUND_S) for program in pair]
    ctx.measurements["peers_200_rounds_s"] = seconds
    return f"200 rounds in {seconds[0]} and {seconds[1]} s"
