"""Score translations: of the test sets of runs, or in files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mtkit.cli import closer_view, console
from mtkit.cli import evaluate_options as options
from mtkit.cli.arguments import ConfigArguments, read_runs
from mtkit.cli.choices import engine_name, one_of
from mtkit.cli.evaluate_view import ScoreList, ScoreTable
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
    from mtkit.config.schema import Config, EvaluateConfig
    from mtkit.evaluate.closer import Look, Wanted
    from mtkit.evaluate.command import MetricCommand
    from mtkit.evaluate.compared import Baseline, Comparison
    from mtkit.evaluate.evaluate import Evaluated, Scoring
    from mtkit.evaluate.systems import HypFile, Job, LoadModel
    from mtkit.metrics.significance import Method

logger = logging.getLogger(__name__)

AnyMetric: TypeAlias = MetricName | ModelMetricName
ALL_METRICS: tuple[AnyMetric, ...] = (*METRIC_NAMES, *MODEL_METRIC_NAMES)


def evaluate(
    arguments: ConfigArguments = None,
    models: options.Models = None,
    checkpoint: options.Checkpoint = "",
    metrics: options.Metrics = None,
    metric_command: options.MetricCommands = None,
    metric_timeout: options.MetricTimeout = 3600,
    form: options.Form = "",
    tests: options.Tests = None,
    hyps: options.Hyps = None,
    refs: options.Refs = None,
    src: options.Src = None,
    tgt_lang: options.TgtLang = "",
    fail_under: options.FailUnder = None,
    regress_by: options.RegressBy = None,
    segments: options.Segments = None,
    documents: options.Documents = None,
    confidence: options.Confidence = False,
    confidence_n: options.ConfidenceN = 1000,
    baseline: options.Baseline = "",
    paired_bs: options.PairedBs = False,
    paired_ar: options.PairedAr = False,
    paired_bs_n: options.PairedBsN = 1000,
    paired_ar_n: options.PairedArN = 10_000,
    breakdown: closer_view.Buckets = "",
    glossary: closer_view.GlossaryFile = None,
    stress: closer_view.Stress = False,
    contrast: closer_view.Contrast = False,
    as_json: options.AsJson = False,
    device: options.Device = "auto",
    engine: options.Engine = "auto",
    threads: options.Threads = None,
) -> None:
    """Translate and score the test sets of runs, or score files.

    CONFIG can also be the folder of a trained run. Several runs, models and files are scored in one table.

    \b
    Examples:
      mtkit evaluate mtkit.yaml --metrics bleu,ter
      mtkit evaluate runs/a runs/b --checkpoint best
      mtkit evaluate runs/a runs/b --baseline runs/a
      mtkit evaluate mtkit.yaml -m runs/other --hyp online=out.txt
      mtkit evaluate --hyp out.txt --ref ref.txt
    """
    from mtkit.evaluate.closer import check_wanted
    from mtkit.evaluate.command import metric_commands
    from mtkit.evaluate.documents import check_documents, document_scores, read_ids
    from mtkit.evaluate.gates import check_results
    from mtkit.evaluate.seeds import seed_groups, spreads
    from mtkit.evaluate.sentence_scores import write_segments
    from mtkit.evaluate.systems import hyp_files

    looks = closer_view.wanted(breakdown, stress, contrast)
    shape = _form(form)
    commands = metric_commands(metric_command or [], metric_timeout)
    bounds = _bounds(fail_under or [], [command.name for command in commands])
    asked = _Asked(_metrics(metrics or []), bounds, shape, confidence_n if confidence else 0, commands)
    asked.check()
    compared = _baseline(baseline, paired_bs, paired_ar, {"bs": paired_bs_n, "ar": paired_ar_n})
    shown = ScoreList() if as_json else ScoreTable()
    files = hyp_files(hyps or [])
    jobs: list[Job] = []
    docs = read_ids(documents) if documents else None
    if refs or src or (files and not (arguments or models)):
        if regress_by is not None:
            raise UsageError("--regress-by: needs a run, which keeps scores.", "Leave it out with --ref.")
        if arguments or tests or models or checkpoint or not (files and refs):
            raise UsageError(
                "--ref and --src: need --hyp; they exclude a config, --model, --checkpoint and --test.",
                "Give translations with --hyp, references with --ref, and leave out the others.",
            )
        results = _score_files(files, refs, src, asked, tgt_lang)
        shown.begin([(file.name, "", 1_000_000) for file in files])
        _check_baseline(compared, [file.name for file in files])
    else:
        jobs = _jobs(arguments, models or [], checkpoint, tests or [], files, shape)
        shown.begin([(job.name, each.name, len(each.pairs)) for job in jobs for each in job.sets])
        _check_baseline(compared, [job.name for job in jobs], jobs)
        if docs:
            check_documents(docs, jobs)
        results = _score_jobs(jobs, asked, _loader(device, engine, threads), regress_by)
    check_wanted(looks, jobs)
    looks = closer_view.with_terms(looks, glossary, jobs)
    found = _shown(results, shown)
    if looks:
        shown.looks = _look(looks, jobs, found, asked, _loader(device, engine, threads))
    _write_cards(jobs)
    of_documents = [each for result in found for each in document_scores(result, docs)] if docs else []
    shown.end(_compared(compared, found), spreads(seed_groups(jobs), found), of_documents)
    _say_levels(found, shown.systems)
    if segments:
        write_segments(segments, found)
    check_results(found, bounds, shown.systems)


def _shown(results: Iterable[Evaluated], shown: ScoreTable | ScoreList) -> list[Evaluated]:
    """Shows each result when it is ready."""
    found = []
    for result in results:
        shown.add(result)
        for warning in result.warnings(result.label(shown.systems)):
            logger.warning("%s", warning)
        found.append(result)
    return found


def _look(
    wanted: Wanted,
    jobs: Sequence[Job],
    found: Sequence[Evaluated],
    asked: _Asked,
    load: LoadModel,
) -> list[Look]:
    from mtkit.evaluate.closer import look_closer
    from mtkit.evaluate.stored_looks import keep_looks

    def metrics(job: Job) -> Sequence[MetricName]:
        names = {*asked.scoring(job.config.evaluate).metrics}
        return [name for name in METRIC_NAMES if name in names]

    with console.progress() as progress:
        looks = look_closer(wanted, jobs, found, metrics, load, progress)
    keep_looks(jobs, found, looks)
    return looks


def _write_cards(jobs: Sequence[Job]) -> None:
    """Brings the model cards of the runs up to date."""
    from mtkit.evaluate.model_card import write_card
    from mtkit.evaluate.systems import homes_of

    for run, config in homes_of(jobs).items():
        write_card(run, config.card if config else None)


# ---------------------------------------------------------------- options


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options that say which scores are computed."""

    metrics: Sequence[AnyMetric]
    bounds: Mapping[str, float]
    form: FormName | None
    resamples: int
    commands: Sequence[MetricCommand]

    def check(self) -> None:
        from mtkit.metrics.significance import seed

        if self.form not in (None, "raw") and self.metrics and "bleu" not in {*self.metrics, *self.bounds}:
            raise UsageError(f"--form {self.form}: has no effect without BLEU.", "Add bleu to --metrics.")
        if self.resamples:
            seed()

    def scoring(self, config: EvaluateConfig) -> Scoring:
        """The scores to compute, where the config says what was not asked for."""
        from mtkit.evaluate.evaluate import Scoring

        names = dict.fromkeys([*(self.metrics or config.metrics), *self.bounds])
        of_texts = [name for name in METRIC_NAMES if name in names]
        of_model = [name for name in MODEL_METRIC_NAMES if name in names]
        of_texts.sort(key=list(names).index)
        return Scoring(of_texts, self.form or config.form, self.resamples, of_model, self.commands)


