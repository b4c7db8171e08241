"""What share of a device a program had: plain functions over its notes of when each batch of work was done."""

from .judge import spread

# The parts of a run whose figures are given as its spread, and the length in which no cap may be left behind.
PART_S, WINDOW_S = 0.5, 1.0
# Facts are held this wide, in points: a share that is not kept at all is a fault, an error of a point is a figure.
TOLERANCE = 10.0


def rate(run, seconds):
    """Iterations a second over the first `seconds`; 0 when no batch was done by then.

    It ends with the last batch that was done in time, so that a batch cut off by the end does not count as idle time."""
    ends = [end for end in run["ends"] if end <= seconds]
    return len(ends) * run["batch"] / ends[-1] if ends else 0.0


def done_between(run, begin, end):
    """Iterations done in a part of the run; a batch is spread evenly over the time since the one before it."""
    done, before = 0.0, 0.0
    for after in run["ends"]:
        overlap = min(after, end) - max(before, begin)
        if overlap > 0:
            done += run["batch"] * overlap / max(after - before, 1e-9)
        before = after
    return done


def parts(run, seconds, length=PART_S):
    """Iterations a second in each whole part of the run's first `seconds`."""
    count = int(seconds / length + 1e-9)
    return [done_between(run, index * length, (index + 1) * length) / length for index in range(count)]


def worst_window(run, seconds, length=WINDOW_S, step=0.05):
    """The most iterations a second that any window of `length` had, from the first launch on."""
    begins = [index * step for index in range(int(max(0.0, seconds - length) / step + 1e-9) + 1)]
    return max(done_between(run, begin, begin + length) / length for begin in begins)


def row(case, asked, run, alone, seconds, bound):
    """A row of the table: `alone` is the same program's rate without the library, `bound` the error aimed at, in points."""
    whole = 100 / alone
    achieved = rate(run, seconds) * whole
    error = achieved - asked
    return {
        "case": case, "asked": asked, "achieved": round(achieved, 2), "error": round(error, 2), "bound": bound,
        "within_bound": abs(error) <= bound, "parts": spread([part * whole for part in parts(run, seconds)]),
        "worst_second": round(worst_window(run, seconds) * whole, 2),
    }


def row_alone(case, run, alone, seconds, least):
    """The row of a program that may have all of the device: `least` percent is aimed at."""
    made = row(case, 100.0, run, alone, seconds, 100.0 - least)
    return made | {"within_bound": made["achieved"] >= least}


def jain(rows):
    """Jain's index of achieved to asked: 1 when all have the same part of what they asked for."""
    ratios = [made["achieved"] / made["asked"] for made in rows]
    squares = sum(ratio * ratio for ratio in ratios)
    return round(sum(ratios) ** 2 / (len(ratios) * squares), 4) if squares else 0.0


def problems(made):
    """Facts that a row denies: far more than was asked, or less than half of it."""
    if made["achieved"] > made["asked"] + TOLERANCE:
        return [f"{made['case']}: asked {made['asked']:g} %, had {made['achieved']:.1f} %"]
    if made["achieved"] < made["asked"] / 2:
        return [f"{made['case']}: asked {made['asked']:g} %, had only {made['achieved']:.1f} %"]
    return []


def text(made):
    """A row for people: asked, achieved, error, and the quartiles of its parts."""
    part = made["parts"]
    return (
        f"{made['case']}: asked {made['asked']:g}, had {made['achieved']:.2f} "
        f"({part['p25']:.2f} to {part['p75']:.2f}), error {made['error']:+.2f}"
    )
