"""A line as the texts that a model is given: sentences, without what is not words. Free of torch."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from mtkit.config.fixed import MAX_TOKENS
from mtkit.decode.hypothesis import Terms
from mtkit.documents.base import clean
from mtkit.documents.spans import Cut, Markup, split_by
from mtkit.text import icu
from mtkit.text.form import Masked
from mtkit.text.languages import language_of
from mtkit.text.protect import build_finder
from mtkit.text.segment import segments, sentences
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.glossary import Term, folded, pattern_of
from mtkit.translate.request import Anchors, Origin
from mtkit.translate.spelling import NO_PREFIX, Prefix

if TYPE_CHECKING:
    from mtkit.config.text import SpanKind
    from mtkit.translate.fuzzy_matches import FuzzyMatch

_CARRIED: tuple[SpanKind, ...] = ("urls", "emails", "tags", "placeholders", "emoji")
_NEVER = re.compile("(?!)")
_BULLET = r"^(?:[-*+•‣▪–—]|\d{1,3}[.)]|[a-z]\))(?=\s)"
_PATH = r"(?:\b[A-Za-z]:|(?<![\w\\])\\\\[\w.$-]++)\\(?:[^\s\"<>|*?]*[\w\\])?"
"""A path of Windows: `C:\\new` or `\\\\server\\share`."""
# A span has one of these, is a bullet or begins with `www.`. Most lines have none, and this look is quick.
_SIGN = re.compile(
    r"[<>{}%$@/_#&*\\|~:\u200d\u203c-\u2049\u20e3\u2122\u2139-\u2bff\u3030\u303d\u3297\u3299\ufe0f"
    "\U0001f000-\U000e007f]"
)
_IS_BULLET = re.compile(_BULLET)
_ALIKE = str.maketrans("’‘‛“”„‟‐‑‒–—…\u00a0\u202f\u2009", '\'\'\'""""-----.   ')
"""Signs that stand for others which a model is more likely to know."""
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2009\u3000", " "))


@dataclass(slots=True)
class Segment:
    """A text that is decoded in one go, usually a sentence.

    Attributes:
        raw: as the line has it.
        start: characters of the line before it.
        gap: white space of the line after it.
        cut: the text without spans; None if it has none.
        source: as the subword model reads it.
        ids: the source's, tags first; none if there is nothing to translate.
        unknown: characters that the model does not know, each once.
        tokens: how many the sentence has of which this is the first part, if it was too long.
        markup: of what is not words.
        terms: that its translation has to contain.
        spelled: those of them that the search can be asked for, in pieces of the model.
        annotated: the ids with terms in them; none if there are no terms in them.
        hinted: terms that are in `annotated` and are not asked of the search unless a translation lacks one.
        prefix: what its translation begins with.
        inserted: those that stand in place of their sources, by the folded source as it stands in the text.
        is_exact: the gap is part of a message's syntax and stays, whatever the languages.
        is_malformed: it is a message that breaks the grammar of ICU, and stays.
        recalled: its translation in the memory.
        is_marked: that has the markup of the document.
        match: a similar source in the memory, whose translation the model is given.
    """

    raw: str
    start: int
    gap: str
    cut: Cut | None
    source: Masked
    ids: list[int] = field(default_factory=list)
    unknown: str = ""
    tokens: int = 0
    markup: Markup | None = None
    terms: Sequence[Term] = ()
    spelled: Terms | None = None
    annotated: list[int] = field(default_factory=list)
    hinted: Sequence[Term] = ()
    prefix: Prefix = NO_PREFIX
    inserted: Mapping[str, str] = field(default_factory=dict)
    is_exact: bool = False
    is_malformed: bool = False
    recalled: str | None = None
    is_marked: bool = False
    match: FuzzyMatch | None = None

    @property
    def seed(self) -> int:
        """A number for random draws that follows from the text alone."""
        return int.from_bytes(blake2b(self.source.text.encode(), digest_size=8).digest())

    @property
    def origin(self) -> Origin:
        """Where its translation is from."""
        if self.recalled is not None:
            return "memory"
        return "model" if self.match is None else "fuzzy"

    @property
    def input(self) -> list[int]:
        """What the model reads: the ids, with terms if there are any, and the match."""
        ids = self.annotated or self.ids
        return ids if self.match is None else [*ids, *self.match.ids]

    @property
    def has_spans(self) -> bool:
        """Whether something stands between its words."""
        return self.cut is not None and any(getattr(text, "has_spans", False) for text in self.cut.texts)

    @property
    def is_in_message(self) -> bool:
        """Whether it stands in the syntax of an ICU message, which a translation has to heed."""
        return self.markup is not None and self.markup.escape is icu.escape

    @property
    def untranslated(self) -> str:
        """What stands for it if nothing of it is searched for."""
        return self.recalled if self.recalled is not None else self.written(self.raw, self.raw)[0]

    def written(self, raw: str, blank: str) -> tuple[str, str]:
        """A translation with terms in place of their sources, and the same with blanks in place of spans."""
        if not self.inserted or not self.markup:
            return raw, blank
        parts, place = [], 0
        for piece, is_span in self.markup.split(raw):
            target = self.markup.escape(self.inserted.get(folded(piece), "")) if is_span else ""
            own = (piece, blank[place : place + len(piece)])
            parts.append((target, " " * len(target)) if target else own)
            place += len(piece)
        raws, blanks = zip(*parts, strict=True)
        return "".join(raws), "".join(blanks)

    def span_links(self, raw: str) -> Anchors:
        """Links between each span and itself, as offsets in the text and in a translation.

        Args:
            raw: the translation, without inserted terms.
        """
        assert self.cut
        places = self._span_places(self.cut.raw, {}), self._span_places(raw, self.inserted)
        return tuple(zip(*places, strict=True))

    def _span_places(self, raw: str, inserted: Mapping[str, str]) -> list[int]:
        assert self.markup
        places, place = [], 0
        for piece, is_span in self.markup.split(raw):
            places += [place] if is_span else []
            place += len(self.markup.escape(inserted.get(folded(piece), piece))) if is_span else len(piece)
        return places


