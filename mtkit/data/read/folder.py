"""Data sets in local folders, in the layout of the Hugging Face Hub or of `save_to_disk` of `datasets`.

`datasets` would follow a data set to other folders and to the network, so the files are read here: nothing
outside the folder is opened, whatever is in it.
"""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mtkit.config.strict_yaml import MAX_CHARS, Problem, compose
from mtkit.data.read.fields import RecordError
from mtkit.data.read.jsonl import json_records
from mtkit.data.read.lines import MAX_RATIO, MAX_UNCHECKED, expand, open_bytes, read_lines
from mtkit.data.read.repairs import Repairs
from mtkit.data.read.tables import csv_rows
from mtkit.errors import InputError, listed, shortened

_PARQUET_ROWS = 100
"""Rows decoded at once."""

_MAX_PATTERNS = 1000
_HIDDEN = "."
_SAVED = ("state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json")
"""Files that `datasets` writes beside the rows."""

_PACKED = {".gz", ".bz2", ".xz", ".zst"}
_SHARD = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*")
_KEYWORDS = {
    split: re.compile(rf"(?:^|[-._ 0-9/])(?:{words})(?:[-._ 0-9/]|$)")
    for split, words in (
        ("train", "train|training"),
        ("validation", "validation|valid|dev|val"),
        ("test", "test|testing|eval|evaluation"),
    )
}
"""Splits by words in the names of folders and files, as `datasets` finds them."""

Splits = dict[str, list[Path]]


def read_folder(folder: Path, config: str | None, split: str, repairs: Repairs) -> Iterator[Any]:
    """The rows of a split, each by column; a RecordError in place of one that cannot be read.

    Raises:
        InputError: there is no such folder, configuration or split, or a file cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder.", "Check data.root and the paths in data.")
    for file in _files_of_split(folder, config, split):
        yield from _READERS[_kind(file)](file, repairs)


def dataset_files(folder: Path) -> list[Path]:
    """All files below a folder except hidden ones, sorted; the folder itself if it does not exist.

    Raises:
        InputError: a link leads out of the folder.
    """
    if not folder.is_dir():
        return [folder]
    home, found = folder.resolve(), list[Path]()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(_HIDDEN)]
        names = [name for name in names if not name.startswith(_HIDDEN)]
        for path in (Path(parent, name) for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                raise InputError(
                    f"{path}: is a link to a place outside the dataset.",
                    "Copy the dataset with its files: cp -rL FOLDER COPY.",
                )
        found += [Path(parent, name) for name in names]
    return sorted(found)


# ---------------------------------------------------------------- which files


def _files_of_split(folder: Path, config: str | None, split: str) -> list[Path]:
    files = [file for file in dataset_files(folder) if _kind(file) and file.name not in _SAVED]
    saved = [file for file in files if _kind(file) == "arrow"]
    if (folder / "state.json").is_file():  # a single split, of any name
        return saved
    if (folder / "dataset_dict.json").is_file():
        splits = _grouped((file.relative_to(folder).parts[0], file) for file in saved)
    else:
        splits = _splits_of(folder, config, files)
    if split not in splits:
        raise InputError(
            f"{folder}: has no split {shortened(split)}; it has {listed(splits) or 'none'}.",
            "Set split, and config if there are several.",
        )
    kinds = Counter(_kind(file) for found in splits.values() for file in found)
    most = max(kinds, key=lambda kind: kinds[kind])
    return [file for file in splits[split] if _kind(file) == most]


def _splits_of(folder: Path, config: str | None, files: list[Path]) -> Splits:
    declared = _declared(folder)
    if not declared:
        if config not in (None, "default"):
            raise InputError(f"{folder}: has no configuration {shortened(str(config))}.", "Leave out config.")
        return _inferred(folder, files)
    if config is None:
        default = [name for name, one in declared.items() if one.get("default") is True]
        config = next(iter([*default, *declared] if len(declared) == 1 else default), "default")
    if config not in declared:
        raise InputError(
            f"{folder}: has no configuration {shortened(config)}; it has {listed(declared)}.", "Set config."
        )
    chosen, start = declared[config], folder
    if isinstance(place := chosen.get("data_dir"), str):
        start = _inside(folder, place)
    if not (patterns := _patterns(chosen.get("data_files"))):
        return _inferred(start, [file for file in files if file.is_relative_to(start)])
    if len(patterns) > _MAX_PATTERNS:
        raise InputError(f"{folder}: has more than {_MAX_PATTERNS:,} data_files.", "Use patterns with *.")
    known = set(files)
    found = ((split, expand(_inside(start, pattern))) for split, pattern in patterns)
    return _grouped((split, file) for split, matches in found for file in matches if file in known)


def _declared(folder: Path) -> dict[str, dict[str, Any]]:
    """The configurations listed at the head of the README."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    with open_bytes(card) as stream:
        text = stream.read(4 * MAX_CHARS).decode("utf-8-sig", "replace").replace("\r\n", "\n")
    if not text.startswith("---\n") or (end := text.find("\n---", 3)) < 0:
        return {}
    problems: list[Problem] = []
    tree = compose(text[4 : end + 1], str(card), problems)
    if tree is None and problems:
        raise InputError(str(problems[0]), "Repair the head of the file, or remove it.")
    head = tree.plain() if tree else None
    listing = head.get("configs") if isinstance(head, dict) else None
    found = [one for one in listing if isinstance(one, dict)] if isinstance(listing, list) else []
    return {str(one.get("config_name", "default")): one for one in found}


