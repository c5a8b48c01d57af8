"""Runs `mtkit translate` on several files and folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.streams import Meter, read_windows, say_unwritable
from mtkit.cli.translate_run import recalled, until_stopped
from mtkit.errors import InputError, MtkitError, StoppedError, WriteError, counted
from mtkit.translate.account import Account
from mtkit.translate.input import Input
from mtkit.translate.many_files import Member, OutputFolder
from mtkit.translate.request import Request

if TYPE_CHECKING:
    from mtkit.translate.translator import Translator


def run_folder(
    translator: Translator,
    base: Input,
    members: Sequence[Member],
    output: OutputFolder,
    target: Path,
    request: Request,
    total: Account,
) -> None:
    """Translates each file that can be, copies the others, and says what became of each.

    Args:
        translator: of all files.
        base: the options of the input.
        members: the files.
        output: where they go.
        target: its path.
        request: what is asked beside the text.
        total: filled with the notes and terms of all files.

    Raises:
        InputError: some files were not translated; all others are.
        StoppedError: a signal came; finished files are kept.
    """
    done, texts, before, copied, failed = 0, 0, 0, 0, 0
    sizes = [member.path.stat().st_size if member.kind else 0 for member in members]
    ends = list(accumulate(sizes))
    begin = time.monotonic()
    with say_unwritable(target), until_stopped(lambda: _kept(target)), console.progress() as report:
        for member, size, end in zip(members, sizes, ends, strict=True):

            def move(share: float, size: int = size, end: int = end) -> None:
                report("bytes translated", end - size + int(share * size), ends[-1])

            move(0)
            if member.left_out:
                console.say(f"{member.path}: {member.left_out}, and is left out.")
                continue
            try:
                if output.has(member):
                    before += 1
                elif not member.kind:
                    output.copy(member)
                    copied += 1
                else:
                    texts += _translate(translator, base, member, output, request, total, move)
                    done += 1
            except (StoppedError, WriteError):
                raise
            except MtkitError as error:
                if request.strict:
                    raise
                console.fail(error)
                failed += 1
    console.say(
        f"{counted(done, 'file')} translated, {counted(texts, 'text')} in {time.monotonic() - begin:,.1f} s; "
        f"{copied:,} copied, {before:,} finished before, {failed:,} failed"
        f"{recalled(request, total)}; by {translator.engine.name}"
    )
    if failed:
        raise InputError(
            f"{target}: {failed:,} of {len(members):,} files could not be translated.",
            "Repair them, and run the same command with --resume.",
        )


def _translate(
    translator: Translator,
    base: Input,
    member: Member,
    output: OutputFolder,
    request: Request,
    total: Account,
    move: Callable[[float], None],
) -> int:
    """Translates a file, and gives the number of its lines or texts; `move` is told which share is done."""
    input = replace(base, path=member.path, kind=member.kind).settled()
    input.check(request)
    account = input.account()
    with output.file(member) as file:
        texts, meter = 0, Meter(member.path)
        lines = meter.read(read_windows(member.path, "batch"))
        for count, answer in input.answers(translator, lines, request, account):
            file.write(answer)
            texts += count
            meter.answered(count)
            if account.total is not None:
                move(texts / max(account.total, 1))
            elif meter.total:
                move(meter.done / meter.total)
    total.counts += account.counts
    total.terms_requested += account.terms_requested
    total.terms_used += account.terms_used
    total.recalled += account.recalled
    total.partly_recalled += account.partly_recalled
    total.matched += account.matched
    nothing = f" ({input.without_texts})" if account.total == 0 else ""
    notes = f"{nothing}, {account.counts.total():,} notes ({account})" if account.counts else nothing
    console.say(f"{member.path}: {counted(texts, input.unit)}{notes}")
    return texts


def _kept(target: Path) -> StoppedError:
    return StoppedError(
        f"stopped; the finished files are kept in {target}.", "Run the same command with --resume."
    )
