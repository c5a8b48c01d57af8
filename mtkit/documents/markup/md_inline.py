"""Inline Markdown: the spans of a text, the texts inside them, and what CommonMark reads in it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkLabel
from markdown_it.rules_inline import StateInline, backtick, image, link

from mtkit.documents.base import Answer, unescape
from mtkit.documents.items import Role
from mtkit.documents.markup.html import open_html
from mtkit.documents.markup.md_patterns import (
    ALT,
    ATOM,
    ATTRIBUTED,
    AUTOLINK,
    BREAKS,
    ESCAPED,
    KEY,
    LABEL,
    MARKED,
    NOTE,
    PLACEHOLDERS,
    SILENT,
    START,
    TAIL,
    TITLE,
)
from mtkit.documents.spans import Cut, Markup, Piece, Slot, Spliced, pair_of, split_by


def escape(text: str) -> str:
    """Words as Markdown spells them wherever a text may begin."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", re.sub(r"[\\`*_\[\]<>~$]", r"\\\g<0>", text))
    text = MARKED.sub(r"\\\g<0>", text).replace(
        "|", "&#124;"
    )  # behind a backslash some parsers still see a table
    text = re.sub(r"^(?=[-+#=:]|!!!|\?\?\?)|(?<=\s)(?=#+$)", r"\\", text)
    return re.sub(r"^(\d{1,9})(?=[.)](?:\s|$))", r"\1\\", text)


def _unescape(raw: str) -> str:
    parts = re.split(r"\\([!-/:-@\[-`{-~])", raw)
    return "".join(part if number % 2 else unescape(part) for number, part in enumerate(parts))


# ---------------------------------------------------------------- rules of the parser
# The content of each token, or its markup, is what stands in the source.


def _push(state: StateInline, kind: str, nesting: Literal[-1, 0, 1], end: int) -> None:
    state.push(kind, "", nesting).content = state.src[state.pos : end]
    state.pos = end


def _push_pair(state: StateInline, kind: str, opened: int, closing: int, end: int) -> None:
    """A pair around the texts between two places."""
    maximum = state.posMax
    _push(state, f"{kind}_open", 1, opened)
    state.posMax = closing
    state.md.inline.tokenize(state)
    state.pos, state.posMax = closing, maximum
    _push(state, f"{kind}_close", -1, end)


def _words(state: StateInline, silent: bool) -> bool:
    """Goes on to where a span may begin."""
    start, found = state.pos, START.search(state.src, state.pos, state.posMax)
    state.pos = found.start() if found else state.posMax
    if not silent:
        state.pending += state.src[start : state.pos]
    return state.pos > start


def _atom(state: StateInline, silent: bool) -> bool:
    if not (found := ATOM.match(state.src, state.pos, state.posMax)):
        return False
    if silent:
        state.pos = found.end()
    else:
        _push(state, "atom", 0, found.end())
    return True


def _escaped(state: StateInline, silent: bool) -> bool:
    if not (found := ESCAPED.match(state.src, state.pos, state.posMax)):
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True


def _code(state: StateInline, silent: bool) -> bool:
    """Code, or backticks that nothing closes."""
    start = state.pos
    if not backtick(state, True) or silent:
        return state.pos > start
    end = state.pos
    if state.src[start:end].strip("`"):
        state.pos = start
        _push(state, "atom", 0, end)
    else:
        state.pending += state.src[start:end]
    return True


def _closes(state: StateInline) -> bool:
    """Whether any bracket closes behind a place: the parser would look for one up to the end each time."""
    return state.html_terminator_last("]") > state.pos


def _image(state: StateInline, silent: bool) -> bool:
    start = state.pos
    if not _closes(state) or not image(state, True) or silent:
        return state.pos > start
    end, state.pos = state.pos, start
    _push(state, "atom", 0, end)
    return True


