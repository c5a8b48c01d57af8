"""Web pages: the text of each block and of some attributes, with the tags inside it put back."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.items import Role
from mtkit.documents.spans import (
    PLACEHOLDERS,
    TAG,
    Cut,
    Markup,
    Piece,
    Slot,
    Spliced,
    cut_slot,
    pair_of,
    split_by,
)
from mtkit.text.placeholders import placeholder_finder

_INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|br|cite|code|data|del|dfn|em|font|i|img|ins|kbd|mark|q|s|samp|small|span|"
    "strike|strong|sub|sup|time|tt|u|var|wbr"
)
_VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr")
_KEPT = re.compile(
    "script|style|code|pre|kbd|samp|var|svg|math|textarea|noscript|template|iframe|xmp|plaintext"
)
_RAW = re.compile("script|style|title")
_OTHER_CHARSET = re.compile(r"<meta\b[^<>]*charset\s*=\s*[\"']?(?!utf-?8)[\w-]+", re.IGNORECASE)
_split_text = split_by(re.compile(PLACEHOLDERS))

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
_MARKUP = re.compile(
    rf"(?P<code>{_CODE})"
    rf"|<(?:(?P<start>{_NAME})(?P<attributes>(?>(?:[\s/]++|{_CODE}|{_ATTRIBUTE})*))(?:>|\Z)"
    rf"|/(?P<end>{_NAME})[^>]*+>?"
    r"|(?P<block>!\[CDATA\[.*?(?:\]\]>|\Z)|(?:\?|!\[|!doctype)[^>]*+>?)"
    r"|!--(?:-?>|.*?(?:--!?>|\Z))|[!/][^>]*+>?)",  # comments
    re.DOTALL | re.IGNORECASE,
)
_attributes = re.compile(f"{_CODE}|{_ATTRIBUTE}", re.DOTALL).finditer
_CODE_ALONE = re.compile(_CODE)
_UNCLOSED = re.compile(r"\{[{%#]|[%#}]\}|<[%?]|[%?]>")
_SILENT = re.compile(
    rf"(?!<(?:br|img)\b)(?:{TAG})|\{{[%#].*[%#]\}}|<%(?!=).*%>|<\?php\b(?!\s+echo).*", re.DOTALL
)
_STATEMENT = re.compile(r"\{%[-+]?\s*(end)?([a-z]+)\b.*%\}", re.DOTALL)
_APART = ("a", "span")
_SEPARATORS = re.compile(r"[\s|·•›»→]*+")
_PRINTS = re.compile(r"\{\{|<%=|<\?=")


@dataclass(slots=True)
class _Token:
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


def _tokens(source: str, lang: str = "") -> list[_Token]:
    """The pieces of a page; elements that stay are one each.

    Args:
        source: of the page.
        lang: the language of its root; elements in another one stay.
    """
    tokens: list[_Token] = []
    kept, depth = "", 0  # the name of the element that stays, and how many of it are open
    place = scanned = 0
    while found := _MARKUP.search(source, scanned):
        if found["code"] and found["code"].startswith("{") and "</" in found["code"]:
            scanned = found.start() + 2  # braces of two blocks, and no code
            continue
        name = (found["start"] or found["end"] or "").lower()
        is_open = found["start"] and not found["attributes"].endswith("/")
        if not kept:
            if found.start() > place:
                tokens.append(_Token(place, "text"))
            is_block = found["block"] or (name and not _INLINE.fullmatch(name))
            token = _Token(found.start(), "block" if is_block else "inline", "/" * bool(found["end"]) + name)
            tokens.append(token)
            if found["start"]:
                given = _given(found)
                stays = _stays(given, source, lang)
                token.shown = [] if stays else _shown(name, given, source)
                if is_open and not _VOID.fullmatch(name) and (stays or _KEPT.fullmatch(name)):
                    kept, depth = name, 1
        elif name == kept:
            depth += bool(is_open) - bool(found["end"])
            kept = kept if depth else ""
        place = scanned = found.end()
        if is_open and _RAW.fullmatch(name):
            closed = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(source, place)
            end = closed.start() if closed else len(source)
            if not kept and end > place:
                tokens.append(_Token(place, "plain"))
            place = scanned = end
    if place < len(source) and not kept:
        tokens.append(_Token(place, "text"))
    for token, following in pairwise([*tokens, _Token(len(source), "block")]):
        token.end = following.start
    return tokens


_Given = dict[str, tuple[int, int]]
"""The start and end of each attribute's value, with its quotes, by name."""


