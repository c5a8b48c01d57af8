"""Files and folders that are whole or absent: written beside their place, flushed to disk, then renamed.

Whatever is lost or killed on the way, a folder that bears its final name is the one that was written,
and its manifest proves it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mtkit import disk
from mtkit.errors import InputError

MANIFEST = "manifest.json"
_TEMPORARY = ".tmp-"
_REPLACED = re.compile(rf"{re.escape(_TEMPORARY)}(?P<name>.+)-old-\d+")
_BUFFER = 1 << 20
_MAX_MANIFEST = 1 << 26
_MAX_FILES = 100_000
_MAX_STATE = 1 << 26
"""Bytes of a file in which a command keeps what it knows."""


# ---------------------------------------------------------------- writing


class _Descriptor(io.RawIOBase):
    """A new file as a raw stream whose bytes go through `disk`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = disk.create(path)

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
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to be written at `path`, for instance in an `atomic_folder`, which flushes it to disk."""
    raw = _Descriptor(path)
    try:
        file = io.BufferedWriter(raw, _BUFFER)
        yield file
        file.flush()
    finally:
        raw.close()  # not the buffer, which would try once more to write what could not be written


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under `path` when the block ends well, and not at all otherwise."""
    make_folders(path.parent)
    temporary = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    try:
        with new_file(temporary) as file:
            yield file
        disk.sync(temporary)
        disk.rename(temporary, path)
        disk.sync(path.parent)
    except BaseException:
        remove_tree(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode())


@contextmanager
def atomic_folder(path: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends well, and vanishes otherwise.

    Its `manifest.json` is `manifest` with the size and sha256 of each file added, and a digest of
    itself; a folder that was there before is replaced.
    """
    make_folders(path.parent)
    temporary = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    remove_tree(temporary)
    try:
        disk.make_folder(temporary)
        yield temporary
        found = sorted(file for file in temporary.rglob("*") if file.is_file())
        for file in found:
            disk.sync(file)
        files = {
            file.relative_to(temporary).as_posix(): {"size": file.stat().st_size, "sha256": sha256(file)}
            for file in found
        }
        with new_file(temporary / MANIFEST) as stream:
            stream.write(manifest_bytes({**manifest, "files": files}))
        disk.sync(temporary / MANIFEST)
        for folder in sorted({temporary, *(file.parent for file in found)}, reverse=True):
            disk.sync(folder)
        _put(temporary, path)
    except BaseException:
        remove_tree(temporary)
        raise


def _put(temporary: Path, path: Path) -> None:
    """Gives a finished folder its name; between the two renames of a replacement, `recover` knows the old."""
    replaced = path.with_name(f"{_TEMPORARY}{path.name}-old-{os.getpid()}")
    if path.exists():
        disk.rename(path, replaced)
    try:
        disk.rename(temporary, path)
    except BaseException:
        if replaced.exists():
            disk.rename(replaced, path)
        raise
    disk.sync(path.parent)
    remove_tree(replaced)


def make_folders(path: Path) -> None:
    """Makes a folder and those above it, each of them there to stay."""
    if path.is_dir():
        return
    make_folders(path.parent)
    with contextlib.suppress(FileExistsError):
        disk.make_folder(path)
    disk.sync(path.parent)


# ---------------------------------------------------------------- removing


def remove_tree(path: Path) -> None:
    """Deletes a file or folder, if it is there; what cannot be deleted stays. Links are not followed."""
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            disk.remove_file(path)
            return
        for member in sorted(path.iterdir()):
            remove_tree(member)
        disk.remove_folder(path)


def remove_folder(path: Path) -> None:
    """Deletes a folder that others may be reading: under its name it is whole or absent at any time.

    Raises:
        OSError: it cannot be renamed; it is still there, and whole.
    """
    removed = path.with_name(f"{_TEMPORARY}{path.name}-gone-{os.getpid()}")
    disk.rename(path, removed)
    remove_tree(removed)


def recover(parent: Path, name: str = "*") -> None:
    """Tidies up after a write that was interrupted: the folder that was to be replaced is put back.

    Args:
        parent: where the write was going on; nobody may be writing there now.
        name: pattern of the names that were being written.
    """
    for left in sorted(parent.glob(f"{_TEMPORARY}{name}-*")):
        replaced = _REPLACED.fullmatch(left.name)
        if replaced and not (parent / replaced["name"]).exists():
            disk.rename(left, parent / replaced["name"])
        else:
            remove_tree(left)


# ---------------------------------------------------------------- reading

WRONG_VALUES = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What comes of using values that are not of the expected types or sizes."""


def read_ordinary(path: Path, most: int = _MAX_STATE) -> bytes:
    """The content of an ordinary file; a pipe in its place is not waited for, a link not followed.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is a link, no ordinary file, cannot be read, or is longer than `most` bytes.
    """
    try:
        with ordinary_file(path).open("rb") as file:
            raw = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(raw) > most:
        raise InputError(f"{path}: has more than {most:,} bytes, so it is not what mtkit wrote.")
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
        raise InputError(f"{path}: is damaged: it holds no JSON object.")
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
        raise InputError(f"{path}: does not hold what mtkit writes there ({said}).", hint) from error


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_bytes(values: dict[str, Any]) -> bytes:
    """The one spelling of a manifest; its last member is the hash of all the others."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**values, "digest": digest}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path, kind: str, version: int, *, hashes: bool = True) -> dict[str, Any]:
    """The manifest of a folder written by `atomic_folder`, after its files have been checked.

    Every file that is listed is an ordinary one inside the folder; what is not listed is not vouched for.

    Args:
        folder: the folder.
        kind: what its `format` must be.
        version: the `version` that can be read.
        hashes: compare contents, not only sizes.

    Raises:
        InputError: there is no manifest, it is of another kind or version, or a file is missing or
            has changed.
    """
    manifest = _parsed(folder, kind, version)
    for name, expected in manifest["files"].items():
        file = _inside(folder, name)
        size = file.stat().st_size
        if size != expected["size"]:
            raise InputError(
                f"{file}: {size} bytes, expected {expected['size']}.", "The file is damaged: make it anew."
            )
        if hashes and sha256(file) != expected["sha256"]:
            raise InputError(
                f"{file}: its content is not what was written.", "The file is damaged: make it anew."
            )
    return manifest


def _parsed(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """The manifest's values, if they are of that format and byte for byte as they were written."""
    path = folder / MANIFEST
    try:
        with ordinary_file(path).open("rb") as file:
            raw = file.read(_MAX_MANIFEST + 1)
        values = json.loads(raw)
        found = (values["format"], values["version"])
        if found != (kind, version):  # whatever else another version may hold
            raise InputError(
                f"{path}: format {found[0]} {found[1]}; this mtkit reads {kind} {version}.",
                "Use the version of mtkit that wrote it, or make the folder anew.",
            )
        if manifest_bytes({key: value for key, value in values.items() if key != "digest"}) != raw:
            raise ValueError("its content is not what was written")
        files = values["files"]
        if len(files) > _MAX_FILES or not all(map(_is_entry, files.values())):
            raise ValueError("what it says of its files is not of the right types")
    except FileNotFoundError:
        raise InputError(f"{folder}: there is no {MANIFEST}, so this is not a whole {kind} folder.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = "it is not made of the expected values" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: unreadable ({said}).", "Use a backup, or make the folder anew.") from error
    return dict(values)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry["size"]) is int and isinstance(entry["sha256"], str)