def _link(state: StateInline, silent: bool) -> bool:
    """A link, even if its label is defined elsewhere or a template makes its address: its text is translated.

    Brackets that are no link stay if there is only a word or code between them: it is a key of some kind.
    """
    start = state.pos
    if state.src[start] != "[" or not _closes(state):
        return False
    end = parseLinkLabel(state, start, True)
    if end < 0:
        return False
    if link(state, True):
        tail, state.pos = state.pos, start
    elif found := TAIL.match(state.src, end + 1, state.posMax):
        tail = found.end()
    elif not silent and KEY.fullmatch(state.src, start, end + 1):
        _push(state, "atom", 0, end + 1)
        return True
    else:
        return False
    if silent:
        state.pos = tail
        return True
    _push_pair(state, "link", start + 1, end, tail)
    if state.src[end:tail] in ("]", "][]"):
        state.tokens[-1].meta["label"] = state.src[start + 1 : end]
    return True


def _mark(state: StateInline, silent: bool) -> bool:
    """A highlight: `==words==`."""
    if not (found := MARKED.match(state.src, state.pos, state.posMax)):
        return False
    if silent:
        state.pos = found.end()
    else:
        _push_pair(state, "mark", found.start() + 2, found.end() - 2, found.end())
    return True


class _InlineParser(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("zero", {"maxNesting": 20})
        rules = (_words, _atom, _escaped, _code, _image, _link, _mark)
        for rule in rules:
            self.inline.ruler.before("strikethrough", rule.__name__, rule)
        self.inline.ruler.enableOnly([*(rule.__name__ for rule in rules), "strikethrough", "emphasis"])
        self.inline.ruler2.enableOnly(["balance_pairs", "strikethrough", "emphasis"])

    def validateLink(self, url: str) -> bool:  # noqa: N802
        return True

    def normalizeLink(self, url: str) -> str:  # noqa: N802
        return url


_PARSER = _InlineParser()
_COMMONMARK = MarkdownIt("commonmark").enable("strikethrough")
_COMMONMARK.inline.ruler.at("link", lambda state, silent: _closes(state) and link(state, silent))
_COMMONMARK.inline.ruler.at("image", lambda state, silent: _closes(state) and image(state, silent))


def _read(raw: str, references: Mapping[str, object]) -> tuple[list[Piece], str]:
    """The pieces of a text; and the text with its label behind each link that is its own label.

    A pair without words between is one span with all that it encloses.
    """
    pieces: list[Piece] = []
    labelled: list[str] = []
    run: list[str] = []  # the tokens of the words that are being read
    words, opened = 0, [(0, -1)]
    for token in _PARSER.inline.parse(raw, _PARSER, {"references": references}, []):
        part = token.content or token.markup
        labelled.append(part)
        if token.type == "text":
            words += bool(part.strip())
            run.append(part)
            continue
        if any(run):
            pieces.append(("".join(run), False))
        run = []
        if token.nesting > 0:
            opened.append((len(pieces), words))
        pieces.append((part, True))
        if token.nesting < 0:
            begin, before = opened.pop()
            if words == before:
                pieces[begin:] = [("".join(piece for piece, _ in pieces[begin:]), True)]
            elif "label" in token.meta:
                labelled[-1] = f"][{token.meta['label']}]"
    if any(run):
        pieces.append(("".join(run), False))
    return pieces, "".join(labelled)


def _outline(raw: str, references: Mapping[str, object]) -> Hashable:
    tokens = _COMMONMARK.inline.parse(raw.strip(), _COMMONMARK, {"references": references}, [])
    return tuple(
        (token.type, token.attrGet("href") or token.attrGet("src") or token.content)
        for token in tokens
        if token.type not in ("text", "text_special", "softbreak")
    )


# ---------------------------------------------------------------- texts

_PLACEHOLDERS = re.compile(PLACEHOLDERS)
_AUTOLINK = re.compile(AUTOLINK)


def _pair(raw: str) -> tuple[Role, str]:
    return ("alone", "") if _AUTOLINK.fullmatch(raw) else pair_of(raw)


# A translation's own brackets and bars are taken out.
_LABEL_MARKUP = Markup(split_by(re.compile(rf"[\[\]|\\]|{PLACEHOLDERS}")))
# What marks a block at the beginning of a line alone.
_NEEDLESS = re.compile(r"(?:(?<=\A )|\A)\\(?=[-+#:]|=(?!=))")


def _title_markup(mark: str) -> Markup:
    """The spelling of a title that begins with `mark`."""
    ends = re.compile(r"[\\()]" if mark == "(" else rf"[\\{mark}]")

    def escape_title(text: str) -> str:
        return ends.sub(r"\\\g<0>", re.sub(r"&(?=#?\w+;)", "&amp;", text))

    return Markup(split_by(_PLACEHOLDERS), escape=escape_title, unescape=_unescape)


class Inline:
    """Reads the inline Markdown of one document.

    Args:
        references: the labels that the document defines, as the parser has them.

    Attributes:
        markup: of its texts.
    """

    def __init__(self, references: Mapping[str, object]) -> None:
        self._read = lru_cache(maxsize=16)(partial(_read, references=references))
        self._outline = lru_cache(maxsize=16)(partial(_outline, references=references))
        self.markup = Markup(self.split, SILENT, BREAKS, escape, _unescape, _pair, check=self.outline)

    def split(self, raw: str) -> Sequence[Piece]:
        """Words and spans; only marks that open or close something are spans."""
        return self._read(raw)[0]

    def labelled(self, raw: str) -> str:
        """`raw` with its label behind each link that is its own label and can be translated only so."""
        return self._read(raw)[1]

    def outline(self, raw: str) -> Hashable:
        """Code, links, emphasis and the like, in the order in which CommonMark opens and closes them."""
        return self._outline(raw)

    def within(self, span: str) -> Spliced:
        """The texts inside a span: alt text, title, label, note, attributes of a tag."""
        if ATTRIBUTED.fullmatch(span):
            return open_html("", span.encode())
        cuts = [
            (found.span(1), Cut(found[1], _LABEL_MARKUP if finder is LABEL else self.markup))
            for finder in (ALT, LABEL, NOTE)
            if (found := finder.match(span))
        ]
        if found := TITLE.search(span):
            start, end = found.start(1) + 1, found.end(1) - 1
            cuts.append(((start, end), Cut(span[start:end], _title_markup(span[start - 1]))))
        return Spliced(span, [Slot(start, end, cut.texts, cut.put) for (start, end), cut in cuts])


class MarkdownText:
    """A text with those inside its spans.

    Attributes:
        texts: what is to be translated: first the text itself, if it has words.
    """

    def __init__(self, raw: str, inline: Inline) -> None:
        self._raw, self._inline = inline.labelled(raw), inline
        self._cut = Cut(self._raw, inline.markup)
        self._spans = [inline.within(piece) for piece, is_span in inline.split(self._raw) if is_span]
        self.texts = [*self._cut.texts, *(text for span in self._spans for text in span.texts)]

    def put(self, answers: Sequence[str]) -> str:
        """The text with its translations, those inside its spans only if CommonMark reads the same spans."""
        remaining = iter(answers)
        woven = self._cut.put(list(islice(remaining, len(self._cut.texts))))
        inner = list(remaining)
        whole = self._with_inner(woven, inner)
        if self._inline.outline(whole) == self._inline.outline(woven):
            return whole
        for answer in inner:
            if isinstance(answer, Answer):
                answer.is_placed = False
        return woven

    def _with_inner(self, woven: str, answers: Sequence[str]) -> str:
        """`woven` with the texts inside spans, and without backslashes that only the first word needs."""
        remaining, spans = iter(answers), iter(self._spans)
        written: list[str] = []
        for piece, is_span in self._inline.split(woven):
            if is_span:
                span = next(spans)
                written.append(span.render(list(islice(remaining, len(span.texts)))).decode())
            elif written and not written[-1].endswith(("\n", "]")):
                written.append(_NEEDLESS.sub("", piece))
            else:
                written.append(piece)
        return "".join(written)
