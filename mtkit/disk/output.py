"""The user's output: an ordinary file is whole or absent; pipes and devices are written directly."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mtkit.disk import calls as disk
from mtkit.disk.files import replacing
from mtkit.disk.opening import kind_of
from mtkit.errors import UsageError

_OPEN_ALREADY = ("/dev/fd/", "/proc/self/fd/")
_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}


@contextmanager
def output_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file for the user's `path`.

    It is compressed if its name ends in .gz, .bz2, .xz or .zst. An ordinary file, or the target of a link, is
    replaced if the block succeeds, and keeps its permissions and owner. Devices, pipes and open descriptors
    (`/dev/stdout`, `/dev/fd/3`) are written directly.

    Raises:
        UsageError: it is a folder or a socket, or the library for .zst is missing.
        OSError: it cannot be written.
    """
    pack = _packer(path)
    with _plain_file(path) as file:
        if pack is None:
            yield file
        else:
            with pack(file) as packed:
                yield packed


def _packer(path: Path) -> Callable[[IO[bytes]], Any] | None:
    """What compresses a stream as the suffix of a name says."""
    match path.suffix:
        case ".gz":
            import gzip

            return lambda file: gzip.GzipFile("", "wb", 6, file, mtime=0)  # the same bytes each time
        case ".bz2":
            import bz2

            return lambda file: bz2.BZ2File(file, "wb")
        case ".xz":
            import lzma

            return lambda file: lzma.LZMAFile(file, "wb")
        case ".zst":
            try:
                import zstandard
            except ImportError:
                raise UsageError(
                    f"{path}: writing .zst requires zstandard.", "Install it: pip install zstandard."
                ) from None
            return lambda file: zstandard.ZstdCompressor().stream_writer(file, closefd=False)
        case _:
            return None


@contextmanager
def _plain_file(path: Path) -> Iterator[IO[bytes]]:
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
        # Not `disk.create`, because the file exists and must not be truncated.
        with io.BufferedWriter(io.FileIO(os.open(target, os.O_WRONLY | os.O_CLOEXEC), "wb")) as stream:
            yield stream
    else:
        raise UsageError(f"{path}: is {kind_of(kind)}, expected a file.", "Name a file.")


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
    """Whether `path` is, or would become, a regular file, which can be written in several attempts."""
    target = Path(os.path.realpath(path))
    return open_descriptor(path) is None and (not target.exists() or target.is_file())


def give_rights(path: Path, target: Path) -> None:
    """Copies owner and permissions from `target` to the new file `path`; without `target`, sets the defaults.

    Raises:
        PermissionError: `target` belongs to another user, to whom only root can give a file.
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
    """Checks that writing `target` does not overwrite a file that is being read.

    Args:
        target: the file to be written.
        sources: the files that are read, by their name in messages; None for standard input.

    Raises:
        UsageError: it is one of them, even under another name.
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
