"""Timings of several variants by turns, and their tables: what the measurements of `make bench` share.

A machine's speed drifts. So the variants take turns, in an order that is shuffled every round. Ratios are taken within
a round and told as their median with quartiles.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

LEAST_ROUNDS = 3

Variants = dict[str, Callable[[], object]]
Times = dict[str, list[float]]


def take_turns(variants: Variants, seconds: float = 0, turn: float = 0) -> Times:
    """Return the seconds of one call of each variant in each round, for about `seconds` and at least `LEAST_ROUNDS`.

    In a round, each variant is called once, or as often as fits into a `turn`.
    """
    for call in variants.values():
        call()  # compiles, and fills caches
    calls = {name: max(1, round(turn / timed(call))) for name, call in variants.items()}
    times: Times = {name: [] for name in variants}
    order, shuffle = list(variants), random.Random(0)
    end = time.perf_counter() + seconds
    while len(times[order[0]]) < LEAST_ROUNDS or time.perf_counter() < end:
        shuffle.shuffle(order)
        for name in order:
            times[name].append(timed(variants[name], calls[name]))
    return times


def timed(call: Callable[[], object], calls: int = 1) -> float:
    """Return the seconds that one of so many calls takes."""
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def milliseconds(times: list[float], steps: int = 1) -> str:
    """Return the median time of one of the `steps` of a call."""
    return f"{1000 * statistics.median(times) / steps:.3g}"


def ratio(times: Times, variant: str, reference: str) -> str:
    """Return how many times as long as the reference the variant takes."""
    low, middle, high = ratio_quartiles(times, variant, reference)
    return f"{middle:.2f} ({low:.2f} {high:.2f})"


def overhead(times: Times, variant: str, reference: str) -> str:
    """Return how much longer than the reference the variant takes."""
    low, middle, high = 100 * (ratio_quartiles(times, variant, reference) - 1)
    return f"{middle:+.1f} % ({low:+.1f} {high:+.1f})"


def ratio_quartiles(times: Times, variant: str, reference: str) -> np.ndarray:
    """Return the three quartiles of the rounds' ratios."""
    return np.percentile(np.divide(times[variant], times[reference]), (25, 50, 75))


def table(headings: list[str], rows: list[list[str]]) -> None:
    """Print the rows below their headings."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, *rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def progress(text: str) -> None:
    """Tell who waits what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
