"""Markup and placeholders inside a text: left out of what is translated, and put back where they belong."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol

from mtkit.documents.base import Answer, Text, clean
from mtkit.documents.items import Item, Role
from mtkit.documents.stretch import Stretch, arranged
from mtkit.text.icu import innermost, is_malformed
from mtkit.text.protect import build_finder

Piece = tuple[str, bool]
"""A stretch of a document, and whether it is a span that stays."""

TAG = r"</?[A-Za-z](?>(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*)>|<!--(?s:.*?)-->"
PLACEHOLDERS = build_finder(("urls", "emails", "placeholders")).pattern

_TAG_ROLE = re.compile(
    r"(?:<|&lt;)(/?)([A-Za-z][\w:.-]*)(?:(?!&[lg]t;)[^<>\"']|\"[^\"]*\"|'[^']*')*?(/?)(?:>|&gt;)", re.DOTALL
)
_VOID = re.compile(r"area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr", re.IGNORECASE)
_MARK = re.compile(r"\*+|_+|~~|==|\+\+|``?")
_MAX_ROUNDS = 8
"""Times that markup is taken out of a translation, where taking it out makes other markup."""
_ODD = re.compile(r"[^\w\s.,;!?'’-]|_")
_SENTENCE_END = re.compile(r"[.!?…。！？:;][\"'”’»)\]]*\s*\Z")


def _same(text: str) -> str:
    return text


def _nothing(raw: str) -> Hashable:
    return None


def pair_of(raw: str) -> tuple[Role, str]:
    """Whether a span opens, closes or toggles something, and what; tags and Markdown's marks do."""
    if found := _TAG_ROLE.fullmatch(raw):
        closes, name, is_empty = found[1], found[2].lower(), found[3]
        if is_empty or _VOID.fullmatch(name):
            return "alone", ""
        return ("close" if closes else "open"), name
    if _MARK.fullmatch(raw):
        return "toggle", raw
    if raw == "[":
        return "open", "["
    if raw.startswith("]"):
        return "close", "["
    return "alone", ""


@dataclass(frozen=True, slots=True)
class Markup:
    """How a format marks its text.

    Attributes:
        split: a stretch of the document into its pieces, none of them empty.
        silent: spans that print nothing, so that a word may continue behind them.
        breaks: spans that separate words without a space; one after the end of a sentence ends a text.
        escape: text as the document spells it.
        unescape: the reverse.
        pair: whether a span opens, closes or toggles something, and the name of that.
        ends: spans that always end a text.
        icu: whether a text may be an ICU message with plurals or choices, whose innermost texts are several.
        check: what must be the same of a stretch and of its translation, such as which emphasis is in which.
        fixed: spans that a translation with markup of its own must have too; None if that is all of them.
    """

    split: Callable[[str], Sequence[Piece]]
    silent: re.Pattern[str] = re.compile(rf"(?!<(?:br|img)\b)(?:{TAG})", re.DOTALL)
    breaks: re.Pattern[str] = re.compile(r"(?:\\n)+|<br\b.*>|(?:\\| +)\n", re.DOTALL)
    escape: Callable[[str], str] = _same
    unescape: Callable[[str], str] = _same
    pair: Callable[[str], tuple[Role, str]] = pair_of
    ends: re.Pattern[str] | None = None
    icu: bool = False
    check: Callable[[str], Hashable] = _nothing
    fixed: re.Pattern[str] | None = None


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
    """`raw` with another sign for the beginning of comments and images which nothing ends.

    A finder would look for the end of each of them up to that of the text.
    """
    for begin, end in (("<!--", "-->"), ("![", "]")):
        place = max(0, raw.rfind(end) - len(begin) + 1)
        raw = raw[:place] + raw[place:].replace(begin, begin.replace("!", ";"))
    return raw


