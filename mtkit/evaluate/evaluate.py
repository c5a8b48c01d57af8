"""Scores translations: of the test sets of a run, or in files. Does not use torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtkit.config.fixed import MetricName
from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import leaks_of, read_test
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.lines import read_lines
from mtkit.disk.files import PRIVATE, marked_folder, write_text
from mtkit.disk.marks import claim
from mtkit.errors import InputError, UsageError
from mtkit.metrics.surface import Score, score_corpus
from mtkit.runs.layout import EVALUATE, TRANSLATIONS, inside
from mtkit.translate.request import Request, Source, best_texts
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window

PAIRS_AT_ONCE = 500
"""Pairs translated between two reports of progress; larger windows are hardly faster."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The scores of one set of translations.

    Attributes:
        name: of the test set, or the path of the translations.
        hyps: file of the translations.
        num_pairs: number of translations.
        scores: one per metric.
        leaked: number of pairs with a side that occurs in the training data; None if unknown.
    """

    name: str
    hyps: Path
    num_pairs: int
    scores: tuple[Score, ...]
    leaked: int | None = None


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


def evaluate(
    config: Config,
    translator: Translator,
    request: Request,
    names: Sequence[str] = (),
    metrics: Sequence[MetricName] = (),
    progress: ReportProgress | None = None,
) -> list[Evaluated]:
    """Translates test sets of a run and scores them; writes translations to `RUN/evaluate/NAME.hyp.txt`.

    Args:
        config: of the run.
        translator: of the model to evaluate.
        request: how to search.
        names: of test sets; all if empty.
        metrics: names of metrics; those of the config if empty.
        progress: called with the test set, the translations made so far, and their final number.

    Raises:
        InputError: a test set cannot be read or is empty.
        UsageError: a name is unknown.
    """
    results = []
    folder = marked_folder(inside(config.run, EVALUATE), TRANSLATIONS, private=config.private)
    for name in choose_tests(config, names):
        pairs = read_test(config, name)
        if not pairs:
            raise InputError(f"data.test.{name}: there are no pairs in it.", "Check its files.")
        srcs, refs = [pair.src for pair in pairs], [pair.tgt for pair in pairs]
        hyps: list[str] = []
        sources = [Source(pair.src, number, pair.tags) for number, pair in enumerate(pairs)]
        windows = (
            Window(sources[begin : begin + PAIRS_AT_ONCE], best_texts)
            for begin in range(0, len(sources), PAIRS_AT_ONCE)
        )
        for texts in translator.results(windows, request):
            hyps += texts
            if progress:
                progress(name, len(hyps), len(pairs))
        path = inside(folder, f"{name}.hyp.txt")
        claim(folder, path.name)
        write_text(path, "".join(f"{hyp}\n" for hyp in hyps), PRIVATE if config.private else 0o666)
        tgt_lang = config.data.languages_of(config.data.test[name])[1]
        scores = score_corpus(hyps, refs, metrics or config.evaluate.metrics, tgt_lang, srcs)
        leaks = leaks_of(config, name)
        leaked = None if leaks is None else sum(leaks.left.values())
        results.append(Evaluated(name, path, len(pairs), tuple(scores), leaked))
    return results


def score_files(hyp: Path, ref: Path, metrics: Sequence[MetricName], tgt_lang: str) -> Evaluated:
    """The scores of the translations in `hyp`, line by line against `ref`.

    Raises:
        InputError: a file cannot be read or has no lines, or their numbers of lines differ.
    """
    hyps, refs = list(read_lines(hyp)), list(read_lines(ref))
    if len(hyps) != len(refs):
        raise InputError(
            f"{hyp}: has {len(hyps):,} lines, but {ref} has {len(refs):,}.",
            "Line N of one file must be the translation of line N of the other.",
        )
    if not hyps:
        raise InputError(f"{hyp}: there are no lines to score.", "Check the file.")
    return Evaluated(str(hyp), hyp, len(hyps), tuple(score_corpus(hyps, refs, metrics, tgt_lang)))
