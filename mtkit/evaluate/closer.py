"""Closer looks at a model on a test set: buckets, stress set, contrastive pairs. Does not use torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtkit.config.fixed import Division, MetricName
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.pair import Pair
from mtkit.errors import UsageError
from mtkit.evaluate.accuracy import terms_of
from mtkit.evaluate.buckets import NEEDS, Breakdown, break_down, is_possible
from mtkit.evaluate.contrast import contrast
from mtkit.evaluate.evaluate import PAIRS_AT_ONCE, Evaluated, LoadedSet
from mtkit.evaluate.figures import count
from mtkit.evaluate.outputs import Outputs, labels_of
from mtkit.evaluate.record import is_run
from mtkit.evaluate.stress import Translate, stress
from mtkit.evaluate.systems import Job, LoadModel
from mtkit.metrics.significance import PairedTest
from mtkit.runs.find import Found, config_of
from mtkit.translate.coverage import open_coverage
from mtkit.translate.glossary import Glossary
from mtkit.translate.request import Request, Source, best_texts
from mtkit.translate.term_files import read_glossary
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at.

    Attributes:
        by: the buckets; all that are possible if empty, none if None.
        stress: whether the stress set is translated.
        contrast: whether contrastive pairs are scored.
        glossaries: for the accuracy of terms, by source and target language; none if empty.
    """

    by: Sequence[Division] | None = None
    stress: bool = False
    contrast: bool = False
    glossaries: Mapping[tuple[str, str], Glossary] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.by is not None or self.stress or self.contrast


@dataclass(frozen=True, slots=True)
class Look:
    """The tables of a system on a test set.

    Attributes:
        system: its name.
        test: name of the test set.
        breakdowns: the tables.
    """

    system: str
    test: str
    breakdowns: tuple[Breakdown, ...]


def check_wanted(wanted: Wanted, jobs: Sequence[Job]) -> None:
    """Checks that all systems can be looked at so, before any work.

    Raises:
        UsageError: one of them is a file.
    """
    if wanted and not (jobs and all(isinstance(job.system, Found) for job in jobs)):
        raise UsageError(
            "--breakdown, --stress and --contrast: need a model.", "For files, see `mtkit compare --help`."
        )
    for job in jobs:
        for name in wanted.by or ():
            if not all(is_possible(name, _outputs(job, each, [])) for each in job.sets):
                raise UsageError(f"--breakdown {name}: {NEEDS[name]}", "Leave it out.")


def read_glossaries(path: Path, jobs: Sequence[Job]) -> dict[tuple[str, str], Glossary]:
    """The terms in a file for each pair of languages of the test sets.

    Raises:
        InputError: the file cannot be read or has no terms.
    """
    languages = dict.fromkeys(_languages(job, each) for job in jobs for each in job.sets)
    return {pair: read_glossary(path, pair) for pair in languages}


def look_closer(
    wanted: Wanted,
    jobs: Sequence[Job],
    results: Sequence[Evaluated],
    metrics: Callable[[Job], Sequence[MetricName]],
    load: LoadModel,
    progress: ReportProgress | None = None,
) -> list[Look]:
    """What is wanted of each result.

    Args:
        wanted: what is looked at.
        jobs: the systems, all of them models.
        results: of all jobs, in their order.
        metrics: the metrics of a job.
        load: opens a model, with the native engine to score given translations.
        progress: called now and then.
    """
    found = []
    own = [(job, each) for job in jobs for each in job.sets]
    for (job, each), result in zip(own, results, strict=True):
        made: list[Breakdown] = []
        if wanted.by is not None:
            made += _broken_down(wanted, job, each, result, metrics(job), progress)
        if wanted.stress:
            translate = _translator(job, load)
            languages = _languages(job, each)
            hyps = result.texts.hyps
            made += stress(
                each.pairs, hyps, languages, metrics(job), translate, PairedTest(), progress=progress
            )
        if wanted.contrast:
            score = _scorer(job, load)
            made.append(contrast(each.pairs, each.tgt_lang, score, progress=progress))
        found.append(Look(job.name, each.name, tuple(table for table in made if table.buckets)))
    return found


def _broken_down(
    wanted: Wanted,
    job: Job,
    each: LoadedSet,
    result: Evaluated,
    metrics: Sequence[MetricName],
    progress: ReportProgress | None,
) -> list[Breakdown]:
    outputs = _outputs(job, each, result.texts.hyps)
    languages = _languages(job, each)
    if glossary := wanted.glossaries.get(languages):
        outputs = replace(outputs, terms=terms_of(glossary, [pair.src for pair in each.pairs], languages[0]))
    counted = count([result.texts.hyps], outputs.refs, metrics, each.tgt_lang, outputs.srcs)
    return break_down(outputs, counted, wanted.by or (), None, progress)


def _outputs(job: Job, each: LoadedSet, hyps: Sequence[str]) -> Outputs:
    system = _model(job)
    config = config_of(system.folder).model_copy(update={"run": system.run}) if is_run(system.run) else None
    labels = labels_of(each.pairs)
    srcs = [pair.src for pair in each.pairs]
    refs = [[pair.tgt for pair in each.pairs], *each.more_refs]
    coverage = open_coverage(system.folder)
    return Outputs(each.name, each.tgt_lang, {job.name: hyps}, refs, srcs, labels, config, coverage=coverage)


def _model(job: Job) -> Found:
    assert isinstance(job.system, Found)
    return job.system


def _languages(job: Job, each: LoadedSet) -> tuple[str, str]:
    return job.config.data.languages_of(job.config.data.test[each.name])


def _translator(job: Job, load: LoadModel) -> Translate:
    request = Request(search=job.config.decode.model_dump(mode="json"))
    translator: list[Translator] = []

    def translate(srcs: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
        if not translator:
            translator.append(load(_model(job).folder, request, False))
        sources = [Source(text, number, tags) for number, (text, tags) in enumerate(srcs)]
        windows = (
            Window(sources[begin : begin + PAIRS_AT_ONCE], best_texts)
            for begin in range(0, len(sources), PAIRS_AT_ONCE)
        )
        return [text for texts in translator[0].results(windows, request) for text in texts]

    return translate


def _scorer(job: Job, load: LoadModel) -> Callable[[Sequence[Pair]], list[float]]:
    """The scores of pairs; those with equal tags are scored together."""
    search = job.config.decode.model_dump(mode="json")
    translator = load(_model(job).folder, Request(search=search), True)

    def score(pairs: Sequence[Pair]) -> list[float]:
        found = [0.0] * len(pairs)
        for tags in dict.fromkeys(pair.tags for pair in pairs):
            places = [place for place, pair in enumerate(pairs) if pair.tags == tags]
            request = Request(search=search | ({"tags": list(tags)} if tags else {}))
            hyps = translator.score([(pairs[place].src, pairs[place].tgt) for place in places], request)
            for place, hyp in zip(places, hyps, strict=True):
                found[place] = hyp.score
        return found

    return score
