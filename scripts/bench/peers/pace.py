"""Lets the contenders of `scripts/bench/train` take turns, each in a separate process.

The parent writes a line of JSON to a contender's standard input. The contender trains for that time and
answers with its measurements.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.train.machine.precision import training_dtype


class Finished(Exception):  # noqa: N818 - not an error: the benchmark is over
    """There is no further round."""


@dataclass(frozen=True)
class Job:
    """The setting that all contenders share; the config has data, sizes, batch, threads and device."""

    config: Config

    @staticmethod
    def load(overrides: list[str], path: str) -> Job:
        return Job(load_config([Path(path)], overrides).config)

    @property
    def dtype(self) -> torch.dtype:
        return training_dtype(self.config.train.precision, self.device)

    @property
    def device(self) -> torch.device:
        return torch.device(self.config.train.device)


class Pace:
    """Lets a contender train while it is its turn, and counts the target tokens of its steps."""

    def __init__(self, clock: str = "wall") -> None:
        self._clock = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
        # Output of libraries goes to stderr; only answers go to the real standard output.
        self._answers: TextIO = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._tokens = 0
        self._begin: float | None = None
        self._seconds = 0.0

    def step(self, tokens: int) -> None:
        """Call it after each update, with its number of target tokens including EOS, without padding.

        Raises:
            Finished: no further round.
        """
        if self._begin is None:  # the first step only warms up
            self._wait()
            return
        self._tokens += tokens
        if self._clock() - self._begin >= self._seconds:
            _synchronize()
            seconds = self._clock() - self._begin
            self.answer(tokens=self._tokens, seconds=seconds, peak=_peak_bytes())
            self._wait()

    def answer(self, **values: Any) -> None:
        print(json.dumps(values), file=self._answers, flush=True)

    def _wait(self) -> None:
        line = sys.stdin.readline()
        if not line:
            raise Finished
        self._seconds = json.loads(line)["seconds"]
        self._tokens = 0
        _synchronize()
        self._begin = self._clock()


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _peak_bytes() -> int:
    """The peak memory of this process: on the GPU if it uses one, otherwise its resident set."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
