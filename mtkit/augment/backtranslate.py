"""Pairs from text in the target language: a reverse model writes the sources (Sennrich et al. 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from mtkit.augment.pair_folder import PAIRS_AT_ONCE, PairFolder, Report, Row
from mtkit.config.data import DataConfig
from mtkit.config.sources import MonoSource
from mtkit.data.prepare.shards import batches
from mtkit.data.read.lines import expand
from mtkit.data.read.readers import read_pairs
from mtkit.disk.partial import Job
from mtkit.errors import UsageError
from mtkit.runs.find import Found
from mtkit.text.languages import same_language
from mtkit.translate.job import decisions, identity
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window

PAIRS = "pairs.tsv"


def reverse_request(request: Request, translator: Translator, data: DataConfig) -> Request:
    """The request that makes a model translate from the target language of `data` into its source language.

    Raises:
        UsageError: the model translates between other languages.
    """
    if translator.usual_tags:
        return replace(request, search={**request.search, "tags": (f"2{data.src_lang}",)})
    wanted = data.tgt_lang, data.src_lang
    found = translator.languages
    if any(own and not same_language(own, other) for own, other in zip(found, wanted, strict=True)):
        raise UsageError(
            f"the model translates from {found[0]} to {found[1]}, expected {wanted[0]} to {wanted[1]}.",
            "Name a model of the reverse direction with -m.",
        )
    return request


def backtranslation_job(
    translator: Translator, request: Request, model: Found, sources: Sequence[MonoSource]
) -> Job:
    """Everything that decides the pairs."""
    files = [identity(path) for source in sources for path in expand(source.path)]
    return {"the text": files, **decisions(translator, request, [model])}


def backtranslate(
    translator: Translator,
    request: Request,
    sources: Sequence[MonoSource],
    folder: PairFolder,
    report: Report,
) -> None:
    """Writes the table `PAIRS`: translation, original line, and score of the translation.

    Blank lines have no pair. Where the guard objects to a translation, it is left empty, so that `prepare`
    drops the pair and counts it.

    Args:
        translator: of the reverse model.
        request: see `reverse_request`.
        sources: text in the target language.
        folder: where the table goes.
        report: called with the pairs made so far.
    """

    def make(begin: int) -> Iterator[list[Row]]:
        lines = islice(_lines(sources, translator.languages), begin, None)
        return translator.results(_windows(lines, begin), request)

    folder.fill(PAIRS, make, report)


def _lines(sources: Sequence[MonoSource], languages: tuple[str, str]) -> Iterator[str]:
    """The lines with text."""
    for source in sources:
        for pair in read_pairs(source, *languages):
            if (line := pair.src or pair.tgt).strip():
                yield line


def _windows(lines: Iterator[str], begin: int) -> Iterator[Window[list[Row]]]:
    for group in batches(lines, PAIRS_AT_ONCE):
        yield Window(
            [Source(line, number) for number, line in enumerate(group, begin)], partial(_rows, group)
        )
        begin += len(group)


def _rows(lines: Sequence[str], found: Sequence[Sequence[Translation]]) -> list[Row]:
    bests = [own[0] for own in found]
    return [
        ("" if best.fault else best.text, line, f"{best.score:.4f}")
        for line, best in zip(lines, bests, strict=True)
    ]
