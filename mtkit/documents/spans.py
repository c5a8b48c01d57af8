"""Markup and placeholders inside a text: left out of what is translated, and put back where they belong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, pairwise

from mtkit.documents.base import clean
from mtkit.text.languages import UNSPACED_CHARACTERS
from mtkit.text.protect import build_finder

Piece = tuple[str, bool]
"""A stretch of a document, and whether it is a span that stays."""

TAG = r"</?[A-Za-z](?>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*)>|<!--(?s:.*?)-->"
PLACEHOLDERS = build_finder(("urls", "emails", "placeholders")).pattern

_STOP = r".,;:!?…)\]»”"
_WORD = re.compile(
    rf"[{UNSPACED_CHARACTERS}]|[{_STOP}]++(?=\s|$)|(?:[^\s{UNSPACED_CHARACTERS}{_STOP}]++|[{_STOP}]++(?!\s|$))+"
)
_PUNCTUATION = re.compile(r"[.,;:!?…)\]]")
_MAX_ROUNDS = 8
"""Times that markup is taken out of a translation, where taking it out makes other markup."""
_ODD = re.compile(r"[^\w\s.,;!?'’-]|_")


def _same(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Markup:
    """How a format marks its text.

    Attributes:
        split: a stretch of the document into its pieces, none of them empty.
        silent: spans that print nothing, so that a word may go on behind them.
        breaks: spans that separate words without a space.
        escape: text as the document spells it.
        unescape: the reverse.
    """

    split: Callable[[str], Sequence[Piece]]
    silent: re.Pattern[str] = re.compile(rf"(?!<(?:br|img)\b)(?:{TAG})", re.DOTALL)
    breaks: re.Pattern[str] = re.compile(r"(?:\\n)+|<br\b.*>|(?:\\| +)\n", re.DOTALL)
    escape: Callable[[str], str] = _same
    unescape: Callable[[str], str] = _same


def split_by(finder: re.Pattern[str]) -> Callable[[str], Sequence[Piece]]:
    """Cuts a text at what `finder` finds."""

    def split(raw: str) -> Sequence[Piece]:
        pieces, place = [], 0
        for found in finder.finditer(_without_open_ends(raw)):
            start, end = found.span()
            pieces += [(raw[place:start], False), (raw[start:end], True)]
            place = end
        return [piece for piece in [*pieces, (raw[place:], False)] if piece[0]]

    return split


def _without_open_ends(raw: str) -> str:
    """`raw` with another sign for that of comments and images which nothing ends.

    A finder would look for the end of each of them up to that of the text.
    """
    for begin, end in (("<!--", "-->"), ("![", "]")):
        place = max(0, raw.rfind(end) - len(begin) + 1)
        raw = raw[:place] + raw[place:].replace(begin, begin.replace("!", ";"))
    return raw


@dataclass(slots=True)
class _Span:
    """An inner span.

    Attributes:
        at: characters of the text before it.
        before: whether white space stood before it.
        after: whether white space stood behind it.
    """

    raw: str
    at: int
    before: bool
    after: bool = False


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


class Cut:
    """A stretch of a document as text, and what is around and between its words.

    Attributes:
        texts: what is to be translated; none if there is no letter.
    """

    def __init__(self, raw: str, markup: Markup) -> None:
        self._raw, self._markup = raw, markup
        pieces = markup.split(raw)
        self._all = [piece for piece, is_span in pieces if is_span]
        words = [n for n, (piece, is_span) in enumerate(pieces) if not is_span and piece.strip()]
        self._spans: list[_Span] = []
        self.texts: list[str] = []
        if not words:
            return
        first, last = words[0], words[-1]
        start = sum(len(piece) for piece, _ in pieces[:first])
        start += len(pieces[first][0]) - len(pieces[first][0].lstrip())
        end = len(raw) - sum(len(piece) for piece, _ in pieces[last + 1 :])
        end -= len(pieces[last][0]) - len(pieces[last][0].rstrip())
        self._before, self._after = raw[:start], raw[end:]
        text = self._joined(pieces[first : last + 1])
        if any(map(str.isalpha, text)):
            self.texts = [text]

    def _joined(self, pieces: Sequence[Piece]) -> str:
        text, spaced, last = _Text(), False, None
        for raw, is_span in pieces:
            if is_span:
                last = _Span(raw, text.size, spaced)
                self._spans.append(last)
                spaced = False
                continue
            words = re.sub(r"[ \t\r\n]+", " ", raw)
            spaced = words.endswith(" ")
            words = re.sub("  +", " ", clean(f"x{self._markup.unescape(words)}x")[1:-1])
            if last:
                last.after = words.startswith(" ")
                is_break = self._markup.breaks.fullmatch(last.raw)
                is_word = text.last.isalnum() and words[:1].isalnum()
                if is_break or (is_word and not self._markup.silent.fullmatch(last.raw)):
                    words = f" {words}"
                if text.last == " ":
                    words = words.removeprefix(" ")
                    if _PUNCTUATION.match(words):
                        text.rstrip()
                        last.at = min(last.at, text.size)
            text.add(words)
            last = None
        stripped = str(text).lstrip(" ")
        offset, stripped = text.size - len(stripped), stripped.rstrip(" ")
        for span in self._spans:
            span.at = max(0, min(span.at - offset, len(stripped)))
        return stripped

    def put(self, answers: Sequence[str]) -> str:
        """The stretch with its texts translated, and the same spans in the same order.

        What the translation has of markup of its own is escaped, or taken out where the format knows no
        escape.
        """
        if list(answers) == self.texts:
            return self._raw
        [answer] = answers
        for text, spaced in self._tries(clean(answer)):
            raw = self._before + self._woven(text, spaced) + self._after
            if [piece for piece, is_span in self._markup.split(raw) if is_span] == self._all:
                return raw
        return self._raw

    def _tries(self, text: str) -> Iterator[tuple[str, bool]]:
        own = text
        for _ in range(_MAX_ROUNDS):
            kept = [piece for piece, is_span in self._markup.split(self._markup.escape(own)) if not is_span]
            shorter = self._markup.unescape("".join(kept))
            if shorter == own:
                break
            own = shorter
        plain = re.sub("  +", " ", _ODD.sub(" ", text)).strip()
        for attempt in (text, own, plain):
            yield from ((attempt, spaced) for spaced in (False, True))

    def _woven(self, text: str, spaced: bool) -> str:
        """The spans between the words of a translation, each as far along as in the source."""
        words = [found.span() for found in _WORD.finditer(text)]
        ends = [0, *(end for _, end in words)]
        starts = [*(start for start, _ in words), len(text)]
        scale = len(text) / len(self.texts[0])
        gaps, gap = [], 0
        for span in self._spans:
            place = span.at * scale
            while gap < len(words) and _distance(place, ends[gap + 1], starts[gap + 1]) <= _distance(
                place, ends[gap], starts[gap]
            ):
                gap += 1
            gaps.append((gap, span))
        woven, place = [], 0
        for number, found in groupby(gaps, key=lambda item: item[0]):
            spans = [span for _, span in found]
            space = text[ends[number] : starts[number]] if 0 < number < len(words) else ""
            woven += [
                self._markup.escape(text[place : ends[number]]),
                self._gap(spans, space, spaced, (number == 0, number == len(words))),
            ]
            place = starts[number]
        return "".join([*woven, self._markup.escape(text[place:])])

    def _gap(self, spans: Sequence[_Span], space: str, spaced: bool, ends: tuple[bool, bool]) -> str:
        """What stands between two words: spans, and white space where the source had it."""
        if any(self._markup.breaks.fullmatch(span.raw) for span in spans) and not spaced:
            return "".join(span.raw for span in spans)
        if all(self._markup.silent.fullmatch(span.raw) for span in spans) and not space and not spaced:
            return "".join(span.raw for span in spans)
        sides = [
            spaced or spans[0].before,
            *(spaced or one.after or other.before for one, other in pairwise(spans)),
            spaced or spans[-1].after,
        ]
        if any(sides) and any(ends) and not spaced:
            sides[0], sides[-1] = not ends[0], not ends[1]
        joined = "".join(
            (" " if side else "") + span.raw for side, span in zip(sides, spans, strict=False)
        ) + (" " if sides[-1] else "")
        return joined if any(sides) else space + joined


def _distance(place: float, start: int, end: int) -> float:
    return max(start - place, place - end, 0)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place of a document that a translation replaces.

    Attributes:
        start: where it begins, in characters.
        end: where it ends.
        texts: what is to be translated.
        write: from an answer to each text to what stands there.
    """

    start: int
    end: int
    texts: Sequence[str]
    write: Callable[[Sequence[str]], str]


class Spliced:
    """A document in which only its slots change.

    Args:
        source: the document.
        slots: in order; those without text stay.
    """

    def __init__(self, source: str, slots: Sequence[Slot]) -> None:
        self._source = source
        self._slots = [slot for slot in slots if slot.texts]
        self.texts = [text for slot in self._slots for text in slot.texts]

    def render(self, translations: Sequence[str]) -> bytes:
        """The document with its slots filled."""
        remaining = iter(translations)
        parts, place = [], 0
        for slot in self._slots:
            answers = list(islice(remaining, len(slot.texts)))
            parts += [self._source[place : slot.start], slot.write(answers)]
            place = slot.end
        return "".join([*parts, self._source[place:]]).encode()


def cut_slot(source: str, start: int, end: int, markup: Markup) -> Slot:
    """The slot of a stretch that is replaced by its translation."""
    cut = Cut(source[start:end], markup)
    return Slot(start, end, cut.texts, cut.put)
