"""Finds pairs that repeat an earlier one, by sorting hashes in buckets on disk; memory stays bounded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mtkit.disk.files import new_file, remove_own_file, scratch_folder

Keys = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

_RECORD = np.dtype([("key", "<u8"), ("position", "<i8")])
KEYS_AT_ONCE = 1 << 21
"""Keys sorted in memory at once; each takes about 100 bytes, sorting included."""
_MOST_BUCKETS = 512


def repeated(
    parts: Iterable[tuple[Keys, Positions]], total: int, folder: Path, at_once: int = KEYS_AT_ONCE
) -> Iterator[Positions]:
    """Yields, in several arrays, the positions with a key that an earlier position has too.

    Args:
        parts: keys and the position of each; positions never decrease, and one may have several keys.
        total: how many keys there are, roughly.
        folder: for temporary files of 16 bytes per key.
        at_once: keys to sort at a time; affects only the order of the results.
    """
    buckets = 1
    while buckets * at_once < total and buckets < _MOST_BUCKETS:
        buckets *= 2
    if buckets == 1:
        found = list(parts)
        if found:
            keys, positions = (np.concatenate(column) for column in zip(*found, strict=True))
            yield _later(keys, positions)
        return
    with scratch_folder(folder) as scratch:
        for path in _distribute(parts, scratch, buckets):
            records = np.fromfile(path, _RECORD)
            remove_own_file(path)
            yield _later(records["key"], records["position"])


def _distribute(parts: Iterable[tuple[Keys, Positions]], folder: Path, buckets: int) -> list[Path]:
    """Appends each key and its position to the file of its bucket; returns the files."""
    paths = [folder / str(number) for number in range(buckets)]
    shift = np.uint64(64 - (buckets - 1).bit_length())
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(new_file(path)) for path in paths]
        for keys, positions in parts:
            numbers = (keys >> shift).astype(np.int64)
            order = np.argsort(numbers, kind="stable")
            records = np.empty(len(keys), _RECORD)
            records["key"], records["position"] = keys[order], positions[order]
            ends = np.searchsorted(numbers[order], np.arange(buckets + 1))
            for number in np.unique(numbers).tolist():
                files[number].write(records[ends[number] : ends[number + 1]].tobytes())
    return paths


def _later(keys: Keys, positions: Positions) -> Positions:
    """The positions of keys that occur at an earlier position too."""
    order = np.argsort(keys, kind="stable")
    keys, positions = keys[order], positions[order]
    is_first = np.ones(len(keys), bool)  # of its key
    is_first[1:] = keys[1:] != keys[:-1]
    starts = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    return positions[positions != positions[starts]]
