"""Metrics of translations, each an entry of `METRICS`, computed by sacreBLEU. Does not use torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from mtkit.config.fixed import MetricName
from mtkit.errors import InputError, UsageError
from mtkit.text.languages import language_of

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric

Input = Literal["srcs", "refs"]
"""Texts that translations can be compared with."""
Inputs = Mapping[Input, Sequence[Sequence[str]]]
"""[input, versions, translations]: one version of the sources, one or several of the references."""
Statistics = Sequence[Sequence[float]]
"""[segments, counts], the counts of each segment; the counts of a corpus are their sums."""


class Recipe(Protocol):
    """A metric for one target language."""

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        """The statistics of each translation; `inputs` has at least the inputs that the metric declares."""

    def aggregate(self, statistics: Statistics) -> float:
        """The score of a corpus with these statistics; the order of segments does not matter."""

    def signature(self) -> str:
        """Everything that the score depends on besides the texts, once `statistics` has been computed."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A way to score translations.

    Attributes:
        title: its name in tables and charts, such as chrF.
        higher_is_better: whether a better translation has a higher score.
        inputs: the texts that it needs besides the translations.
        build: returns its recipe for a target language.
    """

    title: str
    higher_is_better: bool
    inputs: tuple[Input, ...]
    build: Callable[[str], Recipe]

    def quality(self, value: float) -> float:
        """`value`, negated if lower is better: the better of two scores has the higher quality."""
        return value if self.higher_is_better else -value


@dataclass(frozen=True, slots=True)
class _Sacrebleu:
    """The recipe of one of sacreBLEU's metrics."""

    metric: SacrebleuMetric

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        return self.metric._extract_corpus_statistics(hyps, inputs["refs"])

    def aggregate(self, statistics: Statistics) -> float:
        return float(self.metric._aggregate_and_compute(list(map(list, statistics))).score)

    def signature(self) -> str:
        return str(self.metric.get_signature())


def _bleu(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.bleu import BLEU

    return _Sacrebleu(BLEU(tokenize=language_of(tgt_lang).bleu_tokenizer))


def _chrf(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.chrf import CHRF

    return _Sacrebleu(CHRF())


def _ter(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.ter import TER

    unspaced = not language_of(tgt_lang).spaced
    return _Sacrebleu(TER(normalized=unspaced, asian_support=unspaced))


METRICS: Mapping[MetricName, Metric] = {
    "bleu": Metric("BLEU", higher_is_better=True, inputs=("refs",), build=_bleu),
    "chrf": Metric("chrF", higher_is_better=True, inputs=("refs",), build=_chrf),
    "ter": Metric("TER", higher_is_better=False, inputs=("refs",), build=_ter),
}


@dataclass(frozen=True, slots=True)
class Score:
    """The value of a metric, and how it was computed.

    Attributes:
        metric: the name of the metric.
        value: from 0 to 100; TER can exceed 100.
        signature: sacreBLEU's, with version and tokenisation.
    """

    metric: MetricName
    value: float
    signature: str


def score_corpus(
    hyps: Sequence[str],
    refs: Sequence[str],
    metrics: Sequence[MetricName],
    tgt_lang: str,
    srcs: Sequence[str] | None = None,
    more_refs: Sequence[Sequence[str]] = (),
) -> list[Score]:
    """Scores of translations against their references, in the order of `metrics`.

    Args:
        hyps: detokenised translations.
        refs: their references, detokenised.
        metrics: names of metrics.
        tgt_lang: language of both; decides how BLEU and TER split words.
        srcs: the texts that were translated, for metrics that need them.
        more_refs: further versions of the references, each with one for every translation.

    Raises:
        InputError: there are no translations, or the numbers of translations and references differ.
        UsageError: a metric needs sources, but `srcs` is None.
    """
    for version in (refs, *more_refs):
        if len(hyps) != len(version):
            raise InputError(
                f"{len(hyps)} translations, but {len(version)} references.",
                "Give one reference per translation.",
            )
    if not hyps:
        raise InputError(
            "nothing to score: 0 translations and 0 references.", "Check that the files are not empty."
        )
    inputs: dict[Input, Sequence[Sequence[str]]] = {"refs": [refs, *more_refs]}
    if srcs is not None:
        inputs["srcs"] = [srcs]
    scores = []
    for name in metrics:
        if not inputs.keys() >= set(METRICS[name].inputs):
            raise UsageError(f"metric {name}: needs the source texts.", "Choose another metric.")
        recipe = METRICS[name].build(tgt_lang)
        value = recipe.aggregate(recipe.statistics(hyps, inputs))
        scores.append(Score(name, value, recipe.signature()))
    return scores
