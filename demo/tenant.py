"""A tenant: a shell under `hami run`, and the programs that it starts."""

import os
import select
import signal
import subprocess
import time

MIB = 1 << 20

# How long a program may take to answer; a first context on a real device takes seconds.
PATIENCE_S = 30.0


class DemoError(Exception):
    """Something outside what the demo shows went wrong."""


class Lines:
    """Lines from a file descriptor, each awaited no longer than PATIENCE_S."""

    def __init__(self, descriptor, name):
        self.descriptor, self.name, self.pending = descriptor, name, b""

    def next(self):
        """The next line without its end."""
        deadline = time.monotonic() + PATIENCE_S
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(self.descriptor, 65536) if ready else None
            if not chunk:
                raise DemoError(f"{self.name} " + ("ended" if chunk == b"" else f"did not answer within {PATIENCE_S:.0f} s"))
            self.pending += chunk
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode(errors="replace")


class Tenant:
    """A shell whose programs share one quota."""

    def __init__(self, name, hami_run, folder):
        """`hami_run`: the command line up to and without `--`; `folder`: where pipes may be made."""
        self.name, self.folder, self.holders = name, folder, []
        self.shell = subprocess.Popen([*hami_run, "--", "sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.lines = Lines(self.shell.stdout.fileno(), f"tenant {name}'s shell")

    def run(self, command):
        """Runs a command in the tenant's shell; its standard output."""
        # The empty line ends an output that has no line end of its own.
        self.shell.stdin.write(f"{command}\nstatus=$?; echo; echo end $status\n".encode())
        output = []
        while not (line := self.lines.next()).startswith("end "):
            output.append(line)
        if line != "end 0":
            raise DemoError(f"tenant {self.name}: '{command}' failed ({line.removeprefix('end ')}):\n" + "\n".join(output))
        return "\n".join(output).strip("\n")

    def start(self, program):
        """Starts one more process of the tenant, which takes orders through a pair of pipes."""
        stem = os.path.join(self.folder, f"{self.name}{len(self.holders) + 1}")
        for end in (".in", ".out"):
            os.mkfifo(stem + end)
        pid = int(self.run(f"{program} <{stem}.in >{stem}.out & echo $!"))
        holder = Holder(f"{self.name}{len(self.holders) + 1}", pid, stem)
        self.holders.append(holder)
        return holder

    def end(self):
        """Ends the programs, and then the shell."""
        for holder in self.holders:
            holder.close()
        self.run("wait || true")
        self.shell.stdin.close()
        if self.shell.wait(PATIENCE_S) != 0:
            raise DemoError(f"tenant {self.name}'s shell ended with {self.shell.returncode}")


class Holder:
    """A process of a tenant that holds device memory: holder.c."""

    def __init__(self, name, pid, stem):
        self.name, self.pid = name, pid
        # Each end opens once the other does.
        self.orders = open(stem + ".in", "wb", buffering=0)
        self.answers = open(stem + ".out", "rb", buffering=0)
        self.lines = Lines(self.answers.fileno(), f"process {name}")

    def ask(self, order):
        """Gives one order; its answer."""
        self.orders.write(order.encode() + b"\n")
        return self.lines.next()

    def take(self, mib):
        """Allocates; "granted" or the driver's error."""
        return self.ask(f"take {mib}")

    def kill(self):
        """SIGKILL: the program has no say in it."""
        os.kill(self.pid, signal.SIGKILL)

    def close(self):
        """Lets it end by itself."""
        self.orders.close()
        self.answers.close()
