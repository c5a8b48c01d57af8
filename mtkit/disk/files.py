"""Files and folders that are whole or absent: written under a temporary name, flushed to disk, then renamed.

A folder under its final name is complete even after a crash, and its manifest proves it. Only things with a
mark of mtkit are replaced or deleted, and never through a link.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mtkit.disk import calls as disk
from mtkit.disk.manifest import MANIFEST, manifest_bytes, sha256
from mtkit.disk.marks import MARK, add_names, check_marked, check_own, is_torn, new_id, read_mark, write_mark
from mtkit.errors import UsageError

MAX_NAME_BYTES = 200
"""Most bytes of a name in a config that becomes a file name; leaves room for a suffix."""

_TEMPORARY = ".tmp-"
_TEMPORARY_NAME = re.compile(r"\.tmp-(?P<name>.*?)(?P<use>-old|-gone)?-(?P<id>[0-9a-f]{32})", re.DOTALL)
_BUFFER = 1 << 20
_ATTEMPTS = 10
MOMENT = 1.0
"""Seconds after which no process can still be writing a mark."""


def fault_of_name(name: str) -> str:
    """Why `name` cannot be a file name; empty if it can."""
    if not name or name in (".", ".."):
        return "is invalid"
    if "/" in name or "\0" in name:
        return "must not contain / or NUL"
    size = len(name.encode(errors="replace"))
    return f"has {size} bytes, the maximum is {MAX_NAME_BYTES}" if size > MAX_NAME_BYTES else ""


# ---------------------------------------------------------------- writing


class _Descriptor(io.RawIOBase):
    """A new file as a raw stream that writes through `disk`."""

    def __init__(self, path: Path, mode: int) -> None:
        self._descriptor = disk.create(path, mode)

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def write(self, data: Any) -> int:
        return disk.write(self._descriptor, memoryview(data).cast("B"))

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


@contextmanager
def new_file(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A binary file to be written at `path`, for instance in an `atomic_folder`, which flushes it to disk."""
    raw = _Descriptor(path, mode)
    try:
        file = io.BufferedWriter(raw, _BUFFER)
        yield file
        file.flush()
    finally:
        raw.close()  # closing the buffer would try again to write what could not be written


@contextmanager
def new_text(path: Path) -> Iterator[IO[str]]:
    """A UTF-8 text file to be written at `path`, with line feeds on every system; see `new_file`."""
    with new_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="\n", write_through=False)
        yield text
        text.flush()
        text.detach()


