"""Byte ranges of a large input that several processes translate, and the file that is joined from them.

Beside the output OUT, part 3 of 16 is `OUT.part-3-of-16`, and what is known of it `OUT.part-3-of-16.json`.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mtkit.data.read.lines import MAX_LINE, open_bytes, too_long
from mtkit.disk.files import PRIVATE, recover, remove_own_file, write_text
from mtkit.disk.manifest import manifest_bytes, sha256
from mtkit.disk.output import output_file
from mtkit.disk.partial import Job, PartialFile, differences, partial_paths
from mtkit.disk.reading import WRONG_VALUES, open_ordinary, ordinary_file, read_ordinary
from mtkit.errors import InputError, InputsError, UsageError, shortened

if TYPE_CHECKING:
    from mtkit.translate.input import Input

FORMAT, VERSION = "mtkit-part", 1
MOST_PARTS = 99_999
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class FilePart:
    """One of the byte ranges of about the same size into which an input is divided.

    A line belongs to the range in which it begins, so a range may have no lines.

    Attributes:
        number: from 1.
        count: of all parts.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def output(self, target: Path) -> Path:
        """The file of its translations; `target` is that of all parts."""
        return target.with_name(f"{target.name}.part-{self.number}-of-{self.count}")

    def record(self, target: Path) -> Path:
        """The file that says what is in `output`."""
        return target.with_name(f"{self.output(target).name}.json")


def check_divided(
    input: Input, target: Path | None, part: str | None, join: int | None, *, several: bool
) -> FilePart | None:
    """The part that is called `3/16`, if one is to be translated; refuses what cannot be divided.

    Args:
        input: what is translated.
        target: the file to write.
        part: the value of --part.
        join: the value of --join.
        several: whether there are several inputs.

    Raises:
        UsageError: there is no such part, or the input has no parts.
    """
    if part is None and join is None:
        return None
    flag = "--part" if join is None else "--join"
    if part is not None and join is not None:
        raise UsageError("--part and --join: exclude each other.", "Translate all parts, then join them.")
    if several:
        raise UsageError(f"{flag}: needs a single input file.", f"Leave out {flag}.")
    input.check_resumable(target, flag)
    return None if part is None else _read_part(part)


def _read_part(text: str) -> FilePart:
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if found and 1 <= int(found[1]) <= int(found[2]) <= MOST_PARTS:
        return FilePart(int(found[1]), int(found[2]))
    raise UsageError(
        f"--part {shortened(text)}: expected K/N, with K from 1 to N and N at most {MOST_PARTS:,}.",
        "For instance, --part 3/16 is the third of 16 parts.",
    )


def parts_of(count: int) -> list[FilePart]:
    """All parts, in order.

    Raises:
        UsageError: there cannot be so many.
    """
    if count > MOST_PARTS:
        raise UsageError(f"--join {count}: there are at most {MOST_PARTS:,} parts.", "Name their number.")
    return [FilePart(number, count) for number in range(1, count + 1)]


def parts_begun(target: Path) -> int | None:
    """Into how many parts an earlier attempt has divided the input; None if there is nothing of one.

    Args:
        target: the file of all parts.
    """
    name = re.compile(rf"{re.escape(target.name)}\.part-\d{{1,9}}-of-(\d{{1,9}})(?:\..+)?")
    found = [name.fullmatch(path.name) for path in target.parent.glob(f"{glob.escape(target.name)}.part-*")]
    counts = Counter(int(match[1]) for match in found if match)
    return counts.most_common(1)[0][0] if counts else None


# ---------------------------------------------------------------- reading a part


