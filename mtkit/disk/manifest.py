"""The manifest of a folder: sizes and hashes of its files, used to verify the folder."""

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
    """The canonical JSON of a manifest; its last member is the hash of all others."""
    text = json.dumps(values, indent=1, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (json.dumps({**values, "digest": digest}, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(
    folder: Path, kind: str, version: int, *, hashes: bool = True, later: Collection[str] = ()
) -> dict[str, Any]:
    """The manifest of a folder written by `atomic_folder`, after its files have been checked.

    Every listed file must be an ordinary file inside the folder; files that are not listed are not checked.

    Args:
        folder: the folder.
        kind: the required `format`.
        version: the required `version`.
        hashes: whether to compare contents, not only sizes.
        later: files whose contents will be compared by `open_listed` or `read_listed`.

    Raises:
        InputError: there is no manifest, it has another kind or version, or a file is missing or has changed.
    """
    manifest = _parsed(folder, kind, version)
    digests: dict[tuple[int, int], str] = {}
    for name in manifest["files"]:
        _open_checked(folder, manifest, name, digests if hashes and name not in later else None).close()
    return manifest


def open_listed(folder: Path, manifest: dict[str, Any], name: str) -> BufferedReader:
    """Opens a listed file after comparing its content with the hash.

    The open file is the one that was compared, even if it is replaced in the meantime.

    Raises:
        InputError: the manifest lists no such file, or it is missing or has changed.
    """
    return _open_checked(folder, manifest, name, {})


def read_listed(folder: Path, manifest: dict[str, Any], name: str, most: int) -> bytes:
    """The content of a listed file, after comparing it with the hash.

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


def unlisted(folder: Path, name: str) -> InputError:
    """The failure of a file that the manifest of `folder` should list."""
    return InputError(f"{folder}: the manifest lists no {name}.", "Use another model or checkpoint.")


def _open_checked(
    folder: Path, manifest: dict[str, Any], name: str, digests: dict[tuple[int, int], str] | None
) -> BufferedReader:
    """Opens a listed file after comparing its size and, unless `digests` is None, its hash.

    `digests` caches hashes by device and inode: a file with several names, through hard links or on a file
    system that ignores case, is read once.
    """
    if name not in manifest["files"]:
        raise unlisted(folder, name)
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
    """The values of the manifest, if it has this format and is unchanged byte for byte."""
    path = folder / MANIFEST
    try:
        with open_ordinary(path) as file:
            raw = file.read(_MAX_MANIFEST + 1)
        values = json.loads(raw)
        found = (values["format"], values["version"])
        if found != (kind, version):  # first, because another version may differ in everything else
            raise InputError(
                f"{path}: format {_short(found[0])} {_short(found[1])}; this mtkit reads {kind} {version}.",
                "Use the version of mtkit that wrote it, or recreate the folder.",
            )
        if manifest_bytes({key: value for key, value in values.items() if key != "digest"}) != raw:
            raise ValueError("its content has changed since it was written")
        files = values["files"]
        if len(files) > _MAX_FILES or not all(map(_is_entry, files.values())):
            raise ValueError("its list of files is invalid")
    except FileNotFoundError:
        raise InputError(
            f"{folder}: there is no {MANIFEST}, so this is not a complete {kind} folder."
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(
            f"{path}: unreadable ({reason}).", "Use a backup, or recreate the folder."
        ) from error
    return dict(values)


def _short(value: Any) -> str:
    """A value of any type and length, for a message."""
    return f"{value!s:.40}"


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry["size"]) is int and isinstance(entry["sha256"], str)


def _inside(folder: Path, name: str) -> Path:
    """The path of a listed file; refuses names that lead out of the folder or are not canonical."""
    path = PurePosixPath(name)
    odd = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if odd or not path.parts or str(path) != name:
        raise InputError(
            f"{folder / MANIFEST}: {_short(name)!r} is not the name of a file in this folder.",
            "Do not trust it.",
        )
    unlinked(folder, (folder / name).parent)
    return folder / name
