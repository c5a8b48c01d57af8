"""Every call that changes the disk, one function each, so that fault tests can let each of them fail or die.

No other module deletes, renames or creates a file by itself; `files` builds on these calls.
"""

from __future__ import annotations

import os
from pathlib import Path

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC


def create(path: Path, mode: int = 0o666) -> int:
    """A descriptor of a new file, to be written.

    Args:
        path: nothing may be there yet.
        mode: rights of the file, less those that the umask withholds.

    Raises:
        FileExistsError: something is there, a link included.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, mode)


def extend(path: Path, mode: int = 0o666, at_end: bool = False) -> int:
    """A descriptor of a file to go on with, made if it is missing; a symbolic link is not followed."""
    always = os.O_APPEND if at_end else 0  # whatever other processes write meanwhile
    return os.open(path, os.O_WRONLY | os.O_CREAT | always | _NO_LINK, mode)


def truncate(descriptor: int, size: int) -> None:
    """Cuts the file off after `size` bytes."""
    os.ftruncate(descriptor, size)


def write(descriptor: int, data: memoryview) -> int:
    """Writes at least the beginning of `data`. Returns how many bytes were written."""
    return os.write(descriptor, data)


def set_mode(path: Path, mode: int) -> None:
    """Sets the rights of a file."""
    path.chmod(mode)


def set_owner(path: Path, uid: int, gid: int) -> None:
    """Gives a file to a user and a group."""
    os.chown(path, uid, gid)


def sync(path: Path) -> None:
    """Returns once the content of a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Makes a folder whose parent exists."""
    path.mkdir(mode)


def rename(old: Path, new: Path) -> None:
    """Gives a file or folder another name; a file or an empty folder of that name is replaced."""
    old.replace(new)


def remove_file(path: Path) -> None:
    """Deletes a file or a link."""
    path.unlink()


def remove_folder(path: Path) -> None:
    """Deletes an empty folder."""
    path.rmdir()
