"""From lines of bytes to what is translated, and from translations to the bytes that stand for the lines."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from mtkit.errors import InputError
from mtkit.translate.glossary import Term
from mtkit.translate.notes import FAILED, INVALID, Notes
from mtkit.translate.request import OnError, Source, Translation

if TYPE_CHECKING:
    from mtkit.documents.base import Document, Terms
    from mtkit.documents.formats import LineReader
    from mtkit.translate.translator import Translator

Invalid = Literal["error", "replace"]
Show = Callable[[int, Sequence[Translation]], str]


class Batch(NamedTuple):
    """Lines that are translated together.

    Attributes:
        lines: how many.
        sources: their texts, at least one.
        render: gives the bytes that stand for them, from the translations of the texts.
    """

    lines: int
    sources: Sequence[Source]
    render: Callable[[list[list[Translation]]], bytes]


class Records(Protocol):
    """What reads the lines of a format."""

    def skip(self, first: bytes, count: int) -> None:
        """Passes over the first `count` lines, which begin with the line `first`."""

    def read(self, lines: Sequence[bytes]) -> Batch:
        """The next lines, each with its line feed but for the last one of all."""


def answers(
    translator: Translator, windows: Iterable[Sequence[bytes]], records: Records
) -> Iterator[tuple[int, bytes]]:
    """How many lines are answered, and the answer; the sender's pauses are empty windows."""
    under_way: deque[Batch] = deque()

    def sources() -> Iterator[Sequence[Source]]:
        for window in windows:
            if window:
                under_way.append(records.read(window))
            yield under_way[-1].sources if window else ()

    for found in translator.results(sources()):
        batch = under_way.popleft()
        yield batch.lines, batch.render(found)


