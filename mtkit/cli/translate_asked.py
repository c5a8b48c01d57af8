"""What the options of `mtkit translate` ask for, and whether they go together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mtkit.cli import console
from mtkit.cli.choices import one_of
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.translate.account import Account
    from mtkit.translate.divided import FilePart
    from mtkit.translate.input import Input
    from mtkit.translate.many_files import Member
    from mtkit.translate.request import Request
    from mtkit.translate.translator import Translator


def divided_part(
    input: Input,
    target: Path | None,
    part: str | None,
    join: int | None,
    on: str | None,
    workers: int,
    *,
    several: bool,
    resume: bool,
) -> FilePart | None:
    """The part to translate, if it is one.

    Raises:
        UsageError: there is no such part, or `--on ray` does not go together with other options.
    """
    from mtkit.translate.divided import check_divided

    if on is None and workers > 1:
        raise UsageError("--workers: needs --on ray.", "On one machine, --threads uses several cores.")
    if on is not None:
        from mtkit.cluster import check_ray

        one_of("--on", on, ("ray",))
        if several:
            raise UsageError("--on ray: needs a single input file.", "Leave out --on ray.")
        if part or join or resume:
            raise UsageError(
                "--on ray: divides the input, resumes and joins by itself.",
                "Leave out --part, --join and --resume.",
            )
        check_ray("--on ray")
    return check_divided(input, target, part, join, several=several)


def with_memory(request: Request, paths: Sequence[Path], translator: Translator) -> Request:
    """The request with the memory in some files; UsageError without any if it says more about it."""
    if not paths:
        if request.min_match is not None:
            raise UsageError(f"--min-match {request.min_match:g}: needs --memory.", "Name its files.")
        return request
    from mtkit.translate.input import target_language
    from mtkit.translate.memory_files import read_memory

    languages = translator.languages[0], target_language(translator, request)
    memory = read_memory(paths, languages, translator.tokenizer.form.normalize)
    console.say(f"memory: {len(memory):,} entries")
    return replace(request, memory=memory)


def check_single(
    input: Input,
    request: Request,
    target: Path | None,
    flag: str,
    glossary: Path | None,
    banned: Path | None,
    memory: Sequence[Path],
) -> None:
    """Refuses what the input has no room for, an output that is read, and a `flag` that cannot resume.

    Says which folder is made for the output.
    """
    from mtkit.disk.output import check_not_read

    input.check(request)
    if flag:
        input.check_resumable(target, flag)
    if target is not None:
        read = {"the input": input.path} | ({"the glossary": glossary} if glossary else {})
        read |= {"the file of banned phrases": banned} if banned else {}
        for path in memory:
            check_not_read(target, {"the memory": path})
        check_not_read(target, read)
        if not os.path.lexists(target.parent):
            console.say(f"{target.parent}: creating the folder.")


def members_of(sources: list[Path], target: Path | None, kind: str) -> list[Member]:
    """The files of several inputs, once it is clear that the output does not touch them."""
    from mtkit.disk.marks import check_marked
    from mtkit.translate.many_files import KIND, check_apart, find_members

    if target is None or Path("-") in sources:
        raise UsageError(
            "--input: several files need an output folder, and none of them can be standard input.",
            "Name a new folder with -o.",
        )
    check_apart(sources, target)
    check_marked(target, KIND)
    return find_members(sources, kind)


def read_adapter(text: str) -> tuple[Path, float]:
    """The folder and the weight of `--adapter`."""
    from mtkit.runs.layout import ADAPTER

    folder, weight = Path(text), 1.0
    name, _, number = text.rpartition("=")
    if name and not folder.is_dir():
        with suppress(ValueError):
            folder, weight = Path(name), float(number)
    if not folder.is_dir():
        raise UsageError(
            f"--adapter {text}: there is no such folder.",
            f"Name the run that trained it, or its folder {ADAPTER}; append its weight, as in runs/law=0.7.",
        )
    return folder, weight


def read_phrases(path: Path) -> list[str]:
    from mtkit.data.read.lines import read_lines

    return [line.strip() for line in read_lines(path) if line.strip()]


def say_notes(account: Account, *, with_terms: bool) -> None:
    """Says what was met."""
    if account.counts:
        console.say(f"notes: {account}")
    if with_terms:
        asked, used = account.terms_requested, account.terms_used
        console.say(f"terms: {asked:,} requested, {used:,} used, {asked - used:,} missed")
