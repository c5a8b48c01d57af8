"""Several files at once: which they are, and the output folder, in which a job can be resumed."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from mtkit.disk import calls as disk
from mtkit.disk.files import atomic_file, marked_folder, recover
from mtkit.disk.manifest import sha256
from mtkit.disk.marks import MARK, claim, read_mark
from mtkit.disk.opening import kind_of
from mtkit.disk.partial import Job
from mtkit.disk.reading import read_ordinary
from mtkit.documents.formats import AMBIGUOUS, PACKED, SUFFIXES, suffix_of
from mtkit.errors import UsageError
from mtkit.translate.input import AUTO

KIND = "mtkit-translation"
STATE = ".mtkit-files.jsonl"


class Member(NamedTuple):
    """A file of the job.

    Attributes:
        name: in the output folder, with slashes.
        path: where it is read.
        kind: its format, or auto; a file without one is copied.
        left_out: why it is neither translated nor copied; else empty.
    """

    name: str
    path: Path
    kind: str
    left_out: str = ""


def find_members(sources: Sequence[Path], kind: str) -> list[Member]:
    """The files that are meant, sorted within each folder.

    Files of a single folder keep their names in it; of several sources a folder's own name comes before.

    Args:
        sources: files and folders.
        kind: the format of all files; of the others in a folder, copies are made.

    Raises:
        UsageError: two files would have the same name, or one is a pipe or a device.
    """
    found: dict[str, Member] = {}
    for source in sources:
        if source.is_dir():
            prefix = "" if len(sources) == 1 else f"{source.resolve().name}/"
            members = [_member(path, source, prefix, kind) for path in _files(source)]
        else:
            members = [Member(_unpacked(source.name), source, kind)]
        for member in members:
            if other := found.get(member.name):
                raise UsageError(
                    f"{member.path}: would be written as {member.name}, and so would {other.path}.",
                    "Rename one, or translate them one after the other.",
                )
            found[member.name] = member
    return [member for name, member in found.items() if name not in (MARK, STATE)]


def _files(folder: Path) -> Iterator[Path]:
    """All that is no folder below `folder`; links to folders are not followed."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _files(folder / entry.name)
        else:
            yield folder / entry.name


def _member(path: Path, folder: Path, prefix: str, kind: str) -> Member:
    name = prefix + path.relative_to(folder).as_posix()
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(folder.resolve()):
            return Member(name, path, "", "is a link out of the folder")
        if not target.is_file():
            return Member(name, path, "", "is a link, and not to a file")
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path}: is {kind_of(mode)}, expected a file.", "Move it out of the folder.")
    suffix = suffix_of(path)
    own = SUFFIXES.get(suffix, "")
    is_meant = kind == own or (kind == AUTO and suffix not in AMBIGUOUS)
    return Member(_unpacked(name), path, own) if own and is_meant else Member(name, path, "")


def _unpacked(name: str) -> str:
    """The name of a translation, which is not compressed."""
    stem, dot, suffix = name.rpartition(".")
    return stem if dot + suffix in PACKED else name


def check_apart(sources: Sequence[Path], output: Path) -> None:
    """Refuses an output folder inside a folder that is read, and the reverse.

    Raises:
        UsageError: one lies in the other, even through links.
    """
    target = output.resolve()
    for source in sources:
        own = source.resolve()
        if own.is_relative_to(target) or (source.is_dir() and target.is_relative_to(own)):
            raise UsageError(
                f"{output}: contains the input {source}, or lies inside it.", "Choose a folder beside it."
            )


class OutputFolder:
    """The folder of the translations, with a record of each finished file.

    Args:
        path: a new or empty folder; or, to resume, that of an earlier attempt.
        job: all that decides the translations besides the files.
        resume: whether an earlier attempt may have begun.

    Raises:
        UsageError: it is not mtkit's, belongs to another job, or is not to be resumed.
    """

    def __init__(self, path: Path, job: Job, resume: bool) -> None:
        self._path = path
        begun = read_mark(path) is not None
        if begun and not resume:
            raise UsageError(
                f"{path}: already contains translations.",
                "Add --resume to continue, or use another.",
            )
        marked_folder(path, KIND)
        self._done: dict[str, list[str]] = {}
        own = json.loads(json.dumps(job))
        lines = self._lines()
        if not lines:
            claim(path, STATE)
            self._add({"job": own})
        elif changed := [name for name in {**lines[0], **own} if lines[0].get(name) != own.get(name)]:
            raise UsageError(
                f"{path}: was started for another job: {', '.join(changed)} changed.",
                "Use the same options, or choose another folder.",
            )
        for line in lines[1:]:
            self._done[line["name"]] = [line["input"], line["output"]]

    def _lines(self) -> list[dict[str, Any]]:
        """The job, and the finished files; a line that was cut off is none."""
        try:
            raw = read_ordinary(self._path / STATE).split(b"\n")
        except FileNotFoundError:
            return []
        found = []
        for line in raw:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [found[0]["job"], *found[1:]] if found else []

    def _add(self, entry: dict[str, Any]) -> None:
        descriptor = disk.extend(self._path / STATE, 0o666, True)
        try:
            rest = memoryview(f"\n{json.dumps(entry)}".encode())
            while rest:
                rest = rest[disk.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
        disk.sync(self._path / STATE)

    def has(self, member: Member) -> bool:
        """Whether the file is finished, from the same input.

        Raises:
            UsageError: it was changed since.
        """
        before, target = self._done.get(member.name), self._path / member.name
        if before is None or not os.path.lexists(target):
            return False
        if target.is_symlink() or sha256(target) != before[1]:
            raise UsageError(f"{target}: was changed since mtkit wrote it.", "Move it elsewhere.")
        return sha256(member.path) == before[0]

    @contextmanager
    def file(self, member: Member) -> Iterator[IO[bytes]]:
        """The output of a file, whole or absent; recorded as finished if the block succeeds.

        Raises:
            UsageError: there is a file of that name that mtkit did not write, or a link.
        """
        target = self._path / member.name
        for parent in target.relative_to(self._path).parents:
            if (self._path / parent).is_symlink() and parent != Path():
                raise UsageError(f"{self._path / parent}: is a link, which mtkit does not follow.")
        claim(self._path, member.name)
        if target.parent.is_dir():
            recover(target.parent)
        read = sha256(member.path)
        with atomic_file(target) as file:
            yield file
        self._add({"name": member.name, "input": read, "output": sha256(target)})

    def copy(self, member: Member) -> None:
        """A file as it is."""
        with self.file(member) as file, member.path.open("rb") as source:
            shutil.copyfileobj(source, file)
