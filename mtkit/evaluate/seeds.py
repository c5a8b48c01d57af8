"""How much scores vary between runs that differ only in their seed. Does not use torch."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.systems import HypFile, Job
from mtkit.runs.exports import is_export
from mtkit.runs.find import config_of

if TYPE_CHECKING:
    from pydantic.main import IncEx

_APART: dict[str, IncEx | bool] = {
    "run": True,
    "seed": True,
    "private": True,
    "evaluate": True,
    "export": True,
    "card": True,
    "data": {"test"},
}
"""Options of a config that may differ between runs that are compared: none changes the model but the seed."""
_T_QUANTILES = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""The 0.975 quantile of Student's t for 1 to 10 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Scores of several seeds of one config.

    Attributes:
        systems: their names.
        test: the name of the test set.
        metric: the name of the metric.
        title: the name of the metric in tables.
        mean: of the scores.
        deviation: the standard deviation of the scores, with n - 1 in the denominator.
        within: differences between two runs below this one are within the seeds.
    """

    systems: tuple[str, ...]
    test: str
    metric: str
    title: str
    mean: float
    deviation: float
    within: float

    def __str__(self) -> str:
        return (
            f"{self.test}: {self.title} {self.mean:.2f} ± {self.deviation:.2f}; differences below "
            f"{self.within:.2f} are within the seeds"
        )


def seed_groups(jobs: Sequence[Job]) -> list[tuple[str, ...]]:
    """The names of the systems of each config of which several seeds are scored."""
    groups: list[tuple[object, dict[int, list[str]]]] = []
    for job in jobs:
        if isinstance(job.system, HypFile) or is_export(job.system.folder):
            continue
        config = config_of(job.system.folder)
        rest = (config.model_dump(exclude=_APART), job.config.decode)
        known = next((seeds for other, seeds in groups if other == rest), None)
        if known is None:
            groups.append((rest, known := {}))
        known.setdefault(config.seed, []).append(job.name)
    # Two models of one seed are checkpoints of one run, or copies: they tell nothing about seeds.
    return [
        tuple(name for names in seeds.values() for name in names)
        for _, seeds in groups
        if len(seeds) > 1 and all(len(names) == 1 for names in seeds.values())
    ]


def spreads(groups: Sequence[tuple[str, ...]], results: Sequence[Evaluated]) -> list[Spread]:
    """How much the scores of each group vary, for each test set and metric that its systems share."""
    found = []
    for group in groups:
        own = [result for result in results if result.system in group]
        for test in dict.fromkeys(result.test for result in own):
            of_test = [result for result in own if result.test == test]
            if len(of_test) == len(group) and all(
                each.texts.refs == of_test[0].texts.refs for each in of_test
            ):
                found += _spreads(group, test, of_test)
    return found


def _spreads(group: tuple[str, ...], test: str, results: Sequence[Evaluated]) -> list[Spread]:
    found = []
    for score in results[0].scores:
        values = [
            other.value
            for result in results
            for other in result.scores
            if (other.metric, other.form) == (score.metric, score.form)
        ]
        if len(values) == len(results):
            deviation = statistics.stdev(values)
            within = within_seeds(deviation, len(values))
            mean = statistics.fmean(values)
            found.append(Spread(group, test, score.metric, score.title, mean, deviation, within))
    return found


def within_seeds(deviation: float, count: int) -> float:
    """The largest difference between single runs of two equal systems, in 95 of 100 cases.

    The difference of two runs varies √2 times as much as one run, and the deviation itself is estimated from
    `count` runs, so this is t(0.975; count - 1) · √2 · deviation, with Student's t.
    """
    return t_quantile(count - 1) * sqrt(2) * deviation


def t_quantile(freedom: int) -> float:
    """The 0.975 quantile of Student's t with so many degrees of freedom, to 0.0005."""
    if freedom <= len(_T_QUANTILES):
        return _T_QUANTILES[freedom - 1]
    # Abramowitz and Stegun 1964, 26.7.5.
    z = statistics.NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
