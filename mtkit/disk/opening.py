"""Opens files that the user named, without blocking and without reading devices by accident."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from pathlib import Path
from typing import Literal

Accept = Literal["file", "stream", "pipe"]
"""Kinds of files that may be opened.

`file`: only ordinary files, which can be read again. `stream`: also files that the shell has opened for us:
standard input and process substitution. `pipe`: also a named pipe, which blocks until there is a writer.
"""

_DESCRIPTOR = re.compile(r"/dev/stdin|(/dev|/proc/(self|thread-self|\d+))/fd/\d+")
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def is_descriptor(path: Path | str) -> bool:
    """Whether `path` names a file that is already open, as `<(command)` in a shell does."""
    return bool(_DESCRIPTOR.fullmatch(str(path)))


def open_input(
    path: Path, accept: Accept = "stream", buffer: int = io.DEFAULT_BUFFER_SIZE
) -> io.BufferedReader:
    """Opens a file for reading, if `accept` allows its kind; follows links.

    Raises:
        OSError: it cannot be opened, or is of another kind, which `strerror` names.
    """
    try:
        _check(path, path.stat(), accept)  # first, because merely opening some devices has effects
        waits = accept == "pipe"
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if waits else os.O_NONBLOCK))
    except ValueError:  # a NUL in the name
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path)) from None
    try:
        _check(path, os.fstat(descriptor), accept)
        os.set_blocking(descriptor, True)
        return io.BufferedReader(io.FileIO(descriptor), buffer)
    except BaseException:
        os.close(descriptor)
        raise


def kind_of(mode: int) -> str:
    """The kind of a file that is not an ordinary one, by its `st_mode`, with an article."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _check(path: Path, status: os.stat_result, accept: Accept) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG or os.path.samestat(status, Path(os.devnull).stat()):
        return
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "it is a folder, expected a file", str(path))
    if (accept != "file" and is_descriptor(path)) or (accept == "pipe" and kind == stat.S_IFIFO):
        return
    again = ", which cannot be read twice" if is_descriptor(path) else ""
    raise OSError(errno.EINVAL, f"it is {kind_of(kind)}{again}, expected a file", str(path))
