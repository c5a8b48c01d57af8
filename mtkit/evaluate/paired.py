"""Paired significance tests by sacreBLEU, on statistics of lines that were counted before. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mtkit.metrics.significance import SEED, check_seed

Method = Literal["paired-ar", "paired-bs"]
"""Approximate randomisation (Riezler and Maxwell 2005), or the bootstrap (Koehn 2004)."""
TRIALS: Mapping[Method, int] = {"paired-ar": 10_000, "paired-bs": 1_000}
"""The trials that sacreBLEU makes if it is not told how many."""
ALPHA = 0.05
"""Adjusted p-values below this one are marked."""

Rows = npt.NDArray[np.float64]
"""[lines, counts], the statistics of each line; those of a corpus are their sums."""


class Aggregate(Protocol):
    """The part of a metric that computes a score from statistics."""

    def aggregate(self, statistics: Sequence[Sequence[float]]) -> float:
        """The score of a corpus with these statistics of lines."""


_ROUNDING = 1e-9
"""Differences of scores that are closer than this are equal."""


class PValues(NamedTuple):
    """The p-value of one difference in two ways.

    Attributes:
        usual: counts trials with a larger difference, as the `sacrebleu` command, whose value it equals.
        with_ties: counts those with an equal difference too. Only this one is right if few lines differ: if
            two do, every trial swaps none, one or both, and none has a larger difference.
    """

    usual: float
    with_ties: float


@dataclass(frozen=True, slots=True)
class PairedTest:
    """How differences are tested.

    Attributes:
        method: approximate randomisation keeps its level: of equal systems it calls one in 20 different. The
            bootstrap of sacreBLEU, as that of Moses, calls about one in ten so.
        trials: number of trials or resamples.
    """

    method: Method = "paired-ar"
    trials: int = TRIALS["paired-ar"]

    def __str__(self) -> str:
        return f"{self.method}, {self.trials:,} trials, seed {seed()}"

    def p_values(self, metric: Aggregate, baseline: Rows, system: Rows) -> PValues:
        """The probability of a difference this large between equal systems; 1 for equal statistics.

        Args:
            metric: computes scores from statistics.
            baseline: [lines, counts], statistics of the first system.
            system: [lines, counts], those of the other.
        """
        from sacrebleu.significance import PairedTest as Sacrebleu

        if np.array_equal(baseline, system):
            return PValues(1.0, 1.0)
        counted = _Counted(metric)
        test = Sacrebleu(
            [("baseline", baseline), ("system", system)],  # type: ignore[list-item]  # counted already
            {"score": counted},  # type: ignore[dict-item]
            None,
            test_type=self.method.removeprefix("paired-"),
            n_samples=self.trials,
        )
        results: Any = test()[1]["score"]
        p_value = float(results[1].p_value)
        # 2 of the 2^n ways to swap the n lines that differ give the same difference or its negative.
        num_different = int((baseline != system).any(axis=1).sum())
        with_ties = max(p_value, min(1.0, 2.0 ** (1 - num_different)))
        if self.method == "paired-ar":
            (first, second), trials = counted.scores[:2], np.reshape(counted.scores[2:], (2, self.trials))
            as_large = np.abs(trials[0] - trials[1]) >= abs(first - second) - _ROUNDING
            with_ties = max(with_ties, (int(as_large.sum()) + 1) / (self.trials + 1))
        return PValues(p_value, with_ties)


def seed() -> str:
    """The seed of the tests, as sacreBLEU takes it from the environment."""
    check_seed()
    return os.environ.get(SEED, "12345").lower()


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number, such that one in 20 families has any below .05 by chance.

    Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    adjusted = [0.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


@dataclass(frozen=True, slots=True)
class _Value:
    """A score as sacreBLEU's tests take it."""

    score: float
    name: str = "score"


class _NoSignature:
    """Takes what sacreBLEU writes into signatures."""

    def update(self, key: str, value: object) -> None:
        """Forgets it: `PairedTest` says it in words."""


class _Counted:
    """A metric of sacreBLEU whose hypotheses are their statistics.

    Attributes:
        scores: those of both systems, and then those of the trials.
    """

    def __init__(self, metric: Aggregate) -> None:
        self._metric = metric
        self.scores: list[float] = []

    def _extract_corpus_statistics(self, rows: Rows, _: None) -> Rows:
        return rows

    def _aggregate_and_compute(self, rows: Rows) -> _Value:
        self.scores.append(self._metric.aggregate(rows))  # type: ignore[arg-type]
        return _Value(self.scores[-1])

    def _compute_score_from_stats(self, row: Sequence[float]) -> _Value:
        return _Value(self._metric.aggregate([row]))

    def get_signature(self) -> _NoSignature:
        return _NoSignature()
