"""Text files, one sentence a line: two in parallel, or one alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from mtkit.config.sources import MonoSource, PlainSource
from mtkit.data.read.blocks import Block
from mtkit.data.read.lines import count_lines, expand, raw_lines, read_lines, read_texts
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import Repairs
from mtkit.errors import InputError, counted

MAX_COMPARED = 5_000_000
"""Lines compared to find where two sides stop matching."""

_FEW = 20
"""Lines too few to tell where two sides stop matching."""

_CLEAR = 5.0
"""Standard errors by which the two parts must differ; by chance, the largest difference is about 4."""


def read_plain(source: PlainSource, repairs: Repairs, count: int) -> Iterator[Block]:
    """The lines of both sides as pairs, `count` at a time; each file begins a new block.

    Raises:
        InputError: before the first pair, if the sides have different numbers of files or lines.
    """
    encodings = source.encoding, source.tgt_encoding or source.encoding
    for src, tgt in _matched(source.src, source.tgt, encodings):
        first = 1
        sides = zip((src, tgt), encodings, strict=True)
        both = (read_texts(path, repairs, count, encoding) for path, encoding in sides)
        for one, other in zip(*both, strict=True):
            lines = one.count("\n")
            yield Block(one, other, ((str(src), first, lines),))
            first += lines


def read_refs(source: PlainSource, path: Path, repairs: Repairs) -> Iterator[str]:
    """The lines of a file of further references.

    Raises:
        InputError: before the first line, if there are not as many files or lines as on the source side.
    """
    encodings = source.encoding, source.tgt_encoding or source.encoding
    for _, file in _matched(source.src, path, encodings):
        yield from read_lines(file, repairs, encodings[1])


def read_mono(source: MonoSource, repairs: Repairs) -> Iterator[Pair]:
    """Pairs whose one side is a line of the file; the other side is empty."""
    for path in expand(source.path):
        for number, line in enumerate(read_lines(path, repairs, source.encoding), start=1):
            src, tgt = (line, "") if source.side == "src" else ("", line)
            yield Pair(src, tgt, f"{path}:{number}")


def _matched(src: Path, tgt: Path, encodings: tuple[str | None, str | None]) -> list[tuple[Path, Path]]:
    """The files of both sides in pairs, each with equal numbers of lines."""
    srcs, tgts = expand(src), expand(tgt)
    if len(srcs) != len(tgts):
        raise InputError(
            f"{src}: matches {counted(len(srcs), 'file')}, but {tgt} matches {len(tgts):,}.",
            "Both sides need the same number of files, in the same order of names.",
        )
    both = list(zip(srcs, tgts, strict=True))
    for one, other in both:
        _check_counts(one, other, encodings)
    return both


def _check_counts(src: Path, tgt: Path, encodings: tuple[str | None, str | None]) -> None:
    src_count, tgt_count = (count_lines(*side) for side in zip((src, tgt), encodings, strict=True))
    if src_count == tgt_count:
        return
    place = ""
    if min(src_count, tgt_count) >= _FEW:
        line = parting_line(src, tgt)
        place = f"; they seem to differ from about line {line:,}" if line else "; they match until one ends"
    raise InputError(
        f"{src}: has {counted(src_count, 'line')}, but {tgt} has {tgt_count:,}{place}.",
        "Line N of one file must be the translation of line N of the other.",
    )


def parting_line(src: Path, tgt: Path) -> int | None:
    """The line near which two sides stop being translations of each other; None if there is none.

    As long as they are, the ratio of their lengths varies little; after an extra or missing line it varies as
    between unrelated lines. Returns the line that best divides the distances of the ratios from their median
    into low ones and high ones (the likelihood ratio of one step in the mean).
    """
    import numpy as np

    lengths = ((len(one), len(other)) for one, other in zip(raw_lines(src), raw_lines(tgt), strict=False))
    table = np.fromiter(islice(lengths, MAX_COMPARED), dtype=np.dtype((np.int32, 2)))
    ratio = np.log(table[:, 0]) - np.log(table[:, 1])
    distance = np.minimum(np.abs(ratio - np.median(ratio)), 2.0)
    count = len(distance)
    before = np.arange(1, count)
    step = before * distance.mean() - np.cumsum(distance)[:-1]
    step /= np.sqrt(before * (count - before) / count) * (distance.std() + 1e-9)
    line = int(np.argmax(step)) + 1
    low, high = distance[:line].mean(), distance[line:].mean()
    return line + 1 if step[line - 1] > _CLEAR and high > 1.5 * low + 0.05 else None
