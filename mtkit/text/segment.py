"""Long text in parts: cut at the ends of sentences, else at spaces, else anywhere. Nothing is lost."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from mtkit.text.languages import language_of
from mtkit.text.stops import (
    BEFORE_NUMBER,
    BEFORE_ORDINAL,
    DAYS,
    FIRST,
    MONTHS,
    NEVER,
    ORDINALS,
    SOMETIMES,
)

if TYPE_CHECKING:
    from mtkit.config.decode import Split

Sizes = Callable[[Sequence[str]], list[int]]
"""Counts the tokens of each of some texts."""

_ALWAYS = "。！？｡‼⁇⁈⁉।॥։።፧፨។៕။"
"""Stops that end a sentence without a space, as the plain ones do between kana and Han."""
_CUTS = (" ", "\u200b", "，", "、", "；", "：")
_PLAIN = (".", "!", "?")
_CLOSING = "\"'”’»›)\\]」』）】"
_STOP = rf"""
    (?P<stop> [.!?…؟۔{_ALWAYS}{{}}]+ )
    (?P<closed> (?: [{_CLOSING}] | [“‘«‹](?=[\s{_CLOSING}]|\Z) | [\ \u00a0\u202f][»›”](?=[\s.,;:!?]|\Z) )*)
    (?P<space> \s*)
