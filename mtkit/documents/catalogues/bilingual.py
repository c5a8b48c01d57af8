"""Files with a place for each translation beside its source: what gettext catalogues and XLIFF share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from mtkit.documents.base import Answer
from mtkit.documents.spans import Cut, Markup, Slot
from mtkit.text.icu import innermost

_SHORT = 40
"""Characters: a line this long was probably broken by an editor, in the middle of a sentence."""
_ITEM = re.compile(r"[-*+•·–—#]|\d++[.)]\s")

KEPT = "code|kbd|samp|var|pre|script|style"
"""Elements of HTML whose content is not translated."""


CHOICE = r"(?<=[.!?])\|(?=[\w{%<&])"
"""The separator of the plural forms of a message in some frameworks."""
ENDS = re.compile(r"\|")
"""Spans that end a text."""


class Passage:
    """A text whose line breaks stay: each paragraph and each plural form is translated on its own.

    Args:
        raw: the text as the document spells it.
        markup: of the document.
        icu: of ICU messages; None if there are none.

    Attributes:
        raw: as given.
        texts: what is to be translated.
    """

    def __init__(self, raw: str, markup: Markup, icu: Markup | None) -> None:
        self.raw, self._markup = raw, markup
        if icu and innermost(raw) is not None:
            self._cuts = [Cut(raw, icu)]
        else:
            parts = _paragraphs(raw, markup)
            own = markup if len(parts) == 1 else replace(markup, fixed=None)
            self._cuts = [Cut(part, own) for part in parts]
        self.texts = [text for cut in self._cuts for text in cut.texts]

    def put(self, answers: Iterable[str]) -> str:
        """The passage with its texts translated; as it was if they cannot be put between its spans."""
        answers = list(answers)
        remaining = iter(answers)
        filled = "".join(cut.put(list(islice(remaining, len(cut.texts)))) for cut in self._cuts)
        if len(self._cuts) == 1 or self._spans(filled) == self._spans(self.raw):
            return filled
        for answer in answers:
            if isinstance(answer, Answer):
                answer.is_placed = False
        return self.raw

    def _spans(self, raw: str) -> list[str]:
        return [piece for piece, is_span in self._markup.split(raw) if is_span]


def _paragraphs(raw: str, markup: Markup) -> list[str]:
    """A passage, cut at the line breaks that do not stand inside a sentence."""
    if not any(sign in raw for sign in ("\n", "&#", r"\n")):  # as documents spell line breaks
        return [raw]
    pieces = markup.split(raw)
    paragraphs, paragraph, line = [], "", ""
    for number, (piece, is_span) in enumerate(pieces):
        space = markup.unescape(piece) if is_span else ""
        is_break = "\n" in space and space.isspace()
        after = "".join(piece for piece, _ in pieces[number + 1 : number + 3])
        if is_break and line.strip() and _ends_paragraph(line, space, after):
            paragraphs += [paragraph, piece]
            paragraph = ""
        else:
            paragraph += piece
        line = "" if is_break else line + piece
    return [*paragraphs, paragraph]


def _ends_paragraph(line: str, space: str, after: str) -> bool:
    """Whether a text ends with `line`, given the white space behind it and what follows.

    One that ends with a sentence need not be asked for: `Cut` ends it there.
    """
    if space.count("\n") > 1 or _ITEM.match(after):
        return True
    return not after[:1].islower() and (len(line) < _SHORT or not space.endswith("\n"))


@dataclass(frozen=True, slots=True)
class Edit:
    """The replacement of a stretch of a document, in characters."""

    start: int
    end: int
    text: str


def edited(source: str, start: int, end: int, edits: Iterable[Edit]) -> str:
    """A stretch of `source` with all `edits`, none of which overlap."""
    parts = []
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [source[start : edit.start], edit.text]
        start = edit.end
    return "".join([*parts, source[start:end]])


def edited_slot(
    source: str,
    start: int,
    end: int,
    texts: Sequence[str],
    edits: Callable[[Sequence[str]], Iterable[Edit]],
) -> Slot:
    """The slot of a stretch that is edited in several places; equal and empty answers leave it as it is.

    Args:
        source: the document.
        start: where the stretch begins.
        end: where it ends.
        texts: what is to be translated.
        edits: from an answer to each of `texts` to what changes.
    """

    def write(answers: Sequence[str]) -> str:
        if list(answers) == list(texts) or not any(answer.strip() for answer in answers):
            return source[start:end]
        return edited(source, start, end, edits(answers))

    return Slot(start, end, texts, write)
