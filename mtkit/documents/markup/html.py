"""Web pages: the text of each block and of some attributes, with the tags inside it put back."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.items import Role
from mtkit.documents.markup.html_bilingual import html_originals
from mtkit.documents.markup.html_tokens import (
    CODE,
    KEPT,
    MARKUP,
    PageToken,
    attributes_of,
    read_tokens,
    value_of,
)
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

_OTHER_CHARSET = re.compile(r"<meta\b[^<>]*charset\s*=\s*[\"']?(?!utf-?8)[\w-]+", re.IGNORECASE)
_split_text = split_by(re.compile(PLACEHOLDERS))


_UNCLOSED = re.compile(r"\{[{%#]|[%#}]\}|<[%?]|[%?]>")
_SILENT = re.compile(
    rf"(?!<(?:br|img)\b)(?:{TAG})|\{{[%#].*[%#]\}}|<%(?!=).*%>|<\?php\b(?!\s+echo).*", re.DOTALL
)
_STATEMENT = re.compile(r"\{%[-+]?\s*(end)?([a-z]+)\b.*%\}", re.DOTALL)
_APART = ("a", "span")
_SEPARATORS = re.compile(r"[\s|·•›»→]*+")
_PRINTS = re.compile(r"\{\{|<%=|<\?=")


# ---------------------------------------------------------------- texts


def _runs(source: str, tokens: Sequence[PageToken]) -> Iterator[Sequence[PageToken]]:
    """The tokens of each text; a block, and text without markup, are runs of their own."""
    run: list[PageToken] = []
    for token in [*tokens, PageToken(len(source), "block", end=len(source))]:
        if token.kind in ("text", "inline"):
            run.append(token)
            continue
        if run:
            yield from _apart(source, run)
            run = []
        yield [token]


def _apart(source: str, run: Sequence[PageToken]) -> Iterator[Sequence[PageToken]]:
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


def _is_word(source: str, token: PageToken) -> bool:
    if token.kind == "text":
        return not _SEPARATORS.fullmatch(source, token.start, token.end)
    return bool(KEPT.fullmatch(token.tag) or _PRINTS.match(source, token.start))


def _seam(source: str, run: Sequence[PageToken], left: int, right: int, has_prose: bool) -> Sequence[int]:
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


def _slot(source: str, run: Sequence[PageToken], lang: str, markup: Markup, value: Markup) -> Slot:
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
        places = _attribute_slots(out, read_tokens(out, lang), value)
        return Spliced(out, places).render(found[count:]).decode()

    return Slot(start, end, [*cut.texts, *(text for slot in shown for text in slot.texts)], write)


def _attribute_slots(source: str, tokens: Sequence[PageToken], markup: Markup) -> list[Slot]:
    """The places of the attributes of some tags."""
    return [_value_slot(source, *place, markup) for token in tokens for place in token.shown]


def _value_slot(source: str, start: int, end: int, markup: Markup) -> Slot:
    """The place of an attribute; one that template code goes through stays."""
    is_quoted = source[start] in "\"'"
    raw = source[start + is_quoted : end - is_quoted]
    if _UNCLOSED.search(CODE.sub("", raw)):
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


def open_html(name: str, data: bytes, beside: str | None = None) -> Spliced:
    """The text of each block and of attributes such as `alt`; tags, comments, scripts and code stay.

    So does what says `translate="no"`, and what is in another language than the root. Links in a row are
    texts of their own. In a page that declares another character set than UTF-8 translations are in ASCII
    with references.

    Args:
        name: of the file, for errors.
        data: its bytes.
        beside: the language of translations that are put behind each element, if it stays.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    lang = _language(source)
    escape = _escape_ascii if _OTHER_CHARSET.search(source) else _escape

    def split(raw: str) -> Sequence[Piece]:
        pieces: list[Piece] = []
        for token in read_tokens(raw, lang):
            piece = raw[token.start : token.end]
            pieces += _split_text(piece) if token.kind in ("text", "plain") else [(piece, True)]
        return pieces

    markup = Markup(split, _SILENT, escape=escape, unescape=unescape, pair=_pair)
    plain = Markup(_split_text, escape=escape, unescape=unescape)
    value = Markup(_split_text, escape=lambda text: _escape_quotes(escape(text)), unescape=unescape)
    slots: list[Slot] = []
    tokens = read_tokens(source, lang)
    for run in _runs(source, tokens):
        if run[0].kind == "block":
            slots += _attribute_slots(source, run, value)
        elif run[0].kind == "plain":
            slots.append(cut_slot(source, run[0].start, run[0].end, plain))
        else:
            slots.append(_slot(source, run, lang, markup, value))
    originals = None if beside is None else list(html_originals(source, tokens, beside))
    return Spliced(source, slots, (lang, ""), originals=originals)


def _language(source: str) -> str:
    """The language of the root element, if it is declared."""
    root = re.search(r"<html\b", source, re.IGNORECASE)
    tag = MARKUP.match(source, root.start()) if root else None
    given = attributes_of(tag) if tag and tag["start"] else {}
    return value_of(given, "lang", source).strip() or value_of(given, "xml:lang", source).strip()
