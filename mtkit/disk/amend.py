"""Adds a file to a finished folder, which stays whole at any time."""

from __future__ import annotations

import shutil
from pathlib import Path

from mtkit.disk.files import atomic_folder, new_file
from mtkit.disk.manifest import MANIFEST, open_listed, read_manifest
from mtkit.disk.reading import read_object, using
from mtkit.errors import InputError


def add_file(folder: Path, name: str, content: bytes) -> None:
    """Adds a file to a folder with a manifest, or replaces it there; by writing it anew.

    Raises:
        InputError: the folder is incomplete or damaged.
        UsageError: it contains other files too.
    """
    path = folder / MANIFEST
    try:
        with using(path, "Recreate the folder."):
            values = read_object(path)
            kind, version = str(values["format"]), int(values["version"])
    except FileNotFoundError:
        raise InputError(f"{folder}: there is no {MANIFEST}.", "Name a folder that mtkit made.") from None
    manifest = read_manifest(folder, kind, version)
    about = {key: value for key, value in manifest.items() if key not in ("files", "digest")}
    with atomic_folder(folder, about) as new:
        for listed in manifest["files"].keys() - {name}:
            with open_listed(folder, manifest, listed) as old, new_file(new / listed) as copy:
                shutil.copyfileobj(old, copy)
        with new_file(new / name) as file:
            file.write(content)
