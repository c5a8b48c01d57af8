"""Paragraphs of office files: one text each, with marks for all that is not text, and back to XML.

Knows neither the elements of a format nor archives.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal
from xml.sax.saxutils import escape

from mtkit.documents.base import unescape
from mtkit.documents.spans import PLACEHOLDERS, Cut, Markup, Slot, split_by

MarkKind = Literal["open", "close", "printed", "silent", "break", "end", "note"]
"""The kind of a mark; a note stands directly after a word."""

_MARK = re.compile(r"(</?[a-z]\d++/?>)")
_LINES = r"(?:_x000D_)?\n+"
MARKUP = Markup(
    split_by(re.compile(rf"{_MARK.pattern}|{_LINES}|_x[0-9A-Fa-f]{{4}}_|{PLACEHOLDERS}")),
    silent=re.compile(r"</?[cfn]\d+>|<s\d+/>"),
    breaks=re.compile(rf"<b\d+/>|{_LINES}"),
    ends=re.compile(r"<e\d+/>"),
    escape=escape,
    unescape=unescape,
)
_ASIDE = re.compile(r"<!\[CDATA\[(.*?)\]\]>|<!--.*?-->|<\?.*?\?>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Style:
    """The formatting of a piece of text.

    Attributes:
        key: equal for what looks the same.
        before: what stands before the text, but for the `>` of its tag; nothing if it has no tag.
        after: what stands behind it.
        is_spaced: its tag must say so where white space at an edge counts.
    """

    key: str
    before: str = field(compare=False)
    after: str = field(compare=False)
    is_spaced: bool = field(compare=False)

    def write(self, text: str) -> str:
        """The element of a text."""
        if not text or not self.before:
            return text
        space = ' xml:space="preserve"' if self.is_spaced and text != text.strip() else ""
        return f"{self.before}{space}>{text}{self.after}"


PLAIN = Style("", "", "", False)
"""The formatting of text without an element of its own."""


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text as XML has it."""

    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class Fixed:
    """Something that stays between words: a place of the source, and what is put around it."""

    kind: MarkKind
    start: int
    end: int
    before: str = ""
    after: str = ""


Item = Words | Fixed


def content(raw: str) -> str:
    """XML without comments, and with what is in CDATA spelled as other text."""
    return _ASIDE.sub(lambda found: escape(found[1] or ""), raw) if "<" in raw else raw


def paragraph_slot(
    source: str, start: int, end: int, items: Sequence[Item], nested: Sequence[Slot] = ()
) -> Slot:
    """The slot of a paragraph.

    Args:
        source: the document.
        start: where its content begins.
        end: where it ends.
        items: its words and marks, in order.
        nested: slots of paragraphs inside its marks, such as footnotes and text boxes, in order.
    """
    paragraph = _Paragraph(items)
    cut = Cut(paragraph.marked, MARKUP)
    texts = [*cut.texts, *(text for slot in nested for text in slot.texts)]
    starts = [slot.start for slot in nested]

    def write(answers: Sequence[str]) -> str:
        place = len(cut.texts)
        own, filled = list(answers[:place]), []
        for slot in nested:
            filled.append(slot.write(answers[place : place + len(slot.texts)]))
            place += len(slot.texts)

        def raw(begin: int, end: int) -> str:
            parts = []
            for number in range(bisect_left(starts, begin), bisect_left(starts, end)):
                parts += [source[begin : starts[number]], filled[number]]
                begin = nested[number].end
            return "".join([*parts, source[begin:end]])

        return raw(start, end) if own == cut.texts else "".join(paragraph.written(cut.put(own), raw))

    return Slot(start, end, texts, write)


class _Paragraph:
    """Words and marks as one string, in which `<s3/>` is a mark and `<f4>…</f4>` text of another style.

    Attributes:
        marked: that string.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._bases = _bases(items)
        self._tokens: dict[str, Fixed | Style] = {}
        self.marked = "".join(self._pieces(items))

    def _pieces(self, items: Sequence[Item]) -> list[str]:
        pieces: list[str] = []
        levels, bases, numbers = [self._bases[0]], iter(self._bases[1:]), count()
        containers: list[int] = []
        pair, place = "", 0  # the pair of a style that is open, and where it would be closed

        def end_pair() -> None:
            if pair:
                pieces.insert(place, pair.replace("<", "</"))

        for item in items:
            if isinstance(item, Words):
                current = self._tokens[pair] if pair else levels[-1]
                if item.text.strip() and item.style != current:
                    end_pair()
                    pair = f"<f{next(numbers)}>" if item.style != levels[-1] else ""
                    if pair:
                        self._tokens[pair] = item.style
                        pieces.append(pair)
                pieces.append(item.text)
                place = len(pieces)
                continue
            if item.kind not in ("printed", "silent", "note"):
                end_pair()
                pair = ""
            if item.kind == "open":
                containers.append(next(numbers))
                levels.append(next(bases))
                token = f"<c{containers[-1]}>"
            elif item.kind == "close":
                levels.pop()
                token = f"</c{containers.pop()}>"
            elif item.kind == "note":  # as if it closed something, so that it sticks to what is before it
                token = f"</n{next(numbers)}>"
            else:
                token = f"<{item.kind[0]}{next(numbers)}/>"
            self._tokens[token] = item
            pieces.append(token)
        end_pair()
        return pieces

    def written(self, marked: str, raw: Callable[[int, int], str]) -> Iterator[str]:
        """A string such as `marked` as XML; `raw` gives a place of the source."""
        styles = [self._bases[0]]
        openings = (
            piece
            for piece, token in self._tokens.items()
            if isinstance(token, Fixed) and token.kind == "open"
        )
        bases = dict(zip(openings, self._bases[1:], strict=True))
        for number, piece in enumerate(_MARK.split(marked)):
            if number % 2 == 0:
                yield styles[-1].write(piece)
                continue
            token = self._tokens.get(piece)
            if isinstance(token, Style):
                styles.append(token)
            elif token is None or token.kind == "close":
                styles.pop()
            elif token.kind == "open":
                styles.append(bases[piece])
            if isinstance(token, Fixed):
                yield f"{token.before}{raw(token.start, token.end)}{token.after}"


def _bases(items: Sequence[Item]) -> list[Style]:
    """The style of most letters in a paragraph, and then in what each opening mark opens."""
    levels: list[Counter[Style]] = [Counter()]
    stack = [levels[0]]
    for item in items:
        if isinstance(item, Words):
            stack[-1][item.style] += len(item.text.strip())
        elif item.kind == "open":
            stack.append(Counter())
            levels.append(stack[-1])
        elif item.kind == "close":
            stack.pop()
    first = next((item.style for item in items if isinstance(item, Words)), PLAIN)
    return [level.most_common(1)[0][0] if level else first for level in levels]
