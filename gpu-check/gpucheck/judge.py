"""Verdicts over what the probes saw: plain functions, so that they are tested without a device."""

from .context import CONTEXT_TOLERANCE, MIB

OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation and CUDA_ERROR_OUT_OF_MEMORY have the same value


def mib(size):
    """A size in MiB for people."""
    return f"{size / MIB:.1f} MiB"


def filled(trace, quota, piece, slack=0):
    """Problems in a run of equal allocations up to the refusal.

    `slack` is what the driver may take beyond a piece at once (a memory pool grows in chunks)."""
    problems = []
    if trace["total"] != quota:
        problems.append(f"the total shown is {trace['total']} bytes, not the quota of {quota}")
    if trace["code"] is None:
        problems.append(f"{mib(trace['bytes'])} granted and never refused")
    elif trace["code"] != OUT_OF_MEMORY:
        problems.append(f"refused with error {trace['code']}, not {OUT_OF_MEMORY}")
    elif trace["free"] >= piece + slack:
        problems.append(f"refused {mib(piece)} while {mib(trace['free'])} were free")
    if trace["bytes"] > quota:
        problems.append(f"{trace['bytes']} bytes granted under a quota of {quota}")
    if not trace["pieces"]:
        problems.append("nothing was granted")
    return problems


def within(real, source, quota):
    """Problems with the device's own figure of what was taken."""
    if real > quota + CONTEXT_TOLERANCE:
        return [f"{source} says {mib(real)} were taken under a quota of {mib(quota)}"]
    return []


def one_line_about(text, variable, value):
    """Problems with the message for a value that cannot be read: one line, naming variable and value."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) != 1:
        return [f"{len(lines)} lines on stderr, not 1: {text.strip()!r}"]
    return [f"the line on stderr does not name {word!r}: {lines[0]!r}" for word in (variable, value) if word not in lines[0]]


def spread(samples):
    """Median, quartiles and extremes of samples."""
    ordered = sorted(samples)

    def at(part):
        place = part * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    values = {"median": at(0.5), "p25": at(0.25), "p75": at(0.75), "min": ordered[0], "max": ordered[-1]}
    return {name: round(value, 3) for name, value in values.items()} | {"samples": len(ordered)}
