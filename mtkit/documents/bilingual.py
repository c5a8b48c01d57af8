"""Files with a place for each translation beside its source: what gettext catalogues and XLIFF share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from mtkit.documents.spans import Cut, Markup, Slot, Spliced

_SHORT = 40
"""Characters: a line this long was probably broken by an editor, so that its sentence goes on."""
_END = re.compile(r"[.:!?…。！？：][\"'”’»)\]]*+\s*+$")
_ITEM = re.compile(r"[-*+•·–—#]|\d++[.)]\s")

KEPT = "code|kbd|samp|var|pre|script|style"
"""Elements of HTML whose content is not translated."""


CHOICE = r"(?<=[.!?])\|(?=[\w{%<&])"
"""What separates the plural forms of a message in some frameworks."""


class Passage:
    """A text whose line breaks stay: each paragraph and each plural form is translated on its own.

    Attributes:
        raw: the text as the document spells it.
        texts: what is to be translated.
    """

    def __init__(self, raw: str, markup: Markup) -> None:
        self.raw, self._markup = raw, markup
        self._cuts = [Cut(part, markup) for part in _paragraphs(raw, markup)]
        self.texts = [text for cut in self._cuts for text in cut.texts]

    def put(self, answers: Iterable[str]) -> str:
        """The passage with its texts translated; as it was if they cannot be put between its spans."""
        remaining = iter(answers)
        filled = "".join(cut.put(list(islice(remaining, len(cut.texts)))) for cut in self._cuts)
        return filled if self._spans(filled) == self._spans(self.raw) else self.raw

    def _spans(self, raw: str) -> list[str]:
        return [piece for piece, is_span in self._markup.split(raw) if is_span]


def _paragraphs(raw: str, markup: Markup) -> list[str]:
    """A passage, cut behind plural forms and the line breaks that do not stand inside a sentence."""
    pieces = markup.split(raw)
    paragraphs, paragraph, line = [], "", ""
    for number, (piece, is_span) in enumerate(pieces):
        space = markup.unescape(piece) if is_span else ""
        is_break = space == "|" or ("\n" in space and space.isspace())
        after = "".join(piece for piece, _ in pieces[number + 1 : number + 3])
        if is_break and line.strip() and _ends_paragraph(line, space, after):
            paragraphs += [paragraph, piece]
            paragraph = ""
        else:
            paragraph += piece
        line = "" if is_break else line + piece
    return [*paragraphs, paragraph]


def _ends_paragraph(line: str, space: str, after: str) -> bool:
    """Whether a text ends with `line`, given the white space behind it and what follows."""
    if space == "|" or space.count("\n") > 1 or _END.search(line[-_SHORT:]) or _ITEM.match(after):
        return True
    return not after[:1].islower() and (len(line) < _SHORT or not space.endswith("\n"))


@dataclass(frozen=True, slots=True)
class Edit:
    """What takes the place of a stretch of a document, in characters."""

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


class Bilingual(Spliced):
    """A document that declares its languages and its encoding.

    Attributes:
        languages: of source and target, as declared; empty if unknown.
    """

    def __init__(
        self, source: str, slots: Sequence[Slot], languages: tuple[str, str], encode: Callable[[str], bytes]
    ) -> None:
        super().__init__(source, slots)
        self.languages = languages
        self._encode = encode

    def render(self, translations: Sequence[str]) -> bytes:
        """The document with its slots filled, in its encoding."""
        return self._encode(super().render(translations).decode())
