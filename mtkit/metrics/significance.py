"""Confidence intervals and paired tests, computed by sacreBLEU's own code. Does not use torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from mtkit.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

    from mtkit.metrics.surface import Inputs, Recipe, Statistics

PairedTestName = Literal["bs", "ar"]
"""Paired bootstrap resampling (Koehn 2004), paired approximate randomization (Riezler and Maxwell 2005)."""
SEED = "SACREBLEU_SEED"
"""The environment variable with the seed, an integer or none; sacreBLEU's default is 12345."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval by bootstrap resampling.

    Attributes:
        mean: of the scores of all resamples.
        margin: half of the width of the interval that has 95 % of these scores.
    """

    mean: float
    margin: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A system compared with a baseline by one metric.

    Attributes:
        value: the score of the system.
        baseline: the score of the baseline.
        p_value: the probability of such a difference between equal systems.
        signature: of the score and of the test.
    """

    value: float
    baseline: float
    p_value: float
    signature: str


def check_seed() -> None:
    """Checks the seed of resampling, before any work.

    Raises:
        UsageError: it is not a number.
    """
    seed = os.environ.get(SEED, "0")
    if seed.lower() != "none" and not seed.isdecimal():
        raise UsageError(f"{SEED} = {seed}: must be an integer from 0 or none.", f"Set or unset {SEED}.")


def interval(recipe: Recipe, statistics: Statistics, resamples: int) -> tuple[Interval, str]:
    """The confidence interval of a corpus, and the signature of the score with it.

    Args:
        recipe: of the metric, which has computed the statistics.
        statistics: of each segment.
        resamples: number of resamples of the segments.
    """
    from sacrebleu.metrics.base import Score
    from sacrebleu.significance import _bootstrap_resample

    seed, scores = _bootstrap_resample(cast(Any, statistics), _as_sacrebleu(recipe), resamples)
    found = Score("", 0.0)
    found.estimate_ci(scores)
    signature = _TestSignature(recipe.signature())
    signature.update("bs", resamples)
    signature.update("seed", seed)
    return Interval(float(found._mean), float(found._ci)), str(signature)


def paired_test(
    test: PairedTestName,
    baseline: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    recipes: Mapping[str, Recipe],
    inputs: Inputs,
    samples: int,
) -> dict[str, dict[str, Difference]]:
    """Compares systems with a baseline: for each system, the difference by each metric.

    Args:
        test: which test.
        baseline: its translations.
        systems: translations of the other systems, by name.
        recipes: of metrics, by name.
        inputs: what the translations are compared with.
        samples: number of resamples, or of trials.
    """
    from sacrebleu.significance import PairedTest

    named: list[tuple[str, Sequence[str]]] = [
        ("", list(baseline)),
        *((name, list(hyps)) for name, hyps in systems.items()),
    ]
    metrics = {name: _as_sacrebleu(recipe, name, inputs) for name, recipe in recipes.items()}
    paired = PairedTest(named, metrics, inputs["refs"], test, samples)
    signatures, scores = paired()
    # The test names metrics by the scores that they give, in the order of `recipes`.
    columns = dict(zip(recipes, (name for name in scores if name != "System"), strict=True))
    found: dict[str, dict[str, Difference]] = {}
    for row, name in enumerate(systems, start=1):
        found[name] = {
            metric: Difference(
                float(cast(Any, scores[column][row]).score),
                float(cast(Any, scores[column][0]).score),
                float(cast(Any, scores[column][row]).p_value),
                str(signatures[column]),
            )
            for metric, column in columns.items()
        }
    return found


class _TestSignature:
    """A signature of a metric that is not sacreBLEU's, to which its tests add what they depend on."""

    def __init__(self, text: str) -> None:
        self._first, self._separator, self._rest = text.partition("|")
        self._added: dict[str, object] = {}

    def update(self, key: str, value: object) -> None:
        """Adds a field."""
        self._added[key] = value

    def __str__(self) -> str:
        # sacreBLEU's order: number of references, trials, seed, and the fields of the metric.
        added = [f"{key}:{self._added[key]}" for key in ("bs", "ar", "seed") if key in self._added]
        return "|".join([self._first, *added]) + self._separator + self._rest


@dataclass(frozen=True, slots=True)
class _Result:
    name: str
    score: float


@dataclass(frozen=True, slots=True)
class _Adapter:
    """A recipe with the methods that sacreBLEU's tests call."""

    recipe: Recipe
    name: str
    inputs: Inputs

    def _extract_corpus_statistics(self, hyps: Sequence[str], refs: object) -> Statistics:
        return self.recipe.statistics(hyps, self.inputs)

    def _aggregate_and_compute(self, statistics: Statistics) -> _Result:
        return _Result(self.name, self.recipe.aggregate(statistics))

    def _compute_score_from_stats(self, statistics: np.ndarray[Any, Any]) -> _Result:
        return _Result(self.name, self.recipe.aggregate([statistics.tolist()]))

    def get_signature(self) -> _TestSignature:
        return _TestSignature(self.recipe.signature())


def _as_sacrebleu(recipe: Recipe, name: str = "", inputs: Inputs | None = None) -> SacrebleuMetric:
    """The metric of sacreBLEU that the recipe uses, else an object with the same methods."""
    own = getattr(recipe, "metric", None)
    return cast("SacrebleuMetric", own or _Adapter(recipe, name, inputs or {}))
