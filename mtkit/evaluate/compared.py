"""Systems compared with a baseline. Does not use torch."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mtkit.errors import UsageError
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.gates import without_resampling
from mtkit.evaluate.systems import Job
from mtkit.metrics.significance import Method, PairedTest, resample, seed
from mtkit.metrics.surface import Measured

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Baseline:
    """With what systems are compared, and how.

    Attributes:
        system: the name of the baseline.
        samples: for each test, the number of resamples or trials.
    """

    system: str
    samples: Mapping[Method, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A system compared with the baseline by one metric on one test set.

    Attributes:
        system: its name.
        baseline: the name of the baseline.
        test: the name of the test set; empty if there is none.
        metric: the name of the metric.
        difference: the score of the system minus that of the baseline.
        p_values: for each paired test, the probability of such a difference between equal systems.
        signatures: for each paired test, that of sacreBLEU with the number of samples and the seed.
    """

    system: str
    baseline: str
    test: str
    metric: str
    difference: float
    p_values: Mapping[Method, float]
    signatures: Mapping[Method, str]


def check_baseline(baseline: Baseline, systems: Collection[str], jobs: Sequence[Job] = ()) -> None:
    """Checks that there is a baseline and something to compare with it, before any work.

    Raises:
        UsageError: no system has this name, there is no other one, or two test sets of one name differ.
    """
    seed()
    if baseline.system not in systems:
        raise UsageError(
            f"--baseline {baseline.system}: is none of the systems.", f"Choose from {', '.join(systems)}."
        )
    if len(systems) < 2:
        raise UsageError(f"--baseline {baseline.system}: is the only system.", "Name another one to compare.")
    sets = {each.name: each for job in jobs if job.name == baseline.system for each in job.sets}
    for job in jobs:
        for each in job.sets:
            if each.name in sets and each.pairs != sets[each.name].pairs:
                raise UsageError(
                    f"--baseline {baseline.system}: the test sets {each.name} of it and {job.name} differ.",
                    "Name the models with -m, to score them on the test sets of one config.",
                )


def compare(baseline: Baseline, results: Sequence[Evaluated]) -> list[Comparison]:
    """All systems compared with the baseline, on each test set that it has too and by each of its metrics."""
    found = []
    for own in results:
        if own.system != baseline.system:
            continue
        others = {
            result.system: result
            for result in results
            if result.test == own.test and result.system != own.system
        }
        if others:
            found += _compare(baseline, own, others)
    return found


def _compare(baseline: Baseline, own: Evaluated, others: Mapping[str, Evaluated]) -> list[Comparison]:
    """The comparisons of each of the others, by all metrics that it shares with the baseline."""
    found: dict[str, list[Comparison]] = {system: [] for system in others}
    for base in own.measured:
        rivals = {system: same for system, each in others.items() if (same := _same(base, each))}
        for system, comparison in _compare_by(baseline, own, base, rivals):
            found[system].append(comparison)
    return [comparison for comparisons in found.values() for comparison in comparisons]


def _same(base: Measured, other: Evaluated) -> Measured | None:
    """The score of another system that can be compared with that of the baseline; warns of others."""
    for each in other.measured:
        if (each.score.metric, each.score.form) != (base.score.metric, base.score.form):
            continue
        if without_resampling(each.score.signature) == without_resampling(base.score.signature):
            return each
        logger.warning(
            "%s: %s has another signature than that of the baseline, %s, so it is not compared.",
            other.label({other.system, ""}),
            each.score.metric,
            each.score.signature,
        )
    return None


def _compare_by(
    baseline: Baseline, own: Evaluated, base: Measured, rivals: Mapping[str, Measured]
) -> Iterator[tuple[str, Comparison]]:
    """The comparisons by one metric, each after the name of its system."""
    if not rivals:
        return
    tests = [PairedTest(method, samples) for method, samples in baseline.samples.items()]
    systems = [base.rows, *(each.rows for each in rivals.values())]
    tested = [resample(test, base.recipe, systems)[1:] for test in tests]
    recipe = without_resampling(base.score.signature)
    signatures = {test.method: test.signature(recipe) for test in tests}
    for number, (system, rival) in enumerate(rivals.items()):
        p_values = {
            test.method: each[number].p_values.usual  # type: ignore[union-attr]  # None only for the baseline
            for test, each in zip(tests, tested, strict=True)
        }
        difference = rival.score.value - base.score.value
        yield (
            system,
            Comparison(system, own.system, own.test, base.score.metric, difference, p_values, signatures),
        )
