"""Starts small programs, to time what a preloaded library adds to each."""

import os
import time


def time_spawns(env, count):
    """Nanoseconds to start and reap /bin/true, mean of `count` in a row."""
    start = time.perf_counter_ns()
    for _ in range(count):
        status = os.waitpid(os.posix_spawn("/bin/true", ["/bin/true"], env), 0)[1]
        if status:
            raise RuntimeError(f"/bin/true ended with wait status {status}")
    return (time.perf_counter_ns() - start) / count