class PartLines:
    """The lines of a part, decompressed, each with its line feed; iterating again continues where it stopped.

    Args:
        path: of the input.
        part: the range.

    Attributes:
        size: of the input, in bytes.
        before: lines of the input before those of the part.
        begin: byte at which the first line of the part begins.
        end: byte behind the lines given so far.
        limit: byte at which the first line of the next part begins at the earliest.

    Raises:
        InputError: the input cannot be read, or not a second time; or a line of the part is too long.
    """

    def __init__(self, path: Path, part: FilePart) -> None:
        self._path = path
        self.size = _size(path)
        self.limit = self.size * part.number // part.count
        self.before = self.begin = self.end = 0
        self._lines = self._read(self.size * (part.number - 1) // part.count)
        next(self._lines)

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def _read(self, low: int) -> Iterator[bytes]:
        """Goes to the first line that begins at byte `low` or later, gives nothing once, then the lines."""
        with open_bytes(self._path, "file", archives=True) as stream:
            self.begin = self.end = self._pass(stream, low) if low else 0
            yield b""
            number = self.before
            while self.end < self.limit and (line := stream.readline(MAX_LINE)):
                number += 1
                if len(line) == MAX_LINE:
                    raise too_long(self._path, number)
                self.end += len(line)
                yield line

    def _pass(self, stream: IO[bytes], low: int) -> int:
        """Passes over the lines that begin before byte `low`, and counts them; gives where that ends."""
        place = 0
        while place < low - 1 and (block := stream.read(min(low - 1 - place, _BLOCK))):
            self.before += block.count(b"\n")
            place += len(block)
        self.before += 1  # the line of byte `low - 1`
        while piece := stream.readline(_BLOCK):
            place += len(piece)
            if piece.endswith(b"\n"):
                break
        return place


def _size(path: Path) -> int:
    """Bytes of a file as decompressed."""
    with open_bytes(path, "file", archives=True) as stream:
        if stream.seekable():
            return stream.seek(0, os.SEEK_END)
        return sum(map(len, iter(partial(stream.read, _BLOCK), b"")))


# ---------------------------------------------------------------- records of finished parts


@dataclass(frozen=True, slots=True)
class _Finished:
    """What is known of a finished part: see `PartLines`, and its `bytes` of output with their hash."""

    size: int
    begin: int
    end: int
    before: int
    lines: int
    bytes: int
    sha256: str
    job: dict[str, Any]


def write_record(part: FilePart, target: Path, lines: PartLines, file: PartialFile, job: Job) -> None:
    """Says what is in a part whose lines are all answered in `file`, which then gets its name."""
    place = part.record(target)
    recover(place.parent, glob.escape(place.name))
    finished = _Finished(
        lines.size, lines.begin, lines.end, lines.before, file.lines, *file.fingerprint, dict(job)
    )
    values = {"format": FORMAT, "version": VERSION, **asdict(finished)}
    write_text(place, manifest_bytes(values).decode(), PRIVATE)


def is_finished(part: FilePart, target: Path, job: Job) -> bool:
    """Whether an earlier attempt at the same job has finished the part, and it is undamaged."""
    try:
        found, data = _read_record(part.record(target)), ordinary_file(part.output(target))
        return not differences(found.job, job) and sha256(data) == found.sha256
    except (OSError, InputError):
        return False


def _read_record(path: Path) -> _Finished:
    """What a record says.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged.
    """
    raw = read_ordinary(path)
    try:
        values = json.loads(raw)
        if manifest_bytes({name: value for name, value in values.items() if name != "digest"}) != raw:
            raise ValueError
        if (values.pop("format"), values.pop("version")) != (FORMAT, VERSION):
            raise ValueError
        del values["digest"]
        return _Finished(**{**values, "job": dict(values["job"])})
    except WRONG_VALUES:
        raise InputError(f"{path}: is damaged, or was written by another version of mtkit.") from None


# ---------------------------------------------------------------- joining


def join_parts(source: Path, target: Path, parts: Sequence[FilePart], asked: Job) -> tuple[int, int]:
    """Writes `target`, compressed by its suffix, from its parts, and then deletes these.

    Args:
        source: the input.
        target: the file to write.
        parts: all of them.
        asked: what the job of each part must say.

    Returns:
        The number of lines of the input, and of bytes of output before it is compressed.

    Raises:
        InputsError: parts are missing, or belong to another job; one line each, with the command to run.
        InputError: a part is damaged.
    """
    found = _checked(source, target, parts, asked)
    with output_file(target) as output:
        for part, record in zip(parts, found, strict=True):
            digest = hashlib.sha256()
            with open_ordinary(part.output(target)) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    output.write(block)
            if digest.hexdigest() != record.sha256:
                said = f"{part.output(target)}: part {part} has changed since it was written."
                raise InputError(said, _command(source, target, part))
    for part in parts:
        _remove(part, target)
    return sum(record.lines for record in found), sum(record.bytes for record in found)


def _remove(part: FilePart, target: Path) -> None:
    """Deletes a joined part, and the state that an attempt leaves if it is killed as it ends."""
    data, state = partial_paths(part.output(target))
    for path in (part.output(target), part.record(target), *([] if data.exists() else [state])):
        remove_own_file(path)


def _checked(source: Path, target: Path, parts: Sequence[FilePart], asked: Job) -> list[_Finished]:
    """The records of parts that together are the whole of one job."""
    found, problems = {}, {}
    for part in parts:
        try:
            found[part] = _found(part, target)
        except InputError as error:
            problems[part] = error.message
    usual = _usual(record.job for record in found.values())
    for part, record in found.items():
        expected = {**usual, **asked, "--part": str(part)}
        if changed := differences(record.job, expected):
            problems[part] = f"{part.output(target)}: part {part} belongs to another job: {changed}."
    if not problems:
        return _in_a_row(source, target, found)
    lines = [f"{problems[part]} {_command(source, target, part)}" for part in parts if part in problems]
    if target.exists():
        lines.append(
            f"{target}: is there, and whole. If an interrupted --join wrote it, delete the parts left."
        )
    raise InputsError(lines)


def _found(part: FilePart, target: Path) -> _Finished:
    """The record of a part whose output is there.

    Raises:
        InputError: it is missing or damaged.
    """
    data = part.output(target)
    try:
        record, size = _read_record(part.record(target)), ordinary_file(data).stat().st_size
    except FileNotFoundError:
        state = "is not finished" if partial_paths(data)[0].exists() else "is missing"
        raise InputError(f"{data}: part {part} {state}.") from None
    if size != record.bytes:
        raise InputError(f"{data}: part {part} has {size:,} bytes, expected {record.bytes:,}.")
    return record


def _usual(jobs: Iterable[Job]) -> Job:
    """The job that most parts belong to."""
    texts = [json.dumps({**job, "--part": ""}) for job in jobs]
    return dict(json.loads(Counter(texts).most_common(1)[0][0])) if texts else {}


def _in_a_row(source: Path, target: Path, found: Mapping[FilePart, _Finished]) -> list[_Finished]:
    """The records, if each part begins where the one before it ends, in bytes and in lines."""
    end, lines = 0, 0
    for part, record in found.items():
        if (record.begin, record.before) != (end, lines):
            raise InputError(
                f"{part.output(target)}: part {part} begins at byte {record.begin:,} after {record.before:,} "
                f"lines, and the parts before it end at byte {end:,} after {lines:,} lines.",
                _command(source, target, part),
            )
        end, lines = record.end, lines + record.lines
    if end != record.size:
        raise InputError(
            f"{target}: its parts have {end:,} bytes of {source}, which has {record.size:,}.",
            "Delete them and translate them again.",
        )
    return list(found.values())


def _command(source: Path, target: Path, part: FilePart) -> str:
    command = shlex.join(["mtkit", "translate", "-i", str(source), "-o", str(target), "--part", str(part)])
    return f"Run, with the options of the other parts: {command}"
