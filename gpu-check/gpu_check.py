#!/usr/bin/env python3
"""Command line of gpu-check: holds libhami_core.so against a real NVIDIA device and writes a JSON report."""

import argparse
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from gpucheck import report, session  # noqa: E402  (the path above must come first)
from gpucheck.harness import Interrupted, UsageError  # noqa: E402

DEFAULT_LIB = HERE.parent / "target" / "release" / "libhami_core.so"


def parse(argv):
    """Reads the command line; a bad argument ends the program with status 2 and a line that names it."""
    parser = argparse.ArgumentParser(
        prog="gpu_check.py",
        description="Checks libhami_core.so on a machine with a real NVIDIA device. Never changes the card's settings.",
    )
    parser.add_argument("--lib", type=Path, default=DEFAULT_LIB, help=f"the built library (default {DEFAULT_LIB})")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(os.environ.get("OUT") or "."),
        help="folder for the JSON report, or a file name that ends in .json (default $OUT, else the current folder)",
    )
    parser.add_argument("--device", type=int, default=0, metavar="N", help="NVML index of the device (default 0)")
    parser.add_argument("--budget", type=float, default=560.0, metavar="SECONDS", help="for the whole run (default 560)")
    parser.add_argument("--only", default="", metavar="TEXT", help="run only the checks whose name contains TEXT")
    parser.add_argument("--list", action="store_true", help="print the names of the checks and stop")
    parser.add_argument("--self-test", action="store_true", help="test this program itself; needs no device")
    options = parser.parse_args(argv)
    if options.device < 0:
        parser.error(f"--device {options.device}: a device index is 0 or more")
    if not options.budget > 0:
        parser.error(f"--budget {options.budget}: the budget is a number of seconds above 0")
    return options


def main(argv):
    """Runs what the command line asks for. Status: 0 all that ran passed, 1 a check failed, 2 it could not start."""
    options = parse(argv)
    if options.self_test:
        from gpucheck import selftest

        return selftest.run()
    if options.list:
        for check in session.all_checks():
            print(check.name)
        return 0
    try:
        result = session.run(options)
    except UsageError as error:
        print(f"gpu_check.py: {error}", file=sys.stderr)
        return 2
    except Interrupted as error:
        print(f"gpu_check.py: stopped by {error}; every program it had started is ended", file=sys.stderr)
        return 2
    print(report.table(result))
    print(f"report: {report.write(result, options.out)}")
    return report.exit_status(result)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
