"""Web pages: the text of each block, with the tags inside it put back."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from itertools import pairwise

from mtkit.documents.base import check_utf8
from mtkit.documents.spans import PLACEHOLDERS, Cut, Markup, Piece, Slot, Spliced, split_by

_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|br|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|"
    "strike|strong|sub|sup|time|tt|u|var|wbr"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
_KEPT = re.compile(
    "script|style|code|pre|kbd|samp|var|svg|math|textarea|noscript|template|iframe|xmp|plaintext"
)
_OTHER_CHARSET = re.compile(r"<meta\b[^>]*charset\s*=\s*[\"']?(?!utf-?8)[\w-]+", re.IGNORECASE)
_split_text = split_by(re.compile(PLACEHOLDERS))

_Token = tuple[int, str]
"""Where it begins, and whether it is `text`, an `inline` span, or a `block` that ends a text."""


class _Parser(HTMLParser):
    """Tokens of a page; elements that stay are one each."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=False)
        self.tokens: list[_Token] = []
        self._starts = [0, *(found.end() for found in re.finditer("\n", source))]
        self._kept = ""  # the name of the element that stays
        self._depth = 0
        self.feed(source)
        self.close()

    def _add(self, kind: str) -> None:
        line, column = self.getpos()
        if not self._kept:
            self.tokens.append((self._starts[line - 1] + column, kind))

    def _tag(self, tag: str) -> None:
        self._add("inline" if _INLINE.fullmatch(tag) else "block")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag)
        given = dict(attrs)
        stays = (given.get("translate") or "").lower() == "no"
        stays |= "notranslate" in (given.get("class") or "").split()
        if self._kept:
            self._depth += tag == self._kept
        elif (stays or _KEPT.fullmatch(tag)) and not _VOID.fullmatch(tag):
            self._kept, self._depth = tag, 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._kept:
            self._tag(tag)
        elif tag == self._kept:
            self._depth -= 1
            if not self._depth:
                self._kept = ""

    def handle_data(self, data: str) -> None:
        self._add("text")

    def handle_entityref(self, name: str) -> None:
        self._add("text")

    def handle_charref(self, name: str) -> None:
        self._add("text")

    def handle_comment(self, data: str) -> None:
        self._add("inline")

    def handle_decl(self, decl: str) -> None:
        self._add("block")

    def handle_pi(self, data: str) -> None:
        self._add("block")

    def unknown_decl(self, data: str) -> None:
        self._add("block")


def _tokens(source: str) -> list[tuple[int, int, str]]:
    """Where each token begins and ends, and its kind."""
    tokens = [*_Parser(source).tokens, (len(source), "block")]
    return [(start, end, kind) for (start, kind), (end, _) in pairwise(tokens)]


def _split(raw: str) -> Sequence[Piece]:
    pieces: list[Piece] = []
    for start, end, kind in _tokens(raw):
        if kind == "text" and pieces and not pieces[-1][1]:
            pieces[-1] = (pieces[-1][0] + raw[start:end], False)
        else:
            pieces.append((raw[start:end], kind != "text"))
    return [part for piece in pieces for part in ([piece] if piece[1] else _split_text(piece[0])) if part[0]]


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _escape_ascii(text: str) -> str:
    return _escape(text).encode("ascii", "xmlcharrefreplace").decode()


def open_html(name: str, data: bytes) -> Spliced:
    """The text of each block; tags, comments, scripts, code and what says `translate="no"` stay.

    In a page that declares another character set than UTF-8 translations are in ASCII with references.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    escape = _escape_ascii if _OTHER_CHARSET.search(source) else _escape
    markup = Markup(_split, escape=escape, unescape=html.unescape)
    slots: list[Slot] = []
    begin = -1
    for start, _, kind in [*_tokens(source), (len(source), len(source), "block")]:
        if kind != "block":
            begin = start if begin < 0 else begin
        elif begin >= 0:
            cut = Cut(source[begin:start], markup)
            slots.append(Slot(begin, start, cut.text, cut.put))
            begin = -1
    return Spliced(source, slots)
