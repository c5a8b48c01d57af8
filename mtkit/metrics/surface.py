"""Corpus scores by sacreBLEU, each with its signature. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from mtkit.config.schema import Metric
from mtkit.errors import InputError, UsageError
from mtkit.text.languages import language_of

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric


@dataclass(frozen=True, slots=True)
class Score:
    """A number and the recipe that it was made by.

    Attributes:
        metric: its name, such as bleu.
        value: 0 to 100; TER, which is better when lower, can exceed 100.
        signature: sacreBLEU's, with version and tokenisation.
    """

    metric: str
    value: float
    signature: str


def score_corpus(
    hyps: Sequence[str], refs: Sequence[str], metrics: Sequence[str], tgt_lang: str
) -> list[Score]:
    """Scores of translations against one reference each, in the order of `metrics`.

    Args:
        hyps: detokenised translations.
        refs: their references, untouched.
        metrics: of bleu, chrf and ter.
        tgt_lang: language of both; decides how BLEU and TER tell words apart.

    Raises:
        InputError: there is nothing to score, or the numbers of sentences differ.
        UsageError: a metric is not known.
    """
    if len(hyps) != len(refs):
        raise InputError(
            f"{len(hyps)} translations, but {len(refs)} references.", "Give one reference per translation."
        )
    if not hyps:
        raise InputError(
            "nothing to score: 0 translations and 0 references.", "Check that the files are not empty."
        )
    scores = []
    for name in metrics:
        scorer = build_metric(name, tgt_lang)
        value = scorer.corpus_score(list(hyps), [list(refs)]).score
        scores.append(Score(name, value, str(scorer.get_signature())))
    return scores


def build_metric(name: str, tgt_lang: str) -> SacrebleuMetric:
    """The metric of sacreBLEU with its defaults, but with characters as words where there are no spaces.

    Raises:
        UsageError: the metric is not known.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    language = language_of(tgt_lang)
    match name:
        case "bleu":
            return BLEU(tokenize=language.bleu_tokenizer)
        case "chrf":
            return CHRF()
        case "ter":
            return TER(normalized=not language.spaced, asian_support=not language.spaced)
        case _:
            raise UsageError(f"metric {name}: unknown.", f"Choose from {', '.join(get_args(Metric))}.")
