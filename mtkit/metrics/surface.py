"""Metrics of translations, each an entry of `METRICS`, most of them sacreBLEU's. Does not use torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from mtkit.config.fixed import BestMetric, FormName, MetricName, ModelMetricName
from mtkit.errors import InputError, UsageError
from mtkit.metrics.moses import MosesForm, open_form
from mtkit.metrics.significance import Aggregate, Interval, PairedTest, Rows, resample
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
class Measure:
    """A number that tells how good a system is.

    Attributes:
        title: its name in tables and charts, such as chrF.
        higher_is_better: whether a better system has a higher score.
        ideal: the best value, if it is neither the highest nor the lowest.
    """

    title: str
    higher_is_better: bool
    ideal: float | None = field(default=None, kw_only=True)

    def quality(self, value: float) -> float:
        """`value`, negated if lower is better: the better of two scores has the higher quality.

        With an ideal, the negated distance from it.
        """
        if self.ideal is not None:
            return -abs(value - self.ideal)
        return value if self.higher_is_better else -value


@dataclass(frozen=True, slots=True)
class Metric(Measure):
    """A way to score translations.

    Attributes:
        inputs: the texts that it needs besides the translations.
        build: returns its recipe for a target language.
        build_in_form: returns its recipe for texts in a form of papers; None if it has none.
        build_for_segments: returns its recipe for single segments, split by this tokenizer of sacreBLEU; None
            if it is that of a corpus.
    """

    inputs: tuple[Input, ...]
    build: Callable[[str], Recipe]
    build_in_form: Callable[[MosesForm], Recipe] | None = None
    build_for_segments: Callable[[str], Recipe] | None = None


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
class _InForm:
    """A recipe for texts that are put into a form first."""

    form: MosesForm
    recipe: Recipe

    def statistics(self, hyps: Sequence[str], inputs: Inputs) -> Statistics:
        refs = [self.form.lines(version) for version in inputs["refs"]]
        return self.recipe.statistics(self.form.lines(hyps), {**inputs, "refs": refs})

    def aggregate(self, statistics: Statistics) -> float:
        return self.recipe.aggregate(statistics)

    def signature(self) -> str:
        return self.recipe.signature()


def _bleu(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.bleu import BLEU

    return _Sacrebleu(BLEU(tokenize=language_of(tgt_lang).bleu_tokenizer))


def _segment_bleu(tokenizer: str) -> Recipe:
    from sacrebleu.metrics.bleu import BLEU

    return _Sacrebleu(BLEU(tokenize=tokenizer, effective_order=True, force=True))


def _bleu_in_form(form: MosesForm) -> Recipe:
    from sacrebleu.metrics.bleu import BLEU

    return _InForm(form, _Sacrebleu(BLEU(tokenize="none", smooth_method="none", force=True)))


def _chrf(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.chrf import CHRF

    return _Sacrebleu(CHRF())


def _chrf_plus_plus(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.chrf import CHRF

    return _Sacrebleu(CHRF(word_order=2))


def _exact(tgt_lang: str) -> Recipe:
    return _Exact()


def _length(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.bleu import BLEU

    return _Length(BLEU(tokenize=language_of(tgt_lang).bleu_tokenizer))


def _ter(tgt_lang: str) -> Recipe:
    from sacrebleu.metrics.ter import TER

    unspaced = not language_of(tgt_lang).spaced
    return _Sacrebleu(TER(normalized=unspaced, asian_support=unspaced))


METRICS: Mapping[MetricName, Metric] = {
    "bleu": Metric("BLEU", True, ("refs",), _bleu, _bleu_in_form, build_for_segments=_segment_bleu),
    "chrf": Metric("chrF", True, ("refs",), _chrf),
    "chrf++": Metric("chrF++", True, ("refs",), _chrf_plus_plus),
    "ter": Metric("TER", False, ("refs",), _ter),
    "exact": Metric("exact", True, ("refs",), _exact),
    "length": Metric("length", False, ("refs",), _length, ideal=100.0),
}


MODEL_METRICS: Mapping[ModelMetricName, Measure] = {
    "ppl": Measure("perplexity", False),
    "accuracy": Measure("accuracy", True),
}
"""Metrics of a model that is given the references; `evaluate/prediction.py` computes them."""


def measure_of(name: str) -> Measure | None:
    """The metric with this name; None if it is that of a command, whose direction is not known."""
    of_texts: dict[str, Measure] = {str(key): metric for key, metric in METRICS.items()}
    of_models: dict[str, Measure] = {str(key): measure for key, measure in MODEL_METRICS.items()}
    return (of_texts | of_models).get(name)


ZERO = 0.05
"""Scores below this one, which is shown as 0.0, tell nothing: smoothing gives some to any text."""


def quality_of(metric: BestMetric, loss: float, scores: Mapping[MetricName, float]) -> tuple[float, ...]:
    """The quality of a validation by `metric`, numbers to compare in turn; higher is better.

    The loss decides between equal scores and between scores of zero.
    """
    if metric == "loss":
        return (-loss,)
    score = scores[metric]
    is_zero = METRICS[metric].higher_is_better and score < ZERO
    return (0.0 if is_zero else METRICS[metric].quality(score), -loss)


@dataclass(frozen=True, slots=True)
class Score:
    """The value of a metric, and how it was computed.

    Attributes:
        metric: the name of the metric.
        value: from 0 to 100; TER, length and perplexity can exceed 100.
        signature: sacreBLEU's, with version and tokenisation, or one like it.
        form: signature of the form into which the texts were put before; None if they are as they were.
        interval: the 95 % confidence interval, if it was asked for.
    """

    metric: str
    value: float
    signature: str
    form: str | None = None
    interval: Interval | None = None

    @property
    def margin(self) -> float | None:
        """Half of the width of the confidence interval, if there is one."""
        return None if self.interval is None else self.interval.margin

    @property
    def title(self) -> str:
        """Its name in tables, with the form if there is one."""
        return title_of(self.metric, self.form)


@dataclass(frozen=True, slots=True)
class Measured:
    """A score with the statistics from which it was computed.

    Attributes:
        score: the score.
        measure: says whether lower is better.
        recipe: computes the score.
        rows: [lines, counts], the statistics of each translation.
    """

    score: Score
    measure: Measure
    recipe: Aggregate
    rows: Rows

    def of_lines(self, places: Sequence[int]) -> float:
        """The score of some of the translations."""
        return float(self.recipe.aggregate(self.rows[places]))  # type: ignore[arg-type]


def measured(
    name: str,
    measure: Measure,
    recipe: Aggregate,
    statistics: Statistics,
    signature: str,
    form: str | None = None,
    resamples: int = 0,
) -> Measured:
    """The score of a corpus; with `resamples`, its confidence interval too."""
    rows, interval = np.array(statistics, np.float64), None
    if resamples:
        bootstrap = PairedTest("bs", resamples)
        interval = resample(bootstrap, recipe, [rows])[0].interval
        signature = bootstrap.signature(signature)
    value = float(recipe.aggregate(statistics))
    return Measured(Score(name, value, signature, form, interval), measure, recipe, rows)


def title_of(metric: str, form: str | None) -> str:
    """The name of a metric in tables, with the name of the form: `BLEU moses-lc`."""
    measure = measure_of(metric)
    title = metric if measure is None else measure.title
    return " ".join(filter(None, (title, (form or "").partition("|")[0])))


def score_corpus(
    hyps: Sequence[str],
    refs: Sequence[str],
    metrics: Sequence[MetricName],
    tgt_lang: str,
    srcs: Sequence[str] | None = None,
    more_refs: Sequence[Sequence[str]] = (),
    form: FormName = "raw",
    resamples: int = 0,
) -> list[Score]:
    """Scores of translations against their references; see `measure_corpus`."""
    found = measure_corpus(hyps, refs, metrics, tgt_lang, srcs, more_refs, form, resamples)
    return [each.score for each in found]


def measure_corpus(
    hyps: Sequence[str],
    refs: Sequence[str],
    metrics: Sequence[MetricName],
    tgt_lang: str,
    srcs: Sequence[str] | None = None,
    more_refs: Sequence[Sequence[str]] = (),
    form: FormName = "raw",
    resamples: int = 0,
) -> list[Measured]:
    """Scores of translations against their references with their statistics, in the order of `metrics`.

    Args:
        hyps: detokenised translations.
        refs: their references, detokenised.
        metrics: names of metrics.
        tgt_lang: language of both; decides how BLEU and TER split words.
        srcs: the texts that were translated, for metrics that need them.
        more_refs: further versions of the references, each with one for every translation.
        form: into which translations and references are put for BLEU; other metrics take them as they are.
        resamples: for the confidence interval of each score; none if 0.

    Raises:
        InputError: there are no translations, or the numbers of translations and references differ.
        UsageError: a metric needs sources, but `srcs` is None; or the form cannot be made, see `open_form`.
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
    inputs = inputs_of([refs, *more_refs], srcs)
    opened = open_form(form, tgt_lang)
    found = []
    for name in metrics:
        metric = METRICS[name]
        if not inputs.keys() >= set(metric.inputs):
            raise UsageError(f"metric {name}: needs the source texts.", "Choose another metric.")
        recipe, of_form = build_recipe(metric, tgt_lang, opened)
        statistics = recipe.statistics(hyps, inputs)
        signature = recipe.signature()  # complete once the statistics are there
        found.append(measured(name, metric, recipe, statistics, signature, of_form, resamples))
    return found


