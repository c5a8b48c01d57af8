"""The one clean form of a line of text, which filters, tokenizer and model see."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from mtkit.text.lazy import lazy_pattern

if TYPE_CHECKING:
    import re

    from mtkit.config.text import UnicodeForm

# Colours and titles for terminals: whole sequences, before their ESC is dropped as a control.
_ANSI = lazy_pattern("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[()][0-9A-Za-z])")

# Controls but those that are white space, surrogates (no UTF-8 has them), and format characters that neither
# script nor emoji needs: soft hyphen, zero width space, word joiner and invisible operators, deprecated
# controls, byte order mark, annotations.
_DROPPED = lazy_pattern(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u2060-\u2065\u206a-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)

# Joiners shape Arabic, Indic, Mongolian and related scripts, and join emoji; elsewhere they carry nothing.
_SHAPED = (
    "\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1a00-\u1cff\ua800-\uaaff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f"
    "\xa9\xae\u203c-\u2049\u20e3\u2122-\u2139\u2190-\u2bff\u3030-\u303d\ufe0f\U0001f000-\U0001faff\U000e007f"
)
_JOINERS = lazy_pattern(f"(?<=[{_SHAPED}])([\u200c\u200d])[\u200c\u200d]*+(?!\\s|$)|[\u200c\u200d]+")

# Marks of direction matter beside right-to-left letters alone.
_DIRECTIONS = lazy_pattern("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_RIGHT_TO_LEFT = lazy_pattern(
    "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)

# Invisible letters, but in flags such as that of Scotland, where they follow a black flag.
_TAGS = lazy_pattern("(\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f)|[\U000e0001\U000e0020-\U000e007f]")

_SPACE = lazy_pattern(r"\s")

MAX_MARKS = 32
"""Combining marks that a letter may have; Unicode's stream-safe form (UAX 15) has 30."""
_MANY_MARKS = lazy_pattern(rf"[^\w\s\x00-\x7f]{{{MAX_MARKS + 1},}}")  # marks are among these

# What the functions below look at, but for white space, and that itself but for the space and the line feed.
# Letters of tags are apart, since one range beyond U+FFFF makes the whole class slow.
_SPECIAL = lazy_pattern(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
_TAG = lazy_pattern("[\U000e0001\U000e0020-\U000e007f]")
_WHITE = lazy_pattern("[\t\x0b-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def normalize(text: str, unicode: UnicodeForm = "nfc", *, keep_spaces: bool = False) -> str:
    """`text` in a Unicode form, without control and idle format characters, with spaces as only white space.

    Normalising twice changes nothing. The result is one line without tabs, whatever `text` holds.

    Args:
        text: any.
        unicode: the form; none leaves letters as they are.
        keep_spaces: keep runs of white space, each character of them as a space; else each run is one space.
    """
    if not text.isprintable():
        text = _without_invisible(text)
    if not text.isascii():
        text = _composed(text, unicode)
    return _SPACE.sub(" ", text).strip() if keep_spaces else " ".join(text.split())


def normalize_lines(text: str) -> str:
    """`normalize` of every line of `text`, each of which ends with a line feed, about ten times as fast."""
    for special in (_SPECIAL, _TAG):
        text = _mend_lines(text, special)
    for character in set(_WHITE.findall(text)):
        text = text.replace(character, " ")
    if not text.isascii():
        text = in_form(text, "nfc")
    while "  " in text:
        text = text.replace("  ", " ")
    if " \n" in text:
        text = text.replace(" \n", "\n")
    if "\n " in text:
        text = text.replace("\n ", "\n")
    return text.removeprefix(" ")


def _mend_lines(text: str, special: re.Pattern[str]) -> str:
    """`text` with those of its lines normalised that have something special."""
    pieces, done = [], 0
    for found in special.finditer(text):
        if found.start() >= done:
            begin = text.rfind("\n", done, found.start()) + 1 or done
            end = text.index("\n", found.start())
            pieces += [text[done:begin], normalize(text[begin:end])]
            done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def in_form(text: str, unicode: UnicodeForm) -> str:
    """`text` in that Unicode form, of which none is any; with at most `MAX_MARKS` marks on a letter."""
    match unicode:
        case "nfc":
            return _few_marks(unicodedata.normalize("NFC", _few_marks(text)))
        case "nfkc":
            return _few_marks(unicodedata.normalize("NFKC", _few_marks(text)))
        case "none":
            return text


def _few_marks(text: str) -> str:
    """`text` without further marks on a letter: putting them in order takes the square of their number."""
    if not any(map(unicodedata.combining, text[::MAX_MARKS])):  # of a longer run, one of these is part
        return text
    return _MANY_MARKS.sub(_first_marks, text)


def _first_marks(found: re.Match[str]) -> str:
    kept, marks = [], 0
    for character in found[0]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _without_invisible(text: str) -> str:
    """`text` without what can be dropped wherever it stands."""
    text = _DROPPED.sub("", _ANSI.sub("", text))
    if text.isascii():
        return text
    text = _TAGS.sub(r"\1", text)
    return text if _RIGHT_TO_LEFT.search(text) else _DIRECTIONS.sub("", text)


def _composed(text: str, unicode: UnicodeForm) -> str:
    """`text` in its form and without idle joiners; what they stood between may compose, and move others."""
    before = ""
    while before != text:
        before = text
        text = in_form(text, unicode)
        if "\u200c" not in text and "\u200d" not in text:
            break
        text = _JOINERS.sub(r"\1", text)
    return text