class Segmenter:
    """Cuts lines.

    Args:
        tokenizer: of the model.
        lang: of the source.
        by_sentence: whether each sentence is a segment; otherwise a line is one unless it is too long.
    """

    def __init__(self, tokenizer: Tokenizer, lang: str, by_sentence: bool) -> None:
        self._tokenizer, self._lang, self._by_sentence = tokenizer, lang, by_sentence
        kinds = [kind for kind in _CARRIED if kind not in tokenizer.form.options.protect]
        self._finder = re.compile(f"{_BULLET}|{_PATH}|{build_finder(kinds).pattern}")
        self._plain = Markup(split_by(self._finder), breaks=_NEVER)
        in_message = build_finder(kinds, ("icu-plural",))
        self._in_message = Markup(
            split_by(in_message), breaks=_NEVER, escape=icu.escape, unescape=icu.unescape
        )
        self._spaced = language_of(lang).spaced
        self._known: dict[str, bool] = {}

    def segments(self, texts: Sequence[str]) -> list[list[Segment]]:
        """The segments of each text; none of a blank one. Those of one without letters have no ids."""
        found = [list(self._split(text)) for text in texts]
        self._encode([segment for own in found for segment in own])
        for own in found:
            if any(len(segment.ids) > MAX_TOKENS for segment in own):
                own[:] = self._shortened(own)
        return found

    def knows(self, text: str) -> bool:
        """Whether the model knows all characters of a text."""
        return all(map(self._knows, text))

    def bare(self, text: str) -> str:
        """A text without what is taken out of the segments, such as addresses."""
        if not _has_signs(text):
            return text
        return next(iter(Cut(self._tokenizer.form.normalize(text), self._plain).texts), "")

    def insert(self, segment: Segment, terms: Mapping[str, str]) -> None:
        """Takes the sources of terms out of a text; their targets will stand in their places.

        Args:
            segment: changed; its ids have no tags yet.
            terms: targets by the sources as they stand in the text.
        """
        assert segment.markup
        segment.inserted = {folded(src): tgt for src, tgt in terms.items()}
        segment.markup = replace(segment.markup, split=split_by(self._finder_for(segment)))
        made = self._cut(segment.raw, segment.start, segment.gap, segment.markup)
        segment.cut, segment.source, segment.ids = made.cut, made.source, []
        self._encode([segment])

    def _finder_for(self, segment: Segment, more: str = "") -> re.Pattern[str]:
        """What is not words in a segment: its inserted terms, the usual spans, and `more`."""
        return re.compile(f"{self._terms_of(segment)}{self._finder.pattern}{more}")

    def _terms_of(self, segment: Segment) -> str:
        longest_first = sorted(segment.inserted, key=len, reverse=True)
        return "".join(f"{pattern_of(term, self._spaced)}|" for term in longest_first)

    def _split(self, text: str) -> list[Segment]:
        text = clean(self._tokenizer.form.normalize(text) if "\x1b" in text else text)  # what colours a line
        if text[:1].isalpha() and not _has_signs(text):
            parts = sentences(text, self._lang) if self._by_sentence else [text]
            if len(parts) == 1:  # as most lines
                return [Segment(text, 0, "", None, self._source(text), markup=self._plain)]
        texts = icu.innermost(text) if "{" in text else None
        if texts is None:
            return self._pieces(text, self._sentences(text), self._plain)
        if icu.is_malformed(text):
            return [replace(self._syntax(text, 0), is_malformed=True)]
        found, place = [], 0
        for start, end in texts:
            inner = text[start:end]
            own = self._pieces(inner, self._sentences(inner), self._in_message)
            if own:
                for segment in own:
                    segment.start += start
                own[-1].is_exact = True
                found += [self._syntax(text[place : own[0].start], place), *own]
                place = end
        return [*found, self._syntax(text[place:], place)]

    def _syntax(self, raw: str, start: int) -> Segment:
        """A part of a message that stays."""
        return Segment(raw, start, "", None, Masked(""), is_exact=True)

    def _sentences(self, text: str) -> list[str]:
        return self._unbroken(text, sentences(text, self._lang)) if self._by_sentence else [text]

    def _unbroken(self, text: str, parts: list[str]) -> list[str]:
        """The sentences, none of which ends within a placeholder or an address."""
        if len(parts) < 2 or not _has_signs(text):
            return parts
        inside = {
            place for found in self._finder.finditer(text) for place in range(found.start() + 1, found.end())
        }
        whole, place = [""], 0
        for part in parts:
            if place in inside:
                whole[-1] += part
            else:
                whole.append(part)
            place += len(part)
        return whole[1:] if not whole[0] else whole

    def _pieces(self, text: str, parts: Sequence[str], markup: Markup) -> list[Segment]:
        found: list[Segment] = []
        place = 0
        for part in parts:
            core = part.strip()
            if core and self._is_seen(core):
                start = place + len(part) - len(part.lstrip())
                found.append(self._segment(core, start, part[len(part.rstrip()) :], markup))
            elif found:
                found[-1].gap += part
            place += len(part)
        return found

    def _is_seen(self, text: str) -> bool:
        """Whether there is more in it than white space and signs of no width."""
        return text[0].isalnum() or bool(self._tokenizer.form.normalize(text))

    def _shown(self, text: str) -> str:
        """A text that is not translated, without signs that a terminal would obey or nobody would see."""
        is_clean = text.translate(_SPACES).isprintable()
        return text if is_clean else self._tokenizer.form.normalize(text)

    def _segment(self, raw: str, start: int, gap: str, markup: Markup) -> Segment:
        if markup is self._plain and not _has_signs(raw):
            if not any(map(str.isalpha, raw)):
                return Segment(self._shown(raw), start, gap, None, Masked(""), markup=markup)
            return Segment(raw, start, gap, None, self._source(raw), markup=markup)
        return self._cut(raw, start, gap, markup)

    def _cut(self, raw: str, start: int, gap: str, markup: Markup) -> Segment:
        text = self._tokenizer.form.normalize(raw)
        cut = Cut(text, markup)
        source = self._source(cut.texts[0]) if cut.texts else Masked("")
        is_plain = markup.escape is self._plain.escape and cut.texts == [text]
        raw = raw if cut.texts else self._shown(raw)
        return Segment(raw, start, gap, None if is_plain else cut, source, markup=markup)

    def _source(self, text: str) -> Masked:
        return self._tokenizer.form.source(text)

    def _encode(self, found: Sequence[Segment]) -> None:
        """Puts the ids into segments, and takes out of texts what the model does not know."""
        full = [segment for segment in found if segment.source.text]
        encoded = self._tokenizer.src.encode([segment.source.text for segment in full])
        again = []
        for segment, ids in zip(full, encoded, strict=True):
            segment.ids = ids
            if Tokenizer.UNK in ids and self._take_out_unknown(segment):
                again.append(segment)
        if again:
            encoded = self._tokenizer.src.encode([segment.source.text for segment in again])
            for segment, ids in zip(again, encoded, strict=True):
                segment.ids = ids

    def _take_out_unknown(self, segment: Segment) -> bool:
        """Writes unknown characters in another way, or takes them out; whether a text is left."""
        assert segment.markup
        alike = "".join(self._alike_parts(segment))
        chars = "".join(
            char for char in dict.fromkeys(map(self._alike, segment.raw)) if not self._knows(char)
        )
        if chars:
            unknown = f"[{re.escape(chars)}]"
            letters = "".join(filter(str.isalpha, chars))
            words = rf"|\w*[{re.escape(letters)}][\w{re.escape(letters)}]*" if letters else ""
            finder = self._finder_for(segment, f"{words}|(?:{unknown})+")
            segment.markup = replace(segment.markup, split=split_by(finder))
            made = self._cut(alike, segment.start, segment.gap, segment.markup)
        else:
            made = self._segment(alike, segment.start, segment.gap, segment.markup)
        segment.cut, segment.source, segment.ids, segment.unknown = made.cut, made.source, [], chars
        if not segment.source.text:
            segment.raw = self._shown(segment.raw)
        return bool(segment.source.text)

    def _alike_parts(self, segment: Segment) -> Iterator[str]:
        """A text in characters that the model knows, but for words and terms that are taken out."""
        for part in re.split(rf"({self._terms_of(segment)}\w+)", segment.raw):
            alike = "".join(map(self._alike, part))
            is_known = self.knows("".join(filter(str.isalpha, alike)))
            yield alike if is_known and folded(part) not in segment.inserted else part

    def _alike(self, char: str) -> str:
        """The character, or what is written like it if the model knows only that."""
        if self._knows(char):
            return char
        others = (char.translate(_ALIKE), char.lower(), unicodedata.normalize("NFKD", char)[:1])
        return next((other for other in others if all(map(self._knows, other))), char)

    def _knows(self, char: str) -> bool:
        known = self._known.get(char)
        if known is None:
            known = (
                char.isspace()
                or Tokenizer.UNK not in self._tokenizer.src.encode([self._source(char).text])[0]
            )
            self._known[char] = known
        return known

    def _shortened(self, found: Sequence[Segment]) -> list[Segment]:
        """The segments, each that is too long in parts."""
        shortened: list[Segment] = []
        for segment in found:
            if len(segment.ids) <= MAX_TOKENS:
                shortened.append(segment)
                continue
            assert segment.markup
            parts = segments(segment.raw, self._sizes, MAX_TOKENS, self._lang)
            own = self._pieces(segment.raw, self._unbroken(segment.raw, parts), segment.markup)
            for part in own:
                part.start += segment.start
            own[0].tokens = len(segment.ids)
            own[-1].gap += segment.gap
            own[-1].is_exact = segment.is_exact
            self._encode(own)
            shortened += own
        return shortened

    def _sizes(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, self._tokenizer.src.encode([self._source(text).text for text in texts])))


def _has_signs(text: str) -> bool:
    """Whether there may be a span in it."""
    return bool(_SIGN.search(text) or "www." in text or _IS_BULLET.match(text))
