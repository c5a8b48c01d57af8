"""How well a model predicts the references: perplexity and token accuracy. Does not import torch itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf

from mtkit.config.fixed import ModelMetricName
from mtkit.data.prepare.stages import ReportProgress
from mtkit.evaluate.evaluate import PAIRS_AT_ONCE, LoadedSet
from mtkit.metrics.recipes import Ratio, Statistics
from mtkit.metrics.significance import Aggregate
from mtkit.metrics.surface import MODEL_METRICS, Measured, measured
from mtkit.translate.translator import Translator

MAX_EXPONENT = 700.0
"""Above this mean of -log p, perplexity is infinite in double precision."""


class _Perplexity:
    """e to the mean of -log p, from [lines, 2]: the sum of -log p, and the number of tokens."""

    @staticmethod
    def aggregate(statistics: Sequence[Sequence[float]]) -> float:
        loss = Ratio().aggregate(statistics)
        return exp(loss) if loss < MAX_EXPONENT else inf


def forced_scores(
    found: LoadedSet,
    translator: Translator,
    metrics: Sequence[ModelMetricName],
    resamples: int = 0,
    progress: ReportProgress | None = None,
) -> list[Measured]:
    """Scores of a model that is given each reference up to every token, which it then predicts.

    Args:
        found: the test set; of several references, the first counts.
        translator: of the model, with the native engine.
        metrics: names of metrics.
        resamples: for the confidence interval of each score; none if 0.
        progress: called with a description, the pairs scored so far, and their number.
    """
    losses: list[tuple[float, int]] = []
    hits: list[tuple[int, int]] = []
    for begin in range(0, len(found.pairs), PAIRS_AT_ONCE):
        pairs = found.pairs[begin : begin + PAIRS_AT_ONCE]
        texts = [(pair.src, pair.tgt) for pair in pairs]
        for hyp in translator.score(texts, tags=[pair.tags for pair in pairs]):
            tokens = len(hyp.token_scores)
            losses.append((-sum(hyp.token_scores), tokens))
            hits.append((sum(hyp.are_best), tokens))
        if progress:
            progress(f"{found.name}, references", begin + len(pairs), len(found.pairs))
    signature = f"nrefs:1|tok:{translator.tokenizer.fingerprint[:8]}|eos:yes"
    recipes: Mapping[ModelMetricName, tuple[Aggregate, Statistics]] = {
        "ppl": (_Perplexity(), losses),
        "accuracy": (Ratio(100), hits),
    }
    return [
        measured(name, MODEL_METRICS[name], *recipes[name], signature, resamples=resamples)
        for name in metrics
    ]
