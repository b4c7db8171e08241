"""Tests of the compute checks: their arithmetic, and their verdicts over programs that are only modelled. No device."""

import signal
import time
import unittest
from types import SimpleNamespace

from . import shares
from .checks import compute_cost, compute_others, compute_shares
from .harness import Failure
from .probes import loops, ptx

# What a batch takes in the model, in seconds: 10 ms of one iteration.
LENGTH = 0.01


def steady(percent, seconds=4.0, batch=1, start=0.0):
    """A run that has `percent` of the device from `start` on, in batches of 10 ms."""
    each = LENGTH * 100 / percent
    return {"batch": batch, "ends": [start + each * (index + 1) for index in range(int((seconds - start) / each + 1e-6))]}


class Modelled:
    """A program that answers as the probes do: it has `percent` of the device, whatever it is asked to run."""

    def __init__(self, label, percent, tokens=(1, 2), event_us=1000.0, held=()):
        self.label, self.percent, self.tokens, self.event_us = label, percent, list(tokens), event_us
        self.replies, self.signals, self.held = [], [], list(held)

    def call(self, function, **arguments):
        self.send(function, **arguments)
        return self.receive()

    def send(self, function, **arguments):
        self.replies.append(getattr(self, f"_{function}")(**arguments))

    def receive(self, timeout=None):
        return self.replies.pop(0)

    def signal(self, number):
        self.signals.append(number)

    def kill(self):
        self.signals.append(signal.SIGKILL)

    def close(self):
        pass

    def _calibrate(self, microseconds):
        return {"n": 7}

    def _small_size(self):
        return 1 << 20

    def _prepare(self, **_arguments):
        return 20.0

    def _saturate(self, seconds, batch=1, **_arguments):
        return steady(self.held.pop(0) if self.held else self.percent, seconds, batch)

    def _endless(self):
        pass

    def _singles(self, count, **_arguments):
        return [self.event_us] * count

    _crowded = _singles

    def _build_transformer(self, **_arguments):
        return 8

    def _tokens(self, **_arguments):
        return {"seconds": 1 / self.percent, "tokens": self.tokens}


def modelled(programs):
    """A context whose `programs` gives these, whatever environments are asked for."""

    def given(_module, environments):
        if len(environments) != len(programs):
            raise AssertionError(f"{len(environments)} programs asked for, {len(programs)} modelled")
        return programs

    return SimpleNamespace(
        native={}, measurements={}, programs=given, hooked=lambda *_a, **_k: {}, tenant=lambda *_a, **_k: {},
    )


class Shares(unittest.TestCase):
    def test_a_rate_ends_with_the_last_batch_in_time(self):
        self.assertAlmostEqual(shares.rate({"batch": 5, "ends": [1.0, 2.0, 3.5]}, 3.0), 5.0)
        self.assertEqual(shares.rate({"batch": 5, "ends": [3.5]}, 3.0), 0.0)

    def test_a_row_against_alone(self):
        made = shares.row("case", 30, steady(30), 100.0, 3.0, 1.5)
        self.assertAlmostEqual(made["achieved"], 30.0, places=1)
        self.assertTrue(made["within_bound"])
        self.assertEqual(made["parts"]["samples"], 6)
        self.assertEqual(shares.problems(made), [])

    def test_what_is_off_is_said(self):
        for percent, bound, problem in ((32, False, None), (28, False, None), (41, False, "had 41"), (14, False, "only 14")):
            made = shares.row("case", 30, steady(percent), 100.0, 3.0, 1.5)
            self.assertEqual(made["within_bound"], bound, made)
            found = shares.problems(made)
            self.assertEqual(len(found), 1 if problem else 0, found)
            if problem:
                self.assertIn(problem, found[0])

    def test_alone_there_is_no_too_much(self):
        self.assertTrue(shares.row_alone("case", steady(101), 100.0, 3.0, 97.0)["within_bound"])
        self.assertFalse(shares.row_alone("case", steady(96), 100.0, 3.0, 97.0)["within_bound"])

    def test_the_worst_second_sees_a_burst_that_the_mean_hides(self):
        # All of the device for a second, then nothing for two: a third on average.
        burst = {"batch": 1, "ends": [LENGTH * (index + 1) for index in range(100)] + [3.0]}
        made = shares.row("case", 33, burst, 100.0, 3.0, 1.5)
        self.assertLess(abs(made["error"]), 1.0)
        self.assertAlmostEqual(made["worst_second"], 100.0, places=1)
        self.assertAlmostEqual(made["parts"]["max"], 100.0, places=1)

    def test_a_batch_over_an_edge_counts_by_its_parts(self):
        self.assertAlmostEqual(shares.done_between({"batch": 4, "ends": [2.0]}, 0.5, 1.0), 1.0)

    def test_jain(self):
        rows = [{"asked": asked, "achieved": achieved} for asked, achieved in ((30, 30), (70, 70))]
        self.assertEqual(shares.jain(rows), 1.0)
        self.assertLess(shares.jain([{"asked": 50, "achieved": 90}, {"asked": 50, "achieved": 10}]), 0.7)


