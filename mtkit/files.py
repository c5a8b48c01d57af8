"""Files and folders that are whole or absent: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mtkit.errors import InputError

MANIFEST = "manifest.json"
_TEMPORARY = ".tmp-"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under `path` when the block ends well, and not at all otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode())


def sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def atomic_folder(path: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    """A folder to fill, which becomes `path` when the block ends well, and vanishes otherwise.

    Its `manifest.json` is `manifest` with the size and sha256 of each file added; a folder that was
    there before is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{path.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        found = sorted(file for file in temporary.rglob("*") if file.is_file())
        for file in found:
            _sync_file(file)
        files = {
            file.relative_to(temporary).as_posix(): {"size": file.stat().st_size, "sha256": sha256(file)}
            for file in found
        }
        (temporary / MANIFEST).write_text(json.dumps({**manifest, "files": files}, indent=1) + "\n", "utf-8")
        _sync_file(temporary / MANIFEST)
        for folder in {temporary, *(file.parent for file in found)}:
            _sync_folder(folder)
        if path.exists():
            discarded = path.with_name(f"{_TEMPORARY}{path.name}-old-{os.getpid()}")
            path.replace(discarded)
            temporary.replace(path)
            shutil.rmtree(discarded)
        else:
            temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_manifest(folder: Path, kind: str, version: int, *, hashes: bool = True) -> dict[str, Any]:
    """The manifest of a folder written by `atomic_folder`, after its files have been checked.

    Args:
        folder: the folder.
        kind: what its `format` must be.
        version: the newest `version` that can be read.
        hashes: compare contents, not only sizes.

    Raises:
        InputError: there is no manifest, it is of another kind or a later version, or a file is
            missing or has changed.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        found_kind, found_version, files = manifest["format"], manifest["version"], manifest["files"]
    except FileNotFoundError:
        raise InputError(f"{folder}: there is no {MANIFEST}, so this is not a whole {kind} folder.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: unreadable ({error}).", "Use a backup, or make the folder anew."
        ) from error
    if found_kind != kind or found_version != version:
        raise InputError(
            f"{path}: format {found_kind} {found_version}; this mtkit reads {kind} {version}.",
            "Use the version of mtkit that wrote it, or make the folder anew.",
        )
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise InputError(f"{file}: missing, though {MANIFEST} lists it.", "Make the folder anew.")
        size = file.stat().st_size
        if size != expected["size"]:
            raise InputError(
                f"{file}: {size} bytes, expected {expected['size']}.", "The file is damaged: make it anew."
            )
        if hashes and sha256(file) != expected["sha256"]:
            raise InputError(
                f"{file}: its content is not what was written.", "The file is damaged: make it anew."
            )
    return dict(manifest)


def remove_leftovers(parent: Path) -> None:
    """Deletes what an interrupted write left under `parent`."""
    for leftover in parent.glob(f"{_TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)