def segment_scores(
    metric: Metric, hyps: Sequence[str], inputs: Inputs, tgt_lang: str, form: MosesForm | None = None
) -> list[float]:
    """The score of each translation alone, as by `sacrebleu --sentence-level`.

    BLEU counts only the orders of n-grams that a translation is long enough for (`eff:yes`).
    """
    recipe, of_form = build_recipe(metric, tgt_lang, form)
    if metric.build_for_segments is not None:
        tokenizer = "none" if of_form else language_of(tgt_lang).bleu_tokenizer
        recipe = metric.build_for_segments(tokenizer)
        if form is not None and of_form:
            recipe = _InForm(form, recipe)
    return [recipe.aggregate([counts]) for counts in recipe.statistics(hyps, inputs)]


def inputs_of(refs: Sequence[Sequence[str]], srcs: Sequence[str] | None) -> Inputs:
    """What translations are compared with: [versions, translations] of references, and sources if known."""
    return {"refs": refs} if srcs is None else {"refs": refs, "srcs": [srcs]}


def metric_of(score: Score) -> Metric | None:
    """The metric of a score of translations; None if it is one of a model or of a command."""
    return next((metric for name, metric in METRICS.items() if name == score.metric), None)


def build_recipe(metric: Metric, tgt_lang: str, form: MosesForm | None) -> tuple[Recipe, str | None]:
    """The recipe of a metric, and the signature of the form if it puts texts into one."""
    if form is None or metric.build_in_form is None:
        return metric.build(tgt_lang), None
    return metric.build_in_form(form), form.signature()
