"""Systems compared with a baseline. Does not use torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mtkit.errors import UsageError
from mtkit.evaluate.command import GivenScores
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.gates import without_resampling
from mtkit.evaluate.systems import Job
from mtkit.metrics.moses import open_form
from mtkit.metrics.significance import PairedTestName, check_seed, paired_test
from mtkit.metrics.surface import Recipe, build_recipe, inputs_of, metric_of


@dataclass(frozen=True, slots=True)
class Baseline:
    """With what systems are compared, and how.

    Attributes:
        system: the name of the baseline.
        samples: for each test, the number of resamples or trials.
    """

    system: str
    samples: Mapping[PairedTestName, int]


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
    p_values: Mapping[PairedTestName, float]
    signatures: Mapping[PairedTestName, str]


def check_baseline(baseline: Baseline, systems: Collection[str], jobs: Sequence[Job] = ()) -> None:
    """Checks that there is a baseline and something to compare with it, before any work.

    Raises:
        UsageError: no system has this name, there is no other one, or two test sets of one name differ.
    """
    check_seed()
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
    texts = own.texts
    recipes: dict[str, Recipe] = {}
    for score in own.scores:
        if metric := metric_of(score):
            form = open_form(own.form if score.form else "raw", texts.tgt_lang)
            recipes[score.metric] = build_recipe(metric, texts.tgt_lang, form)[0]
        elif all(score.metric in each.of_commands for each in (own, *others.values())):
            known = {
                tuple(each.texts.hyps): each.of_commands[score.metric] for each in (own, *others.values())
            }
            recipes[score.metric] = GivenScores(known, without_resampling(score.signature))
    inputs = inputs_of(texts.refs, texts.srcs)
    hyps = {system: each.texts.hyps for system, each in others.items()}
    tests = {
        test: paired_test(test, texts.hyps, hyps, recipes, inputs, samples)
        for test, samples in baseline.samples.items()
    }
    comparisons = []
    for system in others:
        for name in recipes:
            each = {test: found[system][name] for test, found in tests.items()}
            one = next(iter(each.values()))
            comparisons.append(
                Comparison(
                    system,
                    own.system,
                    own.test,
                    name,
                    one.value - one.baseline,
                    {test: found.p_value for test, found in each.items()},
                    {test: found.signature for test, found in each.items()},
                )
            )
    return comparisons
