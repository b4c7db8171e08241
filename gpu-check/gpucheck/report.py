"""The outcome of a run: its JSON file, its table and its exit status."""

import json
import re
import tempfile
from pathlib import Path

from .harness import UsageError

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


def summary(result):
    """How many checks passed, failed and were skipped."""
    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    for check in result["checks"]:
        counts[outcome(check)] += 1
    return counts


def outcome(check):
    """A check's outcome in one word; its `pass` is true, false, or null when it could not run."""
    return {True: PASSED, False: FAILED, None: SKIPPED}[check["pass"]]


def table(result):
    """A line for each check, and the closing line `N passed, M failed, K skipped`."""
    labels = {PASSED: "pass", FAILED: "FAIL", SKIPPED: "skip"}
    lines = [f"{result['device']['name']}, driver {result['device']['driver']}, {result['date']}"]
    for check in result["checks"]:
        lines.append(f"{labels[outcome(check)]}  {check['seconds']:6.1f} s  {check['name']}")
        if check["detail"]:
            lines.append(f"                {check['detail']}")
    counts = summary(result)
    lines.append(f"{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[SKIPPED]} skipped")
    return "\n".join(lines)


def exit_status(result):
    """0 when every check that ran passed and at least one ran; else 1."""
    counts = summary(result)
    return 0 if counts[PASSED] and not counts[FAILED] else 1


def check_writable(out):
    """Raises UsageError unless the report can be written to `out`: better said before the checks than after."""
    folder = out.parent if out.suffix == ".json" else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"--out {out}: cannot write there ({error.strerror}); give a folder, or a name in .json") from None


def write(result, out):
    """Writes the report and returns its path; `out` is a folder, or a file name that ends in .json."""
    if out.suffix == ".json":
        path = out
    else:
        device = re.sub(r"[^A-Za-z0-9]+", "-", result["device"]["name"]).strip("-").lower()
        stamp = re.sub(r"[^0-9T]", "", result["date"])[:15]
        path = out / f"gpu-check-{device}-{stamp}.json"
    partial = Path(f"{path}.part")
    partial.write_text(json.dumps({**result, "summary": summary(result)}, indent=2) + "\n")
    partial.replace(path)
    return path
