"""What the options of `mtkit evaluate` ask for, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mtkit.cli.choices import one_of
from mtkit.config.fixed import (
    FORMS,
    METRIC_NAMES,
    MODEL_METRIC_NAMES,
    FormName,
    MetricName,
    ModelMetricName,
)
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.command import MetricCommand
    from mtkit.evaluate.compared import Baseline
    from mtkit.evaluate.evaluate import Scoring
    from mtkit.evaluate.systems import HypFile, Job
    from mtkit.metrics.significance import Method

AnyMetric: TypeAlias = MetricName | ModelMetricName
ALL_METRICS: tuple[AnyMetric, ...] = (*METRIC_NAMES, *MODEL_METRIC_NAMES)


@dataclass(frozen=True, slots=True)
class AskedScores:
    """Which scores are computed, and their bounds."""

    metrics: Sequence[AnyMetric]
    bounds: Mapping[str, float]
    form: FormName | None
    resamples: int
    commands: Sequence[MetricCommand]

    def scoring(self, config: EvaluateConfig) -> Scoring:
        """The scores to compute, where the config says what was not asked for."""
        from mtkit.evaluate.evaluate import Scoring

        names = dict.fromkeys([*(self.metrics or config.metrics), *self.bounds])
        of_texts = [name for name in METRIC_NAMES if name in names]
        of_model = [name for name in MODEL_METRIC_NAMES if name in names]
        of_texts.sort(key=list(names).index)
        return Scoring(of_texts, self.form or config.form, self.resamples, of_model, self.commands)


def asked_scores(
    metrics: list[str] | None,
    commands: Sequence[MetricCommand],
    bounds: list[str] | None,
    form: str,
    resamples: int,
) -> AskedScores:
    """The scores that the options ask for.

    Args:
        metrics: lists of names.
        commands: programs that score.
        bounds: lists of metrics with values.
        form: of the texts for BLEU; empty for that of the config.
        resamples: for intervals; none if 0.

    Raises:
        UsageError: a name or a number is unknown, the form has no effect, or the seed is bad.
    """
    from mtkit.metrics.significance import seed

    found = AskedScores(
        _metrics(metrics or []),
        _bounds(bounds or [], [command.name for command in commands]),
        one_of("--form", form.lower(), FORMS) if form else None,
        resamples,
        commands,
    )
    if found.form not in (None, "raw") and found.metrics and "bleu" not in {*found.metrics, *found.bounds}:
        raise UsageError(f"--form {found.form}: has no effect without BLEU.", "Add bleu to --metrics.")
    if resamples:
        seed()
    return found


def _metrics(given: list[str]) -> list[AnyMetric]:
    """The metrics in lists such as `BLEU,chrF`."""
    words = (word.strip() for text in given for word in text.split(","))
    return [one_of("--metrics", word.lower(), ALL_METRICS) for word in words if word]


def _bounds(given: list[str], of_commands: Sequence[str]) -> dict[str, float]:
    """The bounds in lists such as `bleu=30,chrf=50`, by metric."""
    bounds: dict[str, float] = {}
    for text in (part.strip() for each in given for part in each.split(",")):
        name, _, value = text.partition("=")
        try:
            known = name if name in of_commands else one_of("--fail-under", name.lower(), ALL_METRICS)
            bounds[known] = float(value)
            if isnan(bounds[known]):
                raise ValueError
        except ValueError:
            raise UsageError(
                f"--fail-under {text}: expected METRIC=VALUE.", "Write bleu=30, for example."
            ) from None
    return bounds


def asked_baseline(name: str, only_bs: bool, only_ar: bool, trials: Mapping[Method, int]) -> Baseline | None:
    """The system with which others are compared, and the tests; None if there is none.

    Raises:
        UsageError: tests were asked for without a baseline.
    """
    if not name:
        if only_bs or only_ar:
            raise UsageError("--paired-bs and --paired-ar: need --baseline.", "Name the baseline.")
        return None
    from mtkit.evaluate.compared import Baseline

    wanted = {"bs": only_bs or not only_ar, "ar": only_ar or not only_bs}
    return Baseline(name.rstrip("/"), {method: count for method, count in trials.items() if wanted[method]})


@dataclass(frozen=True, slots=True)
class AskedSystems:
    """The systems and the test sets.

    Attributes:
        arguments: configs and options.
        models: scored on the test sets of the config.
        checkpoint: scored instead of the final models; empty for these.
        tests: names of test sets; all if empty.
        files: of translations.
        refs: files of references, in the place of test sets.
        src: file of their sources.
        tgt_lang: language of the files.
    """

    arguments: list[str]
    models: list[Path]
    checkpoint: str
    tests: list[str]
    files: Sequence[HypFile]
    refs: list[Path]
    src: Path | None
    tgt_lang: str

    @property
    def are_files(self) -> bool:
        """Whether only files are scored, without a config."""
        return bool(self.refs or self.src or (self.files and not (self.arguments or self.models)))

    def check_files(self, regress_by: float | None) -> None:
        """Checks that there are translations and references, and nothing that needs a config.

        Raises:
            UsageError: there is.
        """
        if regress_by is not None:
            raise UsageError("--regress-by: needs a run, which keeps scores.", "Leave it out with --ref.")
        of_config = self.arguments or self.tests or self.models or self.checkpoint
        if of_config or not (self.files and self.refs):
            raise UsageError(
                "--ref and --src: need --hyp; they exclude a config, --model, --checkpoint and --test.",
                "Give translations with --hyp, references with --ref, and leave out the others.",
            )

    def open_jobs(self, form: FormName | None) -> list[Job]:
        """The systems with their test sets, read from the configs, with another form if one is given."""
        from mtkit.cli.arguments import read_runs
        from mtkit.evaluate.systems import open_jobs

        for model in self.models:
            if not model.exists() and str(model).lower() in ALL_METRICS:
                raise UsageError(f"-m {model}: names a model.", f"Write --metrics {model} for the metric.")
        given = self.arguments or [str(model) for model in self.models[:1]] or None
        configs = read_runs(given)
        if form is not None:
            configs = [
                config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"form": form})})
                for config in configs
            ]
        return open_jobs(configs, self.models, self.checkpoint, self.tests, self.files)

    @property
    def read(self) -> dict[str, Path | None]:
        """The files that are read, by what they are."""
        paths = [*self.refs, *([self.src] if self.src else []), *(Path(file.path) for file in self.files)]
        return {f"the input {path}": path for path in paths}
