"""The mark of a folder made by mtkit.

The mark is a file `.mtkit`, written when the folder is made: its kind, a random id, and then, one per line,
the names of files that mtkit writes there. Only files listed in a mark are ever deleted or replaced.
"""

from __future__ import annotations

import json
import os
import re
import stat
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mtkit.disk import calls as disk
from mtkit.errors import UsageError

MARK = ".mtkit"
_FORMAT, _VERSION = "mtkit-mark", 1
_MAX_BYTES = 1 << 24
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Mark:
    """The content of a mark.

    Attributes:
        kind: the kind of folder, such as `mtkit-model`.
        id: 32 random hexadecimal digits.
        names: files that mtkit wrote or was about to write, relative to the folder.
    """

    kind: str
    id: str
    names: frozenset[str]


def new_id() -> str:
    """32 random hexadecimal digits."""
    return uuid.uuid4().hex


def write_mark(folder: Path, kind: str, mark_id: str) -> None:
    """Marks a folder that has no mark yet."""
    line = json.dumps({"format": _FORMAT, "version": _VERSION, "id": mark_id, "kind": kind})
    _write(disk.create(folder / MARK), f"{line}\n")
    disk.sync(folder / MARK)


def read_mark(folder: Path) -> Mark | None:
    """The mark of `folder`; None if there is none, or it cannot be read."""
    path = folder / MARK
    try:
        if folder.is_symlink() or not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb") as file:
            head, *lines = file.read(_MAX_BYTES).decode().split("\n")
        values = json.loads(head)
        if (values["format"], values["version"]) != (_FORMAT, _VERSION) or not _ID.fullmatch(values["id"]):
            return None
        return Mark(str(values["kind"]), values["id"], _names(lines))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _names(lines: list[str]) -> frozenset[str]:
    """The listed names; a name in brackets was removed from the list."""
    names: set[str] = set()
    for line in lines:
        with suppress(ValueError, RecursionError):  # cut off by a power failure: that name was never used
            match json.loads(line):
                case str(name) if not {"", "..", "/"} & {name, *PurePosixPath(name).parts}:
                    names.add(name)
                case [str(name)]:
                    names.discard(name)
    return frozenset(names)


def claim(folder: Path, *names: str) -> None:
    """Adds files that are about to be written to the mark of a folder.

    Raises:
        UsageError: the folder has no mark, or a file of that name exists that mtkit did not write.
    """
    mark = read_mark(folder)
    if mark is None:
        raise UsageError(f"{folder}: was not created by mtkit.", "Choose a new or empty folder.")
    fresh = [name for name in names if name not in mark.names]
    for name in fresh:
        if os.path.lexists(folder / name):
            raise UsageError(f"{folder / name}: was not written by mtkit.", "Move it elsewhere.")
    if fresh:
        add_names(folder, fresh)


def release(folder: Path, *names: str) -> None:
    """Removes deleted files from the mark of a folder: a later file of that name may not be mtkit's."""
    _append(folder, [[name] for name in names])


def add_names(folder: Path, names: Iterable[str]) -> None:
    """Adds files to the mark of a folder."""
    _append(folder, names)


def _append(folder: Path, entries: Iterable[object]) -> None:
    descriptor = disk.extend(folder / MARK, 0o666, True)
    os.lseek(descriptor, 0, os.SEEK_END)
    # Each entry begins a new line, even after a line that was cut off.
    _write(descriptor, "".join(f"\n{json.dumps(entry)}" for entry in entries))
    disk.sync(folder / MARK)


def _write(descriptor: int, text: str) -> None:
    try:
        rest = memoryview(text.encode())
        while rest:
            rest = rest[disk.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def is_torn(path: Path) -> bool:
    """Whether `path` is an incomplete mark, whose writing was interrupted."""
    begin = json.dumps({"format": _FORMAT}).removesuffix("}").encode()
    try:
        if not stat.S_ISREG(path.lstat().st_mode) or read_mark(path.parent) is not None:
            return False
        with path.open("rb") as file:
            found = file.read(1024)
    except OSError:
        return False
    return found.startswith(begin) or begin.startswith(found)


def foreign(folder: Path, mark: Mark) -> list[str]:
    """Names in `folder` that its mark does not list, at most four, as by `described`."""
    folders = {parent.as_posix() for name in mark.names for parent in Path(name).parents}
    found: list[str] = []

    def visit(path: Path, prefix: str) -> None:
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            if len(found) == 4:
                return
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False) and name in folders:
                visit(path / entry.name, f"{name}/")
            elif not entry.is_file(follow_symlinks=False) or (name not in mark.names and name != MARK):
                found.append(described(path / entry.name, name))

    visit(folder, "")
    return found


def described(path: Path, name: str) -> str:
    """A name, with its type unless it is an ordinary file."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return name
    if stat.S_ISDIR(mode):
        return f"{name}/"
    if stat.S_ISLNK(mode):
        return f"{name} (a link)"
    return f"{name} (a pipe)" if stat.S_ISFIFO(mode) else f"{name} (a device or socket)"


def check_own(path: Path, kind: str, advice: str = "Move it elsewhere.") -> None:
    """Checks that a folder of this kind can be created or replaced without deleting anyone else's files.

    Raises:
        UsageError: it is a link or a file, has no mark of this kind, or contains other files.
    """
    check_marked(path, kind, advice)
    mark = read_mark(path)
    if mark and (others := foreign(path, mark)):
        more = " and more" if len(others) > 3 else ""
        raise UsageError(
            f"{path}: also contains files that mtkit did not write: {', '.join(others[:3])}{more}.", advice
        )


def check_marked(
    path: Path, kind: str, advice: str = "Move it elsewhere.", *, ignore_hidden: bool = False
) -> None:
    """Checks that `path` does not exist, is an empty folder, or is a folder with a mark of this kind.

    Args:
        path: the folder.
        kind: its kind.
        advice: hint of the error.
        ignore_hidden: whether a folder with only hidden files counts as empty.

    Raises:
        UsageError: it is anything else.
    """
    if not os.path.lexists(path):
        return
    if path.is_symlink():
        raise UsageError(f"{path}: is a link, which mtkit does not replace or follow.", advice)
    if not path.is_dir():
        raise UsageError(f"{path}: is a file, expected a folder.", advice)
    mark = read_mark(path)
    if mark is not None and mark.kind != kind:
        raise UsageError(f"{path}: is a folder of kind {mark.kind}, expected {kind}.", advice)
    if mark is None and (held := _listed(path, ignore_hidden)):
        raise UsageError(f"{path}: was not created by mtkit: it contains {held}.", advice)


def _listed(folder: Path, ignore_hidden: bool) -> str:
    """The first names in a folder, for a message; empty if there are none."""
    names = sorted(path.name for path in folder.iterdir())
    names = [name for name in names if not (ignore_hidden and name.startswith("."))]
    if names == [MARK] and is_torn(folder / MARK):
        return ""
    shown = ", ".join(described(folder / name, name) for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
