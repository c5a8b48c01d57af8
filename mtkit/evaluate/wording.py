"""Words of translations, as BLEU splits them, and the words in which two texts differ. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from mtkit.text.languages import UNSPACED_CHARACTERS, language_of

_PIECE = re.compile(rf"\s+|[{UNSPACED_CHARACTERS}]|[^\W{UNSPACED_CHARACTERS}]+|[^\w\s]")
_MOST = 2000
"""Pieces of a text beyond which its changes are not looked for."""


class Piece(NamedTuple):
    """A stretch of a text, and whether the other text lacks it."""

    text: str
    is_changed: bool


def word_splitter(lang: str) -> Callable[[str], list[str]]:
    """A function that splits a text of a language into words, as BLEU does."""
    from sacrebleu.metrics.bleu import BLEU

    tokenizer = BLEU(tokenize=language_of(lang).bleu_tokenizer).tokenizer
    return lambda text: tokenizer(text.rstrip()).split()


def differences(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in stretches, those changed in which they differ: whole words, or characters of Chinese."""
    sides = _PIECE.findall(one), _PIECE.findall(other)
    if max(map(len, sides)) > _MOST:
        return [Piece(one, one != other)], [Piece(other, one != other)]
    blocks = SequenceMatcher(None, *sides, autojunk=False).get_opcodes()
    return (
        _joined((sides[0][begin:end], kind != "equal") for kind, begin, end, _, _ in blocks),
        _joined((sides[1][begin:end], kind != "equal") for kind, _, _, begin, end in blocks),
    )


def _joined(stretches: Iterable[tuple[Sequence[str], bool]]) -> list[Piece]:
    return [Piece("".join(pieces), is_changed) for pieces, is_changed in stretches if pieces]
