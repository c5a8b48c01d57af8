"""The training time of a run. All ranks read the same number, because rates and the end follow from it."""

from __future__ import annotations

import time

from mtkit.train.machine.distributed import World


class Clock:
    """Rank 0's clock, which all ranks go by.

    Args:
        world: the ranks.
        seconds: training time of earlier parts of the run.
    """

    def __init__(self, world: World, seconds: float) -> None:
        self._world = world
        self._before = seconds
        self._begin = time.monotonic()

    def agree(self, stop: bool = False, splits: int = 1) -> tuple[float, bool, int]:
        """The training time, whether any rank wants to `stop`, and the most `splits`. All ranks call it."""
        return self._world.agree(self._before + time.monotonic() - self._begin, stop, splits)