class Loops(unittest.TestCase):
    def test_a_load_stays_ahead_and_ends(self):
        submitted, waited, ahead = [], [], []

        def wait(mark):
            ahead.append(len(submitted) - len(waited))
            waited.append(mark)
            time.sleep(0.001)

        begin = time.monotonic_ns()
        ends = loops.saturate(lambda: submitted.append(1), lambda: len(submitted), wait, begin, 0.05)
        self.assertEqual(waited, list(range(1, len(submitted) + 1)))
        self.assertEqual(len(ends), len(submitted))
        self.assertEqual(ends, sorted(ends))
        self.assertGreater(ends[-1], 0.05)
        self.assertEqual(max(ahead), loops.AHEAD)

    def test_batches(self):
        self.assertEqual([loops.batch_of(us) for us in (0, 20, 1000, 10000)], [200000, 100, 2, 1])

    def test_every_kernel_has_its_entry(self):
        text = ptx.image((20,))
        for name in (ptx.work_name(20), ptx.EMPTY, ptx.ENDLESS, ptx.PERSISTENT, ptx.PEER):
            self.assertEqual(text.count(f".entry {name}("), 1, name)


class Verdicts(unittest.TestCase):
    def setUp(self):
        # Model programs need no time.
        self.sleeps, time_of = [], SimpleNamespace(monotonic_ns=lambda: 0, sleep=self.note_sleep)
        self.patched = [(module, module.time) for module in (compute_shares, compute_others)]
        for module, _ in self.patched:
            module.time = time_of

    def tearDown(self):
        for module, real in self.patched:
            module.time = real

    def note_sleep(self, seconds):
        self.sleeps.append(seconds)

    def kernels(self, *percents):
        ctx = modelled([Modelled(f"program {index}", percent) for index, percent in enumerate(percents)])
        return ctx, compute_shares.kernels(ctx)

    def test_kept_shares(self):
        ctx, detail = self.kernels(100, 30, 50, 70, 100, 100)
        table = ctx.measurements["shares"]["kernels"]
        self.assertEqual([made["asked"] for made in table["rows"]], [30, 50] * 3 + [100, 100, 30, 70])
        self.assertTrue(all(made["within_bound"] for made in table["rows"]), table["rows"])
        self.assertEqual(table["jain"], [1.0])
        self.assertIn("20 µs, 30 alone: asked 30, had 30.00", detail)

    def test_a_cap_that_does_nothing(self):
        with self.assertRaisesRegex(Failure, "20 µs, 30 alone: asked 30 %, had 100"):
            self.kernels(100, 100, 50, 70, 100, 100)

    def test_idle_time_that_is_not_lent(self):
        with self.assertRaisesRegex(Failure, "burst-share alone: asked 100 %, had only 40"):
            self.kernels(100, 30, 50, 70, 40, 100)

    def test_a_device_that_does_nothing(self):
        programs = [Modelled("native", 0.1)] + [Modelled("other", 50)] * 5
        with self.assertRaisesRegex(Failure, "native: not one batch"):
            compute_shares.kernels(modelled(programs))

    def test_pytorch_pairs(self):
        percents = (100, 50, 30, 50, 70, 50, 100)
        ctx = modelled([Modelled(f"program {index}", percent) for index, percent in enumerate(percents)])
        compute_shares.pytorch(ctx, kind="small")
        table = ctx.measurements["shares"]["small"]
        cases = ["30 alone", "50 alone", "burst-share alone", "30 beside 70", "70 beside 30", "50 beside 50", "50 beside 50"]
        self.assertEqual([made["case"] for made in table["rows"]], cases)
        self.assertEqual(table["jain"], [1.0, 1.0])

    def held(self, check, meanwhile):
        native, holder = Modelled("native", 100), Modelled("holder", 50)
        ctx = modelled([native, holder, Modelled("worker", 50, held=[50, meanwhile])])
        return check(ctx), holder

    def test_the_other_goes_on(self):
        detail, holder = self.held(compute_others.endless, 45)
        self.assertIn("45.0 % meanwhile", detail)
        self.assertEqual(holder.signals, [signal.SIGKILL])
        self.assertEqual(self.held(compute_others.stopped, 45)[1].signals, [signal.SIGSTOP, signal.SIGCONT])

    def test_the_other_is_held_up(self):
        with self.assertRaisesRegex(Failure, "had 5.0 % of its rate alone meanwhile"):
            self.held(compute_others.endless, 5)

    def test_timing_events(self):
        def events(library, waiting):
            made = [Modelled(str(us), 100, event_us=us) for us in (1000.0, library, 1000.0, waiting)]
            return compute_cost.events(modelled(made))

        events(1010.0, 4000.0)
        with self.assertRaisesRegex(Failure, "library: 1200.0 µs"):
            events(1200.0, 4000.0)
        with self.assertRaisesRegex(Failure, "500.0 µs under a cap"):
            events(1000.0, 500.0)

    def test_other_tokens(self):
        def tokens(last):
            made = [Modelled("native", 100), Modelled("library", 100), Modelled("50 %", 50, tokens=last)]
            ctx = modelled(made)
            compute_cost.tokens(ctx)
            return ctx.measurements["tokens_graph"]

        figures = tokens([1, 2])
        self.assertAlmostEqual(figures["50 %"]["median"] / figures["native"]["median"], 0.5)
        with self.assertRaisesRegex(Failure, "eager: other tokens with 50 %"):
            tokens([1, 3])
