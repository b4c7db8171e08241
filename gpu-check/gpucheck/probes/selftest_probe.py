"""Behaves well and badly on request, for the self-test."""

import os
import signal
import sys
import time


def echo(value):
    """Returns its argument, and prints beside the replies."""
    print("printed on stdout", flush=True)
    return value


def fail():
    """Raises."""
    raise ValueError("bad")


def hang():
    """Does not return."""
    while True:
        time.sleep(60)


def crash():
    """Dies as a segmentation fault does."""
    print("going down", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
