"""Reads the pairs of any source, unchanged: nothing is cleaned here."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import assert_never

from mtkit.config.data import DataConfig
from mtkit.config.sources import (
    Corpus,
    CsvSource,
    HuggingFaceSource,
    JsonlSource,
    MonoSource,
    PhrasebookSource,
    PlainSource,
    PoSource,
    Source,
    TmxSource,
    TsvSource,
    XliffSource,
)
from mtkit.data.read.blocks import Block, Origins, block_of, gathered, lines_of
from mtkit.data.read.folder import dataset_files
from mtkit.data.read.hub import read_hub
from mtkit.data.read.jsonl import read_jsonl
from mtkit.data.read.lines import expand
from mtkit.data.read.pair import Pair
from mtkit.data.read.plain import read_mono, read_plain, read_refs
from mtkit.data.read.po import read_po
from mtkit.data.read.repairs import CONTROL, LINE_BREAK, Repairs
from mtkit.data.read.tables import read_table
from mtkit.data.read.tmx import read_tmx
from mtkit.data.read.xliff import read_xliff

_LINE_BREAK = re.compile(r"(?<![ \t\r])[ \t\r]*+\n\s*+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")

_PAIRS_AT_ONCE = 256


def read_pairs(
    source: Source, src_lang: str, tgt_lang: str, repairs: Repairs | None = None
) -> Iterator[Pair]:
    """The pairs of `source`, in the order of its files and in constant memory; each side is one line.

    Repaired and skipped items are counted in `repairs`, or logged at the end without it. Control characters
    are only counted, because `normalize` removes them.

    Raises:
        InputError: a file is missing, damaged or in another format, the two sides differ in their number of
            lines, or an item is bad and bad items are not skipped. Pairs before it may have been yielded.
    """
    found = Repairs() if repairs is None else repairs
    found.languages = (src_lang, tgt_lang)
    for pair in _pairs(source, src_lang, tgt_lang, found):
        if pair.src.isprintable() and pair.tgt.isprintable() and not pair.refs:
            yield pair
        else:
            yield one_line_each(pair, found)
    if repairs is None:
        found.log()


def read_blocks(
    source: Source, src_lang: str, tgt_lang: str, repairs: Repairs, count: int
) -> Iterator[Block]:
    """The pairs of `read_pairs`, in blocks of at most `count`.

    Raises:
        InputError: as `read_pairs`.
    """
    repairs.languages = (src_lang, tgt_lang)
    if isinstance(source, PlainSource):  # faster, without making single pairs
        for block in gathered(read_plain(source, repairs, count), count):
            _count_control(block, repairs)
            yield block
    else:
        pairs = read_pairs(source, src_lang, tgt_lang, repairs)
        yield from map(block_of, iter(lambda: list(islice(pairs, count)), []))


def read_corpus(data: DataConfig, source: Source, repairs: Repairs | None = None) -> Iterator[Pair]:
    """The pairs of a corpus of `data`, in its direction and with its tags; see `read_pairs`."""
    pairs = read_pairs(source, *data.languages_in(source), repairs)
    tags = data.tags_of(source)
    if _is_turned(source):
        return (replace(pair, src=pair.tgt, tgt=pair.src, tags=tags) for pair in pairs)
    return (replace(pair, tags=tags) for pair in pairs) if tags else pairs


def read_corpus_blocks(data: DataConfig, source: Source, repairs: Repairs, count: int) -> Iterator[Block]:
    """The pairs of a corpus of `data` in its direction, in blocks without tags; see `read_blocks`."""
    blocks = read_blocks(source, *data.languages_in(source), repairs, count)
    return (
        (replace(block, src=block.tgt, tgt=block.src) for block in blocks) if _is_turned(source) else blocks
    )


def _is_turned(source: Source) -> bool:
    return isinstance(source, Corpus) and source.reverse


def _pairs(source: Source, src_lang: str, tgt_lang: str, repairs: Repairs) -> Iterator[Pair]:
    match source:
        case PlainSource():
            return _plain_pairs(source, repairs)
        case MonoSource():
            return read_mono(source, repairs)
        case TsvSource() | CsvSource():
            return read_table(source, repairs)
        case JsonlSource():
            return read_jsonl(source, src_lang, tgt_lang, repairs)
        case TmxSource():
            return read_tmx(source, src_lang, tgt_lang, repairs)
        case XliffSource():
            return read_xliff(source, src_lang, tgt_lang, repairs)
        case PoSource():
            return read_po(source, src_lang, tgt_lang, repairs)
        case HuggingFaceSource():
            return read_hub(source, src_lang, tgt_lang, repairs)
        case PhrasebookSource():
            from mtkit.data.read.phrasebook.compose import compose

            pairs: Iterator[Pair] = compose(source.split, source.pairs, source.seed, src_lang, tgt_lang)
            return pairs
        case _:
            assert_never(source)


def _plain_pairs(source: PlainSource, repairs: Repairs) -> Iterator[Pair]:
    """The pairs of two files, with the lines of further references."""
    pairs = (pair for block in read_plain(source, repairs, _PAIRS_AT_ONCE) for pair in block.pairs())
    if not source.refs:
        return pairs
    refs = zip(*(read_refs(source, path, repairs) for path in source.refs), strict=True)
    return (replace(pair, refs=more) for pair, more in zip(pairs, refs, strict=True))


def one_line_each(pair: Pair, repairs: Repairs) -> Pair:
    """The pair with spaces instead of line feeds; counts control characters."""
    texts = (pair.src, pair.tgt, *pair.refs)
    if any("\n" in text for text in texts):
        repairs.repair(LINE_BREAK, pair.origin)
        src, tgt, *refs = texts = tuple(_LINE_BREAK.sub(" ", text) for text in texts)
        pair = replace(pair, src=src, tgt=tgt, refs=tuple(refs))
    if any(_CONTROL.search(text) for text in texts):
        repairs.repair(CONTROL, pair.origin)
    return pair


def _count_control(block: Block, repairs: Repairs) -> None:
    """Counts the pairs of a block with control characters."""
    numbers: set[int] = set()
    for text in (block.src, block.tgt):
        if _CONTROL.search(text):
            numbers.update(number for number, line in enumerate(lines_of(text)) if _CONTROL.search(line))
    origins = Origins(block.origins)
    for number in sorted(numbers):
        repairs.repair(CONTROL, origins[number])


def source_name(source: Source) -> str:
    """A short name of `source` for tables and messages."""
    return f"{_name(source)} reversed" if _is_turned(source) else _name(source)


def _name(source: Source) -> str:
    match source:
        case PlainSource():
            return f"{source.src.name} + {source.tgt.name}"
        case PhrasebookSource():
            return f"phrasebook {source.split}"
        case HuggingFaceSource():
            parts = (source.path.name if source.path else source.name, source.config, source.split)
            return " ".join(part for part in parts if part)
        case _:
            return source.path.name


def source_paths(source: Source) -> list[Path]:
    """The paths in the options of `source`; each may match many files."""
    match source:
        case PlainSource():
            return [source.src, source.tgt, *source.refs]
        case PhrasebookSource():
            return []
        case HuggingFaceSource():
            return [source.path] if source.path else []
        case _:
            return [source.path]


def source_files(source: Source) -> list[Path]:
    """The files that decide the pairs of `source`; none for a data set on the Hub, which has a revision.

    Raises:
        InputError: a data set contains links that lead out of its folder.
    """
    match source:
        case PhrasebookSource():
            return _files_of_phrasebook()
        case HuggingFaceSource():
            return dataset_files(source.path) if source.path else []
        case _:
            return [file for path in source_paths(source) for file in expand(path)]


def _files_of_phrasebook() -> list[Path]:
    package = importlib.util.find_spec("mtkit.data.read.phrasebook")
    folders = package.submodule_search_locations if package else None
    files = (path for folder in folders or () for path in Path(folder).rglob("*"))
    return sorted(path for path in files if path.is_file() and path.parent.name != "__pycache__")
