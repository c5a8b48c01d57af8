"""The file that a user names for output: whole or absent where it is a file, written into where it is not."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mtkit.disk import calls as disk
from mtkit.disk.files import replacing
from mtkit.errors import UsageError

_OPEN_ALREADY = ("/dev/fd/", "/proc/self/fd/")
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}


@contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file for the user's `path`, whole when the block ends well.

    An ordinary file is replaced then and keeps its rights and owner; of a link, what it leads to. A device
    or a pipe is written into, as is a descriptor that is open already (`/dev/stdout`, `/dev/fd/3`).

    Raises:
        UsageError: it is a folder or a socket.
        OSError: it cannot be written.
    """
    if (descriptor := open_descriptor(path)) is not None:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))
    kind = target.stat().st_mode if target.exists() else stat.S_IFREG
    if stat.S_ISREG(kind):
        with replacing(target, 0o600, lambda new: give_rights(new, target)) as file:
            yield file
    elif stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
        # Not `disk.create`: nothing is made, and nothing is cut off.
        with io.BufferedWriter(io.FileIO(os.open(target, os.O_WRONLY | os.O_CLOEXEC), "wb")) as stream:
            yield stream
    else:
        raise UsageError(f"{path}: is {describe(kind)}, expected a file.", "Name a file.")


def open_descriptor(path: Path) -> int | None:
    """The descriptor that `path` stands for, such as 1 for `/dev/stdout`; None if it is an ordinary name."""
    text = os.path.normpath(path)
    if text in _STREAMS:
        return _STREAMS[text]
    for prefix in _OPEN_ALREADY:
        number = text.removeprefix(prefix)
        if number != text and number.isdecimal():
            return int(number)
    return None


def is_ordinary(path: Path) -> bool:
    """Whether `path` is, or would become, a regular file, so that it can be written in several attempts."""
    target = Path(os.path.realpath(path))
    return open_descriptor(path) is None and (not target.exists() or target.is_file())


def describe(mode: int) -> str:
    """What a file of this `st_mode` is, with its article."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFBLK: "a device",
        stat.S_IFCHR: "a device",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "no ordinary file")


def give_rights(path: Path, target: Path) -> None:
    """Gives the new file `path` the owner and the rights of the file `target`, or those of any new file.

    Raises:
        PermissionError: `target` belongs to somebody else, to whom only root can give a file.
    """
    if not target.exists():
        umask = os.umask(0)
        os.umask(umask)
        disk.set_mode(path, 0o666 & ~umask)
        return
    before, now = target.stat(), path.stat()
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            disk.set_owner(path, before.st_uid, before.st_gid)
        except PermissionError:
            if now.st_uid != before.st_uid:
                raise
    disk.set_mode(path, stat.S_IMODE(before.st_mode))


def check_not_read(target: Path, sources: dict[str, Path | None]) -> None:
    """Returns if writing `target` does not replace what is being read.

    Args:
        target: the file to be written.
        sources: files that are read, by what they are called; None is standard input.

    Raises:
        UsageError: it is one of them, under whatever name.
    """
    if open_descriptor(target) is not None or not target.is_file():
        return
    there = target.stat()
    for what, source in sources.items():
        try:
            found = os.fstat(0) if source is None else source.stat()
        except (OSError, ValueError):
            continue
        if os.path.samestat(there, found):
            raise UsageError(f"{target}: is also {what}, which would be overwritten.", "Name another output.")
