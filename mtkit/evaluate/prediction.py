"""How well a model predicts the references: perplexity and token accuracy. Does not import torch itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, inf
from typing import assert_never

from mtkit.config.fixed import ModelMetricName
from mtkit.data.prepare.stages import ReportProgress
from mtkit.evaluate.evaluate import PAIRS_AT_ONCE, LoadedSet
from mtkit.metrics.surface import Score
from mtkit.translate.translator import Translator

MAX_EXPONENT = 700.0
"""Above this mean of -log p, perplexity is infinite in double precision."""


def forced_scores(
    found: LoadedSet,
    translator: Translator,
    metrics: Sequence[ModelMetricName],
    progress: ReportProgress | None = None,
) -> list[Score]:
    """Scores of a model that is given each reference up to every token, which it then predicts.

    Args:
        found: the test set; of several references, the first counts.
        translator: of the model, with the native engine.
        metrics: names of metrics.
        progress: called with a description, the pairs scored so far, and their number.
    """
    log_probs, best, tokens = 0.0, 0, 0
    for begin in range(0, len(found.pairs), PAIRS_AT_ONCE):
        pairs = found.pairs[begin : begin + PAIRS_AT_ONCE]
        texts = [(pair.src, pair.tgt) for pair in pairs]
        for hyp in translator.score(texts, tags=[pair.tags for pair in pairs]):
            log_probs += sum(hyp.token_scores)
            best += sum(hyp.are_best)
            tokens += len(hyp.token_scores)
        if progress:
            progress(f"{found.name}, references", begin + len(pairs), len(found.pairs))
    signature = f"nrefs:1|tok:{translator.tokenizer.fingerprint[:8]}|eos:yes"
    return [Score(name, _value(name, -log_probs / tokens, best / tokens), signature) for name in metrics]


def _value(name: ModelMetricName, loss: float, share: float) -> float:
    match name:
        case "ppl":
            return exp(loss) if loss < MAX_EXPONENT else inf
        case "accuracy":
            return 100 * share
        case _:
            assert_never(name)
