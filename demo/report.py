"""What the demo prints: steps, and a closing table of asked and observed."""

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass


class ReaderGone(Exception):
    """Nobody reads standard output any more."""


@dataclass
class Row:
    """One thing that was asked for, what was observed, and whether the one is the other."""

    what: str
    asked: str
    observed: str
    ok: bool


class Report:
    """Prints as the demo goes along, and collects the rows of the closing table."""

    def __init__(self):
        terminal = sys.stdout.isatty()
        self.width = shutil.get_terminal_size().columns if terminal else 100
        self.colours = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.rows = []

    def paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text

    def write(self, text):
        """One or several lines, at once."""
        try:
            print(text, flush=True)
        except BrokenPipeError:
            raise ReaderGone from None

    def heading(self, text):
        self.write("\n" + self.paint("1", text))

    def say(self, text):
        self.write(textwrap.fill(text, self.width - 1, initial_indent="  ", subsequent_indent="  "))

    def output(self, text, short):
        """A program's output as it is, or `short` instead where the terminal is too narrow for it."""
        fits = all(len(line) + 2 <= self.width for line in text.splitlines())
        for line in (text if fits else short).splitlines():
            self.write("  " + self.paint("2", line))

    def row(self, what, asked, observed, ok=None):
        """Notes what was asked and observed; without `ok`, they have to be the same."""
        self.rows.append(Row(what, str(asked), str(observed), asked == observed if ok is None else ok))

    def close(self):
        """Prints the table; whether everything was as asked."""
        self.heading("Asked and observed")
        columns = [max(len(getattr(row, name)) for row in self.rows) for name in ("what", "asked", "observed")]
        wide = sum(columns) + len(columns) * 2 + len("FAILED") + 2 <= self.width
        for row in self.rows:
            verdict = self.paint("32", "ok") if row.ok else self.paint("1;31", "FAILED")
            cells = [row.what, row.asked, row.observed]
            if wide:
                self.write("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, columns)) + "  " + verdict)
            else:
                self.write(f"  {row.what}: {verdict}\n    asked {row.asked}\n    saw   {row.observed}")
        failed = sum(not row.ok for row in self.rows)
        self.write("\n  " + (f"{failed} of {len(self.rows)} FAILED" if failed else f"All {len(self.rows)} as asked."))
        return not failed
