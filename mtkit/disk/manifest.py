"""The manifest of a folder: sizes and hashes of its files, with which the folder is verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from mtkit.disk.reading import open_ordinary, unlinked
from mtkit.errors import InputError

MANIFEST = "manifest.json"
_MAX_MANIFEST = 1 << 26
_MAX_FILES = 100_000


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
                    "The file is damaged. Recreate it.",
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
                f"{path}: missing, though {MANIFEST} lists it.", "Recreate the folder."
            ) from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
        opened.pop_all()
        return file


def _changed(path: Path) -> InputError:
    return InputError(
        f"{path}: its content has changed since it was written.", "The file is damaged. Recreate it."
    )


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
                "Use the version of mtkit that wrote it, or recreate the folder.",
            )
        if manifest_bytes({key: value for key, value in values.items() if key != "digest"}) != raw:
            raise ValueError("its content has changed since it was written")
        files = values["files"]
        if len(files) > _MAX_FILES or not all(map(_is_entry, files.values())):
            raise ValueError("what it says of its files is not of the right types")
    except FileNotFoundError:
        raise InputError(
            f"{folder}: there is no {MANIFEST}, so this is not a complete {kind} folder."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = "it is not made of the expected values" if isinstance(error, RecursionError) else error
        raise InputError(f"{path}: unreadable ({said}).", "Use a backup, or recreate the folder.") from error
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
