"""Token ids of one corpus on disk, mapped into memory.

A shard is a folder: `ids.bin` (source then target of each pair), `offsets.bin` (where each pair begins),
`lengths.bin`, all little-endian, one segmentation after the other, and `manifest.json`. Planning an epoch
reads the lengths alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mtkit.disk.files import atomic_folder, new_file
from mtkit.disk.manifest import read_manifest
from mtkit.errors import InputError

FORMAT = "mtkit-shard"
VERSION = 3
_PAIRS_AT_ONCE = 4096

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Pairs of token sequences. Unpickling, as in a worker process, maps the same files again.

    Attributes:
        folder: where it lies.
        lengths: [pairs, 2] int32, source and target tokens without BOS and EOS.
        meta: what the writer said of it, such as the tokenizer's fingerprint.
        num_segmentations: in how many ways its text was segmented; this is number `segmentation`.
    """

    folder: Path
    lengths: npt.NDArray[np.int32]
    meta: dict[str, Any]
    _ids: npt.NDArray[np.unsignedinteger[Any]]
    _offsets: npt.NDArray[np.int64]
    num_segmentations: int
    segmentation: int

    def __len__(self) -> int:
        return len(self.lengths)

    def __reduce__(self) -> tuple[Callable[[Path, int], Shard], tuple[Path, int]]:
        return open_shard, (self.folder, self.segmentation)

    def src(self, index: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The source ids of a pair, uint16 or uint32, read-only."""
        start = self._offsets[index]
        return self._ids[start : start + self.lengths[index, 0]]

    def tgt(self, index: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The target ids of a pair, uint16 or uint32, read-only."""
        start = self._offsets[index] + self.lengths[index, 0]
        return self._ids[start : start + self.lengths[index, 1]]


TokenPairs = Sequence[tuple[Sequence[int], Sequence[int]]]


def write_shard(
    folder: Path, pairs: Iterable[tuple[Sequence[int], Sequence[int]]], meta: Mapping[str, Any]
) -> Shard:
    """The shard of `pairs`, written to `folder` whole or not at all and in constant memory.

    Ids take two bytes if `meta["vocab_size"]` allows it, else four.
    """
    dtype = _dtype(meta)
    pieces = ((flat_ids(batch, dtype), count_tokens(batch)) for batch in batches(pairs, _PAIRS_AT_ONCE))
    return write_shard_pieces(folder, pieces, meta)


def write_shard_pieces(
    folder: Path,
    pieces: Iterable[Sequence[npt.NDArray[Any]]],
    meta: Mapping[str, Any],
    num_segmentations: int = 1,
) -> Shard:
    """The shard of pairs that are arrays already.

    Args:
        folder: to write, as `write_shard` does.
        pieces: of each, ids as `flat_ids` gives them, and lengths [pairs, 2]; all of the first segmentation,
            then all of the second, and so on.
        meta: as for `write_shard`.
        num_segmentations: how many there are; each has all pairs in the same order.
    """
    dtype = _dtype(meta)
    manifest: dict[str, Any] = {"format": FORMAT, "version": VERSION, "dtype": dtype.str, "meta": dict(meta)}
    with atomic_folder(folder, manifest) as part:
        count, tokens = 0, np.zeros(2, np.int64)
        with (
            new_file(part / "ids.bin") as ids_file,
            new_file(part / "offsets.bin") as offsets_file,
            new_file(part / "lengths.bin") as lengths_file,
        ):
            for ids, lengths in pieces:
                sizes = lengths.sum(axis=1, dtype=np.int64)
                offsets = tokens.sum() + sizes.cumsum() - sizes
                ids_file.write(ids.astype(dtype, copy=False).tobytes())
                offsets_file.write(offsets.astype("<i8").tobytes())
                lengths_file.write(lengths.astype("<i4", copy=False).tobytes())
                count += len(lengths)
                tokens += lengths.sum(axis=0, dtype=np.int64)
        manifest.update(pairs=count // num_segmentations, segmentations=num_segmentations)
        manifest.update(src_tokens=int(tokens[0]), tgt_tokens=int(tokens[1]))
    return open_shard(folder)


def flat_ids(pairs: TokenPairs, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The ids of all pairs in a row, source before target; OverflowError if one is too large for `dtype`."""
    return np.fromiter(chain.from_iterable(chain.from_iterable(pairs)), dtype)


def count_tokens(pairs: TokenPairs) -> npt.NDArray[np.int32]:
    """[pairs, 2]: the numbers of source and target tokens."""
    return np.array([(len(src), len(tgt)) for src, tgt in pairs], np.int32).reshape(-1, 2)


def _dtype(meta: Mapping[str, Any]) -> np.dtype[Any]:
    return np.dtype("<u2" if meta.get("vocab_size", 1 << 32) <= 1 << 16 else "<u4")


def open_shard(folder: Path, segmentation: int = 0) -> Shard:
    """One segmentation of the shard in `folder`, mapped into memory once its sizes agree with its manifest.

    Raises:
        InputError: it is missing, damaged, or of a format version that this mtkit does not know.
    """
    manifest = read_manifest(folder, FORMAT, VERSION, hashes=False)
    try:
        pairs, count = manifest["pairs"], manifest["segmentations"]
        own = slice(segmentation * pairs, (segmentation + 1) * pairs)
        shard = Shard(
            folder,
            lengths=_map(folder / "lengths.bin", "<i4", 2 * count * pairs).reshape(-1, 2)[own],
            meta=dict(manifest["meta"]),
            _ids=_map(folder / "ids.bin", manifest["dtype"], manifest["src_tokens"] + manifest["tgt_tokens"]),
            _offsets=_map(folder / "offsets.bin", "<i8", count * pairs)[own],
            num_segmentations=count,
            segmentation=segmentation,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{folder}: is damaged: {error}.", "Run `mtkit prepare --force`.") from error
    return shard


def _map(path: Path, dtype: str, count: int) -> npt.NDArray[Any]:
    if path.stat().st_size != count * np.dtype(dtype).itemsize:
        raise ValueError(
            f"{path.name} has {path.stat().st_size:,} bytes for {count:,} numbers of type {dtype}"
        )
    # A plain array over the map: slices of np.memmap are several times slower. An empty file has no map.
    return np.asarray(np.memmap(path, dtype, "r")) if count else np.zeros(0, dtype)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """`items` in lists of `size`, the last one of what remains."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
