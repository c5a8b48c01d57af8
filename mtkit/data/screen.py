"""A quick look at many pairs at once, so that verdicts need only judge those that may fall.

All texts of a chunk are one array of bytes, in which numpy counts. That settles it for most pairs and
filters: what a screen clears, the verdict would keep. Pairs come normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mtkit.config.filters import (
    EmptyFilter,
    Filter,
    GarbledFilter,
    IdenticalFilter,
    LengthFilter,
    MarkupFilter,
    NumbersFilter,
    RatioFilter,
    RepetitionFilter,
    ScriptFilter,
    SentencesFilter,
    UrlsFilter,
    WordsFilter,
)
from mtkit.data.scripts import byte_size, is_spaced, letter_bytes
from mtkit.data.verdicts import MIN_REPEATING

Doubts = npt.NDArray[np.bool_]
Screen = Callable[[Sequence[str], Sequence[str]], list[Doubts | None]]
"""Of the sources and targets of a chunk: for each filter those that its verdict must judge, None for all."""

_LONGEST = 65_535
"""Bytes of a line that 16 bits can count."""


class _Side:
    """One side of a chunk as bytes, with counts for each line."""

    def __init__(self, texts: Sequence[str], letters: bytes) -> None:
        self.data = np.frombuffer("".join(f"{text}\n" for text in texts).encode() + b"\n\n", np.uint8)
        self.ends = np.flatnonzero(self.data[:-2] == 0x0A)
        self.starts = np.concatenate([[0], self.ends + 1])
        self.bytes = np.diff(self.starts) - 1
        # Characters in the low half and letters in the high half of one number.
        table = np.zeros(256, np.uint32)
        table[:0x80] = table[0xC0:] = 1
        table[np.frombuffer(letters, np.uint8)] += 1 << 16
        table[0x0A] = 0
        counts = (
            np.add.reduceat(table[self.data[:-2]], self.starts[:-1]) if len(texts) else np.zeros(0, np.uint32)
        )
        self.chars = (counts & 0xFFFF).astype(np.int64)
        self.letters = (counts >> 16).astype(np.int64)
        self.spaces = self.count(self.at(0x20))
        self.too_long = self.bytes > _LONGEST

    def at(self, *codes: int) -> npt.NDArray[np.intp]:
        """The places where these bytes stand in a row."""
        places = np.flatnonzero(self.data[:-2] == codes[0])
        for offset, code in enumerate(codes[1:], 1):
            places = places[self.data[places + offset] == code]
        return places

    def count(self, places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """How many of the places lie in each line."""
        return np.diff(np.searchsorted(places, self.starts))

    def has(self, *sequences: Sequence[int]) -> Doubts:
        """Which lines have one of these sequences of at most three bytes."""
        found = np.zeros(len(self.ends), np.bool_)
        for codes in sequences:
            found[np.searchsorted(self.ends, self.at(*codes))] = True
        return found


def build_screen(filters: Sequence[Filter], src_lang: str, tgt_lang: str) -> Screen:
    """The screen of these filters."""
    languages = (src_lang, tgt_lang)
    letters = [letter_bytes(language) for language in languages]

    def screen(srcs: Sequence[str], tgts: Sequence[str]) -> list[Doubts | None]:
        src, tgt = (_Side(texts, known) for texts, known in zip((srcs, tgts), letters, strict=True))
        too_long = src.too_long | tgt.too_long
        found = (_doubts(options, src, tgt, languages) for options in filters)
        return [None if doubts is None else doubts | too_long for doubts in found]

    return screen


def _doubts(options: Filter, src: _Side, tgt: _Side, languages: tuple[str, str]) -> Doubts | None:
    either: list[Doubts]
    match options:
        case EmptyFilter():
            either = [side.bytes == 0 for side in (src, tgt)]
        case LengthFilter():
            either = [
                (side.chars < options.min_chars) | (side.chars > options.max_chars) for side in (src, tgt)
            ]
        case IdenticalFilter():
            either = [src.chars == tgt.chars]
        case RatioFilter() | SentencesFilter():
            either = [_is_uneven(src, tgt, languages, options.max_ratio, options.slack)]
        case ScriptFilter():
            plenty = max(options.min_letters, options.min_share)
            either = [side.letters < plenty * side.chars for side in (src, tgt)]
        case WordsFilter():
            either = [
                side.chars > (side.spaces + 1.5) * options.max_chars
                for side, language in zip((src, tgt), languages, strict=True)
                if is_spaced(language)
            ]
        case GarbledFilter():
            signs = ((0xC3, 0x83), (0xC3, 0x82), (0xC3, 0xA2, 0xE2), (0xEF, 0xBF))
            either = [side.has(*signs) for side in (src, tgt)]
        case MarkupFilter():
            either = [side.has(b"<", b"&") for side in (src, tgt)]
        case UrlsFilter():
            either = [side.has(b":/", b"www") for side in (src, tgt)]
        case NumbersFilter():
            either = [_count_digits(src) >= options.min_digits]
            either[0] &= _count_digits(tgt) >= options.min_digits
        case RepetitionFilter():
            either = [
                (side.spaces if is_spaced(language) else side.chars) >= MIN_REPEATING
                for side, language in zip((src, tgt), languages, strict=True)
            ]
        case _:
            return None
    return np.logical_or.reduce(either) if either else np.zeros(len(src.ends), np.bool_)


def _is_uneven(src: _Side, tgt: _Side, languages: tuple[str, str], max_ratio: float, slack: int) -> Doubts:
    sizes = []
    for side, language in zip((src, tgt), languages, strict=True):
        weight = byte_size(language)
        sizes.append((side.chars if weight is None else weight * side.bytes) + slack)
    return (sizes[0] > max_ratio * sizes[1]) | (sizes[1] > max_ratio * sizes[0])


def _count_digits(side: _Side) -> npt.NDArray[np.intp]:
    return side.count(np.flatnonzero((side.data[:-2] - np.uint8(0x30)) < 10))
