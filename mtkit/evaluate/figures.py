"""Scores of several systems on the same lines, with the significance of their differences. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mtkit.config.fixed import MetricName
from mtkit.metrics.significance import ALPHA, Aggregate, PairedTest, PValues, Rows, holm, resample
from mtkit.metrics.surface import METRICS

SCREEN = 1000
"""Trials after which the test of a bucket ends if its p-value is above .05 then."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a score of several systems is computed from.

    Attributes:
        title: name of the score in tables.
        higher_is_better: whether a better system has a higher score.
        metric: computes it.
        rows: [lines, counts] of each system, statistics of the same lines.
    """

    title: str
    higher_is_better: bool
    metric: Aggregate
    rows: tuple[Rows, ...]

    def at(self, lines: npt.NDArray[np.bool_]) -> Counted:
        """The same for some lines."""
        return Counted(
            self.title, self.higher_is_better, self.metric, tuple(rows[lines] for rows in self.rows)
        )

    def scores(self) -> tuple[float, ...]:
        """The score of each system."""
        return tuple(float(self.metric.aggregate(rows)) for rows in self.rows)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Figure:
    """A score of several systems, the first of which is the baseline.

    Attributes:
        title: name of the score.
        higher_is_better: whether a better system has a higher score.
        values: of each system.
        p_values: of the difference of each system to the baseline; that of the baseline is None, and all are
            if nothing was tested.
        adjusted: adjusted by Holm's method for all tests of one table, with ties counted.
    """

    title: str
    higher_is_better: bool
    values: tuple[float, ...]
    p_values: tuple[float | None, ...]
    adjusted: tuple[float | None, ...]

    def is_significant(self, system: int) -> bool:
        """Whether the system differs from the baseline by more than chance, with all tests of the table."""
        adjusted = self.adjusted[system]
        return adjusted is not None and adjusted < ALPHA

    def is_worse(self, system: int) -> bool:
        """Whether the system has a worse score than the baseline."""
        change = self.values[system] - self.values[0]
        return change < 0 if self.higher_is_better else change > 0


def count(
    systems: Sequence[Sequence[str]],
    refs: Sequence[Sequence[str]],
    metrics: Sequence[MetricName],
    tgt_lang: str,
    srcs: Sequence[str] | None = None,
) -> list[Counted]:
    """The statistics of each metric for the translations of each system.

    Args:
        systems: [systems, lines] translations.
        refs: [versions, lines] references.
        metrics: names of metrics.
        tgt_lang: language of both.
        srcs: the texts that were translated, for metrics that need them.
    """
    found = []
    for name in metrics:
        recipe = METRICS[name].build(tgt_lang)
        inputs = {"refs": refs} | ({"srcs": [srcs]} if srcs is not None else {})
        rows = tuple(np.array(recipe.statistics(hyps, inputs), np.float64) for hyps in systems)  # type: ignore[arg-type]
        found.append(Counted(METRICS[name].title, METRICS[name].higher_is_better, recipe, rows))
    return found


def figures_of(
    groups: Sequence[Sequence[Counted]], test: PairedTest | None, *, small: bool = False
) -> list[tuple[Figure, ...]]:
    """The figures of each group; p-values are adjusted for the tests of all groups together.

    Args:
        groups: what the figures of one row of a table are computed from.
        test: how systems are compared with the first; None to compare none.
        small: whether the groups may have few lines, and may be many: then `p_values` count ties too, and a
            test ends after `SCREEN` trials if its p-value is above .05.
    """
    tested: dict[tuple[int, int, int], PValues] = {}
    for row, group in enumerate(groups):
        for column, counted in enumerate(group):
            for system in range(1, len(counted.rows) if test else 0):
                assert test is not None
                place = row, column, system
                tested[place] = _test(test, counted, system, SCREEN if small else test.trials)
    given = {place: found.with_ties if small else found.usual for place, found in tested.items()}
    adjusted = dict(zip(tested, holm([found.with_ties for found in tested.values()]), strict=True))
    return [
        tuple(
            Figure(
                counted.title,
                counted.higher_is_better,
                counted.scores(),
                tuple(given.get((row, column, system)) for system in range(len(counted.rows))),
                tuple(adjusted.get((row, column, system)) for system in range(len(counted.rows))),
            )
            for column, counted in enumerate(group)
        )
        for row, group in enumerate(groups)
    ]


def _test(test: PairedTest, counted: Counted, system: int, screen: int) -> PValues:
    pair = counted.rows[0], counted.rows[system]
    if np.array_equal(*pair):
        return PValues(1.0, 1.0)
    if screen < test.trials:
        rough = _p_values(replace(test, trials=screen), counted.metric, pair)
        if rough.with_ties > ALPHA:
            return rough
    return _p_values(test, counted.metric, pair)


def _p_values(test: PairedTest, metric: Aggregate, pair: tuple[Rows, Rows]) -> PValues:
    found = resample(test, metric, pair)[1].p_values
    assert found is not None
    return found
