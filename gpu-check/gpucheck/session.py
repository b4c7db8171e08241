"""A whole run: the preconditions, every check in turn under the time limits, and nothing left behind."""

import contextlib
import datetime
import hashlib
import os
import platform
import signal
import sys
import tempfile
import time
import uuid
from pathlib import Path

from . import harness, locate, registry, report
from .context import GIB, Context
from .harness import Failure, Interrupted, Skip, UsageError

PRELOAD_FILE = Path("/etc/ld.so.preload")
NEEDED_FREE = 10 * GIB


def all_checks():
    """Every check, in the order of running."""
    from .checks import quota, charged, pytorch, pytorch_memory, views, sharing, sizes, unchanged  # noqa: F401
    from .checks import compute_shares, compute_others, compute_cost, overhead, facts  # noqa: F401

    return registry.CHECKS


def check_library(path):
    """Raises UsageError unless `path` is a library that this machine can preload."""
    if not path.is_file():
        raise UsageError(f"--lib {path}: no such file; give the built libhami_core.so")
    if path.read_bytes()[:4] != b"\x7fELF":
        raise UsageError(f"--lib {path}: not an ELF file; give the built libhami_core.so")
    if PRELOAD_FILE.exists() and "hami" in PRELOAD_FILE.read_text():
        raise UsageError(f"{PRELOAD_FILE} loads a HAMi library into every program: nothing could be compared with it")


@contextlib.contextmanager
def stopped_by_signals():
    """Turns the usual stop signals into Interrupted, so that everything started is ended first."""

    def stop(number, _frame):
        raise Interrupted(signal.Signals(number).name)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, old):
            signal.signal(number, handler)


def run_check(check, ctx, missing):
    """Runs one check; its record says name, pass (true, false, or null when it could not run), detail, seconds."""
    start = time.monotonic()
    passed, detail = True, ""
    try:
        lacking = [missing[need] for need in check.needs if need in missing]
        if lacking:
            raise Skip("; ".join(lacking))
        if ctx.clock.spent():
            raise Failure("not run: the time for the whole run was used up")
        ctx.clock.start_check(check.seconds)
        detail = check.function(ctx) or ""
    except Skip as reason:
        passed, detail = None, f"skipped: {reason}"
    except Failure as finding:
        passed, detail = False, str(finding)
    except Exception as error:  # a mistake in a check is a failed check, not the end of the run
        passed, detail = False, f"{type(error).__name__}: {error}"
    finally:
        ctx.end_workers()
    return {"name": check.name, "pass": passed, "detail": detail, "seconds": round(time.monotonic() - start, 2)}


def no_strays(mark):
    """The closing check's record: no program of this run is alive; any that is gets killed."""
    start = time.monotonic()
    left, _ = harness.poll(lambda: not harness.strays(mark), 2.0, 0.05)
    detail = ""
    if not left:
        pids = harness.strays(mark)
        detail = f"left running, now killed: {pids}"
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    record = {"name": "no process is left behind", "pass": bool(left), "detail": detail}
    return record | {"seconds": round(time.monotonic() - start, 2)}


def describe(ctx):
    """The device and driver, as the driver itself names them, after checking that the device can be tested."""
    try:
        device = ctx.observer.call("open_device", index=ctx.device)
    except Failure as error:
        raise UsageError(f"--device {ctx.device}: NVML cannot open it ({error}); a real NVIDIA device is needed") from None
    free = ctx.observer.call("snapshot")["free"]
    if free < NEEDED_FREE:
        raise UsageError(f"--device {ctx.device}: {free / GIB:.1f} GiB free; the checks need {NEEDED_FREE // GIB} GiB")
    return device


def run(options):
    """Runs the checks that the options choose and returns the result to report."""
    library = options.lib.resolve()
    check_library(library)
    report.check_writable(options.out)
    chosen = [check for check in all_checks() if options.only in check.name]
    if not chosen:
        raise UsageError(f"--only {options.only!r}: no check has that in its name; --list prints the names")
    mark = uuid.uuid4().hex
    clock = harness.Clock(options.budget)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as workdir, stopped_by_signals():
        ctx = Context(library, options.device, workdir, mark, clock)
        try:
            device = describe(ctx)
            missing = locate.missing()
            records = []
            for check in chosen:
                print(f"gpu-check: {check.name}", file=sys.stderr)
                records.append(run_check(check, ctx, missing))
        finally:
            ctx.end_workers()
            ctx.observer.close()
        records.append(no_strays(mark))
    return {
        "schema": 1,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "device": device,
        "library_sha256": hashlib.sha256(library.read_bytes()).hexdigest(),
        "host": {"kernel": platform.release(), "python": platform.python_version(), "cudart": locate.cudart()},
        "seconds": round(time.monotonic() - start, 1),
        "checks": records,
        "measurements": ctx.measurements,
        "device_facts": ctx.facts,
    }
