"""Markdown: the text of headings, paragraphs, list items and table cells."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from mtkit.documents.base import check_utf8, unescape
from mtkit.documents.spans import PLACEHOLDERS, TAG, Cut, Markup, Slot, Spliced, split_by

_CODE = r"(?<![\\`])(?P<ticks>`{1,80}+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
_LINK = r"\((?>(?:[^()\s\\]|\\.|\([^()\s]*+\))*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
_FINDER = re.compile(
    rf"{_CODE}|(?<!\\)(?:"
    rf"!\[[^\]]*\](?:{_LINK}|\[[^\]]*\])?|\](?:{_LINK}|\[[^\]]+\](?!\())|\[[^\]\[]*\](?![\[(])|\[[^\]\[]*\]\[\]|\["
    rf"|<(?:https?|mailto):[^<>\s]*>|{TAG}|\$(?!\s)[^$\n]+(?<!\s)\$(?!\d)"
    rf"|\*+|~~|(?<!\w)_+(?=\S)|(?<=\S)(?:(?<!_)|(?<=\\_))_++(?!\w)|(?<=\S)_(?!\w)"
    rf"|(?:https?|ftp)://[^\s<>()\[\]`*|]+|{PLACEHOLDERS})|(?:\\|(?<! ) {{2,}}+)\r?\n",
    re.DOTALL,
)
_SILENT = re.compile(rf"\*+|_+|~~|\[|\](?:{_LINK}|\[[^\]]+\])|(?!<br\b){TAG}", re.DOTALL)
_BREAKS = re.compile(r"(?:\\| +)\r?\n|<br\b.*>", re.DOTALL)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CONTAINER = re.compile(
    r"[ \t]*(?:>[ \t]?|(?:[-*+]|\d{1,9}[.)])(?:[ \t]+(?:\[[ xX]\][ \t]+)?|$)|\[\^[^\]]+\]:[ \t]*)"
)
_CODE_LINE = re.compile(r" {4}| {0,3}\t")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_RULE = re.compile(r"\s*+(?>=+|(?:[-*_][ \t]*+){3,}|-+)\s*+")
_HEADING = re.compile(r"[ \t]*#{1,6}(?:[ \t]+|$)")
_DELIMITER = re.compile(r"\s*+\|?+(?>(?:\s*+:?-++:?\s*+\|)+)(?:\s*+:?-++:?)?\s*+")
_DEFINITION = re.compile(r"\s*\[(?!\^)[^\]]+\]:")
_HTML = re.compile(r"[ \t]*<(?:!--|[?!]|/?[A-Za-z][\w-]*(?:[\s/>]|$))")
_CELL = re.compile(rf"(?:{_CODE}|\\.|[^|\\])+", re.DOTALL)
_MAX_DEPTH = 100
"""Markers of quotes and list items that a line may begin with; more are text."""


def _escape(text: str) -> str:
    text = re.sub(r"&(?=#?\w+;)", "&amp;", re.sub(r"[\\`*_\[\]<>~$]", r"\\\g<0>", text))
    text = text.replace("|", "&#124;")  # behind a backslash some parsers still see a table
    return re.sub(r"^(\d{1,9})(?=[.)](?:\s|$))", r"\1\\", re.sub(r"^(?=[-+#=:])", r"\\", text))


def _unescape(raw: str) -> str:
    return "".join(part if number % 2 else unescape(part) for number, part in enumerate(_ESCAPED.split(raw)))


_MARKUP = Markup(split_by(_FINDER), _SILENT, _BREAKS, _escape, _unescape)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line: where it begins, where its text begins behind quotes and list markers, and where it ends."""

    start: int
    text: int
    end: int
    is_item: bool
    quotes: int