@contextmanager
def atomic_file(path: Path, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A binary file that appears at `path` if the block succeeds, and not at all otherwise.

    Raises:
        UsageError: a link, a folder, a pipe or a device has that name.
    """
    if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
        raise UsageError(
            f"{path}: is a link or not a regular file, so it is not replaced.", "Move it elsewhere."
        )
    with replacing(path, mode) as file:
        yield file


@contextmanager
def replacing(
    path: Path, mode: int, prepare: Callable[[Path], None] = lambda temporary: None
) -> Iterator[IO[bytes]]:
    """A new file that replaces `path` if the block succeeds.

    Args:
        path: must not exist, or be an ordinary file.
        mode: permissions of the new file.
        prepare: called with the temporary name before the file is renamed.
    """
    make_folders(path.parent)
    temporary = temporary_path(path)
    with contextlib.ExitStack() as undo:
        with new_file(temporary, mode) as file:
            undo.callback(discard, temporary)  # not earlier: a file that existed before is not ours
            yield file
        disk.sync(temporary)
        prepare(temporary)
        disk.rename(temporary, path)
        undo.pop_all()
        disk.sync(path.parent)


def write_text(path: Path, text: str, mode: int = 0o666) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_file(path, mode) as file:
        file.write(text.encode())


PRIVATE = 0o600
"""Permissions of a file with the user's text."""


@contextmanager
def atomic_folder(path: Path, manifest: dict[str, Any], *, private: bool = False) -> Iterator[Path]:
    """A folder to fill, which becomes `path` if the block succeeds and is deleted otherwise.

    Its `manifest.json` is `manifest` with the size and sha256 of each file, and a digest of itself.

    Args:
        path: an existing folder of the same kind is replaced.
        manifest: `format` is the kind of the folder.
        private: whether only the owner may read it.

    Raises:
        UsageError: `path` was not made by mtkit, or contains other files too.
    """
    kind = manifest["format"]
    check_own(path, kind)
    make_folders(path.parent)
    temporary = temporary_path(path)
    mark_id = temporary.name[-32:]
    with contextlib.ExitStack() as undo:
        disk.make_folder(temporary, 0o700 if private else 0o777)
        undo.callback(discard, temporary)
        write_mark(temporary, kind, mark_id)
        yield temporary
        _seal(temporary, manifest, private)
        check_own(path, kind)  # again, because the work may have taken hours
        _put(temporary, path)
        undo.pop_all()


def _seal(folder: Path, manifest: dict[str, Any], private: bool) -> None:
    """Writes the manifest and the names of all files, and flushes everything."""
    everything = sorted(file for file in folder.rglob("*") if file.is_file())
    found = [file for file in everything if file.name != MARK]
    for file in everything:
        if private:
            disk.set_mode(file, PRIVATE)
        disk.sync(file)
    files = {
        file.relative_to(folder).as_posix(): {"size": file.stat().st_size, "sha256": sha256(file)}
        for file in found
    }
    with new_file(folder / MANIFEST, PRIVATE if private else 0o666) as stream:
        stream.write(manifest_bytes({**manifest, "files": files}))
    disk.sync(folder / MANIFEST)
    names = {file.relative_to(folder).as_posix() for file in everything} - {MARK}
    add_names(folder, sorted(names | {MANIFEST}))
    for inner in sorted({folder, *(file.parent for file in everything)}, reverse=True):
        disk.sync(inner)


def _put(temporary: Path, path: Path) -> None:
    """Renames a finished folder; if killed between the two renames, `recover` puts the old folder back."""
    replaced = temporary_path(path, "-old")
    exists = read_mark(path) is not None
    if exists:
        disk.rename(path, replaced)
    try:
        disk.rename(temporary, path)
    except BaseException:
        if exists:
            disk.rename(replaced, path)
        raise
    disk.sync(path.parent)
    if exists:
        _remove_made(replaced)


def temporary_path(path: Path, use: str = "") -> Path:
    """An unpredictable name beside `path`; a long name is cut to stay valid."""
    name = path.name.encode()[:150].decode(errors="ignore")
    return path.with_name(f"{_TEMPORARY}{name}{use}-{new_id()}")


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder for temporary files under `parent`, deleted when the block ends."""
    folder = temporary_path(parent / "scratch")
    disk.make_folder(folder, 0o700)
    try:
        write_mark(folder, "mtkit-scratch", folder.name[-32:])
        yield folder
    finally:
        discard(folder)


def make_folders(path: Path) -> None:
    """Creates a folder and its parents, and flushes them to disk."""
    if path.is_dir():
        return
    make_folders(path.parent)
    with contextlib.suppress(FileExistsError):
        disk.make_folder(path)
    disk.sync(path.parent)


def marked_folder(path: Path, kind: str, *, private: bool = False, ignore_hidden: bool = False) -> Path:
    """Creates or marks a folder in which single files can be claimed; returns `path`.

    Args:
        path: the folder; if it exists, it must be empty or already marked.
        kind: its kind.
        private: whether only the owner may enter a new folder.
        ignore_hidden: whether a folder with only hidden files counts as empty.

    Raises:
        UsageError: it is a link or not a folder, or it contains files but has no mark.
    """
    check_marked(path, kind, ignore_hidden=ignore_hidden)
    make_folders(path.parent)
    with contextlib.suppress(FileExistsError):
        disk.make_folder(path, 0o700 if private else 0o777)
    disk.sync(path.parent)
    for _ in range(_ATTEMPTS):  # other processes may be making the same folder
        if read_mark(path) is not None:
            break
        if is_torn(path / MARK):
            time.sleep(MOMENT)
            if is_torn(path / MARK):
                with contextlib.suppress(FileNotFoundError):
                    disk.remove_file(path / MARK)
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            write_mark(path, kind, new_id())
    return path


# ---------------------------------------------------------------- removing


def _remove_tree(path: Path) -> None:
    """Deletes a file or folder as far as possible. Links are not followed."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            disk.remove_file(path)
            return
        for member in sorted(path.iterdir(), key=lambda member: member.name == MARK):  # the mark goes last
            _remove_tree(member)
        disk.remove_folder(path)


def discard(temporary: Path) -> None:
    """Deletes a temporary file or folder, if it exists and was certainly made by mtkit."""
    named = _TEMPORARY_NAME.fullmatch(temporary.name)
    if named is None or not os.path.lexists(temporary) or temporary.is_symlink():
        return
    if temporary.is_dir():
        mark = read_mark(temporary)
        members = [] if mark else list(temporary.iterdir())
        begun = not members or (members == [temporary / MARK] and is_torn(temporary / MARK))
        if mark.id == named["id"] if mark else begun:
            _remove_tree(temporary)
    elif stat.S_ISREG(temporary.lstat().st_mode):
        _remove_tree(temporary)


def _remove_made(folder: Path) -> None:
    """Deletes the files that the mark of a folder lists, and then the folder if it is empty."""
    mark = read_mark(folder)
    if mark is None:
        return
    folders = {parent.as_posix() for name in mark.names for parent in Path(name).parents}

    def visit(path: Path, prefix: str) -> None:
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            name = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False) and name in folders:
                visit(path / entry.name, f"{name}/")
            elif name in mark.names:
                remove_own_file(path / entry.name)
        if prefix:
            with contextlib.suppress(OSError):  # it contains other files
                disk.remove_folder(path)

    with contextlib.suppress(OSError):
        visit(folder, "")
    remove_empty(folder)


