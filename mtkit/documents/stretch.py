"""One text between markup: its spans are taken out, and woven into its translation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mtkit.documents.base import clean
from mtkit.documents.items import Item, edges, listed, paired, stuck, whole
from mtkit.documents.weave import Anchors, SpanNode, place, spread, words_of

_PUNCTUATION = re.compile(r"[.,;:!?…)\]]")


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
    """The spans and white space between two words.

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
    items = stuck(listed(whole(paired(items))))
    first, last = edges(items)
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


def _nodes(spans: Sequence[_Span]) -> list[SpanNode]:
    """The spans as a tree."""
    top: list[SpanNode] = []
    opened: list[SpanNode] = []
    for number, span in enumerate(spans):
        if span.item.key and span.item.role == "close":
            node = opened.pop()
            node.last, node.end = number, span.at
            continue
        node = SpanNode(number, span.at, sticks=span.sticks, divides=span.item.role == "break")
        (opened[-1].children if opened else top).append(node)
        if span.item.key and span.item.role == "open":
            opened.append(node)
    return top
