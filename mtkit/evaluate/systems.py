"""The systems that are evaluated together: models and files of translations. Does not use torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.data.prepare.stages import ReportProgress
from mtkit.errors import InputError, UsageError, counted
from mtkit.evaluate.evaluate import (
    Evaluated,
    LoadedSet,
    Scoring,
    check_form,
    choose_tests,
    evaluate,
    read_hyps,
    read_sets,
    score_texts,
)
from mtkit.evaluate.gates import regressions
from mtkit.evaluate.given_memory import open_memory
from mtkit.evaluate.prediction import forced_scores
from mtkit.evaluate.record import is_run, keep_score, results_folder
from mtkit.runs.find import Found, checkpoint_of, find_model, model_folder, read_model, trained_model
from mtkit.runs.layout import inside
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator

TEST = "{test}"
"""Stands for the name of the test set in the path of a file of translations."""

LoadModel = Callable[[Path, Request, bool], Translator]
"""Opens a model folder for a request, with the native engine if so said."""


@dataclass(frozen=True, slots=True)
class HypFile:
    """Translations that any program has written.

    Attributes:
        name: of the system, in tables.
        path: of the file; `{test}` stands for the name of the test set.
    """

    name: str
    path: str

    def of_test(self, test: str) -> Path:
        """The file with the translations of a test set."""
        return Path(self.path.replace(TEST, test))


@dataclass(frozen=True, slots=True)
class Job:
    """A system, and the test sets that it translates.

    Attributes:
        system: its model or its file.
        config: has the test sets, and the search options and the metrics for them.
        sets: the test sets.
    """

    system: Found | HypFile
    config: Config
    sets: list[LoadedSet]

    @property
    def name(self) -> str:
        """The name of the system, in tables."""
        return self.system.name if isinstance(self.system, HypFile) else str(self.system)


def hyp_files(given: Sequence[str]) -> list[HypFile]:
    """The files of translations in arguments such as `out.txt` or `online=out.txt`.

    Raises:
        UsageError: two of them have the same name, or a name is empty.
    """
    found = []
    for text in given:
        name, separator, path = text.partition("=")
        named = bool(separator) and not Path(text).is_file()
        found.append(HypFile(name, path) if named else HypFile(text, text))
        if not (found[-1].name and found[-1].path):
            raise UsageError(
                f"--hyp {text}: expected FILE or NAME=FILE.", "Write online=out.txt, for example."
            )
    names = [file.name for file in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--hyp: {names.count(name)} files are called {name}.", "Write --hyp NAME=FILE.")
    return found


def open_jobs(
    configs: Sequence[Config],
    models: Sequence[Path],
    checkpoint: str,
    tests: Sequence[str],
    files: Sequence[HypFile] = (),
) -> list[Job]:
    """The systems with their test sets; everything that is missing is found here, before any work.

    Args:
        configs: have the test sets, and models unless some are named.
        models: run folders, model folders and configs of models to score instead.
        checkpoint: best, last or a step, to score instead of the final model; empty for that.
        tests: names of test sets; all if empty.
        files: translations of the test sets of the first config.

    Raises:
        InputError: there is no such model or test set.
        UsageError: a name is unknown, or a form does not suit a language.
    """
    chosen: list[tuple[Found | HypFile, Config]] = []
    for config in configs:
        check_form(config, config.evaluate.form, choose_tests(config, tests))
        for named in list[Path | None](models) or [None]:
            if checkpoint:
                run = find_model(named).run if named else config.run
                chosen.append(
                    (Found(checkpoint_of(run, checkpoint), run, f"checkpoint {checkpoint}"), config)
                )
            elif named:
                chosen.append((find_model(named), config))
            elif not files or model_folder(config.run):
                chosen.append((Found(trained_model(config.run), config.run), config))
    chosen += [(file, configs[0]) for file in files]
    sets = {config.run: read_sets(config, tests) for config in configs}
    jobs = [Job(system, config, sets[config.run]) for system, config in chosen]
    for job in jobs:
        if isinstance(job.system, HypFile) and len(job.sets) > 1 and TEST not in job.system.path:
            raise UsageError(
                f"--hyp {job.name}: there are {len(job.sets)} test sets, but one file.",
                f"Write {TEST} for the name of the test set in the path, or choose one set with --test.",
            )
    return jobs


def place_of(found: Found, config: Config) -> tuple[Path, str]:
    """The run folder that keeps the scores of a model, and the name of the model in it."""
    home = found.run if is_run(found.run) else config.run
    is_inside = home in found.folder.parents
    return home, found.folder.relative_to(home).as_posix() if is_inside else str(found.folder)


def homes_of(jobs: Sequence[Job]) -> dict[Path, Config | None]:
    """The run folders that keep the scores of models, with the config if it is that of the run."""
    found: dict[Path, Config | None] = {}
    for job in jobs:
        if isinstance(job.system, Found):
            home, _ = place_of(job.system, job.config)
            found[home] = job.config if job.config.run == home else found.get(home)
    return found


def score_job(
    job: Job,
    scoring: Scoring,
    load: LoadModel,
    say: Callable[[str], None],
    progress: ReportProgress | None = None,
    regress_by: float | None = None,
    memory: Sequence[str] = (),
) -> Iterator[Evaluated]:
    """The results of a system, one for each test set; those of a model are kept in its run folder.

    Args:
        job: the system and the test sets.
        scoring: which scores are computed.
        load: opens a model folder for a request.
        say: called with the model, the engine and the folder of the results.
        progress: as for `evaluate`.
        regress_by: how much worse than the stored scores those of a model may be; worse ones are not kept.
        memory: the translation memory that a model is given, see `open_memory`; scores with one are not kept.
    """
    if isinstance(job.system, HypFile):
        yield from _score_file(job, job.system, scoring)
        return
    # 1. Open the model, and the folder that keeps its scores.
    found, config = job.system, job.config
    say(f"model: {found}")
    request = Request(search=config.decode.model_dump(mode="json"))
    is_checkpoint = found.reason.startswith("checkpoint ")

    def opened(native: bool) -> Translator:
        if is_checkpoint:
            return load(found.folder, request, native)
        return read_model(found.run, lambda folder: load(folder, request, native))

    translator = opened(native=False)
    exact = opened(native=True) if scoring.forced else None
    home, model = place_of(found, config)
    suffix = f".{model.replace('/', '.')}" if is_checkpoint else ""
    if memory:
        suffix += ".memory"
        request = replace(request, memory=open_memory(memory, config, home, translator))
    folder = results_folder(home, private=config.private)
    # 2. Translate and score each test set.
    for each in job.sets:
        path = inside(folder, f"{each.name}{suffix}.hyp.txt")
        result = evaluate(
            each, translator, request, scoring, path, job.name, private=config.private, progress=progress
        )
        if exact:
            more = forced_scores(each, exact, scoring.forced, scoring.resamples, progress)
            result = replace(result, measured=(*result.measured, *more))
        if regress_by is not None:
            worse = tuple(regressions(home, result, model, regress_by))
            result = replace(result, regressions=worse)
        if not result.regressions and not memory:
            keep_score(home, result, model, translator.engine.name, config.decode.changed())
        yield result
    say(f"translations and scores in {folder}, engine {translator.engine.name}")


def _score_file(job: Job, file: HypFile, scoring: Scoring) -> Iterator[Evaluated]:
    for each in job.sets:
        path = file.of_test(each.name)
        hyps = read_hyps(path)
        if len(hyps) != len(each.pairs):
            raise InputError(
                f"{path}: has {counted(len(hyps), 'line')}, but {each.name} "
                f"has {counted(len(each.pairs), 'pair')}.",
                "Line N must be the translation of pair N.",
            )
        yield score_texts(each.texts(hyps), scoring, path, job.name, each.name, each.leaked)