def _inside(folder: Path, name: str) -> Path:
    """The ordinary file that a manifest calls `name`."""
    steps = PurePosixPath(name).parts
    if not steps or PurePosixPath(name).is_absolute() or ".." in steps or "\\" in name or "\0" in name:
        raise InputError(
            f"{folder / MANIFEST}: {name!r} is not the name of a file in this folder.", "Do not trust it."
        )
    for depth in range(1, len(steps)):
        if folder.joinpath(*steps[:depth]).is_symlink():
            raise InputError(f"{folder.joinpath(*steps[:depth])}: is a link, expected a folder.")
    try:
        return ordinary_file(folder / name)
    except FileNotFoundError:
        raise InputError(
            f"{folder / name}: missing, though {MANIFEST} lists it.", "Make the folder anew."
        ) from None
    except OSError as error:
        raise InputError(f"{folder / name}: cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a lone surrogate
        raise InputError(
            f"{folder / MANIFEST}: {name!r} is the name of no file.", "Do not trust it."
        ) from error


def ordinary_file(path: Path) -> Path:
    """The path of a regular file; a link may lead anywhere, and a pipe would be waited for."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path}: is a link or no ordinary file.", "Put the file itself in its place.")
    return path


def user_cache() -> Path:
    """The folder of what was found out on this machine and can be found out again.

    A relative path, which would mean another folder wherever one stands, is ignored, as the XDG specification
    has it. Without a home either, it is a folder in which nothing can be kept. `expanduser` never fails, as
    `Path.home` does.
    """
    named = (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache"))  # noqa: PTH111
    return Path(next(filter(os.path.isabs, named), os.devnull), "mtkit")
