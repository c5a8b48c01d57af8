"""Spans that are not translated but carried over: found, replaced by numbered symbols, and put back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from mtkit.text.placeholders import DEFAULT, Family, placeholder_finder

if TYPE_CHECKING:
    from mtkit.config.text import SpanKind

# Each looks a bounded way ahead, or up to where the next span might begin. RFC 5321 has at most 64 characters
# before the @.
_URL = r"[!#-;=?-\[\]_a-z~]"
# Without emoji that are written as text unless U+FE0F follows, such as © and ↔, but for U+2600 to U+27BF.
_PICTOGRAPH = "[⌚⌛⏩-⏬⏰⏳◽◾☀-❧➔-➿⬛⬜⭐⭕\U0001f000-\U0001f0ff\U0001f10d-\U0001faff]"
_EMOJI = (
    "(?:[\U0001f1e6-\U0001f1ff]{2}|[#*0-9]\ufe0f?\u20e3|[\u00a9-\u3299]\ufe0f\u20e3?"
    f"|{_PICTOGRAPH}[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?[\U000e0020-\U000e007f]*+)"
)
_PATTERNS: Mapping[SpanKind, str] = {
    "urls": rf"(?:(?:https?|ftp)://|\bwww\.){_URL}*[A-Za-z0-9/#=&_~%+-]",
    "emails": r"\b[A-Za-z0-9_][\w.+-]{0,63}+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b",
    "tags": r"</?[A-Za-z][\w:.-]*(?: +[\w:.-]+ *= *(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>=]+))* */?>",
    "placeholders": placeholder_finder().pattern,
    "emoji": rf"{_EMOJI}(?:\u200d{_EMOJI})*+",
    "numbers": r"(?<![A-Za-z0-9_])\d+(?:[.,:]\d+)*(?![A-Za-z0-9_])",
}
"""In the order in which they are tried where more than one could begin."""

_SYMBOL = re.compile(r"⟦(\d+)⟧")


def symbol(number: int) -> str:
    """The symbol for span `number`, from 1."""
    return f"⟦{number}⟧"


def build_finder(kinds: Collection[SpanKind], families: tuple[Family, ...] = DEFAULT) -> re.Pattern[str]:
    """A pattern that finds the spans of these kinds; of two at one place, the kind listed first."""
    patterns = {**_PATTERNS, "placeholders": placeholder_finder(families).pattern}
    return re.compile("|".join(f"(?:{pattern})" for kind, pattern in patterns.items() if kind in kinds))


def distinct_spans(finder: re.Pattern[str], text: str) -> list[str]:
    """The spans of `text`, each once, in order."""
    return list(dict.fromkeys(found[0] for found in finder.finditer(text)))


def mask(finder: re.Pattern[str], text: str, spans: Sequence[str]) -> str:
    """`text` with the symbol of each of `spans` wherever it stands; other spans stay text."""
    symbols = {span: symbol(number) for number, span in enumerate(spans, start=1)}
    return finder.sub(lambda found: symbols.get(found[0], found[0]), text)


def unmask(text: str, spans: Sequence[str]) -> tuple[str, list[str]]:
    """`text` with each symbol replaced by its span, and the spans that have none in it.

    A symbol may come more than once. `text` has no symbol of a span that is not there: see `drop_unknown`.
    """
    if not spans:
        return text, []
    used: set[int] = set()

    def put(found: re.Match[str]) -> str:
        used.add(int(found[1]))
        return spans[int(found[1]) - 1]

    filled = _SYMBOL.sub(put, text)
    return filled, [span for number, span in enumerate(spans, start=1) if number not in used]


def drop_unknown(text: str, count: int) -> str:
    """`text` without symbols of spans that are not among the first `count`."""
    return _SYMBOL.sub(lambda found: found[0] if 1 <= int(found[1]) <= count else "", text)