def open_md(name: str, data: bytes) -> Spliced:
    """The texts of a file; front matter, code, HTML, addresses, images and link definitions stay.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    return Spliced(source, _Scanner(source).slots)


class _Scanner:
    """One pass over the lines."""

    def __init__(self, source: str) -> None:
        self.slots: list[Slot] = []
        self._source = source
        self._paragraph: list[_Line] = []
        lines = [
            _line(source, found.start(), found.end()) for found in re.finditer(r"[^\n]*\n|[^\n]+", source)
        ]
        number = self._front_matter(lines)
        in_list, is_blank = False, True
        while number < len(lines):
            line = lines[number]
            body = source[line.text : line.end]
            if not body.strip():
                self._flush()
                is_blank, number = True, number + 1
                continue
            if is_blank and not in_list and _CODE_LINE.match(source, line.start):
                number += 1
                continue
            in_list = line.is_item or (
                in_list and (not is_blank or body[:1] in " \t" or line.text > line.start)
            )
            number = self._block(lines, number, is_blank and not in_list)
            is_blank = False
        self._flush()

    def _front_matter(self, lines: list[_Line]) -> int:
        texts = [self._source[line.start : line.end].strip("\ufeff \t\r\n") for line in lines]
        if texts[:1] == ["---"]:
            for number, text in enumerate(texts[1:], start=1):
                if text in ("---", "..."):
                    return number + 1
        return 0

    def _block(self, lines: list[_Line], number: int, may_be_code: bool) -> int:
        """Takes what begins on a line; the number of the line behind it."""
        line = lines[number]
        body = self._source[line.text : line.end]
        if fence := _FENCE.match(body):
            return self._until(lines, number + 1, lambda line: _closes(fence[1], line))
        if (may_be_code and re.match(r" {4}| {0,3}\t", body)) or _DEFINITION.match(body):
            self._flush()
            return number + 1
        if not self._paragraph and _HTML.match(body):
            return self._html(lines, number, body)
        if line.is_item or (self._paragraph and line.quotes > self._paragraph[-1].quotes):
            self._flush()
        if _RULE.fullmatch(body):
            self._flush()
            return number + 1
        if heading := _HEADING.match(body):
            self._flush()
            end = line.text + len(_without_closing(body))
            self._slot(line.text + heading.end(), max(end, line.text + heading.end()))
            return number + 1
        if "|" in body and number + 1 < len(lines) and _DELIMITER.fullmatch(self._text(lines[number + 1])):
            self._flush()
            return self._table(lines, number)
        self._paragraph.append(line)
        return number + 1

    def _text(self, line: _Line) -> str:
        return self._source[line.text : line.end]

    def _until(self, lines: list[_Line], number: int, ends: Callable[[str], object]) -> int:
        self._flush()
        while number < len(lines):
            number += 1
            if ends(self._source[lines[number - 1].start : lines[number - 1].end]):
                break
        return number

    def _html(self, lines: list[_Line], number: int, body: str) -> int:
        """An HTML block: up to its closing tag or a blank line."""
        found = re.match(r"\s*<(?:(script|style|pre|textarea)\b|(!--))", body, re.IGNORECASE)
        if not found:
            return self._until(lines, number, lambda line: not line.strip())
        end = "-->" if found[2] else f"</{found[1].lower()}>"
        return self._until(lines, number, lambda line: end in line.lower())

    def _table(self, lines: list[_Line], number: int) -> int:
        first = number
        while number < len(lines) and self._text(lines[number]).strip() and "|" in self._text(lines[number]):
            line = lines[number]
            for cell in _CELL.finditer(self._text(line)) if number != first + 1 else ():
                self._slot(line.text + cell.start(), line.text + cell.end())
            number += 1
        return number

    def _flush(self) -> None:
        """Ends the paragraph."""
        if self._paragraph:
            text = "".join(map(self._text, self._paragraph))
            end = self._paragraph[-1].end - (len(text) - len(text.rstrip()))
            self._slot(self._paragraph[0].text, end, text.rstrip())
            self._paragraph = []

    def _slot(self, start: int, end: int, text: str | None = None) -> None:
        """A text at a place; `text` if the place has quotes' and items' white space between its lines."""
        raw = self._source[start:end]
        cut = Cut(raw if text is None else text, _MARKUP)
        self.slots.append(
            Slot(start, end, cut.texts, lambda found: raw if list(found) == cut.texts else cut.put(found))
        )


def _closes(fence: str, line: str) -> bool:
    """Whether a line ends the code that `fence` opened."""
    marks = line.lstrip(" \t>").rstrip()
    return marks.startswith(fence) and not marks.strip(fence[0])


def _without_closing(heading: str) -> str:
    """A heading without white space, or signs behind white space, at its end."""
    heading = heading.rstrip()
    title = heading.rstrip("#")
    return title.rstrip(" \t") if title.endswith((" ", "\t")) else heading


def _line(source: str, start: int, end: int) -> _Line:
    line, place, is_item, quotes = source[start:end].rstrip("\r\n"), 0, False, 0
    if start == 0 and line.startswith("\ufeff"):
        place = 1
    for _ in range(_MAX_DEPTH):
        found = None if _RULE.fullmatch(line, place) else _CONTAINER.match(line, place)
        if not found:
            break
        is_code = (
            not place and re.match(r" {4,}|\t", line) and not line.lstrip().startswith(("-", "*", "+", ">"))
        )
        if is_code or found.end() == place:
            break
        is_item |= ">" not in found[0]
        quotes += ">" in found[0]
        place = found.end()
    return _Line(start, start + place, end, is_item, quotes)
