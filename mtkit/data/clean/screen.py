"""A fast check of many pairs at once: verdicts need to judge only the pairs that it leaves in doubt.

All texts of a chunk are one array of bytes, and numpy counts in it. This is enough for most pairs and
filters. The verdict would keep every pair that a screen clears. Pairs are normalised.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.column import Column, Counts
from mtkit.data.clean.verdicts import MIN_REPEATING, may_repeat
from mtkit.text.languages import language_of

Doubts = npt.NDArray[np.bool_]
Screen = Callable[[Column, Column], Doubts]
"""Takes the sources and targets of a chunk; returns [pairs], true where the verdict must judge."""


def empty() -> Screen:
    """Marks pairs with an empty side."""
    return lambda src, tgt: (src.bytes == 0) | (tgt.bytes == 0)


def length(shortest: int, longest: int) -> Screen:
    """Marks exactly the pairs that the verdict drops."""

    def outside(side: Column) -> Doubts:
        return (side.chars < shortest) | (side.chars > longest)

    return lambda src, tgt: outside(src) | outside(tgt)


def identical() -> Screen:
    """Marks pairs whose sides have the same length."""
    return lambda src, tgt: src.chars == tgt.chars


def uneven(max_ratio: float, slack: int, src_lang: str, tgt_lang: str) -> Screen:
    """Marks pairs whose larger side may exceed the smaller one by more than the ratio."""
    weights = language_of(src_lang).byte_size, language_of(tgt_lang).byte_size

    def screen(*sides: Column) -> Doubts:
        src, tgt = (
            (side.chars if weight is None else weight * side.bytes) + slack
            for side, weight in zip(sides, weights, strict=True)
        )
        return (src > max_ratio * tgt) | (tgt > max_ratio * src)

    return screen


def script(min_letters: float, min_share: float, src_lang: str, tgt_lang: str) -> Screen:
    """Marks pairs with a side that has few letters of its own script."""
    plenty = max(min_letters, min_share)

    def few(side: Column, language: str) -> Doubts:
        return side.chars - side.count(side.where(_other_bytes(language))) < plenty * side.chars

    return lambda src, tgt: few(src, src_lang) | few(tgt, tgt_lang)


def words(max_chars: int, src_lang: str, tgt_lang: str) -> Screen:
    """Marks pairs with a side that has few spaces for its length, in languages with spaces."""

    def long(side: Column, language: str) -> Doubts:
        if not language_of(language).spaced:
            return np.zeros(len(side), np.bool_)
        return side.chars > (side.spaces + 1.5) * max_chars

    return lambda src, tgt: long(src, src_lang) | long(tgt, tgt_lang)


def signs(*sequences: bytes) -> Screen:
    """Marks pairs with a side that contains one of these sequences of at most three bytes."""
    return lambda src, tgt: src.has(*sequences) | tgt.has(*sequences)


def numbers(min_digits: int) -> Screen:
    """Marks pairs with digits on both sides that differ or come in another order."""

    def screen(src: Column, tgt: Column) -> Doubts:
        both = (src.digits.counts >= min_digits) & (tgt.digits.counts >= min_digits)
        return both & ~_equal_digits(src, tgt)

    return screen


def repetition(src_lang: str, tgt_lang: str) -> Screen:
    """Marks pairs with a side whose middle characters occur three times."""

    def may(side: Column, language: str) -> Doubts:
        return _has_repetition(side, side.spaces if language_of(language).spaced else side.chars)

    return lambda src, tgt: may(src, src_lang) | may(tgt, tgt_lang)


def _has_repetition(side: Column, units: Counts) -> Doubts:
    found = np.zeros(len(side), np.bool_)
    found[[n for n in np.flatnonzero(units >= MIN_REPEATING).tolist() if may_repeat(side.lines[n])]] = True
    return found


def _equal_digits(src: Column, tgt: Column) -> Doubts:
    """[pairs], true where both sides have the same digits in the same order."""
    equal = src.digits.counts == tgt.digits.counts
    # The digits [digits] of pairs with as many on both sides, and the pair of each.
    in_src, in_tgt = (
        side.array[side.digits.places[np.repeat(equal, side.digits.counts)]] for side in (src, tgt)
    )
    owners = np.repeat(np.flatnonzero(equal), src.digits.counts[equal])
    equal[owners[in_src != in_tgt]] = False
    return equal


@functools.cache
def _other_bytes(language: str) -> bytes:
    """A flag for each byte that begins a character other than a letter of the language."""
    letters = {*language_of(language).letters, *range(0x80, 0xC0), 0x0A}
    return bytes(byte not in letters for byte in range(256))
