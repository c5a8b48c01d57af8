"""The pieces of web pages: text, tags, and elements that stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from mtkit.documents.base import unescape
from mtkit.text.placeholders import placeholder_finder

_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|br|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|"
    "strike|strong|sub|sup|time|tt|u|var|wbr"
)
VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
KEPT = re.compile(
    "script|style|code|pre|kbd|samp|var|svg|math|textarea|noscript|template|iframe|xmp|plaintext"
)
_RAW = re.compile("script|style|title")
_SHOWN = re.compile("alt|title|placeholder|label|aria-(?:label|description|placeholder|roledescription)")
"""Attributes that a reader sees."""
_DESCRIBED = re.compile("description|keywords|(?:og|twitter):(?:title|description|image:alt)")
"""Names of `<meta>` whose content a reader may see."""
_BUTTON = re.compile("submit|button|reset")

# As in section 13.2.5 of the HTML standard; what the end of the page leaves open goes up to there, so that
# nothing is read twice. Template code is no part of the standard.
_CODE = rf"{placeholder_finder(('templates',)).pattern}|<\?(?:php\b|=)(?:[^?<]|\?(?!>)|<(?!\?))*+(?:\?>|\Z)"
_NAME = r"[A-Za-z][^\s/>]*+"
_ATTRIBUTE = r"([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\s>]*+))?"
MARKUP = re.compile(
    rf"(?P<code>{_CODE})"
    rf"|<(?:(?P<start>{_NAME})(?P<attributes>(?>(?:[\s/]++|{_CODE}|{_ATTRIBUTE})*))(?:>|\Z)"
    rf"|/(?P<end>{_NAME})[^>]*+>?"
    r"|(?P<block>!\[CDATA\[.*?(?:\]\]>|\Z)|(?:\?|!\[|!doctype)[^>]*+>?)"
    r"|!--(?:-?>|.*?(?:--!?>|\Z))|[!/][^>]*+>?)",  # comments
    re.DOTALL | re.IGNORECASE,
)
_attributes = re.compile(f"{_CODE}|{_ATTRIBUTE}", re.DOTALL).finditer
CODE = re.compile(_CODE)


@dataclass(slots=True)
class PageToken:
    """A piece of a page.

    Attributes:
        start: where it begins.
        kind: `text`, `plain` text without markup, an `inline` span, or a `block` that ends a text.
        tag: the name of its tag, behind a slash if that closes an element.
        end: where it ends.
        shown: where the values of its attributes with text begin and end.
    """

    start: int
    kind: str
    tag: str = ""
    end: int = 0
    shown: list[tuple[int, int]] = field(default_factory=list)


def read_tokens(source: str, lang: str = "") -> list[PageToken]:
    """The pieces of a page; elements that stay are one each.

    Args:
        source: of the page.
        lang: the language of its root; elements in another one stay.
    """
    tokens: list[PageToken] = []
    kept, depth = "", 0  # the name of the element that stays, and how many of it are open
    place = scanned = 0
    while found := MARKUP.search(source, scanned):
        if found["code"] and found["code"].startswith("{") and "</" in found["code"]:
            scanned = found.start() + 2  # braces of two blocks, and no code
            continue
        name = (found["start"] or found["end"] or "").lower()
        is_open = found["start"] and not found["attributes"].endswith("/")
        if not kept:
            if found.start() > place:
                tokens.append(PageToken(place, "text"))
            is_block = found["block"] or (name and not _INLINE.fullmatch(name))
            token = PageToken(
                found.start(), "block" if is_block else "inline", "/" * bool(found["end"]) + name
            )
            tokens.append(token)
            if found["start"]:
                given = attributes_of(found)
                stays = _stays(given, source, lang)
                token.shown = [] if stays else _shown(name, given, source)
                if is_open and not VOID.fullmatch(name) and (stays or KEPT.fullmatch(name)):
                    kept, depth = name, 1
        elif name == kept:
            depth += bool(is_open) - bool(found["end"])
            kept = kept if depth else ""
        place = scanned = found.end()
        if is_open and _RAW.fullmatch(name):
            closed = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, place)
            end = closed.start() if closed else len(source)
            if not kept and end > place:
                tokens.append(PageToken(place, "plain"))
            place = scanned = end
    if place < len(source) and not kept:
        tokens.append(PageToken(place, "text"))
    for token, following in pairwise([*tokens, PageToken(len(source), "block")]):
        token.end = following.start
    return tokens


Attributes = dict[str, tuple[int, int]]
"""The start and end of each attribute's value, with its quotes, by name."""


def attributes_of(tag: re.Match[str]) -> Attributes:
    given: Attributes = {}
    begin = tag.start("attributes")
    for found in _attributes(tag["attributes"]):
        if found[1]:
            start, end = found.span(2)
            given.setdefault(found[1].lower(), (begin + start, begin + end) if found[2] else (0, 0))
    return given


def value_of(given: Attributes, name: str, source: str) -> str:
    start, end = given.get(name, (0, 0))
    return unescape(source[start:end].strip("\"'"))


def _stays(given: Attributes, source: str, lang: str) -> bool:
    """Whether a tag says that its element is not to be translated."""
    own = _primary(value_of(given, "lang", source) or value_of(given, "xml:lang", source))
    return (
        value_of(given, "translate", source).lower() == "no"
        or "notranslate" in value_of(given, "class", source).split()
        or bool(lang and own and own != _primary(lang))
    )


def _primary(lang: str) -> str:
    return re.split("[-_]", lang.strip().lower())[0]


def _shown(name: str, given: Attributes, source: str) -> list[tuple[int, int]]:
    """The places of the attributes that a reader sees."""
    found = [place for key, place in given.items() if _SHOWN.fullmatch(key) and name not in ("link", "style")]
    if name == "meta":
        named = value_of(given, "name", source) or value_of(given, "property", source)
        found = [given["content"]] if "content" in given and _DESCRIBED.fullmatch(named.lower()) else []
    if name == "input" and _BUTTON.fullmatch(value_of(given, "type", source).lower()) and "value" in given:
        found.append(given["value"])
    return sorted((start, end) for start, end in found if start < end)
