"""Score translations: of the test sets of runs, or in files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli import evaluate_options as options
from mtkit.cli.arguments import ConfigArguments, read_runs
from mtkit.cli.choices import engine_name, one_of
from mtkit.cli.evaluate_view import ScoreList, ScoreTable
from mtkit.config.fixed import FORMS, METRIC_NAMES, FormName, MetricName
from mtkit.errors import GateError, UsageError

if TYPE_CHECKING:
    from mtkit.config.schema import Config
    from mtkit.evaluate.evaluate import Evaluated
    from mtkit.evaluate.systems import HypFile, Job, LoadModel

logger = logging.getLogger(__name__)


def evaluate(
    arguments: ConfigArguments = None,
    models: options.Models = None,
    checkpoint: options.Checkpoint = "",
    metrics: options.Metrics = None,
    form: options.Form = "",
    tests: options.Tests = None,
    hyps: options.Hyps = None,
    refs: options.Refs = None,
    tgt_lang: options.TgtLang = "",
    fail_under: options.FailUnder = None,
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
      mtkit evaluate mtkit.yaml -m runs/other --hyp online=out.txt
      mtkit evaluate --hyp out.txt --ref ref.txt
    """
    from mtkit.evaluate.systems import hyp_files

    bounds = _bounds(fail_under or [])
    names, shape = _metrics(metrics or []), _form(form)
    if shape not in (None, "raw") and names and "bleu" not in {*names, *bounds}:
        raise UsageError(f"--form {form}: has no effect without BLEU.", "Add bleu to --metrics.")
    shown = ScoreList() if as_json else ScoreTable()
    files = hyp_files(hyps or [])
    if refs or (files and not (arguments or models)):
        if arguments or tests or models or checkpoint or not (files and refs):
            raise UsageError(
                "--ref: needs --hyp, and cannot be combined with a config, --model, --checkpoint or --test.",
                "Give translations with --hyp, their references with --ref, and leave out the others.",
            )
        results = _score_files(files, refs, names, bounds, tgt_lang, shape or "raw")
        shown.begin([(file.name, "", 1_000_000) for file in files])
    else:
        jobs = _jobs(arguments, models or [], checkpoint, tests or [], files, shape)
        shown.begin([(job.name, each.name, len(each.pairs)) for job in jobs for each in job.sets])
        results = _score_jobs(jobs, names, bounds, _loader(device, engine, threads))
    found = []
    for result in results:
        shown.add(result)
        for warning in result.warnings(result.label(shown.systems)):
            logger.warning("%s", warning)
        found.append(result)
    shown.end()
    _say_levels(found, shown.systems)
    _check(found, bounds, shown.systems)


# ---------------------------------------------------------------- options


def _metrics(given: list[str]) -> list[MetricName]:
    """The metrics in lists such as `BLEU,chrF`."""
    words = (word.strip() for text in given for word in text.split(","))
    return [one_of("--metrics", word.lower(), METRIC_NAMES) for word in words if word]


def _form(given: str) -> FormName | None:
    """The form of `--form`; None to use that of the config."""
    return one_of("--form", given.lower(), FORMS) if given else None


def _in_form(config: Config, form: FormName | None) -> Config:
    """The config with another form, if one is given."""
    if form is None:
        return config
    return config.model_copy(update={"evaluate": config.evaluate.model_copy(update={"form": form})})


def _bounds(given: list[str]) -> dict[MetricName, float]:
    bounds = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            bounds[one_of("--fail-under", name.lower(), METRIC_NAMES)] = float(value)
        except ValueError:
            raise UsageError(
                f"--fail-under {text}: expected METRIC=VALUE.", "Write bleu=30, for example."
            ) from None
    return bounds


def _check(results: list[Evaluated], bounds: dict[MetricName, float], systems: set[str]) -> None:
    """Refuses scores that are worse than their bound."""
    from mtkit.metrics.surface import METRICS

    missed = [
        f"{result.label(systems)}: {name} {score.value:.2f} is worse than the bound {bound:g}."
        for name, bound in bounds.items()
        for result in results
        for score in result.scores
        if score.metric == name and METRICS[name].quality(score.value) < METRICS[name].quality(bound)
    ]
    if missed:
        raise GateError(" ".join(missed))


# ---------------------------------------------------------------- scoring


def _score_files(
    files: Sequence[HypFile],
    refs: list[Path],
    metrics: list[MetricName],
    bounds: Iterable[MetricName],
    tgt_lang: str,
    form: FormName,
) -> Iterator[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import Scoring, score_files
    from mtkit.metrics.moses import open_form
    from mtkit.text.languages import warn_if_unknown

    if tgt_lang:
        warn_if_unknown(tgt_lang)
    open_form(form, tgt_lang)  # fails before any work
    names = list(dict.fromkeys([*(metrics or EvaluateConfig().metrics), *bounds]))
    return score_files({file.name: Path(file.path) for file in files}, refs, Scoring(names, form), tgt_lang)


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
        if not model.exists() and str(model).lower() in METRIC_NAMES:
            raise UsageError(f"-m {model}: names a model.", f"Write --metrics {model} for the metric.")
    given = arguments or [str(model) for model in models[:1]] or None
    configs = [_in_form(config, form) for config in read_runs(given)]
    return open_jobs(configs, models, checkpoint, tests, files)


def _score_jobs(
    jobs: list[Job], metrics: list[MetricName], bounds: Iterable[MetricName], load: LoadModel
) -> Iterator[Evaluated]:
    from mtkit.evaluate.evaluate import Scoring
    from mtkit.evaluate.systems import score_job

    for job in jobs:
        chosen = job.config.evaluate
        names = list(dict.fromkeys([*(metrics or chosen.metrics), *bounds]))
        with console.progress() as progress:
            yield from score_job(job, Scoring(names, chosen.form), load, console.say, progress)


def _loader(device: str, engine: str, threads: int | None) -> LoadModel:
    """Opens a model with the engine that was asked for."""
    from mtkit.translate.open import open_translator

    name = engine_name(engine)
    return lambda folder, request: open_translator(
        folder, request, device=device, engine=name, threads=threads
    )


# ---------------------------------------------------------------- output


def _say_levels(results: list[Evaluated], systems: set[str]) -> None:
    """Says what the BLEU of each result means, in words, unless it is that of a form."""
    from mtkit.runs.verdict import level_of

    for result in results:
        scores = {score.metric: score.value for score in result.scores if score.form is None}
        if "bleu" in scores and (level := level_of(scores, "")):
            console.say(f"{result.label(systems)}: {level.meaning}")
