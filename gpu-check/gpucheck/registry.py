"""The list of checks: each module under checks/ adds its own with the decorator."""

from dataclasses import dataclass
from typing import Callable

CHECKS = []


@dataclass
class Check:
    """One check: its name, the function that makes it, its time limit and what the machine must have."""

    name: str
    function: Callable
    seconds: float
    needs: tuple


def check(name, seconds=30.0, needs=()):
    """Registers a function of the context; it returns its detail as text, or raises Failure or Skip."""

    def add(function):
        CHECKS.append(Check(name, function, seconds, tuple(needs)))
        return function

    return add
