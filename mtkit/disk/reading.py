"""Reading mtkit's own small files, which may be damaged, forged, or replaced by a link or a pipe."""

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
"""Bytes of a file in which a command keeps what it knows."""
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""How a file of unknown origin is opened: as itself, and without waiting for it."""
WRONG_VALUES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What comes of using values that are not of the expected types or sizes."""


def read_ordinary(path: Path, most: int = _MAX_STATE) -> bytes:
    """The content of an ordinary file; a pipe in its place is not waited for, a link not followed.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is a link, no ordinary file, cannot be read, or is longer than `most` bytes.
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
    """The JSON object that an ordinary file holds; its values may be of any type.

    Raises:
        FileNotFoundError: there is none.
        InputError: it cannot be read, see `read_ordinary`, or holds something else.
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
    """Within the block the values of a file of mtkit's own are used, which need not be what mtkit wrote.

    Raises:
        InputError: they are not of the expected types or sizes; it names the file and has this hint.
    """
    try:
        yield
    except WRONG_VALUES as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise InputError(f"{path}: is not in the form that mtkit writes ({said}).", hint) from error


def open_ordinary(path: Path) -> BufferedReader:
    """A regular file, open for reading: no link is followed, no pipe is waited for.

    Raises:
        InputError: it is something else.
        OSError: it cannot be opened.
    """
    ordinary_file(path)  # first, since to open a device may do something
    descriptor = os.open(path, os.O_RDONLY | _CAREFUL)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise InputError(f"{path}: is a link or not a regular file.", "Replace it with the file itself.")


def unlinked(root: Path, path: Path) -> Path:
    """`path`, a folder below `root`, to which no link leads from there; that of `root` itself may be one.

    Raises:
        InputError: a step on the way is a link, which may lead anywhere.
    """
    steps = path.relative_to(root).parts
    for depth in range(len(steps)):
        if (step := root.joinpath(*steps[: depth + 1])).is_symlink():
            raise InputError(f"{step}: is a link, expected a folder.", "Replace it with the folder itself.")
    return path


def ordinary_file(path: Path) -> Path:
    """The path of a regular file; a link may lead anywhere, and a pipe would be waited for."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path}: is a link or not a regular file.", "Replace it with the file itself.")
    return path


def user_cache() -> Path:
    """The folder of what was found out on this machine and can be found out again.

    A relative path, which would mean another folder wherever one stands, is ignored, as the XDG specification
    has it. Without a home either, it is a folder in which nothing can be kept. `expanduser` never fails, as
    `Path.home` does.
    """
    named = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))  # noqa: PTH111
    return Path(next(filter(os.path.isabs, named), os.devnull), "mtkit")
