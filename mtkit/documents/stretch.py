"""One text between markup: its spans are taken out, and woven into its translation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mtkit.documents.base import clean
from mtkit.documents.weave import Anchors, SpanNode, place, spread, words_of

Role = Literal["text", "open", "close", "toggle", "alone", "break"]

_PUNCTUATION = re.compile(r"[.,;:!?…)\]]")
_LATIN = r"[0-9A-Za-z\u00c0-\u024f]"
# What sticks to a placeholder: signs, and up to three letters, as in `(%s)`, `#%d`, `%dMB` and `v{version}`.
_STUCK_BEFORE = re.compile(rf"(?:(?<=\s)|\A){_LATIN}{{0,3}}[^\w\s]*\Z|[^\w\s]+\Z")
_STUCK_AFTER = re.compile(
    rf"{_LATIN}{{1,3}}(?!\w)[%°]?|['’]\w{{1,2}}\b|[%°/\\#|+*=~^-]+(?=\s|\Z|[.,;:!?)\]])"
)
_CLOSERS = {
    "(": ")",
    "[": "]",
    "{": "}",
    '"': '"',
    "'": "'",
    "«": "»",
    "“": "”",
    "‘": "’",
    "„": "“",
    "<": ">",
}
_SIGNS = re.compile(r"[ \t]*[,;/|&+–-][ \t]*")
_TAG = re.compile(r"<[^<>]*>|&lt;(?:(?!&[lg]t;).)*&gt;", re.DOTALL)
_NO_STOP = re.compile(r"[.,;:!?…\s]+\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of a stretch.

    Attributes:
        raw: as the document spells it.
        role: what it does; a span that opens or closes nothing is alone.
        key: what it opens or closes.
        is_silent: it prints nothing.
    """

    raw: str
    role: Role
    key: str = ""
    is_silent: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it stands where a word could."""
        return self.role == "alone" and not self.is_silent


@dataclass(slots=True)
class _Span:
    """A span within a text.

    Attributes:
        item: what it is.
        at: characters of the text before it.
        before: whether white space stood before it.
        after: whether white space stood behind it.
        sticks: whether letters stood directly before, and directly behind.
    """

    item: Item
    at: int
    before: bool
    after: bool = False
    sticks: tuple[bool, bool] = (False, False)


class Stretch:
    """A text without its spans.

    Args:
        items: from the first to the last that belongs to the text.
        unescape: from the document's spelling to text.

    Attributes:
        raw: the stretch of the document.
        blank: the same with blanks in place of spans.
        text: what is to be translated.
        nodes: its spans, in pairs where they are.
    """

    def __init__(self, items: Sequence[Item], unescape: Callable[[str], str]) -> None:
        self.raw = "".join(item.raw for item in items)
        self.blank = "".join(item.raw if item.role == "text" else " " * len(item.raw) for item in items)
        self._spans: list[_Span] = []
        self.text = self._joined(items, unescape)
        self.nodes = _nodes(self._spans)

    def _joined(self, items: Sequence[Item], unescape: Callable[[str], str]) -> str:
        text, spaced, after_break, last = _Text(), False, False, None
        for item in items:
            if item.role != "text":
                last = _Span(item, text.size, spaced, sticks=(not spaced and text.last.isalnum(), False))
                self._spans.append(last)
                spaced, after_break = False, after_break or item.role == "break"
                continue
            words = re.sub(r"[ \t\r\n]+", " ", item.raw)
            spaced = words.endswith(" ")
            words = re.sub("  +", " ", clean(f"x{unescape(words)}x")[1:-1])
            if last:
                last.after = words.startswith(" ")
                last.sticks = (last.sticks[0], words[:1].isalnum())
                is_inside = text.last.isalnum() and words[:1].isalnum()
                if after_break or (is_inside and last.item.is_word):
                    words = f" {words}"
                if text.last == " ":
                    words = words.removeprefix(" ")
                    if _PUNCTUATION.match(words):
                        text.rstrip()
                        last.at = min(last.at, text.size)
            text.add(words)
            after_break, last = False, None
        stripped = str(text).lstrip(" ")
        offset, stripped = text.size - len(stripped), stripped.rstrip(" ")
        for span in self._spans:
            span.at = max(0, min(span.at - offset, len(stripped)))
        return stripped

    def woven(self, text: str, anchors: Anchors, escape: Callable[[str], str], way: str) -> tuple[str, str]:
        """A translation with the spans in it, and with blanks in place of them.

        Args:
            text: the translation.
            anchors: links to words of the source text.
            escape: from text to the document's spelling.
            way: `aligned`; `spaced`, with a space wherever one is possible; or `around`, all spans at the
                edges.
        """
        if not self._spans:
            return escape(text), escape(text)
        words = words_of(text)
        gaps: dict[int, int] = {}
        if way == "around":
            spread(self.nodes, 0, len(words), gaps)
        else:
            gaps = place(self.nodes, self.text, text, words, anchors)
        ends = [0, *(end for _, end in words)]
        starts = [*(start for start, _ in words), len(text)]
        spans: dict[int, list[_Span]] = {}
        for number, span in enumerate(self._spans):
            spans.setdefault(gaps[number], []).append(span)
        woven: list[tuple[str, str]] = []
        done = 0
        for gap in sorted(spans):
            space = text[ends[gap] : starts[gap]] if 0 < gap < len(words) else ""
            left = text[ends[gap] - 1 : ends[gap]] if gap else ""
            right = text[starts[gap] : starts[gap] + 1] if gap < len(words) else ""
            part, filling = (
                escape(text[done : ends[gap]]),
                _filled(spans[gap], space, left, right, way == "spaced"),
            )
            woven += [(part, part), (filling, " " * len(filling))]
            done = starts[gap]
        rest = escape(text[done:])
        raw, blank = zip(*woven, (rest, rest), strict=True)
        return "".join(raw), "".join(blank)


class _Text:
    """A text that grows at its end."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self.size = 0

    def __str__(self) -> str:
        return "".join(self._parts)

    @property
    def last(self) -> str:
        """Its last character, if there is one."""
        return self._parts[-1][-1] if self._parts else ""

    def add(self, part: str) -> None:
        if part:
            self._parts.append(part)
            self.size += len(part)

    def rstrip(self) -> None:
        """Takes away the spaces at the end."""
        while self.last == " ":
            part = self._parts.pop()
            self.size -= len(part)
            self.add(part.rstrip(" "))


