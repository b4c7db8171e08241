"""Tests of gpu-check itself: its arguments, time-outs, verdicts and report. They need no device."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

from . import harness, judge, report, selftest_compute, session
from .context import GIB, MIB, base_environment
from .harness import Clock, Failure, Skip, Worker
from .registry import Check

SCRIPT = Path(__file__).resolve().parent.parent / "gpu_check.py"
# A parent that ignores the polite signals, with a child of its own; both write their ids and stay.
STUBBORN = """
import os, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
child = os.fork()
with open(sys.argv[1] + ('.child' if child == 0 else '.parent'), 'w') as file: file.write(str(os.getpid()))
time.sleep(600)
"""


def script(*arguments):
    """Runs the command line itself."""
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60)


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def trace(**changes):
    """What a good run of allocations under 4 GiB looks like, with changes."""
    good = {"pieces": 56, "bytes": 56 * 64 * MIB, "code": 2, "free": 40 * MIB, "used": 4 * GIB - 40 * MIB, "total": 4 * GIB}
    return good | changes


class Arguments(unittest.TestCase):
    def refused(self, words, *arguments):
        done = script(*arguments)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_missing_library(self):
        self.refused(["--lib", "/nonexistent/lib.so", "no such file"], "--lib", "/nonexistent/lib.so")

    def test_library_that_is_no_elf_file(self):
        self.refused(["--lib", "not an ELF file"], "--lib", str(SCRIPT))

    def test_bad_numbers(self):
        self.refused(["--device", "-1"], "--device=-1")
        self.refused(["--budget", "0"], "--budget", "0")
        self.refused(["--budget", "soon"], "--budget", "soon")

    def test_report_that_cannot_be_written(self):
        with tempfile.NamedTemporaryFile() as file:
            self.refused(["--out", file.name, "cannot write"], "--lib", "/bin/true", "--out", f"{file.name}/below")

    def test_unknown_option(self):
        self.refused(["--frobnicate"], "--frobnicate")

    def test_unknown_check(self):
        self.refused(["--only", "no such check"], "--lib", "/bin/true", "--only", "no such check")

    def test_list_names_each_check_once(self):
        names = script("--list").stdout.splitlines()
        self.assertGreater(len(names), 20)
        self.assertEqual(len(names), len(set(names)))


class TimeOuts(unittest.TestCase):
    def all_gone(self, files):
        """Fails unless the processes whose ids the files hold end soon; leaves none behind either way."""
        pids = [int(Path(file).read_text()) for file in files]
        harness.poll(lambda: not any(alive(pid) for pid in pids), 5.0)
        left = [pid for pid in pids if alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, [], "still alive")

    def test_hanging_program_is_killed_with_its_children(self):
        with tempfile.TemporaryDirectory() as folder:
            base = f"{folder}/pid"
            with self.assertRaisesRegex(Failure, "hung"):
                harness.run([sys.executable, "-c", STUBBORN, base], dict(os.environ), Clock(60), timeout=1.5)
            self.all_gone([base + ".parent", base + ".child"])

    def test_what_a_finished_program_leaves_running_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            left = f"{folder}/left"
            done = harness.run(["/bin/sh", "-c", f"sleep 600 & echo $! > {left}"], dict(os.environ), Clock(60))
            self.assertEqual(done.status, 0)
            self.all_gone([left])

    def test_hanging_worker_is_killed(self):
        worker = Worker("selftest_probe", dict(os.environ), Clock(60))
        try:
            with self.assertRaisesRegex(Failure, "hung"):
                worker.call("hang", timeout=1.0)
            self.assertFalse(alive(worker.pid))
        finally:
            worker.close()

    def test_crashing_worker_is_reported_with_its_last_words(self):
        worker = Worker("selftest_probe", dict(os.environ), Clock(60))
        try:
            with self.assertRaisesRegex(Failure, "ended early with status -11.*going down"):
                worker.call("crash")
        finally:
            worker.close()

    def test_worker_answers_and_reports_errors(self):
        worker = Worker("selftest_probe", dict(os.environ), Clock(60))
        try:
            self.assertEqual(worker.call("echo", value={"a": [1, None]}), {"a": [1, None]})
            with self.assertRaisesRegex(Failure, "ValueError: bad"):
                worker.call("fail")
            self.assertIn("printed on stdout", worker.stderr())
        finally:
            worker.close()

    def test_signal_ends_everything(self):
        with tempfile.TemporaryDirectory() as folder:
            base = f"{folder}/pid"
            code = (
                f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
                "import os\nfrom gpucheck import harness, session\n"
                "with session.stopped_by_signals():\n"
                f"    harness.run([sys.executable, '-c', {STUBBORN!r}, {base!r}], dict(os.environ), harness.Clock(60), 60)\n"
            )
            program = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
            try:
                files = [Path(base + end) for end in (".parent", ".child")]
                begun, _ = harness.poll(lambda: all(file.exists() and file.read_text() for file in files), 20.0)
                self.assertTrue(begun, "the program to be stopped did not start")
                program.send_signal(signal.SIGTERM)
                self.assertNotEqual(program.wait(20), 0)
            finally:
                program.kill()
            self.all_gone([base + ".parent", base + ".child"])

    def test_strays_are_found_by_their_mark(self):
        mark = f"self-test-{os.getpid()}"
        program = subprocess.Popen(["sleep", "600"], env=base_environment(0, mark))
        try:
            self.assertEqual(harness.poll(lambda: harness.strays(mark), 5.0)[0], [program.pid])
            record = session.no_strays(mark)
            self.assertFalse(record["pass"])
            self.assertEqual(program.wait(10), -signal.SIGKILL)
        finally:
            program.kill()
        self.assertTrue(session.no_strays(mark)["pass"])


class Checks(unittest.TestCase):
    def record(self, function, needs=(), missing=None, budget=60.0):
        ctx = SimpleNamespace(clock=Clock(budget), end_workers=lambda: None)
        return session.run_check(Check("name", function, 5.0, needs), ctx, missing or {})

    def test_outcomes(self):
        def failing(_ctx):
            raise Failure("the finding")

        def skipping(_ctx):
            raise Skip("the reason")

        def broken(_ctx):
            raise KeyError("slip")

        self.assertIs(self.record(lambda _ctx: "fine")["pass"], True)
        self.assertEqual(self.record(failing)["detail"], "the finding")
        self.assertIs(self.record(failing)["pass"], False)
        self.assertIs(self.record(broken)["pass"], False)
        self.assertEqual(self.record(skipping)["detail"], "skipped: the reason")
        self.assertIsNone(self.record(skipping)["pass"])

    def test_unmet_need_is_a_skip_with_its_reason(self):
        record = self.record(lambda _ctx: "", ("nvcc",), {"nvcc": "no nvcc"})
        self.assertEqual((record["pass"], record["detail"]), (None, "skipped: no nvcc"))

    def test_used_up_budget_is_a_failure(self):
        record = self.record(lambda _ctx: "fine", budget=-1.0)
        self.assertIs(record["pass"], False)
        self.assertIn("used up", record["detail"])

    def test_environment_is_free_of_the_library(self):
        own = {"LD_PRELOAD": "x.so", "CUDA_DEVICE_MEMORY_LIMIT_0": "1g", "CUDA_DEVICE_SM_LIMIT": "10", "KEPT": "yes"}
        before = dict(os.environ)
        os.environ.update(own)
        try:
            env = base_environment(3, "mark")
        finally:
            os.environ.clear()
            os.environ.update(before)
        self.assertEqual(env["KEPT"], "yes")
        self.assertEqual(env["CUDA_VISIBLE_DEVICES"], "3")
        self.assertFalse([name for name in env if name.startswith(("LD_PRELOAD", "CUDA_DEVICE_MEMORY", "CUDA_DEVICE_SM"))])


class Verdicts(unittest.TestCase):
    def test_good_run(self):
        self.assertEqual(judge.filled(trace(), 4 * GIB, 64 * MIB), [])

    def test_each_fault_is_named(self):
        faults = {
            "not the quota": trace(total=140 * GIB),
            "never refused": trace(code=None),
            "error 1": trace(code=1),
            "were free": trace(free=64 * MIB),
            "under a quota": trace(bytes=4 * GIB + 1),
            "nothing was granted": trace(pieces=0, bytes=0),
        }
        for words, seen in faults.items():
            problems = judge.filled(seen, 4 * GIB, 64 * MIB)
            self.assertEqual(len(problems), 1, problems)
            self.assertIn(words, problems[0])

    def test_pool_slack(self):
        self.assertEqual(judge.filled(trace(free=100 * MIB), 4 * GIB, 64 * MIB, slack=64 * MIB), [])

    def test_real_use(self):
        self.assertEqual(judge.within(4 * GIB, "x", 4 * GIB), [])
        self.assertEqual(len(judge.within(5 * GIB, "x", 4 * GIB)), 1)

    def test_one_line(self):
        line = "hami: CUDA_DEVICE_MEMORY_LIMIT='abc' cannot be read"
        self.assertEqual(judge.one_line_about(line + "\n", "CUDA_DEVICE_MEMORY_LIMIT", "abc"), [])
        self.assertTrue(judge.one_line_about("", "CUDA_DEVICE_MEMORY_LIMIT", "abc"))
        self.assertTrue(judge.one_line_about(f"{line}\n{line}\n", "CUDA_DEVICE_MEMORY_LIMIT", "abc"))
        self.assertTrue(judge.one_line_about("something is wrong", "CUDA_DEVICE_MEMORY_LIMIT", "abc"))

    def test_spread(self):
        self.assertEqual(
            judge.spread([4, 1, 3, 2, 5]), {"median": 3, "p25": 2, "p75": 4, "min": 1, "max": 5, "samples": 5}
        )
        self.assertEqual(judge.spread([1, 2])["median"], 1.5)


class Report(unittest.TestCase):
    def result(self, *passes):
        checks = [{"name": f"check {i}", "pass": p, "detail": "words", "seconds": 0.5} for i, p in enumerate(passes)]
        device = {"name": "NVIDIA H200", "driver": "1.2.3", "cuda_driver_version": 13000}
        return {"date": "2024-06-07T08:09:10+00:00", "device": device, "checks": checks}

    def test_closing_line_and_status(self):
        self.assertEqual(report.table(self.result(True, True, False, None)).splitlines()[-1], "2 passed, 1 failed, 1 skipped")
        for passes, status in (((True, None), 0), ((True, False), 1), ((None,), 1), ((), 1)):
            self.assertEqual(report.exit_status(self.result(*passes)), status, passes)

    def test_json_in_a_folder_and_in_a_named_file(self):
        with tempfile.TemporaryDirectory() as folder:
            new = Path(folder) / "new"
            report.check_writable(new)
            path = report.write(self.result(True, False), new)
            self.assertEqual(path.name, "gpu-check-nvidia-h200-20240607T080910.json")
            self.assertEqual(json.loads(path.read_text())["summary"], {"passed": 1, "failed": 1, "skipped": 0})
            named = report.write(self.result(True), Path(folder) / "named.json")
            self.assertEqual(sorted(os.listdir(folder)), ["named.json", "new"])
            self.assertEqual(json.loads(named.read_text())["checks"][0]["name"], "check 0")


def run():
    """Runs the tests; status 0 when all pass and there were some, else 1."""
    modules = (sys.modules[__name__], selftest_compute)
    suite = unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromModule, modules))
    start = time.monotonic()
    log = io.StringIO()
    with contextlib.redirect_stderr(log):
        outcome = unittest.TextTestRunner(stream=log, verbosity=1).run(suite)
    passed = outcome.testsRun - len(outcome.failures) - len(outcome.errors) - len(outcome.skipped)
    if not outcome.wasSuccessful():
        print(log.getvalue(), file=sys.stderr)
    print(
        f"self-test: {passed} passed, {len(outcome.failures) + len(outcome.errors)} failed, "
        f"{len(outcome.skipped)} skipped, {time.monotonic() - start:.1f} s"
    )
    return 0 if outcome.wasSuccessful() and passed else 1
