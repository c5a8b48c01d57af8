"""Scores translations: of the test sets of a run, or in files. Does not use torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtkit.config.fixed import FormName, MetricName, ModelMetricName
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import leaks_of, read_test
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.lines import read_lines
from mtkit.data.read.pair import Pair
from mtkit.disk.files import PRIVATE, write_text
from mtkit.disk.marks import claim
from mtkit.errors import InputError, InputsError, UsageError, counted
from mtkit.evaluate.command import MetricCommand
from mtkit.metrics.moses import open_form
from mtkit.metrics.surface import Measured, Score, measure_corpus
from mtkit.translate.request import Request, Source, best_texts
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window

PAIRS_AT_ONCE = 500
"""Pairs translated between two reports of progress; larger windows are hardly faster."""


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """A test set in memory.

    Attributes:
        name: its key in `data.test`.
        pairs: sources and references.
        more_refs: further references, each with one for every pair.
        tgt_lang: language of the references.
        leaked: number of pairs with a side that occurs in the training data; None if unknown.
    """

    name: str
    pairs: Sequence[Pair]
    more_refs: Sequence[Sequence[str]]
    tgt_lang: str
    leaked: int | None

    def texts(self, hyps: Sequence[str]) -> Texts:
        """Translations of this set beside their sources and references."""
        refs = [[pair.tgt for pair in self.pairs], *self.more_refs]
        return Texts(hyps, refs, self.tgt_lang, [pair.src for pair in self.pairs])


@dataclass(frozen=True, slots=True)
class Texts:
    """Translations beside what they are compared with.

    Attributes:
        hyps: the translations.
        refs: [versions, translations], the references.
        tgt_lang: the language of both.
        srcs: the texts that were translated; None if unknown.
    """

    hyps: Sequence[str]
    refs: Sequence[Sequence[str]]
    tgt_lang: str
    srcs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """The scores to compute.

    Attributes:
        metrics: names of metrics.
        form: into which the texts are put for BLEU; files have the translations as they are.
        resamples: for the confidence interval of each score; none if 0.
        forced: names of metrics of the model, which predicts the references.
        commands: programs that score the translations.
    """

    metrics: Sequence[MetricName]
    form: FormName = "raw"
    resamples: int = 0
    forced: Sequence[ModelMetricName] = ()
    commands: Sequence[MetricCommand] = ()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The scores of one set of translations.

    Attributes:
        system: the name of the system that translated.
        test: the name of the test set; empty if the texts are not of one.
        hyps: file of the translations.
        texts: the translations and what they were compared with.
        measured: the scores, one per metric.
        form: into which the texts were put for some of the metrics.
        blank_hyps: number of translations without text.
        blank_refs: number of translations of which a reference has no text.
        leaked: number of pairs with a side that occurs in the training data; None if unknown.
        regressions: a sentence for each score that is worse than the stored one by more than was allowed.
    """

    system: str
    test: str
    hyps: Path
    texts: Texts
    measured: tuple[Measured, ...]
    form: FormName = "raw"
    blank_hyps: int = 0
    blank_refs: int = 0
    leaked: int | None = None
    regressions: tuple[str, ...] = ()

    @property
    def scores(self) -> tuple[Score, ...]:
        """One per metric."""
        return tuple(each.score for each in self.measured)

    @property
    def num_pairs(self) -> int:
        """The number of translations."""
        return len(self.texts.hyps)

    def label(self, among: Collection[str]) -> str:
        """Its name among results of these systems: the test set, with the system if there are several."""
        several = len(among) > 1
        return ", ".join([*([self.system] if several or not self.test else []), *filter(None, [self.test])])

    def warnings(self, label: str) -> Iterator[str]:
        """What makes the scores misleading; each line begins with `label`."""
        of_all = f"of {self.num_pairs:,}"
        if self.leaked:
            yield (
                f"{label}: {self.leaked:,} {of_all} sentences are in the training data, which makes the "
                "scores too high. Add the filter overlap to data.filters."
            )
        if self.blank_hyps:
            some = self.blank_hyps < self.num_pairs
            share = f"{self.blank_hyps:,} {of_all}" if some else f"all {self.num_pairs:,}"
            yield f"{label}: {share} translations are blank."
        if self.blank_refs:
            yield (
                f"{label}: {self.blank_refs:,} {of_all} references are blank, which makes the scores too "
                "low. Remove these pairs."
            )


def choose_tests(config: Config, names: Sequence[str] = ()) -> list[str]:
    """The test sets with these names; all if there are no names.

    Raises:
        UsageError: the config has no such test set, or none at all.
    """
    tests = config.data.test
    if not tests:
        raise UsageError("data.test: there is no test set.", "Add one: test: {NAME: {reader: …}}.")
    for name in names:
        if name not in tests:
            raise UsageError(f"data.test: there is no test set {name}.", f"Choose from {', '.join(tests)}.")
    return [name for name in tests if not names or name in names]


def check_form(config: Config, form: FormName, names: Sequence[str]) -> None:
    """Checks that the references of these test sets can be put into a form, before any work.

    Raises:
        UsageError: a package is missing, or the form does not know a language.
    """
    for name in names:
        open_form(form, config.data.languages_of(config.data.test[name])[1])


