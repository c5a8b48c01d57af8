"""The input of a translation, its format, and the identity of a job that can be resumed. Free of torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mtkit
from mtkit.documents.formats import FILE_FORMATS, FORMATS, LINE_FORMATS, line_format, open_document
from mtkit.errors import UsageError
from mtkit.translate.account import Account
from mtkit.translate.records import Answered, FormatRecords, Records, TextRecords, document_windows
from mtkit.translate.request import Request
from mtkit.translate.windows import Pause, Window

if TYPE_CHECKING:
    from mtkit.disk.partial import Job
    from mtkit.runs.find import Found
    from mtkit.translate.translator import Translator

STDIN = "standard input"


@dataclass(frozen=True, slots=True)
class Input:
    """What is translated.

    Attributes:
        path: of the file; None is standard input.
        kind: the format, one of `FORMATS`.
        column: of tsv: the text's column, by number from 1 or by name.
        field: of jsonl: the text's field.
        terms: of jsonl: the field of a line's own terms, if any.
        fuzzy: of po: whether translations are marked as fuzzy.
        redo_fuzzy: of po: whether fuzzy messages are translated again.
    """

    path: Path | None = None
    kind: str = "text"
    column: str = "1"
    field: str = "text"
    terms: str = ""
    fuzzy: bool = False
    redo_fuzzy: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return STDIN if self.path is None else str(self.path)

    @property
    def unit(self) -> str:
        """What is counted in it."""
        return "text" if self.kind in FILE_FORMATS else "line"

    def account(self) -> Account:
        """An empty one."""
        return Account(self.name, self.unit if self.kind in FILE_FORMATS else "")

    def check(self, request: Request) -> None:
        """Refuses what the format cannot do.

        Raises:
            UsageError: the format is unknown, or has no room for something that is requested.
        """
        if self.kind not in FORMATS:
            raise UsageError(f"--format {self.kind}: unknown format.", f"Choose from {', '.join(FORMATS)}.")
        if self.kind != "text" and request.details:
            raise UsageError(
                f"--format {self.kind}: has no room for {', '.join(request.details)}.",
                "Leave out --n-best, --json, --scores, --token-scores and --alignment.",
            )
        if self.terms and self.kind != "jsonl":
            raise UsageError(f"--terms {self.terms}: --format {self.kind} has no fields.", "Use --glossary.")
        if (self.fuzzy or self.redo_fuzzy) and self.kind != "po":
            flag = "--fuzzy" if self.fuzzy else "--redo-fuzzy"
            raise UsageError(f"{flag}: --format {self.kind} has no fuzzy messages.", f"Leave out {flag}.")

    def check_resumable(self, target: Path | None) -> None:
        """Refuses a job that cannot be interrupted and resumed.

        Raises:
            UsageError: it has no file to read or to write, or its format is written as a whole.
        """
        from mtkit.disk.output import is_ordinary

        if self.path is None or target is None:
            raise UsageError("--resume: needs an input file and an output file.", "Name them with -i and -o.")
        if not is_ordinary(target):
            raise UsageError(f"--resume: {target} is not a regular file.", "Leave out --resume.")
        if self.kind in FILE_FORMATS:
            raise UsageError(
                f"--resume: not supported with --format {self.kind}, which is translated as a whole.",
                "Leave out --resume.",
            )

    def records(self, request: Request, account: Account) -> Records:
        """Reads its lines, if the format has lines."""
        if self.kind == "text":
            return TextRecords(request, account)
        place = int(self.column) if self.column.isdecimal() else self.column
        kind = LINE_FORMATS[self.kind]
        reader = line_format(kind, self.name, column=place, field=self.field, terms=self.terms)
        return FormatRecords(reader, request, account)

    def answers(
        self,
        translator: Translator,
        lines: Iterable[Sequence[bytes] | Pause],
        request: Request,
        account: Account,
    ) -> Iterator[Answered]:
        """What takes the place of its lines, or of all of them if the format is translated as a whole."""
        if self.kind not in FILE_FORMATS:
            records = self.records(request, account)
            yield from translator.results(read_by(records, lines), request, account)
            return
        data = b"".join(line for window in lines if not isinstance(window, Pause) for line in window)
        po = None
        if self.kind == "po":
            from mtkit.documents.po import PoOptions

            po = PoOptions(self.fuzzy, self.redo_fuzzy)
        document = open_document(FILE_FORMATS[self.kind], self.name, data, po)
        found = translator.results(document_windows(document), request, account)
        yield len(document.texts), document.render([text for texts in found for text in texts])


def read_by(records: Records, lines: Iterable[Sequence[bytes] | Pause]) -> Iterator[Window[Answered] | Pause]:
    """The windows that `records` makes of the lines that are read together."""
    return (own if isinstance(own, Pause) else records.read(own) for own in lines)


def job(
    translator: Translator,
    input: Input,
    request: Request,
    models: Sequence[Found],
    glossary: Path | None = None,
) -> Job:
    """All that decides what is written, for `partial_file`."""
    from mtkit.disk.manifest import MANIFEST

    assert input.path is not None
    shown = {
        "--format": input.kind,
        "--column": input.column,
        "--field": input.field,
        "--terms": input.terms,
        "--invalid": request.invalid,
        "--on-error": request.on_error,
        "--strict": request.strict,
        "--n-best": request.n_best,
        "--json": request.as_json,
        "--scores": request.scores,
        "--token-scores": request.token_scores,
        "--alignment": request.alignment,
        "--target-prefix": request.prefix,
        "--glossary": _identity(glossary) if glossary else None,
        "--guard": request.guard,
    }
    options = json.loads(translator.search_options(request).model_dump_json())
    return {
        "mtkit": mtkit.__version__,
        "the input": _identity(input.path),
        "the model": ", ".join(_identity(found.folder / MANIFEST) for found in models),
        "the engine": ", ".join(translator.engine.name.split(", ")[:2]),  # not how many threads it has
        **shown,
        **{f"decode.{name}": value for name, value in options.items()},
    }


def _identity(path: Path) -> str:
    """A file's name and the beginning of its hash."""
    from mtkit.data.read.lines import digest

    return f"{path} {digest(path)[0][:16]}"
