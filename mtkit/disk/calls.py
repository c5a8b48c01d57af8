"""Every call that changes the disk, one function each; fault tests make each of them fail or be killed.

No other module creates, renames or deletes files directly; `files` builds on these calls.
"""

from __future__ import annotations

import os
from pathlib import Path

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | os.O_CLOEXEC


def create(path: Path, mode: int = 0o666) -> int:
    """Creates a file; returns a descriptor for writing.

    Args:
        path: must not exist.
        mode: permissions of the file, before the umask.

    Raises:
        FileExistsError: the path exists, even as a link.
    """
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, mode)


def extend(path: Path, mode: int = 0o666, at_end: bool = False) -> int:
    """Opens a file for further writing, or creates it; returns a descriptor. Follows no symbolic link."""
    always = os.O_APPEND if at_end else 0  # even if other processes write at the same time
    return os.open(path, os.O_WRONLY | os.O_CREAT | always | _NO_LINK, mode)


def truncate(descriptor: int, size: int) -> None:
    """Cuts the file off after `size` bytes."""
    os.ftruncate(descriptor, size)


def write(descriptor: int, data: memoryview) -> int:
    """Writes at least the beginning of `data`. Returns how many bytes were written."""
    return os.write(descriptor, data)


def set_mode(path: Path, mode: int) -> None:
    """Sets the permissions of a file."""
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
    """Creates a folder; its parent must exist."""
    path.mkdir(mode)


def rename(old: Path, new: Path) -> None:
    """Renames a file or folder; replaces a file or an empty folder with the new name."""
    old.replace(new)


def remove_file(path: Path) -> None:
    """Deletes a file or a link."""
    path.unlink()


def remove_folder(path: Path) -> None:
    """Deletes an empty folder."""
    path.rmdir()
