"""Runs `mtkit translate`: from its input to its output, in one go or in several attempts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.streams import (
    Flush,
    Meter,
    is_typed,
    open_output,
    read_windows,
    say_unwritable,
    timed_windows,
)
from mtkit.errors import StoppedError, counted
from mtkit.translate.account import Account
from mtkit.translate.input import Input
from mtkit.translate.records import Answered
from mtkit.translate.request import Request

if TYPE_CHECKING:
    from mtkit.disk.partial import Job, PartialFile
    from mtkit.translate.divided import FilePart
    from mtkit.translate.translator import Translator


def run(
    translator: Translator,
    input: Input,
    target: Path | None,
    request: Request,
    account: Account,
    flush: Flush,
) -> None:
    """Translates the input, and says how fast that was; the target None is standard output."""
    from mtkit.disk.output import is_ordinary

    with open_output(target) as output:
        is_read = target is None or not is_ordinary(target)

        def put(lines: int, answer: bytes) -> None:
            output.write(answer)
            if is_read:  # else it appears when it is complete, and each flush would make it less compressed
                output.flush()

        meter = Meter(input.path)
        languages = translator.languages
        src_lang = "" if translator.usual_tags else languages[0]  # a model with tags may know several
        lines = meter.read(read_windows(input.path, flush, languages=languages, src_lang=src_lang))
        found = input.answers(translator, lines, request, account)
        _write(translator, input, request, account, found, put, meter, moving=not output.isatty())


def run_resumable(
    translator: Translator,
    input: Input,
    target: Path,
    request: Request,
    account: Account,
    flush: Flush,
    job: Job,
    part: FilePart | None = None,
) -> None:
    """Translates the input, or one part of it; where an attempt at the same job was interrupted, from there.

    Raises:
        StoppedError: a signal came; what was translated is kept.
    """
    from mtkit.data.read.lines import raw_lines
    from mtkit.disk.partial import partial_file
    from mtkit.translate.divided import FilePart, PartLines, is_finished, write_record

    assert input.path is not None
    output = part.output(target) if part else target
    if part and is_finished(part, target, job):
        console.say(f"{output}: part {part} is finished already.")
        return
    lines = PartLines(input.path, part or FilePart(1, 1))
    with (
        say_unwritable(output),
        partial_file(output, job) as file,
        until_stopped(lambda: _kept(file)),
    ):
        done, first, meter = file.lines, b"", Meter(input.path)
        if done:
            console.say(f"{file.path}: resuming after {counted(done, 'line')}.")
        if before := lines.before + done:
            first = next(raw_lines(input.path, archives=True))
        meter.total, meter.done = lines.limit - lines.begin, sum(map(len, islice(lines, done)))
        windows = meter.read(timed_windows(lines, flush))
        found = input.answers(translator, windows, request, account, before=before, first=first)
        _write(translator, input, request, account, found, file.add, meter, before=done)
        if part:
            write_record(part, target, lines, file, job)


def run_join(input: Input, target: Path, count: int, asked: Job) -> None:
    """Joins the finished parts of a translation, and deletes them."""
    from mtkit.translate.divided import join_parts, parts_of

    assert input.path is not None
    with say_unwritable(target):
        lines, size = join_parts(input.path, target, parts_of(count), asked)
    console.say(
        f"{target}: {counted(lines, 'line')}, {counted(size, 'byte')}, joined from {counted(count, 'part')}"
    )


def _write(
    translator: Translator,
    input: Input,
    request: Request,
    account: Account,
    found: Iterable[Answered],
    put: Callable[[int, bytes], None],
    meter: Meter,
    *,
    before: int = 0,
    moving: bool = True,
) -> None:
    """Puts answers, each to so many lines, as they come; says how far that is and, at the end, how fast.

    Args:
        translator: that they come from.
        input: that they answer.
        request: what was asked.
        account: knows how many there are, of a document.
        found: the answers.
        put: takes each.
        meter: knows how many bytes of lines there are.
        before: lines that were answered in an attempt before this one.
        moving: whether something may move on stderr meanwhile.
    """
    typed = is_typed(input.path)
    done, begin = 0, time.monotonic()
    with nullcontext() if typed or not moving else console.progress() as report:
        for lines, answer in found:
            put(lines, answer)
            done += lines
            meter.answered(lines)
            if report and account.total is None and meter.total is not None:
                report("bytes translated", meter.done, meter.total)
            elif report:
                report(f"{input.unit}s translated", before + done, account.total)
    seconds = time.monotonic() - begin
    said = counted(done, input.unit)
    if not typed:  # else most of the time went by between the lines
        said += f" in {seconds:,.1f} s, {done / max(seconds, 1e-3):,.0f} {input.unit}s/s"
    nothing = f" ({input.without_texts})" if account.total == 0 else ""
    console.say(f"{said}{recalled(request, account)}, by {translator.engine.name}{nothing}")


def recalled(request: Request, account: Account) -> str:
    """How much was from the memory, as a part of the last line; empty if there is no memory."""
    if request.memory is None:
        return ""
    partly = f" and {account.partly_recalled:,} in part" if account.partly_recalled else ""
    matched = f", {account.matched:,} with a fuzzy match" if account.matched else ""
    return f", {account.recalled:,}{partly} from the memory{matched}"


@contextmanager
def until_stopped(stopped: Callable[[], StoppedError]) -> Iterator[None]:
    """Within the block Ctrl-C and SIGTERM end the work with the error of `stopped`."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        console.state.in_a_hurry = True
        raise stopped() from None
    finally:
        signal.signal(signal.SIGTERM, before)


def _kept(file: PartialFile) -> StoppedError:
    return StoppedError(
        f"stopped; the translations of {counted(file.lines, 'line')} are kept in {file.path}.",
        "Run the same command to resume.",
    )