def _filled(spans: Sequence[_Span], space: str, left: str, right: str, spaced: bool) -> str:
    """What stands between two words: spans, and the white space among them.

    Args:
        spans: in order.
        space: what the translation has between the words.
        left: the last character before; empty at the beginning.
        right: the first character behind; empty at the end.
        spaced: whether each place that may have a space gets one.
    """
    if any(span.item.role == "break" for span in spans) and not spaced:
        return "".join(span.item.raw for span in spans)
    sides = [True] * (len(spans) + 1) if spaced else _sides(spans, space, left, right)
    closing = next((n for n, span in enumerate(spans) if span.item.role != "close"), len(spans))
    others = next((n for n, span in enumerate(reversed(spans)) if span.item.role != "open"), len(spans))
    opening = len(spans) - others
    sides[0] &= bool(left)
    sides[-1] &= bool(right)
    if space and not any(sides):
        sides[closing] = True
    # A closing mark stands directly behind a word, and an opening one directly before it.
    for number in range(closing):
        if sides[number]:
            sides[number], sides[closing] = False, True
    for number in range(opening, len(spans)):
        if sides[number + 1]:
            sides[number + 1], sides[opening] = False, True
    sides[0] &= bool(left)
    sides[-1] &= bool(right)
    joined = [" " * sides[number] + span.item.raw for number, span in enumerate(spans)]
    return "".join(joined) + " " * sides[-1]


def _sides(spans: Sequence[_Span], space: str, left: str, right: str) -> list[bool]:
    """Whether a space stands before each span and behind the last, for the same reasons as in the source."""
    sides = [False] * (len(spans) + 1)
    for number, span in enumerate(spans):
        if span.item.role == "alone" and span.item.is_silent and span.before and span.after:
            sides[number] = sides[number + 1] = True  # such as a comment between spaces
        if number and (span.item.is_word or spans[number - 1].item.is_word):
            sides[number] = spans[number - 1].after or span.before
    if not any(span.item.is_word for span in spans):
        return sides
    first, last = spans[0], spans[-1]
    sides[0] = first.before or (first.item.is_word and left.isalnum() and not first.sticks[0] and bool(space))
    sides[-1] = last.after
    if last.item.is_word and right:
        sides[-1] = (not last.sticks[1] and bool(space or last.after)) if right.isalnum() else bool(space)
    if space and right.isalnum() and last.item.role == "close":
        sides[-1] = True
    return sides


# ---------------------------------------------------------------- from pieces to stretches


def arranged(items: Sequence[Item], unescape: Callable[[str], str]) -> list[str | Stretch]:
    """The text of some pieces, and what stays before and behind it; nothing but raw without a letter."""
    items = _stuck(_listed(_whole(_paired(items))))
    first, last = _edges(items)
    if first > last or not any(
        char.isalpha() for item in items if item.role == "text" for char in unescape(item.raw)
    ):
        return ["".join(item.raw for item in items)]
    before = "".join(item.raw for item in items[:first])
    after = "".join(item.raw for item in items[last + 1 :])
    inner = list(items[first : last + 1])
    if inner[0].role == "text":
        stripped = inner[0].raw.lstrip()
        before += inner[0].raw[: len(inner[0].raw) - len(stripped)]
        inner[0] = replace(inner[0], raw=stripped)
    if inner[-1].role == "text":
        stripped = inner[-1].raw.rstrip()
        after = inner[-1].raw[len(stripped) :] + after
        inner[-1] = replace(inner[-1], raw=stripped)
    return [part for part in (before, Stretch(inner, unescape), after) if part != ""]


