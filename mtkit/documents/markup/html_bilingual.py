"""Bilingual web pages: where the translation of a text has its place, and in which element."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from mtkit.documents.markup.html_tokens import MARKUP, VOID, PageToken, attributes_of
from mtkit.documents.spans import TAG, Original

_TWICE = re.compile("p|h[1-6]")
"""Elements that are followed by one of their own kind; in others the translation is an element inside."""
_PHRASES = re.compile("p|h[1-6]|button|summary|legend|label|output|pre")
"""Elements in which there is no block."""
_NO_ROOM = re.compile(
    "title|option|optgroup|select|datalist|textarea|ruby|rb|rt|rtc|rp|head|html|table|thead|tbody|tfoot|tr|"
    "colgroup|ul|ol|dl|menu|frameset"
)
_ENDS_P = re.compile(
    "address|article|aside|blockquote|center|d[dt]|details|dialog|dir|div|dl|fieldset|figcaption|figure|footer|"
    "form|h[1-6]|header|hgroup|hr|li|main|menu|nav|ol|p|pre|search|section|summary|table|tbody|td|tfoot|th|"
    "thead|tr|ul|/.*"
)
"""What ends a paragraph that has no end tag."""
_LOOKS = ("class", "style", "align")
_INDENT = re.compile(r"\n[ \t]*+\Z")
_WORD = re.compile(r"[^\W\d_]")
_MOST_INDENT = 80
_EMPTY = re.compile(r"<[^\s/>]+/>|<[^\s/>]+\s[^>]*[\s\"']/>")
_TAGS = re.compile(TAG, re.DOTALL)


def html_originals(source: str, tokens: Sequence[PageToken], beside: str) -> Iterator[Original]:
    """The text between two blocks, wherever another element has room.

    Args:
        source: the page.
        tokens: its pieces.
        beside: the language of the translations.
    """
    opened: list[tuple[str, int]] = []
    before = PageToken(0, "block")
    group: list[PageToken] = []
    for token in [*tokens, PageToken(len(source), "block", "/", len(source))]:
        if token.kind in ("text", "inline"):
            group.append(token)
            continue
        has_words = any(_WORD.search(source, each.start, each.end) for each in group if each.kind == "text")
        if has_words and not (opened and _NO_ROOM.fullmatch(opened[-1][0])):
            yield _original(source, group, opened, (before, token), beside)
        _open(source, token, opened)
        group, before = [], token


def _open(source: str, token: PageToken, opened: list[tuple[str, int]]) -> None:
    """Adds what a tag opens to the names and places of the open elements, and removes what it closes."""
    name = token.tag.removeprefix("/")
    if opened and opened[-1][0] == "p" != token.tag.removeprefix("/") and _ENDS_P.fullmatch(token.tag):
        opened.pop()
    if token.tag.startswith("/"):
        names = [each for each, _ in opened]
        if name in names:
            del opened[len(names) - names[::-1].index(name) - 1 :]
    elif name and not VOID.fullmatch(name) and name not in ("html", "body"):
        if opened and opened[-1][0] == name in ("p", "li", "td", "th", "dt", "dd", "tr", "option"):
            opened.pop()
        # What stays is a single piece with its end tag.
        if not re.search(rf"</{re.escape(name)}\s*>\Z", source[token.start : token.end], re.IGNORECASE):
            opened.append((name, token.start))


def _original(
    source: str,
    group: Sequence[PageToken],
    opened: Sequence[tuple[str, int]],
    around: tuple[PageToken, PageToken],
    beside: str,
) -> Original:
    """The text between two blocks.

    Args:
        source: the page.
        group: its pieces.
        opened: names and places of the elements that it is in.
        around: what is before it and behind it.
        beside: the language of the translation.
    """
    start, end = group[0].start, group[-1].end
    first, last, is_balanced = _trimmed(source, group)
    name, opening = opened[-1] if opened else ("", -1)
    has_own = bool(_TWICE.fullmatch(name)) and around[0].start == opening
    is_ended = has_own and around[1].tag == f"/{name}"
    is_followed = is_ended or (has_own and name == "p" and bool(_ENDS_P.fullmatch(around[1].tag)))
    is_phrase = any(_PHRASES.fullmatch(each) for each, _ in opened)
    lang = f'lang="{escape(beside)}"'

    def write(translated: str) -> str:
        head, tail = source[start:first], source[last:end]
        if is_balanced and translated.startswith(head) and translated.endswith(tail):
            inner = translated[len(head) : len(translated) - len(tail)]
        else:
            inner = _TAGS.sub("", translated).strip()
        if is_followed:
            indent = _INDENT.search(source[max(0, opening - _MOST_INDENT) : opening]) if is_ended else None
            tag = source[around[0].start : around[0].end]
            return f"{indent[0] if indent else ''}<{name} {lang}{_looks(tag)}>{inner}</{name}>"
        if is_phrase:
            return f"<br/><span {lang}>{inner}</span>"
        return f"<div {lang}>{inner}</div>"

    return Original(start, end, around[1].end if is_ended else last, write)


def _trimmed(source: str, group: Sequence[PageToken]) -> tuple[int, int, bool]:
    """Where text begins and ends without white space and tags that only open or only close something.

    Also whether each tag between is opened and closed there.
    """
    opened: list[int] = []
    alone: set[int] = set()
    for number, token in enumerate(group):
        name = token.tag.removeprefix("/")
        whole = source[token.start : token.end]
        if not name or VOID.fullmatch(name) or _EMPTY.fullmatch(whole) or "</" in whole[1:]:
            continue
        if not token.tag.startswith("/"):
            opened.append(number)
        elif opened and group[opened[-1]].tag == name:
            opened.pop()
        else:
            alone.add(number)
    alone.update(opened)
    outer = [
        number in alone or not source[token.start : token.end].strip() for number, token in enumerate(group)
    ]
    if all(outer):
        return group[0].start, group[-1].end, True
    begin, finish = outer.index(False), len(outer) - outer[::-1].index(False)
    left, right = group[begin], group[finish - 1]
    first, last = left.start, right.end
    if left.kind == "text":
        first += len(source[first : left.end]) - len(source[first : left.end].lstrip())
    if right.kind == "text":
        last -= len(source[right.start : last]) - len(source[right.start : last].rstrip())
    return first, last, not any(begin <= number < finish for number in alone)


def _looks(tag: str) -> str:
    """The attributes of a start tag that say how its element looks."""
    found = MARKUP.match(tag)
    given = attributes_of(found) if found and found["start"] else {}
    return "".join(f" {key}={tag[slice(*given[key])]}" for key in _LOOKS if given.get(key, (0, 0)) != (0, 0))
