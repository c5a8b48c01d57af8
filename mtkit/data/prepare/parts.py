"""Files of intermediate results: named arrays and a JSON summary, whole or absent, checked when read."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from mtkit.disk.files import PRIVATE, atomic_file, marked_folder, recover, remove_empty, remove_own_file
from mtkit.disk.reading import WRONG_VALUES, ordinary_file
from mtkit.errors import InputError

Array = npt.NDArray[Any]

KIND = "mtkit-parts"
DONE = "done.json"
"""The summaries of all parts of a corpus, written once it was read to its end."""

_OWN = re.compile(
    r"(?:encoded|phrases|matches|index)-[0-9a-f]{32}\.npz|held-out-[0-9a-f]{32}\.tsv|tokenizer-[0-9a-f]{32}\.model"
    rf"|clean-[0-9a-f]{{32}}/(\d{{6,}}\.npz|{re.escape(DONE)})"
)
"""The files that the stages of prepare make in their folder."""


def open_parts(folder: Path) -> None:
    """Creates the folder of parts if it is missing, and cleans up after an interrupted run.

    Raises:
        UsageError: a folder of that name exists and was not made by mtkit.
    """
    marked_folder(folder, KIND, private=True)
    for path in (folder, *folder.glob("clean-*")):
        recover(path)


def clear_parts(folder: Path, keep: Collection[Path] = ()) -> None:
    """Deletes the files that the stages of prepare made in `folder`, and no others.

    Args:
        folder: of the parts.
        keep: files and folders that are still needed.
    """
    if folder.is_symlink():
        return
    for member in [path for path in folder.glob("*") if path not in keep]:
        found = [member]
        if member.is_dir() and not member.is_symlink():
            found = list(member.iterdir())
        for path in found:
            if _OWN.fullmatch(path.relative_to(folder).as_posix()):
                remove_own_file(path)
        if member.is_dir() and member.name.startswith("clean-"):
            remove_empty(member)


def write_part(path: Path, summary: Mapping[str, Any], **arrays: Array) -> dict[str, Any]:
    """Writes the part, whole or not at all; returns `summary`."""
    with atomic_file(path, PRIVATE) as file:
        np.savez(file, allow_pickle=False, summary=text_array(json.dumps(summary)), **arrays)
    return dict(summary)


def read_part(path: Path, *names: str) -> tuple[Array, ...]:
    """The arrays with these names.

    Raises:
        InputError: the file is missing or damaged; each array is checked against its CRC.
    """
    try:
        with np.load(ordinary_file(path), allow_pickle=False) as arrays:
            return tuple(arrays[name] for name in names)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, *WRONG_VALUES) as error:
        raise InputError(f"{path}: is damaged: {error}.", "Run `mtkit prepare --force`.") from error


def read_summary(path: Path) -> dict[str, Any] | None:
    """The summary of a part; None if the part is missing or cannot be read."""
    try:
        (found,) = read_part(path, "summary")
        summary = json.loads(array_text(found))
    except (InputError, *WRONG_VALUES):
        return None
    return summary if isinstance(summary, dict) else None


def text_array(text: str) -> npt.NDArray[np.uint8]:
    """The UTF-8 bytes of `text`."""
    return np.frombuffer(text.encode(), np.uint8)


def array_text(array: Array) -> str:
    """The text whose UTF-8 bytes `array` holds."""
    return array.tobytes().decode()


def digest_of(*values: object) -> str:
    """A hash of 32 hexadecimal digits; values are bytes or anything that JSON can write."""
    found = xxhash.xxh3_128()
    for value in values:
        data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()
