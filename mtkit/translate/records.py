"""From lines of bytes to what is translated, and from translations to the bytes that stand for the lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mtkit.errors import InputError
from mtkit.translate.account import FAILED, INVALID, Account
from mtkit.translate.glossary import Term, deal
from mtkit.translate.request import Part, Request, Source, Translation, best_answers
from mtkit.translate.windows import WINDOW, Window

if TYPE_CHECKING:
    from mtkit.documents.base import Document, LineDocument, Terms
    from mtkit.documents.formats import LineReader

Show = Callable[[int, Sequence[Translation]], str]
Answered: TypeAlias = tuple[int, bytes]
"""The number of lines answered, and the bytes that replace them."""


class Records(Protocol):
    """Reads the lines of a format."""

    def skip(self, first: bytes, count: int) -> None:
        """Passes over the first `count` lines, which begin with the line `first`."""

    def read(self, lines: Sequence[bytes]) -> Window[Answered]:
        """The next lines, each with its line feed but for the last one of all."""


def check_utf8(line: bytes, account: Account, number: int) -> None:
    """Nothing, if the line is UTF-8.

    Raises:
        InputError: it is not.
    """
    try:
        line.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{account.place(number)}: byte {error.start + 1} of the line, 0x{line[error.start]:02x}, "
            "is not UTF-8.",
            "Convert it, or leave out --strict and --invalid error.",
        ) from None


class TextRecords:
    """Lines of plain text; a carriage return before the line feed goes, as all white space at the ends.

    Args:
        request: what is shown of a line, and what becomes of one that is not UTF-8.
        account: told of lines that are not UTF-8.
        is_bilingual: whether the line stays before its translation, with a tab between them.
    """

    def __init__(self, request: Request, account: Account, is_bilingual: bool = False) -> None:
        self._request, self._account, self._is_bilingual = request, account, is_bilingual
        self._show = show(request)
        self._number = 0

    def skip(self, first: bytes, count: int) -> None:
        """See `Records`."""
        self._number = count

    def read(self, lines: Sequence[bytes]) -> Window[Answered]:
        """See `Records`."""
        begin, self._number = self._number, self._number + len(lines)
        sources = [Source(self._decoded(line, number), number) for number, line in enumerate(lines, begin)]
        ended = lines[-1].endswith(b"\n")

        def render(found: list[list[Translation]]) -> Answered:
            shown = [self._show(number, own).encode() for number, own in enumerate(found, begin)]
            if self._is_bilingual:
                shown = [_kept(line) + own for line, own in zip(lines, shown, strict=True)]
            answer = b"".join(shown)
            return len(lines), answer if ended else answer.removesuffix(b"\n")

        return Window(sources, render)

    def _decoded(self, line: bytes, number: int) -> str:
        try:
            return line.decode().removesuffix("\n")
        except UnicodeDecodeError:
            if self._request.invalid == "error":
                check_utf8(line, self._account, number)
            utf16 = number == 0 and line.startswith((b"\xff\xfe", b"\xfe\xff"))
            hint = " This looks like UTF-16: set --encoding utf-16." if utf16 else ""
            self._account.add(INVALID, number, f"has bytes that are not UTF-8, and are read as U+FFFD.{hint}")
            return line.decode(errors="replace").removesuffix("\n")


def _kept(line: bytes) -> bytes:
    """A line as the first column of a bilingual text."""
    return line.removesuffix(b"\n").removesuffix(b"\r") + b"\t"


class FormatRecords:
    """Lines of which a format translates a part, and keeps the rest.

    Args:
        reader: of the format.
        request: what becomes of a line that is not UTF-8, or in which the format finds no text.
        account: told of such lines.
    """

    def __init__(self, reader: LineReader, request: Request, account: Account) -> None:
        self._reader, self._request, self._account = reader, request, account

    def skip(self, first: bytes, count: int) -> None:
        """See `Records`."""
        if count:
            self._read(first)
            self._reader.number = count

    def read(self, lines: Sequence[bytes]) -> Window[Answered]:
        """See `Records`."""
        begin = self._reader.number
        documents = [self._read(line) for line in lines]
        sources = [
            Source(text, number, terms=tuple(terms))
            for number, document in enumerate(documents, begin)
            for text, terms in zip(document.texts, _dealt(document), strict=True)
        ]

        def render(found: list[list[Translation]]) -> Answered:
            texts = iter(best_answers(found))
            filled = [document.render([next(texts) for _ in document.texts]) for document in documents]
            return len(lines), b"".join(filled)

        return Window(sources, render)

    def _read(self, line: bytes) -> Any:
        if self._request.invalid == "error":
            check_utf8(line, self._account, self._reader.number)
        try:
            return self._reader.read(line)
        except InputError as error:
            from mtkit.documents.base import HeaderError

            if self._request.on_error == "fail" or isinstance(error, HeaderError):
                raise
            self._account.add(FAILED, self._reader.number - 1, error.message.partition(": ")[2])
            return _Kept(line if self._request.on_error == "source" else line[len(line.rstrip(b"\r\n")) :])


def _dealt(document: LineDocument) -> list[list[Term]]:
    """The terms of a line for each of its texts."""
    return deal((Term(*term) for term in document.terms), document.texts)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A line without text."""

    line: bytes
    texts: Sequence[str] = ()
    terms: Terms = ()

    def render(self, translations: Sequence[str]) -> bytes:
        return self.line


