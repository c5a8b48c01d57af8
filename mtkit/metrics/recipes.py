"""How metrics count and compute, most of them by sacreBLEU. Does not use torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from mtkit.metrics.moses import MosesForm
from mtkit.text.languages import language_of

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric as SacrebleuMetric
    from sacrebleu.metrics.bleu import BLEU

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
class Ratio:
    """The sum of the first count over that of the last one; 0 if that is 0.

    Attributes:
        scale: 100 for a percentage.
    """

    scale: float = 1.0

    def aggregate(self, statistics: Statistics) -> float:
        """See `Recipe`."""
        first, *_, last = np.asarray(statistics).sum(axis=0)
        return float(self.scale * first / last) if last else 0.0


@dataclass(frozen=True, slots=True)
class _Sacrebleu:
    """The recipe of one of sacreBLEU's metrics."""

    metric: SacrebleuMetric

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        return self.metric._extract_corpus_statistics(hyps, inputs["refs"])

    def aggregate(self, statistics: Statistics) -> float:
        # Not made a float: of resamples it is one of 32 bits, to which sacreBLEU rounds their mean, too.
        return self.metric._aggregate_and_compute(list(map(list, statistics))).score

    def signature(self) -> str:
        return str(self.metric.get_signature())


@dataclass(slots=True)
class _Exact:
    """The percentage of translations that equal one of their references, white space at the ends apart."""

    nrefs: int = 0

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        self.nrefs = len(inputs["refs"])
        versions = zip(*inputs["refs"], strict=True)
        return [
            [hyp.strip() in {ref.strip() for ref in refs}, 1]
            for hyp, refs in zip(hyps, versions, strict=True)
        ]

    def aggregate(self, statistics: Statistics) -> float:
        return Ratio(100).aggregate(statistics)

    def signature(self) -> str:
        return f"nrefs:{self.nrefs}|case:mixed|ends:stripped"


@dataclass(slots=True)
class _Length:
    """The length in words as a percentage of that of the closest references, as sacreBLEU counts for BLEU."""

    bleu: BLEU
    nrefs: int = 0

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        self.nrefs = len(inputs["refs"])
        # The first two counts of BLEU are the lengths of the translation and of its closest reference.
        return [counts[:2] for counts in self.bleu._extract_corpus_statistics(hyps, inputs["refs"])]

    def aggregate(self, statistics: Statistics) -> float:
        return Ratio(100).aggregate(statistics)

    def signature(self) -> str:
        info = self.bleu.get_signature().info
        return f"nrefs:{self.nrefs}|case:{info['case']}|tok:{info['tok']}|version:{info['version']}"


@dataclass(frozen=True, slots=True)
class InForm:
    """A recipe for texts that are put into a form first."""

    form: MosesForm
    recipe: Recipe

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        """See `Recipe`."""
        refs = [self.form.lines(version) for version in inputs["refs"]]
        return self.recipe.statistics(self.form.lines(hyps), {**inputs, "refs": refs})

    def aggregate(self, statistics: Statistics) -> float:
        return self.recipe.aggregate(statistics)

    def signature(self) -> str:
        return self.recipe.signature()


def build_bleu(tgt_lang: str) -> Recipe:
    """BLEU, with words split as suits the language."""
    from sacrebleu.metrics.bleu import BLEU

    return _Sacrebleu(BLEU(tokenize=language_of(tgt_lang).bleu_tokenizer))


def build_segment_bleu(tokenizer: str) -> Recipe:
    """BLEU of single segments, with the orders of n-grams that they are long enough for."""
    from sacrebleu.metrics.bleu import BLEU

    return _Sacrebleu(BLEU(tokenize=tokenizer, effective_order=True, force=True))


def build_bleu_in_form(form: MosesForm) -> Recipe:
    """BLEU of texts in a form of papers."""
    from sacrebleu.metrics.bleu import BLEU

    return InForm(form, _Sacrebleu(BLEU(tokenize="none", smooth_method="none", force=True)))


def build_chrf(tgt_lang: str) -> Recipe:
    """The F-score of n-grams of characters, chrF."""
    from sacrebleu.metrics.chrf import CHRF

    return _Sacrebleu(CHRF())


def build_chrf_plus_plus(tgt_lang: str) -> Recipe:
    """The same with words and pairs of words, chrF++."""
    from sacrebleu.metrics.chrf import CHRF

    return _Sacrebleu(CHRF(word_order=2))


def build_exact(tgt_lang: str) -> Recipe:
    """Exact matches."""
    return _Exact()


def build_length(tgt_lang: str) -> Recipe:
    """The ratio of lengths."""
    from sacrebleu.metrics.bleu import BLEU

    return _Length(BLEU(tokenize=language_of(tgt_lang).bleu_tokenizer))


def build_ter(tgt_lang: str) -> Recipe:
    """TER, with Asian characters split where words have no spaces between."""
    from sacrebleu.metrics.ter import TER

    unspaced = not language_of(tgt_lang).spaced
    return _Sacrebleu(TER(normalized=unspaced, asian_support=unspaced))
