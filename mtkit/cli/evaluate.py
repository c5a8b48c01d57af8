"""Score translations: of the test sets of runs, or in files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import closer_view, console
from mtkit.cli import evaluate_options as options
from mtkit.cli.arguments import ConfigArguments
from mtkit.cli.choices import engine_name
from mtkit.cli.evaluate_asked import AskedScores, AskedSystems, asked_baseline, asked_scores
from mtkit.cli.evaluate_view import ScoreList, ScoreTable
from mtkit.config.fixed import METRIC_NAMES, MetricName
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.evaluate.closer import Look, Wanted
    from mtkit.evaluate.compared import Baseline
    from mtkit.evaluate.evaluate import Evaluated
    from mtkit.evaluate.evaluation import Evaluation
    from mtkit.evaluate.systems import Job, LoadModel

logger = logging.getLogger(__name__)


def evaluate(
    arguments: ConfigArguments = None,
    models: options.Models = None,
    checkpoint: options.Checkpoint = "",
    memory: options.Memory = None,
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
    html: options.Html = None,
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
    from mtkit.evaluate.command import metric_commands
    from mtkit.evaluate.gates import check_results
    from mtkit.evaluate.systems import hyp_files

    commands = metric_commands(metric_command or [], metric_timeout)
    scores = asked_scores(metrics, commands, fail_under, form, confidence_n if confidence else 0)
    systems = AskedSystems(
        arguments or [],
        models or [],
        checkpoint,
        tests or [],
        hyp_files(hyps or []),
        refs or [],
        src,
        tgt_lang,
    )
    extras = _Extras(
        asked_baseline(baseline, paired_bs, paired_ar, {"bs": paired_bs_n, "ar": paired_ar_n}),
        closer_view.wanted(breakdown, stress, contrast),
        glossary,
        documents,
        segments,
        html,
        regress_by,
        memory or (),
    )
    extras.check(systems)
    shown = ScoreList() if as_json else ScoreTable()
    found = _evaluate(systems, scores, extras, _loader(device, engine, threads), shown)
    shown.end(found)
    _say_levels(found.results, shown.systems)
    extras.write(found)
    check_results(found.results, scores.bounds, shown.systems)


@dataclass(frozen=True, slots=True)
class _Extras:
    """What is done beside scoring."""

    baseline: Baseline | None
    looks: Wanted
    glossary: Path | None
    documents: Path | None
    segments: Path | None
    html: Path | None
    regress_by: float | None
    memory: Sequence[str]

    def check(self, systems: AskedSystems) -> None:
        """Checks that what is written is no folder and no file that is read, before any work."""
        from mtkit.disk.output import check_not_read
        from mtkit.evaluate.given_memory import check_memory

        check_memory(self.memory)
        if self.memory and (systems.are_files or self.regress_by is not None):
            raise UsageError("--memory: needs a model, and excludes --regress-by.", "Leave one of them out.")
        more = {"--documents": self.documents, "--glossary": self.glossary}
        for path in filter(None, (self.html, self.segments)):
            if path.is_dir():
                raise UsageError(f"{path}: is a folder, expected a file.", "Name a file.")
            check_not_read(path, systems.read | {name: file for name, file in more.items() if file})

    def write(self, found: Evaluation) -> None:
        """Writes the files that were asked for."""
        from mtkit.disk.output import output_file
        from mtkit.evaluate.evaluate_page import evaluate_page
        from mtkit.evaluate.sentence_scores import write_segments

        if self.segments:
            write_segments(self.segments, found.results)
        if self.html:
            with output_file(self.html) as file:
                file.write(evaluate_page(found).encode())
            console.say(f"{self.html}: the results as a page")


def _evaluate(
    systems: AskedSystems,
    scores: AskedScores,
    extras: _Extras,
    load: LoadModel,
    shown: ScoreTable | ScoreList,
) -> Evaluation:
    """Scores all systems, shows each result when it is ready, and looks closer."""
    from mtkit.evaluate.closer import check_wanted
    from mtkit.evaluate.compared import check_baseline, compare
    from mtkit.evaluate.documents import check_documents, document_scores, read_ids
    from mtkit.evaluate.evaluation import Evaluation
    from mtkit.evaluate.seeds import seed_groups, spreads

    # 1. Read everything that is given, so that what is missing costs no time.
    docs = read_ids(extras.documents) if extras.documents else None
    jobs: list[Job] = []
    if systems.are_files:
        systems.check_files(extras.regress_by)
        results = _score_files(systems, scores)
        shown.begin([(file.name, "", 1_000_000) for file in systems.files])
    else:
        jobs = systems.open_jobs(scores.form)
        shown.begin([(job.name, each.name, len(each.pairs)) for job in jobs for each in job.sets])
        if docs:
            check_documents(docs, jobs)
        results = _score_jobs(jobs, scores, load, extras)
    if extras.baseline:
        names = [job.name for job in jobs] or [file.name for file in systems.files]
        check_baseline(extras.baseline, names, jobs)
    check_wanted(extras.looks, jobs)
    wanted = closer_view.with_terms(extras.looks, extras.glossary, jobs)
    # 2. Score.
    found = _shown(results, shown)
    # 3. What follows from the scores.
    looks = _look(wanted, jobs, found, scores, load) if wanted else []
    _write_cards(jobs)
    return Evaluation(
        found,
        compare(extras.baseline, found) if extras.baseline else [],
        spreads(seed_groups(jobs), found),
        [each for result in found for each in document_scores(result, docs)] if docs else [],
        looks,
    )


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
    asked: AskedScores,
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


# ---------------------------------------------------------------- scoring


def _score_files(systems: AskedSystems, scores: AskedScores) -> Iterator[Evaluated]:
    from mtkit.config.schema import EvaluateConfig
    from mtkit.evaluate.evaluate import score_files
    from mtkit.metrics.moses import open_form
    from mtkit.text.languages import warn_if_unknown

    if systems.tgt_lang:
        warn_if_unknown(systems.tgt_lang)
    scoring = scores.scoring(EvaluateConfig())
    if scoring.forced:
        raise UsageError(
            f"{scoring.forced[0]}: is a metric of models, not of files.", "Choose other metrics."
        )
    open_form(scoring.form, systems.tgt_lang)  # fails before any work
    hyps = {file.name: Path(file.path) for file in systems.files}
    return score_files(hyps, systems.refs, scoring, systems.tgt_lang, systems.src)


def _score_jobs(jobs: list[Job], asked: AskedScores, load: LoadModel, extras: _Extras) -> Iterator[Evaluated]:
    from mtkit.evaluate.systems import score_job

    for job in jobs:
        with console.progress() as progress:
            scoring = asked.scoring(job.config.evaluate)
            yield from score_job(job, scoring, load, console.say, progress, extras.regress_by, extras.memory)


def _loader(device: str, engine: str, threads: int | None) -> LoadModel:
    """Opens a model with the engine that was asked for."""
    from mtkit.translate.open import open_translator

    name = engine_name(engine)
    return lambda folder, request, native: open_translator(
        folder, request, device=device, engine="native" if native else name, threads=threads
    )


# ---------------------------------------------------------------- output


def _say_levels(results: Sequence[Evaluated], systems: set[str]) -> None:
    """Says what the BLEU of each result means, in words, unless it is that of a form."""
    from mtkit.runs.verdict import level_of

    for result in results:
        values = {score.metric: score.value for score in result.scores if score.form is None}
        scores = {name: values[name] for name in METRIC_NAMES if name in values}
        if "bleu" in scores and (level := level_of(scores, "")):
            console.say(f"{result.label(systems)}: {level.meaning}")