class Cut:
    """A stretch of a document as text, and what is around and between its words.

    Attributes:
        raw: as the document spells it.
        texts: what is to be translated; none if there is no letter, several if a break or a message's
            syntax separates them. A malformed message is one text, for which no translation is accepted.
    """

    def __init__(self, raw: str, markup: Markup) -> None:
        self.raw, self._markup = raw, markup
        self._all = self._spans_in(raw)
        self._parts: list[str | Stretch] = []
        is_whole = markup.icu and is_malformed(raw)
        if is_whole:
            self._parts.append(Stretch([Item(raw, "text")], _same))
        for text, is_syntax in () if is_whole else _texts(raw, markup):
            if is_syntax:
                self._parts.append(text)
                continue
            for group in _groups(markup.split(text), markup):
                items = [_item(piece, is_span, markup) for piece, is_span in group]
                self._parts += arranged(items, markup.unescape)
        found = [part for part in self._parts if isinstance(part, Stretch)]
        marked = self if self._all and len(found) == 1 and not is_whole else None
        self.texts: list[str] = [Text(part.text, bool(part.nodes), marked) for part in found]

    def put(self, answers: Sequence[str]) -> str:
        """The stretch with its texts translated, and the same spans in the same order.

        What a translation has of markup of its own is escaped, or taken out where the format knows no escape.
        Where markup cannot be placed, the text stays as it is, and the answer is told.
        """
        return self.woven(answers)[0]

    def woven(self, answers: Sequence[str]) -> tuple[str, str]:
        """The result of `put`, and the same with blanks in place of spans."""
        if list(answers) == self.texts:
            return self.raw, self.blank
        if len(answers) == 1 and getattr(answers[0], "is_marked", False):
            return str(answers[0]), str(answers[0])
        expected = self._markup.check(self.raw)
        for raw, blank in self._tries(answers):
            if self._spans_in(raw) == self._all and self._markup.check(raw) == expected:
                return raw, blank
        for answer in answers:
            if isinstance(answer, Answer):
                answer.is_placed = False
        return self.raw, self.blank

    @property
    def spellings(self) -> Sequence[str]:
        """See `Marked`."""
        pieces = self._markup.split(self.raw)
        read = "".join(piece if is_span else self._markup.unescape(piece) for piece, is_span in pieces)
        return [*dict.fromkeys((self.raw, read))]

    def spelled(self, translation: str) -> str | None:
        """See `Marked`; the same fixed spans must stand in the same order."""
        escape, unescape = self._markup.escape, self._markup.unescape
        pieces = self._markup.split(translation)
        raw = "".join(piece if is_span else escape(unescape(piece)) for piece, is_span in pieces)
        is_same = self._fixed(raw) == self._fixed(self.raw)
        is_same = is_same and self._markup.check(raw) == self._markup.check(self.raw)
        start, end = len(self.raw) - len(self.raw.lstrip()), len(self.raw.rstrip())
        return self.raw[:start] + raw.strip() + self.raw[end:] if is_same else None

    def _fixed(self, raw: str) -> list[str]:
        fixed = self._markup.fixed
        return [span for span in self._spans_in(raw) if fixed is None or fixed.fullmatch(span)]

    @property
    def blank(self) -> str:
        """The stretch with blanks in place of spans."""
        return "".join(part.blank if isinstance(part, Stretch) else " " * len(part) for part in self._parts)

    def _spans_in(self, raw: str) -> list[str]:
        """All that is not words: a message's syntax, and spans."""
        spans = []
        for text, is_syntax in _texts(raw, self._markup):
            pieces = [(text, True)] if is_syntax else self._markup.split(text)
            spans += [piece for piece, is_span in pieces if is_span]
        return spans

    def _tries(self, answers: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The parts written in ever more careful ways: as aligned, with more spaces, with fewer signs."""
        for plainer in (clean, self._without_markup, _without_signs):
            for way in ("aligned", "spaced", "around"):
                yield self._written([plainer(answer) for answer in answers], answers, way)

    def _written(self, texts: Sequence[str], answers: Sequence[str], way: Way) -> tuple[str, str]:
        remaining = iter(zip(texts, answers, strict=True))
        written = []
        for part in self._parts:
            if isinstance(part, str):
                written.append((part, " " * len(part)))
                continue
            text, answer = next(remaining)
            if answer == part.text:
                written.append((part.raw, part.blank))
                continue
            anchors = answer.anchors if isinstance(answer, Answer) and text == answer else ()
            written.append(part.woven(text, anchors, self._markup.escape, way))
        raw, blank = zip(*written, strict=True)
        return "".join(raw), "".join(blank)

    def _without_markup(self, text: str) -> str:
        """`text` without what this format would read as markup."""
        own = clean(text)
        for _ in range(_MAX_ROUNDS):
            kept = [piece for piece, is_span in self._markup.split(self._markup.escape(own)) if not is_span]
            shorter = self._markup.unescape("".join(kept))
            if shorter == own:
                break
            own = shorter
        return own


Way = Literal["aligned", "spaced", "around"]


def _without_signs(text: str) -> str:
    return re.sub("  +", " ", _ODD.sub(" ", clean(text))).strip()


def _texts(raw: str, markup: Markup) -> Iterator[Piece]:
    """The texts of a message and the syntax between them; other stretches are one text."""
    place, found = 0, innermost(raw) if markup.icu else None
    for start, end in [(0, len(raw))] if found is None else found:
        yield from [(raw[place:start], True)] if start > place else []
        yield raw[start:end], False
        place = end
    yield from [(raw[place:], True)] if place < len(raw) else []


def _groups(pieces: Sequence[Piece], markup: Markup) -> Iterator[Sequence[Piece]]:
    """The pieces of each text; a break after the end of a sentence ends one."""
    begin = 0
    for number, (raw, is_span) in enumerate(pieces):
        if not is_span:
            continue
        before = pieces[number - 1] if number else ("", True)
        if (markup.ends and markup.ends.fullmatch(raw)) or (
            markup.breaks.fullmatch(raw) and not before[1] and _SENTENCE_END.search(before[0])
        ):
            yield pieces[begin:number]
            yield pieces[number : number + 1]
            begin = number + 1
    yield pieces[begin:]


def _item(raw: str, is_span: bool, markup: Markup) -> Item:
    if not is_span:
        return Item(raw, "text")
    if markup.breaks.fullmatch(raw):
        return Item(raw, "break")
    role, key = markup.pair(raw)
    return Item(raw, role, key, bool(markup.silent.fullmatch(raw)))


Edit = tuple[int, int, str]
"""From where to where something is replaced, and by what."""


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

    def edits(self, answers: Sequence[str]) -> Sequence[Edit]:
        """What changes for an answer to each text, in order."""
        return [(self.start, self.end, self.write(answers))]


class Replaced(Protocol):
    """One or more places of a document, and what replaces them."""

    @property
    def start(self) -> int:
        """Where the first of them begins."""

    @property
    def texts(self) -> Sequence[str]:
        """What is to be translated."""

    def edits(self, answers: Sequence[str]) -> Sequence[Edit]:
        """What changes for an answer to each text, in order."""


@dataclass(frozen=True, slots=True)
class Original:
    """A stretch of a bilingual document: it stays, and its translation is put in somewhere behind it.

    Attributes:
        start: where it begins.
        end: where it ends.
        place: where its translation is put.
        write: from the translated stretch to what is put there.
        always: whether it is put there even if it is equal to the stretch.
    """

    start: int
    end: int
    place: int
    write: Callable[[str], str]
    always: bool = False


class Spliced:
    """A document in which only its slots change, or that stays with translations put behind its originals.

    Args:
        source: the document.
        slots: in order; those without text stay.
        languages: source and target that the document declares; empty where it declares none.
        encoding: of its bytes.
        originals: of a bilingual document, in order; slots outside of them stay.
    """

    def __init__(
        self,
        source: str,
        slots: Sequence[Replaced],
        languages: tuple[str, str] = ("", ""),
        encoding: str = "utf-8",
        originals: Sequence[Original] | None = None,
    ) -> None:
        self._source, self._encoding, self._originals = source, encoding, originals
        self._slots = [slot for slot in slots if slot.texts]
        if originals is not None:
            self._slots = list(_within(self._slots, originals))
        self.texts = [text for slot in self._slots for text in slot.texts]
        self.languages = languages

    def render(self, translations: Sequence[str]) -> bytes:
        """The document with its slots filled."""
        remaining = iter(translations)
        edits = [
            edit for slot in self._slots for edit in slot.edits(list(islice(remaining, len(slot.texts))))
        ]
        if self._originals is not None:
            edits = list(self._put_behind(self._originals, edits))
        return _edited(self._source, 0, len(self._source), edits).encode(self._encoding)

    def _put_behind(self, originals: Sequence[Original], edits: Sequence[Edit]) -> Iterator[Edit]:
        """The translation of each original, made by those of the edits that are in it."""
        first = 0
        for original in originals:
            while first < len(edits) and edits[first][0] < original.start:
                first += 1
            last = first
            while last < len(edits) and edits[last][1] <= original.end:
                last += 1
            translated = _edited(self._source, original.start, original.end, edits[first:last])
            if original.always or translated != self._source[original.start : original.end]:
                yield original.place, original.place, original.write(translated)
            first = last


def _within(slots: Sequence[Replaced], originals: Sequence[Original]) -> Iterator[Replaced]:
    """The slots that begin in an original."""
    remaining = iter(originals)
    original = next(remaining, None)
    for slot in slots:
        while original and original.end <= slot.start:
            original = next(remaining, None)
        if original and original.start <= slot.start:
            yield slot


def _edited(source: str, start: int, end: int, edits: Sequence[Edit]) -> str:
    """A stretch of a document with what is replaced in it."""
    parts = []
    for first, last, text in edits:
        parts += [source[start:first], text]
        start = last
    return "".join([*parts, source[start:end]])


def cut_slot(source: str, start: int, end: int, markup: Markup) -> Slot:
    """The slot of a stretch that is replaced by its translation."""
    cut = Cut(source[start:end], markup)
    return Slot(start, end, cut.texts, cut.put)
