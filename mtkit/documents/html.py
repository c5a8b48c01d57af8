"""Web pages: the text of each block, with the tags inside it put back."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import pairwise

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.spans import PLACEHOLDERS, Cut, Markup, Piece, Slot, Spliced, split_by

_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|br|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|"
    "strike|strong|sub|sup|time|tt|u|var|wbr"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
_KEPT = re.compile(
    "script|style|code|pre|kbd|samp|var|svg|math|textarea|noscript|template|iframe|xmp|plaintext"
)
_RAW = re.compile("script|style")
_OTHER_CHARSET = re.compile(r"<meta\b[^<>]*charset\s*=\s*[\"']?(?!utf-?8)[\w-]+", re.IGNORECASE)
_split_text = split_by(re.compile(PLACEHOLDERS))

# As in section 13.2.5 of the HTML standard; what the end of the page leaves open goes up to there, so that
# nothing is read twice.
_NAME = r"[A-Za-z][^\s/>]*+"
_ATTRIBUTE = r"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\s>]*+))?"
_MARKUP = re.compile(
    rf"<(?:(?P<start>{_NAME})(?P<attributes>(?>(?:[\s/]++|{_ATTRIBUTE})*))(?:>|\Z)"
    rf"|/(?P<end>{_NAME})[^>]*+>?"
    r"|(?P<block>!\[CDATA\[.*?(?:\]\]>|\Z)|(?:\?|!\[|!doctype)[^>]*+>?)"
    r"|!--(?:-?>|.*?(?:--!?>|\Z))|[!/][^>]*+>?)",  # comments
    re.DOTALL | re.IGNORECASE,
)
_attributes = re.compile(_ATTRIBUTE).finditer

_Token = tuple[int, str]
"""Where it begins, and whether it is `text`, an `inline` span, or a `block` that ends a text."""


def _tokens(source: str) -> list[tuple[int, int, str]]:
    """Where each token begins and ends, and its kind; elements that stay are one each."""
    tokens: list[_Token] = []
    place, kept, depth = 0, "", 0  # the name of the element that stays, and how many of it are open
    while found := _MARKUP.search(source, place):
        start, end, attributes = (found[name] for name in ("start", "end", "attributes"))
        name = (start or end or "").lower()
        is_open = start and not attributes.endswith("/")
        if not kept:
            if found.start() > place:
                tokens.append((place, "text"))
            is_block = found["block"] or (name and not _INLINE.fullmatch(name))
            tokens.append((found.start(), "block" if is_block else "inline"))
            if is_open and not _VOID.fullmatch(name) and (_KEPT.fullmatch(name) or _says_no(attributes)):
                kept, depth = name, 1
        elif name == kept:
            depth += bool(is_open) - bool(end)
            kept = kept if depth else ""
        place = found.end()
        if is_open and _RAW.fullmatch(name):
            closed = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, place)
            place = closed.start() if closed else len(source)
    if place < len(source) and not kept:
        tokens.append((place, "text"))
    return [(start, end, kind) for (start, kind), (end, _) in pairwise([*tokens, (len(source), "block")])]


def _says_no(attributes: str) -> bool:
    """Whether a tag says that its element is not to be translated."""
    given = {found[1].lower(): unescape((found[2] or "").strip("\"'")) for found in _attributes(attributes)}
    return given.get("translate", "").lower() == "no" or "notranslate" in given.get("class", "").split()


def _split(raw: str) -> Sequence[Piece]:
    pieces: list[Piece] = []
    for start, end, kind in _tokens(raw):
        pieces += _split_text(raw[start:end]) if kind == "text" else [(raw[start:end], True)]
    return pieces


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
    markup = Markup(_split, escape=escape, unescape=unescape)
    slots: list[Slot] = []
    begin = -1
    for start, _, kind in [*_tokens(source), (len(source), len(source), "block")]:
        if kind != "block":
            begin = start if begin < 0 else begin
        elif begin >= 0:
            cut = Cut(source[begin:start], markup)
            slots.append(Slot(begin, start, cut.texts, cut.put))
            begin = -1
    return Spliced(source, slots)