def remove_own_file(path: Path) -> None:
    """Deletes a file that the caller knows to be mtkit's, but only if it is an ordinary file."""
    with contextlib.suppress(OSError):
        if stat.S_ISREG(path.lstat().st_mode):
            disk.remove_file(path)


def remove_own_folder(path: Path, kind: str) -> None:
    """Deletes a folder of mtkit that others may be reading: at any time it is whole or absent.

    Raises:
        UsageError: it is of another kind, or contains other files too.
        OSError: it cannot be renamed; it still exists, and is whole.
    """
    if not os.path.lexists(path):
        return
    check_own(path, kind)
    removed = temporary_path(path, "-gone")
    disk.rename(path, removed)
    if read_mark(removed) is None:
        disk.remove_folder(removed)  # an empty one
    else:
        _remove_made(removed)


def remove_empty(folder: Path) -> None:
    """Deletes a folder and its mark, if it contains nothing else and is not a link."""
    with contextlib.suppress(OSError):
        if folder.is_symlink():
            return
        if read_mark(folder) and [path.name for path in folder.iterdir()] == [MARK]:
            disk.remove_file(folder / MARK)
        disk.remove_folder(folder)


def recover(parent: Path, name: str = "*") -> None:
    """Cleans up after an interrupted write; puts back a folder that was being replaced.

    Args:
        parent: the folder of the write: mtkit's, not a link, and no process may be writing there now.
        name: pattern of the names that were being written.
    """
    for left in sorted(parent.glob(f"{_TEMPORARY}{name}-*")):
        found = _TEMPORARY_NAME.fullmatch(left.name)
        if found is None or left.is_symlink():
            continue
        if not found["use"]:
            discard(left)
        elif read_mark(left) is not None:
            if found["use"] == "-old" and not os.path.lexists(parent / found["name"]):
                disk.rename(left, parent / found["name"])
            else:
                _remove_made(left)
        elif left.is_dir():
            remove_empty(left)  # its mark was deleted last