def _given(tag: re.Match[str]) -> _Given:
    given: _Given = {}
    begin = tag.start("attributes")
    for found in _attributes(tag["attributes"]):
        if found[1]:
            start, end = found.span(2)
            given.setdefault(found[1].lower(), (begin + start, begin + end) if found[2] else (0, 0))
    return given


def _value(given: _Given, name: str, source: str) -> str:
    start, end = given.get(name, (0, 0))
    return unescape(source[start:end].strip("\"'"))


def _stays(given: _Given, source: str, lang: str) -> bool:
    """Whether a tag says that its element is not to be translated."""
    own = _primary(_value(given, "lang", source) or _value(given, "xml:lang", source))
    return (
        _value(given, "translate", source).lower() == "no"
        or "notranslate" in _value(given, "class", source).split()
        or bool(lang and own and own != _primary(lang))
    )


def _primary(lang: str) -> str:
    return re.split("[-_]", lang.strip().lower())[0]


def _shown(name: str, given: _Given, source: str) -> list[tuple[int, int]]:
    """The places of the attributes that a reader sees."""
    found = [place for key, place in given.items() if _SHOWN.fullmatch(key) and name not in ("link", "style")]
    if name == "meta":
        named = _value(given, "name", source) or _value(given, "property", source)
        found = [given["content"]] if "content" in given and _DESCRIBED.fullmatch(named.lower()) else []
    if name == "input" and _BUTTON.fullmatch(_value(given, "type", source).lower()) and "value" in given:
        found.append(given["value"])
    return sorted((start, end) for start, end in found if start < end)


# ---------------------------------------------------------------- texts


def _runs(source: str, tokens: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """The tokens of each text; a block, and text without markup, are runs of their own."""
    run: list[_Token] = []
    for token in [*tokens, _Token(len(source), "block", end=len(source))]:
        if token.kind in ("text", "inline"):
            run.append(token)
            continue
        if run:
            yield from _apart(source, run)
            run = []
        yield [token]


def _apart(source: str, run: Sequence[_Token]) -> Iterator[Sequence[_Token]]:
    """A run cut between links, and between elements that nothing joins: a menu, a name and its value.

    So is what two line breaks part.
    """
    words = [number for number, token in enumerate(run) if _is_word(source, token)]
    opened, depths = 0, []
    for token in run:
        opened = max(0, opened + (token.tag in _APART) - (token.tag in ("/a", "/span")))
        depths.append(opened)
    has_prose = any(not depths[number] for number in words)
    begin = 0
    for left, right in pairwise(words):
        for cut in _seam(source, run, left, right, has_prose):
            yield run[begin:cut]
            begin = cut
    yield run[begin:]


def _is_word(source: str, token: _Token) -> bool:
    if token.kind == "text":
        return not _SEPARATORS.fullmatch(source, token.start, token.end)
    return bool(_KEPT.fullmatch(token.tag) or _PRINTS.match(source, token.start))


def _seam(source: str, run: Sequence[_Token], left: int, right: int, has_prose: bool) -> Sequence[int]:
    """Before which tokens a run is cut between two words.

    Args:
        source: of the page.
        run: its tokens.
        left: number of the first word.
        right: number of the next one.
        has_prose: whether the run has words outside of links and spans.
    """
    between = run[left + 1 : right]
    breaks = [n for n, token in enumerate(between, left + 1) if token.tag == "br"]
    if len(breaks) > 1:
        return breaks[1:2]
    closed = next((n for n, token in enumerate(between) if token.tag in ("/a", "/span")), len(between))
    opening = next((n for n in range(closed, len(between)) if between[n].tag in _APART), -1)
    if opening < 0:
        return ()
    blanks = [source[token.start : token.end] * (token.kind == "text") for token in between]
    gap = "".join(blanks)
    sign = next((n for n, blank in enumerate(blanks) if blank.strip()), opening)
    cuts = sorted({left + 1 + sign, left + 1 + opening})
    is_spaced = source[run[left].end - 1].isspace() or source[run[right].start].isspace()
    tags = [token.tag for token in between]
    if "/a" in tags[:opening] and "a" in tags[opening:]:
        return () if gap and not gap.strip() and has_prose else cuts
    following = source[run[right].start : run[right].end].lstrip()[:1]
    is_joined = following.islower() or is_spaced or (gap and has_prose)
    return () if is_joined else cuts


def _slot(source: str, run: Sequence[_Token], lang: str, markup: Markup, value: Markup) -> Slot:
    """The place of a text, and of the attributes of the tags in it."""
    start, end = run[0].start, run[-1].end
    cut = Cut(source[start:end], markup)
    count = len(cut.texts)
    shown = _attribute_slots(source, run, value)
    if not shown:
        return Slot(start, end, cut.texts, cut.put)

    def write(found: Sequence[str]) -> str:
        # The tags are the same and in the same order, so that the attributes are, too.
        out = cut.put(found[:count])
        places = _attribute_slots(out, _tokens(out, lang), value)
        return Spliced(out, places).render(found[count:]).decode()

    return Slot(start, end, [*cut.texts, *(text for slot in shown for text in slot.texts)], write)


def _attribute_slots(source: str, tokens: Sequence[_Token], markup: Markup) -> list[Slot]:
    """The places of the attributes of some tags."""
    return [_value_slot(source, *place, markup) for token in tokens for place in token.shown]


def _value_slot(source: str, start: int, end: int, markup: Markup) -> Slot:
    """The place of an attribute; one that template code goes through stays."""
    is_quoted = source[start] in "\"'"
    raw = source[start + is_quoted : end - is_quoted]
    if _UNCLOSED.search(_CODE_ALONE.sub("", raw)):
        return Slot(start, end, (), str)
    cut = Cut(raw, markup)
    quote = source[start] if is_quoted else '"'

    def write(found: Sequence[str]) -> str:
        value = cut.put(found)
        return source[start:end] if value == raw else f"{quote}{value}{quote}"

    return Slot(start, end, cut.texts, write)


def _pair(raw: str) -> tuple[Role, str]:
    found = _STATEMENT.fullmatch(raw)
    return (("close" if found[1] else "open"), f"% {found[2]}") if found else pair_of(raw)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)


