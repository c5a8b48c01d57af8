"""A quick look at many pairs at once, so that verdicts need only judge those that may fall.

All texts of a chunk are one array of bytes, in which numpy counts. That settles it for most pairs and
filters: what a screen clears, the verdict would keep. Pairs come normalised.
"""

from __future__ import annotations

import functools
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
from mtkit.data.clean.column import Column, Counts
from mtkit.data.clean.verdicts import MIN_REPEATING, may_repeat
from mtkit.text.languages import language_of

Doubts = npt.NDArray[np.bool_]
Screen = Callable[[Column, Column], list[Doubts | None]]
"""Of the sources and targets of a chunk: for each filter those that its verdict must judge, None for all."""


def build_screen(filters: Sequence[Filter], src_lang: str, tgt_lang: str) -> Screen:
    """The screen of these filters."""
    languages = (src_lang, tgt_lang)

    def screen(src: Column, tgt: Column) -> list[Doubts | None]:
        return [_doubts(options, src, tgt, languages) for options in filters]

    return screen


def _doubts(options: Filter, src: Column, tgt: Column, languages: tuple[str, str]) -> Doubts | None:
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
            either = [
                side.chars - side.count(side.where(_other_bytes(language))) < plenty * side.chars
                for side, language in zip((src, tgt), languages, strict=True)
            ]
        case WordsFilter():
            either = [
                side.chars > (side.spaces + 1.5) * options.max_chars
                for side, language in zip((src, tgt), languages, strict=True)
                if language_of(language).spaced
            ]
        case GarbledFilter():
            signs = (b"\xc3\x83", b"\xc3\x82", b"\xc3\xa2\xe2", b"\xef\xbf")
            either = [side.has(*signs) for side in (src, tgt)]
        case MarkupFilter():
            either = [side.has(b"<", b"&") for side in (src, tgt)]
        case UrlsFilter():
            either = [side.has(b":/", b"www") for side in (src, tgt)]
        case NumbersFilter():
            both = (src.digits.counts >= options.min_digits) & (tgt.digits.counts >= options.min_digits)
            either = [both & ~_equal_digits(src, tgt)]
        case RepetitionFilter():
            either = [
                _has_repetition(side, side.spaces if language_of(language).spaced else side.chars)
                for side, language in zip((src, tgt), languages, strict=True)
            ]
        case _:
            return None
    return np.logical_or.reduce(either) if either else np.zeros(len(src), np.bool_)


def _is_uneven(src: Column, tgt: Column, languages: tuple[str, str], max_ratio: float, slack: int) -> Doubts:
    sizes = []
    for side, language in zip((src, tgt), languages, strict=True):
        weight = language_of(language).byte_size
        sizes.append((side.chars if weight is None else weight * side.bytes) + slack)
    return (sizes[0] > max_ratio * sizes[1]) | (sizes[1] > max_ratio * sizes[0])


def _has_repetition(side: Column, units: Counts) -> Doubts:
    found = np.zeros(len(side), np.bool_)
    found[[n for n in np.flatnonzero(units >= MIN_REPEATING).tolist() if may_repeat(side.lines[n])]] = True
    return found


def _equal_digits(src: Column, tgt: Column) -> Doubts:
    """Where both sides have the same digits in the same order."""
    equal = src.digits.counts == tgt.digits.counts
    in_src, in_tgt = (
        side.array[side.digits.places[np.repeat(equal, side.digits.counts)]] for side in (src, tgt)
    )
    owners = np.repeat(np.flatnonzero(equal), src.digits.counts[equal])
    equal[owners[in_src != in_tgt]] = False
    return equal


@functools.cache
def _other_bytes(language: str) -> bytes:
    """A table of the bytes with which characters begin that are no letters of the language."""
    letters = {*language_of(language).letters, *range(0x80, 0xC0), 0x0A}
    return bytes(byte not in letters for byte in range(256))
