"""A load that keeps the device busy for a while and notes when each piece of it was done."""

import time
from collections import deque

# Work between two looks at the clock, and how much of it is under way at once: the device never runs dry.
BATCH_US = 2000
AHEAD = 3


def batch_of(microseconds):
    """How many iterations of this length make a batch."""
    return max(1, round(BATCH_US / max(microseconds, 0.01)))


def saturate(submit, record, wait, start_ns, seconds):
    """From `start_ns` (CLOCK_MONOTONIC) on, submits batches for `seconds`; the seconds after start at which each was done.

    `submit()` starts a batch, `record()` gives a mark behind it, `wait(mark)` sleeps until it is reached."""
    while time.monotonic_ns() < start_ns:
        time.sleep(max(0.0, (start_ns - time.monotonic_ns()) / 1e9 / 2))
    end_ns = start_ns + int(seconds * 1e9)
    marks, ends = deque(), []

    def reap():
        wait(marks.popleft())
        ends.append((time.monotonic_ns() - start_ns) / 1e9)

    while time.monotonic_ns() < end_ns:
        submit()
        marks.append(record())
        if len(marks) >= AHEAD:
            reap()
    while marks:
        reap()
    return [round(end, 6) for end in ends]