"""
_LOOK_BACK = 32
_OPENING = "([{\"'«»“‘„‚"
_NEXT = re.compile(r"[\"'«“‘„»‹(\[¿¡\s]*([^\W\d_]+['’]?|\d)?")
_TAIL = re.compile(r"[,.;:!?)\]}，。、；：！？）】」』]")
"""Characters with which no sentence begins."""
_ROMAN = re.compile("[IVX]+")
_SAYS = re.compile(r"[^，。：；！？“”\s]{0,24}(?:说|道|問|问|表示|称|稱|指出|喊|答)(?:[，。！]|\Z)")
"""Who said what has just been quoted, in Chinese."""


SINGLE = 1.5
"""A model whose training pairs have fewer sentences on average knows single sentences."""


def splits(split: Split, sentences_per_pair: float | None) -> bool:
    """Whether to translate each sentence of a text by itself.

    Args:
        split: the option `decode.split`.
        sentences_per_pair: of the model's training data, on average; unknown counts as one.
    """
    return split == "always" or (split == "auto" and (sentences_per_pair or 1) < SINGLE)


class _Rules(NamedTuple):
    """The rules of a language for the end of a sentence.

    Attributes:
        stop: finds what may end one.
        first: words that have a capital letter only at the start of a sentence.
        ordinals: whether a short number with a full stop may be one.
        german: whether the words around an ordinal tell it apart.
    """

    stop: re.Pattern[str]
    first: frozenset[str]
    ordinals: bool
    german: bool


@lru_cache(maxsize=64)
def _rules(lang: str) -> _Rules:
    found = language_of(lang) if lang else None
    code = found.code if found else ""
    own = ";\u037e" if found and found.script == "Grek" else ""
    return _Rules(
        re.compile(_STOP.format(own), re.VERBOSE),
        FIRST.get(code, frozenset()),
        not code or code in ORDINALS,
        code == "de",
    )


def sentences(text: str, lang: str = "") -> list[str]:
    """The sentences of `text`, each with the white space after it; joined they are `text`.

    A stop ends one where a space and no lower-case letter follow, unless it belongs to an abbreviation, an
    initial, an ordinal (`21. Oktober`) or a number at the start. The stops of Chinese, Japanese, Hindi,
    Amharic, Khmer and Burmese need no space. In a script without stops, such as Thai, a text is one sentence.

    Args:
        text: any.
        lang: its language, which decides about abbreviations, ordinals and stops. Empty if unknown: fewer
            sentences are told apart.
    """
    if text.isascii() and text.find(".", 0, -1) == text.find("!", 0, -1) == text.find("?", 0, -1) == -1:
        return [text] if text else []  # most lines, soon told
    rules, found, begin = _rules(lang), [], 0
    for stop in rules.stop.finditer(text):
        if stop.end() == len(text):
            break
        if _ends(text, stop, begin, rules):
            found.append(text[begin : stop.end()])
            begin = stop.end()
    return [*found, text[begin:]] if begin < len(text) else found


def _ends(text: str, found: re.Match[str], begin: int, rules: _Rules) -> bool:
    stop, closed, after = found["stop"], found["closed"], found.end()
    if _TAIL.match(text, after):
        return False
    if stop[0] in _ALWAYS:
        return not (closed and _SAYS.match(text, after))
    if not found["space"]:
        return stop in _PLAIN and _is_wide(text[found.start() - 1 : found.start()]) and _is_wide(text[after])
    following = _NEXT.match(text, after)
    word = (following[1] or "") if following else ""
    if word[:1].islower():
        return False
    return stop != "." or not _belongs(text, found, begin, word, rules)


def _is_wide(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff"


def _belongs(text: str, found: re.Match[str], begin: int, following: str, rules: _Rules) -> bool:
    """Whether the full stop belongs to the word before it, which ends no sentence; `following` comes next."""
    start = max(begin, found.start() - _LOOK_BACK)
    *before, written = text[start : found.start()].split() or [""]
    written = written.lstrip(_OPENING)
    if len(written) == 1:
        while before and len(before[-1]) == 2 and before[-1][1] == ".":  # as in `z. B.` and `J. K.`
            written = before.pop() + written
    word = written.lower()
    unit = len(word) == 1 and written.islower() and before and before[-1][-1].isdecimal()
    if unit or not word:
        return False
    if written in NEVER or word in NEVER:
        return True
    if found["closed"]:
        return False
    if word[0].isdecimal():
        return (start == begin and not before) or _is_ordinal(word, before, following, rules)
    if following.isdecimal() and word in BEFORE_NUMBER:
        return True
    first = following.lower() in rules.first
    if word in ("a.m", "p.m"):
        return following.lower() in DAYS or (len(following) > 1 and following.isupper()) or not rules.first
    if word in SOMETIMES or (rules.ordinals and _ROMAN.fullmatch(written)):
        return not first
    if "." in word:
        return not first and max(map(len, word.split("."))) <= 2
    return len(word) == 1 and word.isalpha() and not first


def _is_ordinal(word: str, before: Sequence[str], following: str, rules: _Rules) -> bool:
    if not rules.ordinals or not word.isdecimal() or len(word) > 3:
        return False
    if not rules.german:
        return len(word) <= 2
    return following.lower() in MONTHS or (
        bool(before) and (before[-1].lower() in BEFORE_ORDINAL or before[-1][-1] in ",.(")
    )


def segments(text: str, sizes: Sizes, limit: int, lang: str = "") -> list[str]:
    """`text` in parts of at most `limit` tokens each; a sentence that is not longer is one part.

    Args:
        text: any.
        sizes: counts tokens. Called about once for the sentences, and again for those that are cut.
        limit: what a single character never exceeds.
        lang: of the text, as for `sentences`.
    """
    parts = sentences(text, lang)
    counts = sizes(parts)
    while any(count > limit for count in counts):
        cut: list[str] = []
        for part, count in zip(parts, counts, strict=True):
            cut += _cut(part, count // limit + 1) if count > limit and len(part) > 1 else [part]
        if len(cut) == len(parts):
            break
        parts, counts = cut, sizes(cut)
    return parts


def _cut(text: str, count: int) -> list[str]:
    """`text` in about `count` parts of like length, cut after spaces or wide commas where there are any."""
    size = -(-len(text) // count)
    parts, begin = [], 0
    while len(text) - begin > size:
        place = max(text.rfind(mark, begin + 1, begin + size) for mark in _CUTS)
        end = place + 1 if place > 0 else _between(text, begin, begin + size)
        parts.append(text[begin:end])
        begin = end
    return [*parts, text[begin:]] if begin < len(text) else parts


def _between(text: str, begin: int, end: int) -> int:
    """`end`, or a place near it that parts no symbol such as ⟦1⟧, and no letter from the marks on it."""
    opened = text.rfind("⟦", begin, end)
    closed = text.find("⟧", opened, opened + 16) if opened >= 0 else -1
    if closed >= end:
        return opened if opened > begin else closed + 1
    whole = end
    while whole > begin + 1 and unicodedata.category(text[whole]).startswith("M"):
        whole -= 1
    return whole if whole > begin + 1 else end
