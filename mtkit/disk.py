"""The calls that change the disk, one function each, which fault tests let fail or die."""

from __future__ import annotations

import os
from pathlib import Path


def create(path: Path) -> int:
    """A descriptor of a new or emptied file, to be written; a symbolic link is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o666)


def extend(path: Path) -> int:
    """A descriptor of a file that may be there already, to go on with; a symbolic link is not followed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags, 0o666)


def truncate(descriptor: int, size: int) -> None:
    """Cuts off what stands after `size` bytes."""
    os.ftruncate(descriptor, size)


def write(descriptor: int, data: memoryview) -> int:
    """Writes at least the beginning of `data`, and tells how many bytes."""
    return os.write(descriptor, data)


def sync(path: Path) -> None:
    """Returns once the content of a file, or the names in a folder, would outlive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder whose parent is there."""
    path.mkdir()


def rename(old: Path, new: Path) -> None:
    """Gives a file or folder another name; a file of that name is replaced."""
    old.replace(new)


def remove_file(path: Path) -> None:
    """Deletes a file or a link."""
    path.unlink()


def remove_folder(path: Path) -> None:
    """Deletes an empty folder."""
    path.rmdir()
