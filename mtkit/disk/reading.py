"""Reads mtkit's own small files, which may be damaged, forged, or replaced by a link or a pipe."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from mtkit.errors import InputError

_MAX_STATE = 1 << 26
"""Most bytes of such a file."""
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags for opening untrusted files: follow no link, and do not block."""
WRONG_VALUES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""The exceptions raised when values have unexpected types or sizes."""


def read_ordinary(path: Path, most: int = _MAX_STATE) -> bytes:
    """The content of an ordinary file; follows no link, and never waits for a pipe.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is a link or not an ordinary file, cannot be read, or has more than `most` bytes.
    """
    try:
        with open_ordinary(path) as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(raw) > most:
        raise InputError(f"{path}: has more than {most:,} bytes, so mtkit did not write it.")
    return raw


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in an ordinary file; its values may be of any type.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it cannot be read, see `read_ordinary`, or does not contain a JSON object.
    """
    raw = read_ordinary(path)
    try:
        values = json.loads(raw)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InputError(f"{path}: is damaged: it contains no JSON object.")
    return values


@contextmanager
def using(path: Path, hint: str) -> Iterator[None]:
    """Turns errors from using the untrusted values of one of mtkit's files into an InputError.

    Raises:
        InputError: the values have unexpected types or sizes; it names the file and has this hint.
    """
    try:
        yield
    except WRONG_VALUES as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise InputError(f"{path}: is not in the form that mtkit writes ({reason}).", hint) from error


def open_ordinary(path: Path) -> BufferedReader:
    """Opens a regular file for reading; follows no link, and never waits for a pipe.

    Raises:
        InputError: it is not a regular file.
        OSError: it cannot be opened.
    """
    ordinary_file(path)  # first, because merely opening some devices has effects
    descriptor = os.open(path, os.O_RDONLY | _CAREFUL)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise InputError(f"{path}: is a link or not a regular file.", "Replace it with the file itself.")


def unlinked(root: Path, path: Path) -> Path:
    """Checks that no part of `path` below `root` is a link; returns `path`. `root` itself may be one.

    Raises:
        InputError: a part is a link, which could lead anywhere.
    """
    steps = path.relative_to(root).parts
    for depth in range(len(steps)):
        if (step := root.joinpath(*steps[: depth + 1])).is_symlink():
            raise InputError(f"{step}: is a link, expected a folder.", "Replace it with the folder itself.")
    return path


def ordinary_file(path: Path) -> Path:
    """Checks that `path` is a regular file: a link could lead anywhere, and a pipe could block."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path}: is a link or not a regular file.", "Replace it with the file itself.")
    return path


def user_cache() -> Path:
    """The folder for cached results about this machine.

    A relative path in XDG_CACHE_HOME is ignored, as the XDG specification requires. Without a home folder,
    this is a path at which no file can be written. `Path.home` would raise there; `expanduser` does not.
    """
    named = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))  # noqa: PTH111
    return Path(next(filter(os.path.isabs, named), os.devnull), "mtkit")
