"""Pairs from text in any language: a noised line, and the line itself to be restored (Lewis et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice

from mtkit.augment.noise import MASK, MASKED_SHARE, MEAN_SPAN, noised
from mtkit.augment.pair_folder import PAIRS_AT_ONCE, PairFolder, Report, Row
from mtkit.config.data import DataConfig
from mtkit.config.sources import MonoSource, Source
from mtkit.data.prepare.shards import batches
from mtkit.data.read.readers import read_corpus, source_files
from mtkit.disk.partial import Job
from mtkit.text.languages import language_of
from mtkit.translate.job import identity

Side = tuple[Source, str]
"""A corpus, and the side of it that is read: src or tgt."""


def sides_by_language(data: DataConfig) -> dict[str, list[Side]]:
    """All text of the training corpora: both sides of pairs, and text in one language."""
    found: dict[str, list[Side]] = {}
    for source in data.train:
        languages = dict(zip(("src", "tgt"), data.languages_of(source), strict=True))
        for side in [source.side] if isinstance(source, MonoSource) else languages:
            found.setdefault(languages[side], []).append((source, side))
    return found


def denoising_job(data: DataConfig, seed: int) -> Job:
    """Everything that decides the pairs."""
    files = [identity(path) for source in data.train for path in source_files(source)]
    return {
        "the text": files,
        "the corpora": [source.model_dump_json() for source in data.train],
        "the languages": [data.src_lang, data.tgt_lang],
        "the noise": [MASK, MASKED_SHARE, MEAN_SPAN],
        "--seed": seed,
    }


def table_of(language: str) -> str:
    """The name of the table of a language."""
    return f"{language}.tsv"


def denoise(
    data: DataConfig, sides: Mapping[str, Sequence[Side]], seed: int, folder: PairFolder, report: Report
) -> None:
    """Writes a table for each language: noised line and line.

    Args:
        data: the corpora.
        sides: see `sides_by_language`.
        seed: decides the noise, with the language and the number of the line.
        folder: where the tables go.
        report: called with the pairs made so far.
    """
    for language, own in sides.items():
        folder.fill(table_of(language), partial(_rows, data, own, language, seed), report)


def _rows(
    data: DataConfig, sides: Sequence[Side], language: str, seed: int, begin: int
) -> Iterator[list[Row]]:
    spaced = language_of(language).spaced
    lines = enumerate(islice(_lines(data, sides), begin, None), begin)
    for group in batches(lines, PAIRS_AT_ONCE):
        rngs = [random.Random(f"{seed} {language} {number}") for number, _ in group]
        yield [(noised(line, rng, spaced=spaced), line) for (_, line), rng in zip(group, rngs, strict=True)]


def _lines(data: DataConfig, sides: Sequence[Side]) -> Iterator[str]:
    """The lines with text."""
    for source, side in sides:
        for pair in read_corpus(data, source):
            if (line := pair.src if side == "src" else pair.tgt).strip():
                yield line
