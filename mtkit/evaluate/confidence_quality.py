"""How good estimates of confidence are: calibration, and ranking of translations. Does not use torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mtkit.errors import InputError
from mtkit.evaluate.evaluate import LoadedSet
from mtkit.metrics.surface import METRICS, inputs_of, segment_scores
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window

Array = npt.NDArray[np.float64]

_AT_ONCE = 100
NUM_BINS = 10
WORST_SHARE = 0.2
"""Share of the translations that count as the worst ones."""


class ScoredText(NamedTuple):
    """A text as a model translated it.

    Attributes:
        src: the text.
        found: the translation, with token scores.
        quality: sentence chrF divided by 100.
    """

    src: str
    found: Translation
    quality: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Translations whose confidence lies in one interval.

    Attributes:
        low: where the interval begins.
        high: where it ends.
        count: number of translations.
        confidence: their mean confidence.
        quality: the mean of their quality, from 0 to 1.
    """

    low: float
    high: float
    count: int
    confidence: float
    quality: float


@dataclass(frozen=True, slots=True)
class ConfidenceQuality:
    """How well confidence agrees with quality on some translations.

    Attributes:
        count: number of translations.
        bins: intervals of equal width from 0 to 1, without empty ones.
        calibration_error: expected calibration error: the mean distance between confidence and quality of
            the bins, by their counts (Naeini et al. 2015).
        worst_auroc: probability that one of the worst translations has a lower confidence than one of the
            others; None if all are equally good.
        spearman: rank correlation of confidence and quality; None if one of them is constant.
        spearman_mean: the same of the mean log-probability of the tokens, for comparison.
    """

    count: int
    bins: tuple[ReliabilityBin, ...]
    calibration_error: float
    worst_auroc: float | None
    spearman: float | None
    spearman_mean: float | None


def scored_texts(
    translator: Translator,
    sources: Sequence[Source],
    refs: Sequence[Sequence[str]],
    tgt_lang: str,
    request: Request,
    stop: Callable[[], bool] = lambda: False,
) -> list[ScoredText] | None:
    """Translations with token scores and sentence chrF, but for texts that have no words.

    None as soon as `stop()` is true. `refs` are [versions, texts].
    """
    found: list[Translation] = []
    windows = (
        Window(sources[begin : begin + _AT_ONCE], lambda answer: [best for best, *_ in answer])
        for begin in range(0, len(sources), _AT_ONCE)
    )
    for answer in translator.results(windows, request):
        found += answer
        if stop():
            return None
    hyps, srcs = [one.text for one in found], [source.text for source in sources]
    scores = segment_scores(METRICS["chrf"], hyps, inputs_of(refs, srcs), tgt_lang)
    triples = zip(srcs, found, scores, strict=True)
    return [ScoredText(src, one, score / 100) for src, one, score in triples if one.token_scores]


def quality_on(found: LoadedSet, translator: Translator) -> ConfidenceQuality:
    """How well confidence agrees with sentence chrF on a test set.

    Raises:
        InputError: nothing in it has words.
    """
    sources = [Source(pair.src, number, pair.tags) for number, pair in enumerate(found.pairs)]
    refs = [[pair.tgt for pair in found.pairs], *found.more_refs]
    request = Request(token_scores=True, confidence=True)
    scored = scored_texts(translator, sources, refs, found.tgt_lang, request)
    if not scored:
        raise InputError(f"data.test.{found.name}: there is nothing to translate in it.", "Check its files.")
    scores = [one.found.token_scores for one in scored]
    return confidence_quality(
        [one.found.confidence for one in scored],
        [one.quality for one in scored],
        [sum(own) / len(own) for own in scores],
    )


def confidence_quality(
    confidences: Sequence[float], qualities: Sequence[float], mean_scores: Sequence[float]
) -> ConfidenceQuality:
    """The agreement of confidence and quality.

    Args:
        confidences: of each translation, from 0 to 1.
        qualities: of each, from 0 to 1, such as sentence chrF divided by 100.
        mean_scores: the mean log-probability of the tokens of each.
    """
    confidence, quality = np.array(confidences, np.float64), np.array(qualities, np.float64)
    bins = reliability_bins(confidence, quality)
    error = sum(one.count * abs(one.confidence - one.quality) for one in bins) / len(confidence)
    return ConfidenceQuality(
        count=len(confidence),
        bins=bins,
        calibration_error=error,
        worst_auroc=_defined(worst_auroc(confidence, quality)),
        spearman=_defined(spearman(confidence, quality)),
        spearman_mean=_defined(spearman(np.array(mean_scores, np.float64), quality)),
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def reliability_bins(
    confidence: Array, quality: Array, num_bins: int = NUM_BINS
) -> tuple[ReliabilityBin, ...]:
    """The intervals of equal width that contain translations."""
    places = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    return tuple(
        ReliabilityBin(
            place / num_bins,
            (place + 1) / num_bins,
            int(own.sum()),
            float(confidence[own].mean()),
            float(quality[own].mean()),
        )
        for place in range(num_bins)
        if (own := places == place).any()
    )


def worst_auroc(confidence: Array, quality: Array, share: float = WORST_SHARE) -> float:
    """The area under the ROC curve of low confidence as a sign of the `share` of worst translations.

    All that are as bad as the best of the worst ones belong to them.
    """
    bound = np.sort(quality)[max(0, round(share * len(quality)) - 1)]
    worst = quality <= bound
    bad, good = int(worst.sum()), int((~worst).sum())
    if not good:
        return float("nan")
    below = ranks(-confidence)[worst].sum() - bad * (bad + 1) / 2  # Mann and Whitney's U
    return float(below / (bad * good))


def spearman(first: Array, second: Array) -> float:
    """The rank correlation of two rows of numbers; NaN if one of them is constant."""
    return pearson(ranks(first), ranks(second))


def pearson(first: Array, second: Array) -> float:
    """The correlation of two rows of numbers; NaN if one of them is constant."""
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float(first @ second) / scale if scale else float("nan")


def ranks(values: Array) -> Array:
    """The rank of each value from 1; equal values share the mean of theirs."""
    _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[groups]
