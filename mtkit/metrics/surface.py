"""Metrics of translations, each an entry of `METRICS`, most of them sacreBLEU's. Does not use torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mtkit.config.fixed import BestMetric, FormName, MetricName, ModelMetricName
from mtkit.errors import InputError, UsageError
from mtkit.metrics.moses import MosesForm, open_form
from mtkit.metrics.recipes import (
    InForm,
    Input,
    Inputs,
    Recipe,
    Statistics,
    build_bleu,
    build_bleu_in_form,
    build_chrf,
    build_chrf_plus_plus,
    build_exact,
    build_length,
    build_segment_bleu,
    build_ter,
)
from mtkit.metrics.significance import Aggregate, Interval, PairedTest, Rows, resample
from mtkit.text.languages import language_of


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


METRICS: Mapping[MetricName, Metric] = {
    "bleu": Metric(
        "BLEU", True, ("refs",), build_bleu, build_bleu_in_form, build_for_segments=build_segment_bleu
    ),
    "chrf": Metric("chrF", True, ("refs",), build_chrf),
    "chrf++": Metric("chrF++", True, ("refs",), build_chrf_plus_plus),
    "ter": Metric("TER", False, ("refs",), build_ter),
    "exact": Metric("exact", True, ("refs",), build_exact),
    "length": Metric("length", False, ("refs",), build_length, ideal=100.0),
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
            recipe = InForm(form, recipe)
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