def _baseline(name: str, only_bs: bool, only_ar: bool, samples: Mapping[Method, int]) -> Baseline | None:
    if not name:
        if only_bs or only_ar:
            raise UsageError("--paired-bs and --paired-ar: need --baseline.", "Name the baseline.")
        return None
    from mtkit.evaluate.compared import Baseline

    wanted = {"bs": only_bs or not only_ar, "ar": only_ar or not only_bs}
    return Baseline(name.rstrip("/"), {test: count for test, count in samples.items() if wanted[test]})


def _check_baseline(baseline: Baseline | None, systems: Sequence[str], jobs: Sequence[Job] = ()) -> None:
    from mtkit.evaluate.compared import check_baseline

    if baseline:
        check_baseline(baseline, systems, jobs)


def _compared(baseline: Baseline | None, results: Sequence[Evaluated]) -> list[Comparison]:
    from mtkit.evaluate.compared import compare

    return compare(baseline, results) if baseline else []


def _metrics(given: list[str]) -> list[AnyMetric]:
    """The metrics in lists such as `BLEU,chrF`."""
    words = (word.strip() for text in given for word in text.split(","))
    return [one_of("--metrics", word.lower(), ALL_METRICS) for word in words if word]


def _form(given: str) -> FormName | None:
    """The form of `--form`; None to use that of the config."""
    return one_of("--form", given.lower(), FORMS) if given else None