def _escape_ascii(text: str) -> str:
    return _escape(text).encode("ascii", "xmlcharrefreplace").decode()


def _escape_quotes(text: str) -> str:
    return text.replace('"', "&quot;").replace("'", "&#39;")


def open_html(name: str, data: bytes) -> Spliced:
    """The text of each block and of attributes such as `alt`; tags, comments, scripts and code stay.

    So does what says `translate="no"`, and what is in another language than the root. Links in a row are
    texts of their own. In a page that declares another character set than UTF-8 translations are in ASCII
    with references.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    lang = _language(source)
    escape = _escape_ascii if _OTHER_CHARSET.search(source) else _escape

    def split(raw: str) -> Sequence[Piece]:
        pieces: list[Piece] = []
        for token in _tokens(raw, lang):
            piece = raw[token.start : token.end]
            pieces += _split_text(piece) if token.kind in ("text", "plain") else [(piece, True)]
        return pieces

    markup = Markup(split, _SILENT, escape=escape, unescape=unescape, pair=_pair)
    plain = Markup(_split_text, escape=escape, unescape=unescape)
    value = Markup(_split_text, escape=lambda text: _escape_quotes(escape(text)), unescape=unescape)
    slots: list[Slot] = []
    for run in _runs(source, _tokens(source, lang)):
        if run[0].kind == "block":
            slots += _attribute_slots(source, run, value)
        elif run[0].kind == "plain":
            slots.append(cut_slot(source, run[0].start, run[0].end, plain))
        else:
            slots.append(_slot(source, run, lang, markup, value))
    return Spliced(source, slots, (lang, ""))


def _language(source: str) -> str:
    """The language of the root element, if it is declared."""
    root = re.search(r"<html\b", source, re.IGNORECASE)
    tag = _MARKUP.match(source, root.start()) if root else None
    given = _given(tag) if tag and tag["start"] else {}
    return _value(given, "lang", source).strip() or _value(given, "xml:lang", source).strip()
