"""Programs under a time-out: each in its own session, killed with its whole group, none left behind."""

import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

WORKER = Path(__file__).resolve().parent / "worker.py"
# In the environment of everything started here, so that strays can be found at the end.
MARK = "GPU_CHECK_RUN"
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class UsageError(Exception):
    """The run cannot start; the text names the input, its value and what is accepted."""


class Failure(Exception):
    """A check's finding: the library does not do what it should."""


class Skip(Exception):
    """A check cannot run here; the text says why."""


class Interrupted(BaseException):
    """A signal asked this program to stop."""


class Clock:
    """Two deadlines in one: the whole run's, and the running check's."""

    def __init__(self, budget):
        self.run_end = time.monotonic() + budget
        self.check_end = self.run_end

    def start_check(self, seconds):
        """Gives the next check `seconds`, or what is left of the run."""
        self.check_end = min(self.run_end, time.monotonic() + seconds)

    def left(self, wish=None):
        """Seconds that a step may take: `wish`, or less where a deadline is nearer; never below 0."""
        left = max(0.0, self.check_end - time.monotonic())
        return left if wish is None else min(left, wish)

    def spent(self):
        """Whether the run's time is used up."""
        return time.monotonic() >= self.run_end


@dataclass
class Done:
    """A program that has ended."""

    status: int
    out: str
    err: str
    seconds: float


def _die_with_parent():
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_group(process):
    """Kills the session that `process` leads, whether or not its leader still lives, and reaps the leader."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(argv, env, clock, timeout=20.0):
    """Runs `argv` to its end. Raises Failure when it outlives `timeout` seconds, or its check's time."""
    limit = clock.left(timeout)
    start = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            start_new_session=True, preexec_fn=_die_with_parent,
        )
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{Path(argv[0]).name} hung: killed after {limit:.0f} s{_tail(_text(err))}") from None
        finally:
            kill_group(process)
        return Done(process.returncode, _text(out), _text(err), time.monotonic() - start)


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def _tail(text, lines=6):
    kept = [line for line in text.strip().splitlines() if line.strip()][-lines:]
    return "; stderr: " + " | ".join(kept) if kept else ""


class Worker:
    """A probe module in a process of its own, called over pipes; every reply has a deadline."""

    def __init__(self, module, env, clock, label=""):
        self.clock = clock
        self.label = label or module
        self._stderr = tempfile.TemporaryFile()
        self._buffer = b""
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), module], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._stderr, start_new_session=True, preexec_fn=_die_with_parent,
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    @property
    def pid(self):
        """The worker's process id, in this program's PID namespace."""
        return self.process.pid

    def send(self, function, **arguments):
        """Starts a call without waiting for its reply."""
        line = json.dumps({"call": function, "args": arguments}) + "\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            raise Failure(f"{self.label} ended early with status {self.process.wait()}{_tail(self.stderr())}") from None

    def receive(self, timeout=30.0):
        """The reply to the oldest call sent. Raises Failure when it is late, or the worker fails or dies."""
        limit = self.clock.left(timeout)
        end = time.monotonic() + limit
        while b"\n" not in self._buffer:
            if not self._selector.select(max(0.0, end - time.monotonic())):
                self.kill()
                raise Failure(f"{self.label} hung: no reply within {limit:.1f} s, killed{_tail(self.stderr())}")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failure(f"{self.label} ended early with status {self.process.wait()}{_tail(self.stderr())}")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        reply = json.loads(line)
        if "error" in reply:
            raise Failure(f"{self.label}: {reply['error']}")
        return reply["value"]

    def call(self, function, timeout=30.0, **arguments):
        """Calls a function of the probe module and returns its value."""
        self.send(function, **arguments)
        return self.receive(timeout)

    def stderr(self):
        """What the worker has written on stderr so far."""
        return _text(self._stderr)

    def signal(self, number):
        """Sends a signal to the worker alone."""
        self.process.send_signal(number)

    def kill(self):
        """Kills the worker and its group, and reaps it."""
        kill_group(self.process)

    def close(self):
        """Ends the worker and gives back what it holds here; safe to call twice."""
        self.kill()
        self._selector.close()
        self.process.stdin.close()
        self.process.stdout.close()
        self._stderr.close()


def strays(mark):
    """Ids of living processes, other than this one, that carry `mark` in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended meanwhile, or it is another user's and so not ours
    return found


def poll(condition, deadline, step=0.005):
    """Calls `condition` until it is true or `deadline` seconds are over: (last value, seconds it took)."""
    start = time.monotonic()
    while True:
        value = condition()
        spent = time.monotonic() - start
        if value or spent >= deadline:
            return value, spent
        time.sleep(step)