def _in_form(config: Config, form: FormName | None) -> Config:
    """The config with another form, if one is given."""
    if form is None:
        return config
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"form": form})})


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


# ---------------------------------------------------------------- scoring


def _score_files(
    files: Sequence[HypFile], refs: list[Path], src: Path | None, asked: _Asked, tgt_lang: str
) -> Iterator[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import score_files
    from mtkit.metrics.moses import open_form
    from mtkit.text.languages import warn_if_unknown

    if tgt_lang:
        warn_if_unknown(tgt_lang)
    scoring = asked.scoring(EvaluateConfig())
    if scoring.forced:
        raise UsageError(
            f"{scoring.forced[0]}: is a metric of models, not of files.", "Choose other metrics."
        )
    open_form(scoring.form, tgt_lang)  # fails before any work
    return score_files({file.name: Path(file.path) for file in files}, refs, scoring, tgt_lang, src)


def _jobs(
    arguments: list[str] | None,
    models: list[Path],
    checkpoint: str,
    tests: list[str],
    files: Sequence[HypFile],
    form: FormName | None,
) -> list[Job]:
    from mtkit.evaluate.systems import open_jobs

    for model in models:
        if not model.exists() and str(model).lower() in ALL_METRICS:
            raise UsageError(f"-m {model}: names a model.", f"Write --metrics {model} for the metric.")
    given = arguments or [str(model) for model in models[:1]] or None
    configs = [_in_form(config, form) for config in read_runs(given)]
    return open_jobs(configs, models, checkpoint, tests, files)


def _score_jobs(
    jobs: list[Job], asked: _Asked, load: LoadModel, regress_by: float | None
) -> Iterator[Evaluated]:
    from mtkit.evaluate.systems import score_job

    for job in jobs:
        with console.progress() as progress:
            scoring = asked.scoring(job.config.evaluate)
            yield from score_job(job, scoring, load, console.say, progress, regress_by)


def _loader(device: str, engine: str, threads: int | None) -> LoadModel:
    """Opens a model with the engine that was asked for."""
    from mtkit.translate.open import open_translator

    name = engine_name(engine)
    return lambda folder, request, native: open_translator(
        folder, request, device=device, engine="native" if native else name, threads=threads
    )


# ---------------------------------------------------------------- output


def _say_levels(results: list[Evaluated], systems: set[str]) -> None:
    """Says what the BLEU of each result means, in words, unless it is that of a form."""
    from mtkit.runs.verdict import level_of

    for result in results:
        values = {score.metric: score.value for score in result.scores if score.form is None}
        scores = {name: values[name] for name in METRIC_NAMES if name in values}
        if "bleu" in scores and (level := level_of(scores, "")):
            console.say(f"{result.label(systems)}: {level.meaning}")