def _paired(items: Sequence[Item]) -> list[Item]:
    """The items with a key for each pair; what has no partner has none, and a toggle is then alone."""
    found = [replace(item, key="", role="alone" if item.role == "toggle" else item.role) for item in items]
    opened: list[int] = []
    for number, item in enumerate(items):
        if item.role == "open" or (item.role == "toggle" and all(items[n].key != item.key for n in opened)):
            opened.append(number)
        elif item.role in ("close", "toggle"):
            partner = next((n for n in reversed(opened) if items[n].key == item.key), -1)
            if partner >= 0:
                del opened[opened.index(partner) :]
                found[partner] = replace(items[partner], role="open", key=str(partner))
                found[number] = replace(item, role="close", key=str(partner))
    return found


def _partners(items: Sequence[Item]) -> dict[int, int]:
    """From the number of each opening or closing item to that of the other."""
    opened = {item.key: number for number, item in enumerate(items) if item.key and item.role == "open"}
    pairs = {n: opened[item.key] for n, item in enumerate(items) if item.key and item.role == "close"}
    return pairs | {opening: closing for closing, opening in pairs.items()}


def _whole(items: Sequence[Item]) -> list[Item]:
    """Pairs that are empty, or without a letter directly behind one (`<sup>1</sup>`), as one item each."""
    partners = _partners(items)
    found: list[Item] = []
    number = 0
    while number < len(items):
        item, end = items[number], partners.get(number, -1)
        inside = [own for own in items[number + 1 : end] if own.role == "text"] if end > number else []
        text = "".join(own.raw for own in inside)
        glued = found and found[-1].role in ("text", "close") and not found[-1].raw[-1:].isspace()
        if end > number and not any(map(str.isalpha, text)) and (glued or not text.strip()):
            raw = "".join(own.raw for own in items[number : end + 1])
            is_silent = not text.strip() and item.is_silent
            has_words = any(own.is_word for own in items[number : end + 1])
            found.append(Item(raw, "alone", is_silent=is_silent and not has_words))
            number = end
        else:
            found.append(item)
        number += 1
    return found


def _listed(items: Sequence[Item]) -> list[Item]:
    """Placeholders with only signs between them as one: a list such as `{a}, {b}/{c}`."""
    found: list[Item] = []
    for item in items:
        is_list = (
            item.is_word
            and len(found) > 1
            and found[-2].is_word
            and found[-1].role == "text"
            and _SIGNS.fullmatch(found[-1].raw)
        )
        if is_list:
            between, first = found.pop(), found.pop()
            found.append(replace(item, raw=first.raw + between.raw + item.raw))
        else:
            found.append(item)
    return found


def _stuck(items: Sequence[Item]) -> list[Item]:
    """The items with what sticks to placeholders as part of them."""
    found = list(items)
    for number, item in enumerate(items):
        if not item.is_word:
            continue
        left = found[number - 1] if number and found[number - 1].role == "text" else None
        right = found[number + 1] if number + 1 < len(items) and found[number + 1].role == "text" else None
        if item.raw[:1].isspace():
            left = None
        if item.raw[-1:].isspace():
            right = None
        if _TAG.fullmatch(item.raw):  # a code of the document: words beside it are words
            continue
        before, after = _sticking(left.raw if left else "", right.raw if right else "")
        if left and before:
            found[number - 1] = replace(left, raw=left.raw[: len(left.raw) - len(before)])
        if right and after:
            found[number + 1] = replace(right, raw=right.raw[len(after) :])
        found[number] = replace(item, raw=f"{before}{item.raw}{after}")
    return [item for item in found if item.raw]


def _sticking(left: str, right: str) -> tuple[str, str]:
    """What of the text before and behind a placeholder belongs to it; brackets and quotes only in pairs."""
    stuck = _STUCK_BEFORE.search(left)
    before = stuck[0] if stuck and not _NO_STOP.search(stuck[0]) else ""
    letters = _STUCK_AFTER.match(right)
    after = letters[0] if letters else ""
    closers = "".join(_CLOSERS[sign] for sign in reversed(before) if sign in _CLOSERS)
    if closers and right.startswith(closers, len(after)):
        return before, after + closers
    return before[max((before.rfind(sign) for sign in _CLOSERS), default=-1) + 1 :], after


def _edges(items: Sequence[Item]) -> tuple[int, int]:
    """The first and the last item between which all is text or may move."""
    partners = _partners(items)
    first, last = 0, len(items) - 1

    def is_text(number: int) -> bool:
        return items[number].role == "text" and bool(items[number].raw.strip())

    words = [number for number in range(len(items)) if is_text(number)]
    if not words:
        return 1, 0
    while first < words[0] and not words[0] < partners.get(first, -1) <= words[-1]:
        first += 1
    while last > words[-1] and not words[0] <= partners.get(last, len(items)) < words[-1]:
        last -= 1
    return first, last


def _nodes(spans: Sequence[_Span]) -> list[SpanNode]:
    """The spans as a tree."""
    top: list[SpanNode] = []
    opened: list[SpanNode] = []
    for number, span in enumerate(spans):
        if span.item.key and span.item.role == "close":
            node = opened.pop()
            node.last, node.end = number, span.at
            continue
        node = SpanNode(number, span.at, sticks=span.sticks)
        (opened[-1].children if opened else top).append(node)
        if span.item.key and span.item.role == "open":
            opened.append(node)
    return top
