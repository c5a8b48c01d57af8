"""What `mtkit translate` does with what it was asked: from its input to its output."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mtkit
from mtkit.cli import console
from mtkit.cli.streams import STDIN, Flush, is_typed, open_output, read_windows, say_unwritable
from mtkit.errors import StoppedError, UsageError
from mtkit.translate.notes import Notes
from mtkit.translate.records import (
    Details,
    FormatRecords,
    Invalid,
    Records,
    Show,
    TextRecords,
    answers,
    rendered,
    show_json,
    show_lines,
    show_moses,
)
from mtkit.translate.request import OnError

if TYPE_CHECKING:
    from mtkit.disk.partial import Job, PartialFile
    from mtkit.documents.formats import FileFormat, LineFormat
    from mtkit.runs.find import Found
    from mtkit.translate.translator import Translator

LINE_FORMATS: dict[str, LineFormat] = {"tsv": "tsv", "jsonl": "jsonl"}
FILE_FORMATS: dict[str, FileFormat] = {"md": "md", "html": "html", "srt": "srt", "po": "po", "xliff": "xliff"}


@dataclass(frozen=True, slots=True)
class Task:
    """What goes in, what comes out, and what becomes of lines that are not in order.

    Attributes:
        source: the file to translate; None is standard input.
        target: the file to write; None is standard output.
        kind: the format.
        column, field, terms: where a format has its texts and their terms.
        flush, invalid, on_error: see the options of those names.
        details, n_best, as_json: what is shown of each line of text.
    """

    source: Path | None
    target: Path | None
    kind: str
    column: str
    field: str
    terms: str
    flush: Flush
    invalid: Invalid
    on_error: OnError
    details: Details
    n_best: int
    as_json: bool

    @property
    def name(self) -> str:
        """Of the input, for people."""
        return STDIN if self.source is None else str(self.source)

    def notes(self) -> Notes:
        """An empty account of what befalls its lines."""
        return Notes(self.name, "text" if self.kind in FILE_FORMATS else "")

    def check(self, resume: bool) -> None:
        """Nothing, if all that is asked goes together.

        Raises:
            UsageError: it does not.
        """
        known = ("text", *LINE_FORMATS, *FILE_FORMATS)
        if self.kind not in known:
            raise UsageError(f"--format {self.kind}: unknown format.", f"Choose from {', '.join(known)}.")
        if self.kind != "text" and (self.details != Details() or self.n_best > 1 or self.as_json):
            raise UsageError(
                f"--format {self.kind}: nothing can be added, because the output has the input's layout.",
                "Leave out --n-best, --json, --scores, --token-scores and --alignment.",
            )
        if self.terms and self.kind != "jsonl":
            raise UsageError(f"--terms {self.terms}: --format {self.kind} has no fields.", "Use --glossary.")
        if resume and (self.source is None or self.target is None):
            raise UsageError("--resume: needs an input file and an output file.", "Name them with -i and -o.")
        if resume and self.target is not None:
            from mtkit.disk.output import is_ordinary

            if not is_ordinary(self.target):
                raise UsageError(f"--resume: {self.target} is not a regular file.", "Leave out --resume.")
        if resume and self.kind in FILE_FORMATS:
            raise UsageError(
                f"--resume: not supported with --format {self.kind}, which is translated as a whole.",
                "Leave out --resume.",
            )

    def records(self, notes: Notes) -> Records:
        """What reads its lines, of a format that has some."""
        if self.kind == "text":
            return TextRecords(self._show(), self.invalid, notes)
        from mtkit.documents.formats import line_format

        place = int(self.column) if self.column.isdecimal() else self.column
        kind = LINE_FORMATS[self.kind]
        reader = line_format(kind, self.name, column=place, field=self.field, terms=self.terms)
        return FormatRecords(reader, self.invalid, self.on_error, notes)

    def _show(self) -> Show:
        if self.as_json:
            return show_json(self.details)
        return show_moses(self.details) if self.n_best > 1 else show_lines(self.details)


# ---------------------------------------------------------------- in one go


def run(translator: Translator, task: Task) -> None:
    """Translates the input, and says how fast that was."""
    windows = read_windows(task.source, task.flush)
    with open_output(task.target) as output:

        def put(lines: int, answer: bytes) -> None:
            output.write(answer)
            output.flush()

        if task.kind in FILE_FORMATS:
            found: Iterable[tuple[int, bytes]] = _document(translator, task, windows)
        else:
            found = answers(translator, windows, task.records(translator.request.notes))
        _write(translator, task, found, put, moving=not output.isatty())


def _document(
    translator: Translator, task: Task, windows: Iterable[Sequence[bytes]]
) -> Iterator[tuple[int, bytes]]:
    """A whole file, for the number of its texts."""
    from mtkit.documents.formats import open_document

    data = b"".join(line for window in windows for line in window)
    document = open_document(FILE_FORMATS[task.kind], task.name, data)
    yield len(document.texts), rendered(translator, document)


def _write(
    translator: Translator,
    task: Task,
    found: Iterable[tuple[int, bytes]],
    put: Callable[[int, bytes], None],
    *,
    before: int = 0,
    moving: bool = True,
) -> None:
    """Puts answers, each to so many lines, as they come; says how far that is and, at the end, how fast.

    Args:
        translator: that they come from.
        task: that they belong to.
        found: the answers.
        put: takes each.
        before: lines that were answered in an attempt before this one.
        moving: whether something may move on stderr meanwhile.
    """
    what = "texts" if task.kind in FILE_FORMATS else "lines"
    typed = is_typed(task.source)
    done, begin = 0, time.monotonic()
    with nullcontext() if typed or not moving else console.progress() as report:
        for lines, answer in found:
            put(lines, answer)
            done += lines
            if report:
                report(f"{what} translated", before + done, None)
    seconds = time.monotonic() - begin
    said = f"{done:,} {what if done != 1 else what[:-1]}"
    if not typed:  # else most of the time went by between the lines
        said += f" in {seconds:,.1f} s, {done / max(seconds, 1e-3):,.0f} {what}/s"
    console.say(f"{said}, by {translator.engine.name}")


# ---------------------------------------------------------------- in several attempts


def run_resumable(translator: Translator, task: Task, job: Job) -> None:
    """Translates the input; where an attempt at the same job was interrupted, from there.

    Raises:
        StoppedError: a signal came; what was translated is kept.
    """
    from mtkit.data.read.lines import raw_lines
    from mtkit.disk.partial import partial_file

    assert task.source is not None
    assert task.target is not None
    records = task.records(translator.request.notes)
    with (
        say_unwritable(task.target),
        partial_file(task.target, job) as file,
        _until_stopped(file),
    ):
        if before := file.lines:
            console.say(f"{file.path}: resuming after {before:,} lines.")
            records.skip(next(raw_lines(task.source)), before)
        windows = read_windows(task.source, task.flush, skip=before)
        _write(translator, task, answers(translator, windows, records), file.add, before=before)


@contextmanager
def _until_stopped(file: PartialFile) -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM end the work, which the same command goes on with."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        console.state.in_a_hurry = True
        raise StoppedError(
            f"stopped; the translations of {file.lines:,} lines are kept in {file.path}.",
            "Run the same command to resume.",
        ) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def job(translator: Translator, task: Task, models: Sequence[Found], glossary: Path | None) -> Job:
    """All that decides what is written, for `partial_file`."""
    from mtkit.disk.manifest import MANIFEST

    assert task.source is not None
    request = translator.request
    shown = {
        "--format": task.kind,
        "--column": task.column,
        "--field": task.field,
        "--terms": task.terms,
        "--invalid": task.invalid,
        "--on-error": task.on_error,
        "--strict": request.strict,
        "--n-best": task.n_best,
        "--json": task.as_json,
        "--scores": task.details.scores,
        "--token-scores": task.details.token_scores,
        "--alignment": task.details.alignment,
        "--target-prefix": request.prefix,
        "--glossary": _identity(glossary) if glossary else None,
        "--guard": translator.guard is not None,
    }
    options = json.loads(translator.options.model_dump_json())
    search = {f"decode.{name}": value for name, value in options.items()}
    return {
        "mtkit": mtkit.__version__,
        "the input": _identity(task.source),
        "the model": ", ".join(_identity(found.folder / MANIFEST) for found in models),
        "the engine": ", ".join(translator.engine.name.split(", ")[:2]),  # not how many threads it has
        **shown,
        **search,
    }


def _identity(path: Path) -> str:
    """A file's name and the beginning of its hash."""
    from mtkit.data.read.lines import digest

    return f"{path} {digest(path)[0][:16]}"
