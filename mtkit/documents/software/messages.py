"""Texts of software: which values are text, and what in them programs fill in or show in another way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from mtkit.documents.catalogues.bilingual import CHOICE, Passage
from mtkit.documents.spans import TAG, Markup, Slot, split_by
from mtkit.text import icu
from mtkit.text.placeholders import DEFAULT, Family
from mtkit.text.protect import build_finder

Markups = tuple[Markup, Markup | None]
"""The markup of a text, and of an ICU message if a value may be one."""

_LINES = r"(?<![^\S\n\t])[^\S\n\t]*+[\n\t]\s*+"
_CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+"
_PLURALS = rf"(?<=\S) \| (?=\S)|{CHOICE}"
_ENDS = re.compile(r" ?\| ?")
_CODE = re.compile(r"(?=\S*_|\S*\w{2}\.\w{2}|\S*::|[/.#@?][\w/])[!-~]+")
"""A name, a path or a reference: one word with signs that no word has."""


def is_text(value: str) -> bool:
    """Whether a value is to be translated: it has a letter, and is not a name, a path or a reference."""
    return any(map(str.isalpha, value)) and not _CODE.fullmatch(value.strip())


def same(text: str) -> str:
    """`text`."""
    return text


def with_escapes(text: str, encoding: str, letter: str = "u") -> str:
    """`text` with escapes such as `\\u00e9` for characters that an encoding does not have."""

    def escaped(found: re.Match[str]) -> str:
        try:
            found[0].encode(encoding)
        except UnicodeEncodeError:
            units = found[0].encode("utf-16-be", "surrogatepass").hex()
            return "".join(f"\\{letter}{units[place : place + 4]}" for place in range(0, len(units), 4))
        return found[0]

    return re.sub(r"[^\x00-\x7f]", escaped, text)


def message_markup(
    families: tuple[Family, ...] = DEFAULT,
    own: str = "(?!)",
    *,
    lines: str = _LINES,
    silent: re.Pattern[str] | None = None,
    escape: Callable[[str], str] = same,
    unescape: Callable[[str], str] = same,
) -> Markup:
    """The parts of a value that are not translated.

    Args:
        families: of its placeholders.
        own: a pattern of more that stays.
        lines: a pattern of white space that the program shows as it is: line breaks and tabs.
        silent: what stays, but prints nothing.
        escape: from text to what the program reads.
        unescape: the reverse.
    """
    placeholders = build_finder(("urls", "emails", "placeholders"), families).pattern
    finder = re.compile(rf"{own}|{lines}|{_CONTROL}|{_PLURALS}|{TAG}|{placeholders}", re.DOTALL)
    breaks = re.compile(rf"(?:{lines})|(?:<|&lt;)br\b.*(?:>|&gt;)", re.DOTALL)
    markup = Markup(split_by(finder), breaks=breaks, escape=escape, unescape=unescape, ends=_ENDS)
    return replace(markup, silent=silent) if silent else markup


ICU_TEXT = replace(message_markup(("icu-plural",), escape=icu.escape, unescape=icu.unescape), icu=True)
"""The markup of an ICU message."""


def value_slot(
    source: str, start: int, end: int, value: str, markups: Markups, spell: Callable[[str], str]
) -> Slot:
    """The place of a value that is replaced by its translation.

    Args:
        source: the document.
        start: where the value begins.
        end: where it ends.
        value: what the program reads there, or the stretch itself if `markups` knows how that is spelled.
        markups: of the value.
        spell: from a value to what stands in the document.
    """
    if not is_text(markups[0].unescape(value)):
        return Slot(start, end, (), lambda _: source[start:end])
    passage = Passage(value, *markups)

    def write(answers: Sequence[str]) -> str:
        found = passage.put(answers)
        return source[start:end] if found == value or not found.strip() else spell(found)

    return Slot(start, end, passage.texts, write)


XML_KEPT = r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[.*?\]\]>|\]\]>|&lt;/?[A-Za-z](?:(?!&[lg]t;)[^<>])*&gt;"
XML_SILENT = re.compile(r"(?:<|&lt;)/?(?!br\b|img\b)[A-Za-z].*(?:>|&gt;)|<!--.*-->", re.DOTALL)
"""Parts of values in XML that are not translated and print nothing."""