def document_windows(document: Document) -> Iterator[Window[list[str]]]:
    """The texts of a whole file; the answers are what `document.render` takes, once they are all there."""
    from mtkit.documents.tables.csv_table import Table

    numbers = document.numbers if isinstance(document, Table) else range(len(document.texts))
    sources = [Source(text, number) for text, number in zip(document.texts, numbers, strict=True)]
    for begin in range(0, len(sources), WINDOW):
        yield Window(sources[begin : begin + WINDOW], best_answers)


# ---------------------------------------------------------------- what is shown of a line


def show(request: Request) -> Show:
    """The record of a line, by its number and its translations; it ends with a line feed.

    It is a JSON object with all translations; or a line for each of several, `number ||| text ||| score`, as
    Moses has them; or the text, with further columns after tabs.
    """
    if request.as_json:
        return lambda number, found: _json(number, [_members(one, request) for one in found])
    if request.n_best > 1:
        return lambda number, found: "".join(
            f"{number} ||| {' ||| '.join(_columns(one, request))}\n" for one in found
        )
    return lambda number, found: "\t".join(_columns(found[0], request)) + "\n"


def _json(number: int, hypotheses: list[dict[str, Any]]) -> str:
    return json.dumps({"number": number, "hypotheses": hypotheses}, ensure_ascii=False) + "\n"


def _columns(found: Translation, request: Request) -> list[str]:
    shown = [found.text]
    if request.needs_scores:
        shown.append(f"{found.score:.4f}")
    if request.token_scores:
        shown.append(" ".join(f"{score:.4f}" for score in found.token_scores))
    if request.alignment:
        shown.append(" ".join(f"{src}-{tgt}" for src, tgt in found.links))
    if request.confidence:
        shown.append(f"{found.confidence:.4f}")
    return shown


def _members(found: Translation, request: Request) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": found.text, "score": round(found.score, 4)}
    if request.token_scores:
        shown["token_scores"] = [round(score, 4) for score in found.token_scores]
    if request.alignment:
        shown["alignment"] = [list(link) for link in found.links]
    if request.confidence:
        shown["confidence"] = round(found.confidence, 4)
        shown["token_confidences"] = [round(exp(score), 4) for score in found.token_scores]
    shown |= _origin(found)
    if found.fault:
        shown["fault"] = found.fault
    if found.parts:
        shown["parts"] = [_part(part) for part in found.parts]
    if not found.is_placed:
        shown["unplaced"] = True
    return shown


def _part(part: Part) -> dict[str, Any]:
    return {"source": part.src, "text": part.tgt} | _origin(part)


def _origin(found: Translation | Part) -> dict[str, Any]:
    """Where a translation is from, unless it is from the model alone."""
    shown: dict[str, Any] = {} if found.origin == "model" else {"origin": found.origin}
    if found.match is not None:
        match = found.match
        shown["match"] = {"score": round(match.score, 4), "source": match.src, "text": match.tgt}
    return shown
