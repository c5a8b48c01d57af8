"""The input of a translation, and its format. Free of torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtkit.disk.opening import is_descriptor
from mtkit.documents.base import Answer
from mtkit.documents.detect import HEAD, check_named, check_text, encoding_of
from mtkit.documents.formats import (
    BILINGUAL,
    DECLARING,
    FILE_FORMATS,
    FORMATS,
    LINE_FORMATS,
    PACKED,
    SUFFIXES,
    line_format,
    open_document,
    suffix_of,
)
from mtkit.errors import InputError, UsageError, shortened
from mtkit.text.languages import is_known, same_language
from mtkit.translate.account import FAILED, UNPLACED, Account
from mtkit.translate.recoding import Recoding
from mtkit.translate.records import Answered, FormatRecords, Records, TextRecords, document_windows
from mtkit.translate.request import Request
from mtkit.translate.windows import Pause, Window

if TYPE_CHECKING:
    from mtkit.translate.translator import Translator

STDIN = "standard input"
AUTO = "auto"
_CATALOGUES = ("po", "xliff", "qt", "xcstrings")
"""Formats with places for translations, of which only the empty ones are filled."""
_PLAIN = (".src", ".tgt", ".ref", ".hyp")
"""Usual suffixes of plain lines, besides languages and numbers."""


@dataclass(frozen=True, slots=True)
class Input:
    """The input of a job.

    Attributes:
        path: of the file; None is standard input.
        kind: the format, one of `FORMATS`; auto until `settled`.
        column: of tsv and csv: the text's column, by number from 1 or by name.
        field: of jsonl: the text's field.
        terms: of jsonl: the field of a line's own terms, if any.
        fuzzy: of po: whether translations are marked as fuzzy.
        redo_fuzzy: of po: whether fuzzy messages are translated again.
        encoding: auto until `settled`: as the byte order mark says, else UTF-8.
        ignore_language: whether a document may declare other languages than the model's.
        is_bilingual: whether texts stay, with their translations beside them.
    """

    path: Path | None = None
    kind: str = "text"
    column: str = "1"
    field: str = "text"
    terms: str = ""
    fuzzy: bool = False
    redo_fuzzy: bool = False
    encoding: str = "utf-8"
    ignore_language: bool = False
    is_bilingual: bool = False

    def __post_init__(self) -> None:
        """Refuses a format that there is not.

        Raises:
            UsageError: there is none of this name.
        """
        if self.kind not in (AUTO, *FORMATS):
            raise UsageError(
                f"--format {self.kind}: unknown format.", f"Choose from auto, {', '.join(FORMATS)}."
            )

    def settled(self, head: bytes | None = None) -> Input:
        """The input with the format that its name says; looks into a file that can be read twice.

        Args:
            head: its first bytes, if there is no file of this name to look into.

        Raises:
            UsageError: the name says nothing, and no format is given.
            InputError: the file is missing, a binary, or obviously of another format than its name says.
        """
        if head is None:
            head = b""
            if self.path is not None and not self.path.is_fifo() and not is_descriptor(self.path):
                from mtkit.data.read.lines import open_bytes

                with open_bytes(self.path, "pipe", archives=True) as stream:
                    head = stream.read(HEAD)
        encoding = encoding_of(head) if self.encoding == AUTO else self.encoding
        kind = "" if self.kind == AUTO else self.kind
        check_text(self.name, head, kind or SUFFIXES.get(self._suffix, ""), encoding)
        if not kind:
            kind = self._named()
            check_named(self.name, head.decode(encoding, "replace"), kind)
        if kind in DECLARING:
            if self.encoding != AUTO:
                raise UsageError(
                    f"--encoding {self.encoding}: {kind} files say their encoding themselves.",
                    "Leave it out; if the file is wrong, correct what it declares.",
                )
            encoding = "utf-8"
        return replace(self, kind=kind, encoding=encoding)

    @property
    def _suffix(self) -> str:
        return "" if self.path is None or is_descriptor(self.path) else suffix_of(self.path)

    def _named(self) -> str:
        """The format that the name says."""
        if found := SUFFIXES.get(self._suffix):
            return found
        name = self._suffix[1:]
        # Three letters alone may be anything: csv is a language, too.
        language = re.fullmatch(r"[a-z]{2}|[a-z]{2,3}[-_][a-z_-]+", name) and is_known(name)
        if not name or name.isdecimal() or self._suffix in _PLAIN or language:
            return "text"
        raise UsageError(
            f"{self.name}: the format of {self._suffix} files is unknown.",
            "Set --format, for instance --format text for plain lines.",
        )

    @property
    def name(self) -> str:
        """For people."""
        return STDIN if self.path is None else str(self.path)

    @property
    def unit(self) -> str:
        """The unit in which it is counted."""
        return "text" if self.kind in FILE_FORMATS else "line"

    def account(self) -> Account:
        """An empty one."""
        return Account(self.name, self.unit if self.kind in FILE_FORMATS and self.kind != "csv" else "")

    @property
    def without_texts(self) -> str:
        """Why a document may have nothing to translate."""
        if self.kind not in _CATALOGUES:
            return "there is no text in it"
        again = "; --redo-fuzzy translates fuzzy ones again" if self.kind == "po" else ""
        return f"no entry in it lacks a translation{again}"

    def check(self, request: Request) -> None:
        """Refuses what the format cannot do.

        Raises:
            UsageError: the format has no room for something that is requested.
        """
        if self.kind != "text" and request.details:
            raise UsageError(
                f"--format {self.kind}: has no room for {', '.join(request.details)}.",
                "Leave out --n-best, --json, --scores, --token-scores, --alignment and --confidence.",
            )
        if self.terms and self.kind != "jsonl":
            raise UsageError(f"--terms {self.terms}: --format {self.kind} has no fields.", "Use --glossary.")
        if (self.fuzzy or self.redo_fuzzy) and self.kind != "po":
            flag = "--fuzzy" if self.fuzzy else "--redo-fuzzy"
            raise UsageError(f"{flag}: --format {self.kind} has no fuzzy messages.", f"Leave out {flag}.")
        if self.is_bilingual and self.kind not in BILINGUAL:
            raise UsageError(
                f"{self.name}: --bilingual has no room in the format {self.kind}.",
                f"Leave it out, or use one of {', '.join(BILINGUAL)}.",
            )
        if self.is_bilingual and (request.n_best > 1 or request.as_json):
            raise UsageError(
                "--bilingual: needs one line of text for each line.", "Leave out --n-best and --json."
            )

    def check_resumable(self, target: Path | None, flag: str = "--resume") -> None:
        """Refuses a job that cannot be interrupted and resumed.

        Args:
            target: the file to write.
            flag: asks for it. The output of parts may be compressed, since it is joined in one go.

        Raises:
            UsageError: it has no file to read or to write, or its format is written as a whole.
        """
        from mtkit.disk.output import is_ordinary

        if self.path is None or target is None:
            raise UsageError(f"{flag}: needs an input file and an output file.", "Name them with -i and -o.")
        if not is_ordinary(target):
            raise UsageError(f"{flag}: {target} is not a regular file.", f"Leave out {flag}.")
        if flag == "--resume" and target.suffix in PACKED:
            raise UsageError(
                f"{flag}: {target} is compressed, and cannot be continued.",
                f"Name it without {target.suffix}, or leave out --resume.",
            )
        if "\n".encode(self.encoding) != b"\n":  # as in UTF-16, or in EBCDIC
            raise UsageError(f"{flag}: not supported in {self.encoding}.", f"Leave out {flag}.")
        if self.kind in FILE_FORMATS:
            raise UsageError(
                f"{flag}: not supported with --format {self.kind}, which is translated as a whole.",
                f"Leave out {flag}.",
            )

    @property
    def _place(self) -> int | str:
        return int(self.column) if self.column.isdecimal() else self.column

    def records(self, request: Request, account: Account, target: str = "") -> Records:
        """Reads its lines, if the format has lines; `target` is the language of the translations."""
        if self.kind == "text":
            return TextRecords(request, account, self.is_bilingual)
        kind = LINE_FORMATS[self.kind]
        beside = target if self.is_bilingual else None
        reader = line_format(
            kind, self.name, column=self._place, field=self.field, terms=self.terms, beside=beside
        )
        return FormatRecords(reader, request, account)

    def answers(
        self,
        translator: Translator,
        lines: Iterable[Sequence[bytes] | Pause],
        request: Request,
        account: Account,
        *,
        before: int = 0,
        first: bytes = b"",
    ) -> Iterator[Answered]:
        """What takes the place of its lines; of a format that is translated as a whole all comes at the end.

        Args:
            translator: translates.
            lines: of the input, in windows.
            request: what is asked beside the text.
            account: filled with what is met.
            before: lines of the input that were answered in an earlier attempt, and are not in `lines`.
            first: the first of them.

        Raises:
            InputError: the file is not of its format or encoding, or declares another language than
                the model's.
        """
        if self.encoding == "utf-8":
            yield from self._answers(translator, lines, request, account, before, first)
            return
        recoding = Recoding(self.encoding, account, request, before)
        if before:
            first = first.decode(self.encoding, "replace").encode()
        lines = recoding.read(lines)
        found = self._answers(translator, lines, request, account, before, first, recoding.held)
        for count, answer in found:
            yield count, recoding.write(answer) if answer else b""

    def _answers(
        self,
        translator: Translator,
        lines: Iterable[Sequence[bytes] | Pause],
        request: Request,
        account: Account,
        before: int,
        first: bytes,
        held: Callable[[Window[Any]], Window[Any]] = lambda window: window,
    ) -> Iterator[Answered]:
        target = target_language(translator, request)
        if self.kind not in FILE_FORMATS:
            records = self.records(request, account, target)
            records.skip(first, before)
            read = (own if isinstance(own, Pause) else held(records.read(own)) for own in lines)
            yield from translator.results(read, request, account)
            return
        data = b"".join(line for window in lines if not isinstance(window, Pause) for line in window)
        po = None
        if self.kind == "po":
            from mtkit.documents.catalogues.po import PoOptions

            po = PoOptions(self.fuzzy, self.redo_fuzzy)
        document = open_document(
            FILE_FORMATS[self.kind],
            self.name,
            data,
            po,
            target,
            column=self._place,
            skip=partial(_skip, request, account),
            is_bilingual=self.is_bilingual,
        )
        if not self.ignore_language:
            check_languages(self.name, getattr(document, "languages", ("", "")), translator, request)
        account.total = len(document.texts)
        answers: list[str] = []
        for texts in translator.results(map(held, document_windows(document)), request, account):
            answers += texts
            yield len(texts), b""
        rendered = document.render(answers)
        for number, answer in enumerate(answers):
            if isinstance(answer, Answer) and not answer.is_placed:
                account.add(UNPLACED, number, "its markup could not be placed, and the text stays as it is.")
        yield 0, rendered


def _skip(request: Request, account: Account, number: int, error: InputError) -> bool:
    """Whether a row of a table without the column stays as it is rather than becoming blank."""
    if request.on_error == "fail":
        raise error
    account.add(FAILED, number, error.message.partition(": ")[2])
    return request.on_error == "source"


def target_language(translator: Translator, request: Request) -> str:
    """The language of the translations: that of the tags, or else the model's; empty if neither says it."""
    tags = request.search.get("tags") or translator.usual_tags
    return next((tag[1:] for tag in tags if tag.startswith("2")), translator.languages[1])


def check_languages(name: str, declared: tuple[str, str], translator: Translator, request: Request) -> None:
    """Refuses a document in other languages than the model's.

    Args:
        name: of the document.
        declared: its source and target language, empty where it says none.
        translator: of the model.
        request: whose tags may name another target language.

    Raises:
        InputError: it declares another source or target.
    """
    model = (translator.languages[0], target_language(translator, request))
    for side, found, own in zip(("source", "target"), declared, model, strict=True):
        if found and own and not same_language(found, own):
            raise InputError(
                f"{name}: declares the {side} language {shortened(found)}, but the model translates "
                f"{model[0]} to {model[1]}.",
                "Use another model, or --ignore-language.",
            )