def check_utf8(line: bytes, notes: Notes, number: int) -> None:
    """Nothing, if the line is UTF-8.

    Raises:
        InputError: it is not.
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{notes.place(number)}: byte {error.start + 1} of the line, 0x{line[error.start]:02x}, "
            "is not UTF-8.",
            "Convert it, or leave out --strict and --invalid error.",
        ) from None


class TextRecords:
    """Lines of plain text; a carriage return before the line feed goes, as all white space at the ends.

    Args:
        show: the record of a line, by its number and its translations; it ends with a line feed.
        invalid: whether bytes that are not UTF-8 become U+FFFD or are an error.
        notes: told of lines that are not UTF-8.
    """

    def __init__(self, show: Show, invalid: Invalid, notes: Notes) -> None:
        self._show, self._invalid, self._notes = show, invalid, notes
        self._number = 0

    def skip(self, first: bytes, count: int) -> None:
        """See `Records`."""
        self._number = count

    def read(self, lines: Sequence[bytes]) -> Batch:
        """See `Records`."""
        begin, self._number = self._number, self._number + len(lines)
        sources = [Source(self._decoded(line, number), number) for number, line in enumerate(lines, begin)]
        ended = lines[-1].endswith(b"\n")

        def render(found: list[list[Translation]]) -> bytes:
            shown = "".join(self._show(number, own) for number, own in enumerate(found, begin))
            return (shown if ended else shown.removesuffix("\n")).encode()

        return Batch(len(lines), sources, render)

    def _decoded(self, line: bytes, number: int) -> str:
        try:
            return line.decode().removesuffix("\n")
        except UnicodeDecodeError:
            if self._invalid == "error":
                check_utf8(line, self._notes, number)
            utf16 = number == 0 and line.startswith((b"\xff\xfe", b"\xfe\xff"))
            hint = " This looks like UTF-16: convert it, iconv -f UTF-16 -t UTF-8." if utf16 else ""
            self._notes.add(INVALID, number, f"has bytes that are not UTF-8, and are read as U+FFFD.{hint}")
            return line.decode(errors="replace").removesuffix("\n")


class FormatRecords:
    """Lines of which a format translates a part, and keeps the rest.

    Args:
        reader: of the format.
        invalid: whether bytes that are not UTF-8 may stand in a line.
        on_error: what becomes of a line in which the format finds no text: stop, a blank line, or as it is.
        notes: told of such lines.
    """

    def __init__(self, reader: LineReader, invalid: Invalid, on_error: OnError, notes: Notes) -> None:
        self._reader, self._invalid, self._on_error, self._notes = reader, invalid, on_error, notes

    def skip(self, first: bytes, count: int) -> None:
        """See `Records`."""
        if count:
            self._read(first)
            self._reader.number = count

    def read(self, lines: Sequence[bytes]) -> Batch:
        """See `Records`."""
        begin = self._reader.number
        documents = [self._read(line) for line in lines]
        sources = [
            Source(text, number, terms=tuple(Term(*term) for term in document.terms))
            for number, document in enumerate(documents, begin)
            for text in document.texts
        ]

        def render(found: list[list[Translation]]) -> bytes:
            texts = iter([best.text for best, *_ in found])
            filled = [document.render([next(texts) for _ in document.texts]) for document in documents]
            return b"".join(filled)

        return Batch(len(lines), sources or [Source("", begin)], render)

    def _read(self, line: bytes) -> Any:
        if self._invalid == "error":
            check_utf8(line, self._notes, self._reader.number)
        try:
            return self._reader.read(line)
        except InputError as error:
            from mtkit.documents.base import HeaderError

            if self._on_error == "fail" or isinstance(error, HeaderError):
                raise
            self._notes.add(FAILED, self._reader.number - 1, error.message.partition(": ")[2])
            return _Kept(line if self._on_error == "source" else line[len(line.rstrip(b"\r\n")) :])


@dataclass(frozen=True, slots=True)
class _Kept:
    """A line without text."""

    line: bytes
    texts: Sequence[str] = ()
    terms: Terms = ()

    def render(self, translations: Sequence[str]) -> bytes:
        return self.line


def rendered(translator: Translator, document: Document) -> bytes:
    """A whole file with its texts translated."""
    from mtkit.translate.translator import WINDOW

    sources = [Source(text, number) for number, text in enumerate(document.texts)]
    windows = (sources[begin : begin + WINDOW] for begin in range(0, len(sources), WINDOW))
    found = [best.text for results in translator.results(windows) for best, *_ in results]
    return document.render(found)


# ---------------------------------------------------------------- what is shown of a line


@dataclass(frozen=True, slots=True)
class Details:
    """What is shown of a translation beside its text."""

    scores: bool = False
    token_scores: bool = False
    alignment: bool = False


def show_lines(details: Details) -> Show:
    """A line for a line: the text, and further columns after tabs."""
    return lambda number, found: "\t".join(_columns(found[0], details)) + "\n"


def show_moses(details: Details) -> Show:
    """A line for each translation, as Moses has them: `number ||| text ||| score`."""
    details = Details(True, details.token_scores, details.alignment)

    def show(number: int, found: Sequence[Translation]) -> str:
        return "".join(f"{number} ||| {' ||| '.join(_columns(one, details))}\n" for one in found)

    return show


def show_json(details: Details) -> Show:
    """A JSON object for a line, with all its translations."""

    def show(number: int, found: Sequence[Translation]) -> str:
        hypotheses = [_members(one, details) for one in found]
        return json.dumps({"number": number, "hypotheses": hypotheses}, ensure_ascii=False) + "\n"

    return show


def _columns(found: Translation, details: Details) -> list[str]:
    shown = [found.text]
    if details.scores:
        shown.append(f"{found.score:.4f}")
    if details.token_scores:
        shown.append(" ".join(f"{score:.4f}" for score in found.token_scores))
    if details.alignment:
        shown.append(" ".join(f"{src}-{tgt}" for src, tgt in found.links))
    return shown


def _members(found: Translation, details: Details) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": found.text, "score": round(found.score, 4)}
    if details.token_scores:
        shown["token_scores"] = [round(score, 4) for score in found.token_scores]
    if details.alignment:
        shown["alignment"] = [list(link) for link in found.links]
    if found.fault:
        shown["fault"] = found.fault
    return shown
