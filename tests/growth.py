"""Whether work grows no faster than its input."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import TypeVar

MOST = 2.5
"""Times the processor time, or the memory, that twice the input may take."""
FLOOR = 0.02
"""Seconds below which nothing is compared: caches and the clock decide there."""
MEMORY_FLOOR = 2 << 20
"""Bytes below which nothing is compared: lists grow in steps."""
ROUNDS = 6
"""A slow machine may spoil a comparison, but not so many."""

Input = TypeVar("Input")


def check_time(work: Callable[[Input], object], make: Callable[[int], Input], sizes: Sequence[int]) -> None:
    """Takes the first of `sizes` whose input can be timed, if there is one, and compares it with twice that.

    Processor time of this process, the best of several, so that other processes do not count.
    """
    for size in sizes:
        if _seconds(work, make(size), repeats=1) >= FLOOR and _seconds(work, make(size)) >= FLOOR:
            break
    else:
        return
    ratios = []
    for _ in range(ROUNDS):
        once, twice = _seconds(work, make(size)), _seconds(work, make(2 * size))
        ratios.append(twice / once)
        if ratios[-1] <= MOST:
            return
    raise AssertionError(
        f"from {size} to {2 * size}: {min(ratios):.2f} times the processor time, {once:.3f} s"
    )


def _seconds(work: Callable[[Input], object], given: Input, repeats: int = 3) -> float:
    best = float("inf")
    gc.disable()
    try:
        for _ in range(repeats):
            begin = time.process_time()
            work(given)
            best = min(best, time.process_time() - begin)
    finally:
        gc.enable()
    return best


def check_memory(work: Callable[[Input], object], make: Callable[[int], Input], size: int) -> None:
    """Compares the peak memory of `work` for inputs of `size` and of twice that."""
    work(make(size))  # what is made once does not count
    once, twice = (_peak(work, make(given)) for given in (size, 2 * size))
    assert twice <= max(MOST * once, MEMORY_FLOOR), f"from {size} to {2 * size}: {once} to {twice} bytes"


def _peak(work: Callable[[Input], object], given: Input) -> int:
    tracemalloc.start()
    try:
        work(given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