def read_sets(config: Config, names: Sequence[str] = ()) -> list[LoadedSet]:
    """The test sets with these names, or all.

    Raises:
        InputsError: sets cannot be read or are empty; all of them are listed.
        UsageError: a name is unknown.
    """
    found, problems = [], []
    for name in choose_tests(config, names):
        try:
            found.append(_read_set(config, name))
        except InputError as error:
            problems.append(f"data.test.{name}: {error}")
    if problems:
        raise InputsError(problems)
    return found


def _read_set(config: Config, name: str) -> LoadedSet:
    pairs = read_test(config, name)
    if not pairs:
        raise InputError("there are no pairs in it.", "Check its files.")
    leaks = leaks_of(config, name)
    return LoadedSet(
        name,
        pairs,
        [list(version) for version in zip(*(pair.refs for pair in pairs), strict=True)],
        config.data.languages_of(config.data.test[name])[1],
        None if leaks is None else sum(leaks.left.values()),
    )


def evaluate(
    found: LoadedSet,
    translator: Translator,
    request: Request,
    scoring: Scoring,
    path: Path,
    system: str,
    *,
    private: bool = True,
    progress: ReportProgress | None = None,
) -> Evaluated:
    """Translates a test set and scores it; writes the translations.

    Args:
        found: the test set.
        translator: of the model to evaluate.
        request: how to search.
        scoring: which scores are computed.
        path: the file for the translations, in a folder that mtkit made.
        system: the name of the system.
        private: whether only the owner may read the translations.
        progress: called with the test set, the translations made so far, and their final number.
    """
    hyps: list[str] = []
    sources = [Source(pair.src, number, pair.tags) for number, pair in enumerate(found.pairs)]
    windows = (
        Window(sources[begin : begin + PAIRS_AT_ONCE], best_texts)
        for begin in range(0, len(sources), PAIRS_AT_ONCE)
    )
    for texts in translator.results(windows, request):
        hyps += texts
        if progress:
            progress(found.name, len(hyps), len(found.pairs))
    claim(path.parent, path.name)
    write_text(path, "".join(f"{hyp}\n" for hyp in hyps), PRIVATE if private else 0o666)
    return score_texts(found.texts(hyps), scoring, path, system, found.name, found.leaked)


def read_hyps(path: Path) -> list[str]:
    """The translations in a file, one a line.

    Raises:
        InputError: it cannot be read or has no lines.
    """
    texts = list(read_lines(path))
    if not texts:
        raise InputError(f"{path}: there are no lines to score.", "Check the file.")
    return texts


def score_files(
    hyps: Mapping[str, Path],
    refs: Sequence[Path],
    scoring: Scoring,
    tgt_lang: str,
    src: Path | None = None,
) -> Iterator[Evaluated]:
    """The scores of the translations of each system, line by line against all of `refs`.

    The references are read once, so they may be pipes.

    Args:
        hyps: a file for each system.
        refs: files of references.
        scoring: which scores are computed.
        tgt_lang: the language of all of them.
        src: the file of the source texts, if there is one.

    Raises:
        InputError: a file cannot be read or has no lines, or their numbers of lines differ.
    """
    beside = {path: list(read_lines(path)) for path in (*refs, *([src] if src else []))}
    versions = [beside[ref] for ref in refs]
    for system, path in hyps.items():
        texts = list(read_lines(path))
        for ref, lines in beside.items():
            if len(texts) != len(lines):
                raise InputError(
                    f"{path}: has {counted(len(texts), 'line')}, but {ref} has {len(lines):,}.",
                    "Line N of one file must be the translation of line N of the other.",
                )
        if not texts:
            raise InputError(f"{path}: there are no lines to score.", "Check the file.")
        yield score_texts(
            Texts(texts, versions, tgt_lang, beside[src] if src else None), scoring, path, system
        )


def score_texts(
    texts: Texts,
    scoring: Scoring,
    path: Path,
    system: str,
    test: str = "",
    leaked: int | None = None,
) -> Evaluated:
    """The scores of translations.

    Args:
        texts: the translations and their references.
        scoring: which scores are computed.
        path: the file of the translations.
        system: the name of the system that translated.
        test: the name of the test set; empty if there is none.
        leaked: number of pairs with a side that occurs in the training data; None if unknown.
    """
    first, *more = texts.refs
    found = measure_corpus(
        texts.hyps,
        first,
        scoring.metrics,
        texts.tgt_lang,
        texts.srcs,
        more,
        scoring.form,
        scoring.resamples,
    )
    found += [
        command.measured(texts.hyps, texts.refs, texts.srcs, scoring.resamples)
        for command in scoring.commands
    ]
    blank_hyps = sum(not hyp.strip() for hyp in texts.hyps)
    blank_refs = sum(not all(ref.strip() for ref in versions) for versions in zip(*texts.refs, strict=True))
    return Evaluated(
        system,
        test,
        path,
        texts,
        tuple(found),
        scoring.form,
        blank_hyps,
        blank_refs,
        leaked,
    )
