"""Markdown: the texts of its blocks, each with its spans; every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markdown_it.token import Token

from mtkit.documents.base import check_utf8
from mtkit.documents.markup.html import open_html
from mtkit.documents.markup.md_blocks import blocks
from mtkit.documents.markup.md_front import front_matter
from mtkit.documents.markup.md_inline import Inline, MarkdownText
from mtkit.documents.markup.md_patterns import ATTRIBUTES, TEMPLATE
from mtkit.documents.spans import Slot, Spliced

_KEPT = re.compile(
    rf"(?:{ATTRIBUTES}|(?:(?:{TEMPLATE})\s*)++|;?-++8<-++.*|\([\w:.-]++\)=|:{{3,}}+|\[!\w+\][+-]?|:[\w-]++:(?:\s.*)?"
    r"|\\[A-Za-z]++(?:\[[^\[\]]*+\]|\{[^{}]*+\})*+|\[\[?_?TOC_?\]\]?)\s*"
)
"""A line of a paragraph that stays: attributes, templates, snippets, options."""
_LEAD = re.compile(r":[ \t]++|(\[!\w++\])[+-]?[ \t]++|\*\[[^\[\]]++\]:[ \t]++")
"""The start of a line that is a text of its own: a definition, a title, an abbreviation."""
_TASK = re.compile(r"\[[ xX]\][ \t]++")
_TITLE = re.compile(
    r"(?::{3,}+|`{3,}+|~{3,}+)[ \t]*+(?:\{[^{}]*+\}|[\w-]++)?"
    r"(?:\[(.*)\]|[ \t]++([^\[{\s].*?))?[ \t]*+(?:\{[^{}]*+\})?[ \t]*+$"
    r"|/{3,}+[ \t]*+\w++[ \t]*+\|[ \t]*+(.*?)[ \t]*+$"
    r"|(?:!!!|\?\?\?\+?|===[!+]?)[^\"]*+\"(.*)\"[ \t]*$"
)
"""The title of an admonition or a tab."""
_NO = re.compile(
    r"<(?!(?:area|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)(\w+)(?=\s[^<>]*?(?:\btranslate\s*=\s*[\"']?no\b|\bnotranslate\b))[^<>]*(?<!/)>",
    re.IGNORECASE,
)
"""The tag of an element that is not to be translated."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a text.

    Attributes:
        start: where it begins in the source, behind what encloses it.
        text: from there to its end, without its break.
    """

    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def behind(self, found: re.Match[str]) -> _Line:
        return _Line(self.start + found.end(), self.text[found.end() :])


def open_md(name: str, data: bytes) -> Spliced:
    """The texts of a file; code, mathematics, addresses, templates and definitions of links stay.

    Raises:
        InputError: it is not UTF-8.
    """
    source = check_utf8(name, data)
    start, slots, language = front_matter(source)
    return Spliced(source, [*slots, *_Finder(source, start).slots], (language, ""))


class _Finder:
    """Finds in the source what the parser read."""

    def __init__(self, source: str, start: int) -> None:
        self.slots: list[Slot] = []
        self._source = source
        body = re.sub(r"\r\n?", "\n", source[start:].replace("\0", "\ufffd"))
        self._texts = body.split("\n")
        self._starts = [start, *(found.end() for found in re.compile(r"\r\n?|\n").finditer(source, start))]
        tokens, references = blocks(body)
        self._inline = Inline(references)
        self._held, self._depth = "", 0  # the element that is not to be translated, and how many are open
        cell = 0  # where the search for the next cell of a row begins
        for number, token in enumerate(tokens):
            enclosing = [outer.type for outer in tokens[max(0, number - 2) : number]]
            match token.type:
                case "html_block":
                    self._take_html(self._lines(token))
                case _ if self._held:
                    pass
                case "tr_open":
                    cell = 0
                case "inline" if enclosing[-1] in ("th_open", "td_open"):
                    cell = self._take_cell(token, cell)
                case "inline":
                    self._take_paragraph(self._lines(token), enclosing[0] == "list_item_open")
                case kind if kind.startswith("container_") and token.nesting > 0:
                    self._take_title(token)

    def _lines(self, token: Token) -> list[_Line]:
        """The place of each line of a token's content, without the marks of enclosing blocks."""
        lines = []
        contents = token.content.removesuffix("\n").split("\n")
        for number, content in enumerate(contents, start=(token.map or [0])[0]):
            place = self._texts[number].rfind(content)
            if place < 0:  # a part of a tab is indentation
                content = content.lstrip()
                place = self._texts[number].rfind(content)
            lines.append(_Line(self._starts[number] + place, content))
        return lines

    def _take_paragraph(self, lines: list[_Line], is_item: bool) -> None:
        if is_item and (task := _TASK.match(lines[0].text)):
            lines[0] = lines[0].behind(task)
        run: list[_Line] = []
        for line in lines:
            lead = _LEAD.match(line.text)
            is_kept = _KEPT.fullmatch(line.text)
            if lead or is_kept:
                self._take_text(run)
                run = []
            if not is_kept:
                run.append(line.behind(lead) if lead else line)
            if lead and lead[1]:
                self._take_text(run)
                run = []
        self._take_text(run)

    def _take_text(self, lines: list[_Line]) -> None:
        """Lines that are one text; those that a translation has begin like the second."""
        if lines:
            passage = MarkdownText("\n".join(line.text for line in lines), self._inline)
            self._slot(lines, passage.texts, passage.put)

    def _take_cell(self, token: Token, start: int) -> int:
        number = (token.map or [0])[0]
        content = token.content.replace("|", r"\|")  # as it was before the parser took the backslash
        place = self._texts[number].find(content, start)
        if content and place >= 0:
            self._take_text([_Line(self._starts[number] + place, content)])
        return max(start, place + len(content))

    def _take_title(self, token: Token) -> None:
        number = (token.map or [0])[0]
        found = _TITLE.search(self._texts[number])
        if not found or not found.lastindex:
            return
        title = found[found.lastindex]
        if re.fullmatch(r"\S*[./]\S*", title):  # the file of a figure
            return
        passage = MarkdownText(title, self._inline)

        def put(answers: Sequence[str]) -> str:
            written = passage.put(answers)
            return written if '"' in title else written.replace('"', "&quot;")

        self._slot([_Line(self._starts[number] + found.start(found.lastindex), title)], passage.texts, put)

    def _take_html(self, lines: list[_Line]) -> None:
        text = "\n".join(line.text for line in lines)
        if not self._is_held(text):
            block = open_html("", text.encode())
            self._slot(lines, block.texts, lambda answers: block.render(answers).decode())

    def _is_held(self, text: str) -> bool:
        """Whether a block of HTML is in an element that is not to be translated; one may begin in it."""
        was_held = bool(self._held)
        if not was_held:
            if not (found := _NO.search(text)):
                return False
            self._held, text = found[1], text[found.start() :]
        tags = re.findall(rf"<(/?){self._held}\b", text, re.IGNORECASE)
        self._depth += sum(-1 if slash else 1 for slash in tags)
        if self._depth <= 0:
            self._held, self._depth = "", 0
        return was_held

    def _slot(
        self, lines: Sequence[_Line], texts: Sequence[str], put: Callable[[Sequence[str]], str]
    ) -> None:
        start, end = lines[0].start, lines[-1].end
        gap = self._source[lines[0].end : lines[1].start] if len(lines) > 1 else ""

        def write(answers: Sequence[str]) -> str:
            if list(answers) == list(texts):
                return self._source[start:end]
            return put(answers).replace("\n", gap)

        self.slots.append(Slot(start, end, texts, write))
