"""Confidence intervals and paired tests by sacreBLEU's own code, on statistics of lines. Free of torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mtkit.errors import UsageError

Method = Literal["bs", "ar"]
"""The bootstrap (Koehn 2004), or approximate randomisation (Riezler and Maxwell 2005); sacreBLEU's names."""
TRIALS: Mapping[Method, int] = {"bs": 1_000, "ar": 10_000}
"""The trials that sacreBLEU makes if it is not told how many."""
ALPHA = 0.05
"""Adjusted p-values below this one are marked."""
SEED = "SACREBLEU_SEED"
"""The environment variable with the seed, an integer or none; sacreBLEU's default is 12345."""
_ROUNDING = 1e-9
"""Differences of scores that are closer than this are equal."""

Rows = npt.NDArray[np.float64]
"""[lines, counts], the statistics of each line; those of a corpus are their sums."""


class Aggregate(Protocol):
    """The part of a metric that computes a score from statistics."""

    def aggregate(self, statistics: Sequence[Sequence[float]]) -> float:
        """The score of a corpus with these statistics of lines."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval by bootstrap resampling.

    Attributes:
        mean: of the scores of all resamples.
        margin: half of the width of the interval that has 95 % of these scores.
    """

    mean: float
    margin: float


class PValues(NamedTuple):
    """The probability of a difference this large between equal systems, in two ways; 1 for equal scores.

    Attributes:
        usual: counts trials with a larger difference, as the `sacrebleu` command, whose value it equals but
            for equal scores.
        with_ties: counts those with an equal difference too. Only this one is right if few lines differ: if
            two do, every trial swaps none, one or both, and none has a larger difference.
    """

    usual: float
    with_ties: float


class Resampled(NamedTuple):
    """What resampling tells of a system.

    Attributes:
        value: its score.
        interval: of the score, by the bootstrap; None by randomisation.
        p_values: of its difference to the first system; None for that one.
    """

    value: float
    interval: Interval | None
    p_values: PValues | None


@dataclass(frozen=True, slots=True)
class PairedTest:
    """How differences are tested.

    Attributes:
        method: approximate randomisation keeps its level: of equal systems it calls one in 20 different. The
            bootstrap of sacreBLEU, as that of Moses, calls about one in ten so.
        trials: number of trials or resamples.
    """

    method: Method = "ar"
    trials: int = TRIALS["ar"]

    @property
    def name(self) -> str:
        """The flag of the `sacrebleu` command, without dashes."""
        return f"paired-{self.method}"

    def __str__(self) -> str:
        return f"{self.name}, {self.trials:,} trials, seed {seed()}"

    def signature(self, recipe: str) -> str:
        """The signature of a score with the fields of the test, as sacreBLEU writes it."""
        first, separator, rest = recipe.partition("|")
        return f"{first}|{self.method}:{self.trials}|seed:{seed()}{separator}{rest}"


def seed() -> str:
    """The seed of resampling, as sacreBLEU takes it from the environment.

    Raises:
        UsageError: it is not a number.
    """
    found = os.environ.get(SEED, "12345").lower()
    if found != "none" and not found.isdecimal():
        raise UsageError(f"{SEED} = {found}: must be an integer from 0 or none.", f"Set or unset {SEED}.")
    return found


def resample(test: PairedTest, metric: Aggregate, systems: Sequence[Rows]) -> list[Resampled]:
    """What resampling tells of each system: its interval, and how its score differs from the first one's.

    Args:
        test: how lines are drawn.
        metric: computes scores from statistics.
        systems: [lines, counts] of each system, on the same lines; one is enough for its interval.
    """
    from sacrebleu.significance import PairedTest as Sacrebleu

    counted = _Counted(metric)
    paired = Sacrebleu(
        [(str(number), rows) for number, rows in enumerate(systems)],  # type: ignore[misc]  # counted already
        {"score": counted},  # type: ignore[dict-item]
        None,
        test_type=test.method,
        n_samples=test.trials,
    )
    results: Any = paired()[1]["score"]
    values = [float(result.score) for result in results]
    found = []
    for number, (rows, result) in enumerate(zip(systems, results, strict=True)):
        interval = counted.interval(number, test.trials) if test.method == "bs" else None
        p_values = None
        if number:
            difference = abs(values[number] - values[0])
            trials = counted.differences(number, test.trials) if test.method == "ar" else None
            p_values = _p_values(float(result.p_value), systems[0], rows, difference, trials)
        found.append(Resampled(values[number], interval, p_values))
    return found


def p_text(p_value: float, difference: float) -> str:
    """A p-value with as many digits as mean something; of equal scores `=`."""
    if abs(difference) < _ROUNDING:
        return "="
    return f"{p_value:.4f}" if p_value < 0.1 else f"{p_value:.2f}"


def _p_values(usual: float, baseline: Rows, system: Rows, difference: float, trials: Rows | None) -> PValues:
    """The p-values of a difference, of which sacreBLEU has computed the usual one.

    Args:
        usual: sacreBLEU's.
        baseline: the statistics of the first system.
        system: those of the other.
        difference: of their scores.
        trials: the differences of the trials of randomisation; None for the bootstrap.
    """
    if difference < _ROUNDING:
        return PValues(1.0, 1.0)
    # 2 of the 2^n ways to swap the n lines that differ give the same difference or its negative.
    num_different = int((baseline != system).any(axis=1).sum())
    with_ties = max(usual, min(1.0, 2.0 ** (1 - num_different)))
    if trials is not None:
        as_large = int((trials >= difference - _ROUNDING).sum())
        with_ties = max(with_ties, (as_large + 1) / (len(trials) + 1))
    return PValues(usual, with_ties)


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
        """Forgets it: `PairedTest.signature` writes it."""


class _Counted:
    """A metric of sacreBLEU whose hypotheses are their statistics."""

    def __init__(self, metric: Aggregate) -> None:
        self._metric = metric
        self._scores: list[float] = []
        self._resampled: list[_Value] = []

    def differences(self, system: int, trials: int) -> Rows:
        """[trials], the differences between the two shuffled systems of each trial of randomisation."""
        # The first score is that of the baseline; a system has its own and those of two halves of trials.
        begin = 1 + (system - 1) * (1 + 2 * trials) + 1
        one, other = np.reshape(self._scores[begin : begin + 2 * trials], (2, trials))
        return np.abs(one - other)

    def interval(self, system: int, trials: int) -> Interval:
        """That of a system, as `sacrebleu --confidence` estimates it; `--paired-bs` rounds the mean more."""
        from sacrebleu.metrics.base import Score

        # The baseline is resampled first, and once more before each system.
        begin = 2 * system * trials
        found = self._resampled[begin : begin + trials]
        if len({type(value.score) for value in found}) > 1:  # a plain 0 among numbers of 32 bits
            found = [_Value(np.float32(value.score)) for value in found]  # type: ignore[arg-type]
        score = Score("", 0.0)
        score.estimate_ci(found)  # type: ignore[arg-type]
        return Interval(float(score._mean), float(score._ci))

    def _extract_corpus_statistics(self, rows: Rows, _: None) -> Rows:
        return rows

    def _aggregate_and_compute(self, rows: Rows) -> _Value:
        self._scores.append(self._metric.aggregate(rows))  # type: ignore[arg-type]
        return _Value(self._scores[-1])

    def _compute_score_from_stats(self, row: Sequence[float]) -> _Value:
        self._resampled.append(_Value(self._metric.aggregate([row])))
        return self._resampled[-1]

    def get_signature(self) -> _NoSignature:
        return _NoSignature()