def _patterns(data_files: Any) -> list[tuple[str, str]]:
    """Split and pattern of each `data_files`: a pattern, a list of them, or those of each split."""
    if isinstance(data_files, dict):
        data_files = [{"split": split, "path": path} for split, path in data_files.items()]
    found = []
    for one in data_files if isinstance(data_files, list) else [data_files]:
        split, paths = (one.get("split"), one.get("path")) if isinstance(one, dict) else ("train", one)
        found += [(str(split), path) for path in (paths if isinstance(paths, list) else [paths])]
    return [(split, path) for split, path in found if isinstance(path, str)]


def _inside(folder: Path, name: str) -> Path:
    """A path from the README, inside the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "://" in name or "\0" in name:
        raise InputError(
            f"{folder / 'README.md'}: lists files outside the dataset, which are not read.",
            "Move them into its folder.",
        )
    return Path(glob.escape(str(folder))) / path if glob.has_magic(name) else folder / path


def _inferred(folder: Path, files: list[Path]) -> Splits:
    """The splits according to the names of folders and files; without such names, all files are train."""
    names = {file: file.relative_to(folder) for file in files}
    if shards := _grouped(
        (found[1], file) for file in files if (found := _SHARD.fullmatch(names[file].as_posix()))
    ):
        return shards
    in_folders = {file: name.parent.as_posix() for file, name in names.items()}
    for told in (in_folders, {file: name.name for file, name in names.items()}):
        keyed = (
            (split, file)
            for split, words in _KEYWORDS.items()
            for file, name in told.items()
            if words.search(name)
        )
        if splits := _grouped(keyed):
            return splits
    return _grouped(("train", file) for file in files)


def _grouped(files: Iterable[tuple[str, Path]]) -> Splits:
    splits: Splits = {}
    for split, file in files:
        splits.setdefault(split, []).append(file)
    return {split: sorted(set(found)) for split, found in splits.items()}


def _kind(file: Path) -> str:
    """The format of a file, by its suffix; empty if it is not supported."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes[-1:] and suffixes[-1] in _PACKED
    kind = _KINDS.get(suffixes[-2] if packed and len(suffixes) > 1 else "".join(suffixes[-1:]), "")
    return "" if packed and kind in ("parquet", "arrow") else kind


_KINDS = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}


# ---------------------------------------------------------------- rows


def _json(file: Path, repairs: Repairs) -> Iterator[Any]:
    """JSON objects, one per line or in one array."""
    for _, record in json_records(file, read_lines(file, repairs), repairs):
        yield record


def _table(delimiter: str) -> Callable[[Path, Repairs], Iterator[Any]]:
    def read(file: Path, repairs: Repairs) -> Iterator[Any]:
        rows = csv_rows(file, read_lines(file, repairs), delimiter, repairs)
        head = next(rows, (1, []))[1]
        for _, row in rows:
            if isinstance(head, str) or isinstance(row, str):
                yield RecordError(f"is {head if isinstance(head, str) else row}.")
            elif len(row) != len(head):
                yield RecordError(f"expected {len(head)} columns, found {len(row)}.")
            else:
                yield dict(zip(head, row, strict=True))

    return read


def _batches(read: Callable[[Any, int], Iterator[Any]]) -> Callable[[Path, Repairs], Iterator[Any]]:
    """The rows of the batches that `read` yields from an open file and its size."""

    def rows(file: Path, repairs: Repairs) -> Iterator[Any]:
        with open_bytes(file, "file") as stream:
            try:
                for batch in read(stream, file.stat().st_size):
                    batch.validate(full=True)  # without it, Arrow reads out of bounds if offsets are wrong
                    yield from batch.to_pylist()
            except (InputError, ImportError):
                raise
            except Exception as error:  # pyarrow does not document which exceptions it raises
                reason = shortened(" ".join(str(error).split()), 200).rstrip(". ") or type(error).__name__
                raise InputError(f"{file}: cannot be read: {reason}.", "Download it again.") from error

    return rows


def _parquet(stream: Any, size: int) -> Iterator[Any]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(stream) as parquet:
        groups = map(parquet.metadata.row_group, range(parquet.metadata.num_row_groups))
        if sum(group.total_byte_size for group in groups) > max(MAX_UNCHECKED, MAX_RATIO * size):
            raise ValueError(f"its size grows more than {MAX_RATIO} times when decompressed")
        yield from parquet.iter_batches(batch_size=_PARQUET_ROWS)


def _arrow(stream: Any, size: int) -> Iterator[Any]:
    import pyarrow.ipc

    is_file = stream.read(6) == b"ARROW1"
    stream.seek(0)
    if not is_file:
        yield from pyarrow.ipc.open_stream(stream)
        return
    reader = pyarrow.ipc.open_file(stream)
    yield from map(reader.get_batch, range(reader.num_record_batches))


_READERS: dict[str, Callable[[Path, Repairs], Iterator[Any]]] = {
    "json": _json,
    "csv": _table(","),
    "tsv": _table("\t"),
    "parquet": _batches(_parquet),
    "arrow": _batches(_arrow),
}
