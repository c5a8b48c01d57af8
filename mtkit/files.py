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
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader
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
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""How a file of unknown origin is opened: as itself, and without waiting for it."""


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


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_bytes(values: dict[str, Any]) -> bytes:
    """The one spelling of a manifest; its last member is the hash of all the others."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**values, "digest": digest}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(
    folder: Path, kind: str, version: int, *, hashes: bool = True, later: Collection[str] = ()
) -> dict[str, Any]:
    """The manifest of a folder written by `atomic_folder`, after its files have been checked.

    Every file that is listed is an ordinary one inside the folder; what is not listed is not vouched for.

    Args:
        folder: the folder.
        kind: what its `format` must be.
        version: the `version` that can be read.
        hashes: compare contents, not only sizes.
        later: files whose contents are compared when they are read, by `open_listed` or `read_listed`.

    Raises:
        InputError: there is no manifest, it is of another kind or version, or a file is missing or
            has changed.
    """
    manifest = _parsed(folder, kind, version)
    digests: dict[tuple[int, int], str] = {}
    for name in manifest["files"]:
        _open_checked(folder, manifest, name, digests if hashes and name not in later else None).close()
    return manifest


def open_listed(folder: Path, manifest: dict[str, Any], name: str) -> BufferedReader:
    """A file that the manifest lists, open at its start, after its content has been compared with the hash.

    Whatever is put in its place meanwhile, it is the compared file that is read.

    Raises:
        InputError: the manifest lists no such file, or it is missing or has changed.
    """
    return _open_checked(folder, manifest, name, {})


def read_listed(folder: Path, manifest: dict[str, Any], name: str, most: int) -> bytes:
    """The content of a file that the manifest lists, compared with the hash there.

    Raises:
        InputError: as `open_listed`, or it has more than `most` bytes.
    """
    with _open_checked(folder, manifest, name, None) as file:
        size = manifest["files"][name]["size"]
        if size > most:
            raise InputError(
                f"{folder / name}: {size:,} bytes, expected at most {most:,}.", "Do not trust it."
            )
        try:
            content = file.read(size + 1)
        except OSError as error:
            raise InputError(f"{folder / name}: cannot be read: {error.strerror}.") from error
    if hashlib.sha256(content).hexdigest() != manifest["files"][name]["sha256"]:
        raise _changed(folder / name)
    return content


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
    raise InputError(f"{path}: is a link or no ordinary file.", "Put the file itself in its place.")


def _open_checked(
    folder: Path, manifest: dict[str, Any], name: str, digests: dict[tuple[int, int], str] | None
) -> BufferedReader:
    """A file of the manifest whose size is right, and its hash, unless `digests` is None.

    `digests` are those that are known by device and number of a file: one that has several names, by hard
    links or on a file system that ignores case, is read once.
    """
    if name not in manifest["files"]:
        raise InputError(f"{folder}: the manifest lists no {name}.", "Use another model or checkpoint.")
    expected, path = manifest["files"][name], _inside(folder, name)
    with contextlib.ExitStack() as opened:
        try:
            file = opened.enter_context(open_ordinary(path))
            found = os.fstat(file.fileno())
            if found.st_size != expected["size"]:
                raise InputError(
                    f"{path}: {found.st_size} bytes, expected {expected['size']}.",
                    "The file is damaged: make it anew.",
                )
            if digests is not None:
                key = (found.st_dev, found.st_ino)
                if key not in digests:
                    digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
                    file.seek(0)
                if digests[key] != expected["sha256"]:
                    raise _changed(path)
        except FileNotFoundError:
            raise InputError(
                f"{path}: missing, though {MANIFEST} lists it.", "Make the folder anew."
            ) from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
        opened.pop_all()
        return file


def _changed(path: Path) -> InputError:
    return InputError(f"{path}: its content is not what was written.", "The file is damaged: make it anew.")


def _parsed(folder: Path, kind: str, version: int) -> dict[str, Any]:
    """The manifest's values, if they are of that format and byte for byte as they were written."""
    path = folder / MANIFEST
    try:
        with open_ordinary(path) as file:
            raw = file.read(_MAX_MANIFEST + 1)
        values = json.loads(raw)
        found = (values["format"], values["version"])
        if found != (kind, version):  # whatever else another version may hold
            raise InputError(
                f"{path}: format {_short(found[0])} {_short(found[1])}; this mtkit reads {kind} {version}.",
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


def _short(value: Any) -> str:
    """A value of unknown type and length, for a message."""
    return f"{value!s:.40}"


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry["size"]) is int and isinstance(entry["sha256"], str)


def _inside(folder: Path, name: str) -> Path:
    """Where the file stands that a manifest calls `name`, of which there is but one spelling."""
    path = PurePosixPath(name)
    odd = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if odd or not path.parts or str(path) != name:
        raise InputError(
            f"{folder / MANIFEST}: {_short(name)!r} is not the name of a file in this folder.",
            "Do not trust it.",
        )
    unlinked(folder, (folder / name).parent)
    return folder / name


def unlinked(root: Path, path: Path) -> Path:
    """`path`, a folder below `root`, to which no link leads from there; that of `root` itself may be one.

    Raises:
        InputError: a step on the way is a link, which may lead anywhere.
    """
    steps = path.relative_to(root).parts
    for depth in range(len(steps)):
        if (step := root.joinpath(*steps[: depth + 1])).is_symlink():
            raise InputError(f"{step}: is a link, expected a folder.", "Put the folder itself in its place.")
    return path


def ordinary_file(path: Path) -> Path:
    """The path of a regular file; a link may lead anywhere, and a pipe would be waited for."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise InputError(f"{path}: is a link or no ordinary file.", "Put the file itself in its place.")
    return path


def user_cache() -> Path:
    """The folder of what was found out on this machine and can be found out again.

    `expanduser` never fails, as `Path.home` does for a user without a home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "mtkit")  # noqa: PTH111
