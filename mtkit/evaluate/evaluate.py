"""Scores translations: of the test sets of a run, or in files. Does not use torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtkit.config.fixed import FormName, MetricName
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import leaks_of, read_test
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.lines import read_lines
from mtkit.data.read.pair import Pair
from mtkit.disk.files import PRIVATE, write_text
from mtkit.disk.marks import claim
from mtkit.errors import InputError, InputsError, UsageError
from mtkit.metrics.moses import open_form
from mtkit.metrics.surface import Score, score_corpus
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


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The scores of one set of translations.

    Attributes:
        name: of the test set, or the path of the translations.
        hyps: file of the translations.
        num_pairs: number of translations.
        scores: one per metric.
        blank_hyps: number of translations without text.
        blank_refs: number of translations of which a reference has no text.
        leaked: number of pairs with a side that occurs in the training data; None if unknown.
    """

    name: str
    hyps: Path
    num_pairs: int
    scores: tuple[Score, ...]
    blank_hyps: int = 0
    blank_refs: int = 0
    leaked: int | None = None

    def warnings(self) -> Iterator[str]:
        """What makes the scores misleading."""
        of_all = f"of {self.num_pairs:,}"
        if self.leaked:
            yield (
                f"{self.name}: {self.leaked:,} {of_all} sentences are in the training data, which makes the "
                "scores too high. Add the filter overlap to data.filters."
            )
        if self.blank_hyps:
            some = self.blank_hyps < self.num_pairs
            share = f"{self.blank_hyps:,} {of_all}" if some else f"all {self.num_pairs:,}"
            yield f"{self.name}: {share} translations are blank."
        if self.blank_refs:
            yield (
                f"{self.name}: {self.blank_refs:,} {of_all} references are blank, which makes the scores too "
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
    metrics: Sequence[MetricName],
    path: Path,
    *,
    form: FormName = "raw",
    private: bool = True,
    progress: ReportProgress | None = None,
) -> Evaluated:
    """Translates a test set and scores it; writes the translations.

    Args:
        found: the test set.
        translator: of the model to evaluate.
        request: how to search.
        metrics: names of metrics.
        path: the file for the translations, in a folder that mtkit made.
        form: into which the texts are put for BLEU; the file has the translations as they are.
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
    refs = [[pair.tgt for pair in found.pairs], *found.more_refs]
    srcs = [pair.src for pair in found.pairs]
    scores = score_corpus(hyps, refs[0], metrics, found.tgt_lang, srcs, refs[1:], form)
    return _evaluated(found.name, path, hyps, refs, scores, found.leaked)


def score_files(
    hyps: Sequence[Path],
    refs: Sequence[Path],
    metrics: Sequence[MetricName],
    tgt_lang: str,
    form: FormName = "raw",
) -> Iterator[Evaluated]:
    """The scores of the translations in each of `hyps`, line by line against all of `refs`.

    The references are read once, so they may be pipes.

    Raises:
        InputError: a file cannot be read or has no lines, or their numbers of lines differ.
    """
    versions = [list(read_lines(ref)) for ref in refs]
    for path in hyps:
        texts = list(read_lines(path))
        for ref, lines in zip(refs, versions, strict=True):
            if len(texts) != len(lines):
                raise InputError(
                    f"{path}: has {len(texts):,} lines, but {ref} has {len(lines):,}.",
                    "Line N of one file must be the translation of line N of the other.",
                )
        if not texts:
            raise InputError(f"{path}: there are no lines to score.", "Check the file.")
        scores = score_corpus(texts, versions[0], metrics, tgt_lang, None, versions[1:], form)
        yield _evaluated(str(path), path, texts, versions, scores)


def _evaluated(
    name: str,
    path: Path,
    hyps: Sequence[str],
    refs: Sequence[Sequence[str]],
    scores: Sequence[Score],
    leaked: int | None = None,
) -> Evaluated:
    blank_hyps = sum(not hyp.strip() for hyp in hyps)
    blank_refs = sum(not all(ref.strip() for ref in versions) for versions in zip(*refs, strict=True))
    return Evaluated(name, path, len(hyps), tuple(scores), blank_hyps, blank_refs, leaked)
