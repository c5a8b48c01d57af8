"""Token ids of one corpus on disk, memory-mapped.

A shard is a folder: `ids.bin` (source, then target of each pair), `offsets.bin` (where each pair begins) and
`lengths.bin`, all little-endian, one segmentation after the other, and `manifest.json`. Planning an epoch
reads only the lengths.
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
    """One segmentation of pairs of token sequences. Unpickling maps the same files again.

    Attributes:
        folder: of the shard.
        lengths: [pairs, 2] int32, source and target tokens without BOS and EOS.
        meta: values from the writer, such as the tokenizer's fingerprint.
        num_segmentations: number of segmentations in the folder.
        segmentation: number of this one.
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

    def turn(self, epoch: int) -> int:
        """The segmentation that an epoch trains with: they take turns.

        If terms are written into the sources of the others, the first one, without terms, is left out: it is
        the text, for all who read that.
        """
        first = int(self.num_segmentations > 1 and self.meta.get("terms") is True)
        return first + epoch % (self.num_segmentations - first)

    def src(self, index: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The source ids of a pair, uint16 or uint32, read-only."""
        start = self._offsets[index]
        return self._ids[start : start + self.lengths[index, 0]]

    def tgt(self, index: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The target ids of a pair, uint16 or uint32, read-only."""
        start = self._offsets[index] + self.lengths[index, 0]
        return self._ids[start : start + self.lengths[index, 1]]

    def sources(
        self, begin: int, end: int
    ) -> tuple[npt.NDArray[np.unsignedinteger[Any]], npt.NDArray[np.int32]]:
        """The source ids of some pairs, one pair after the other [tokens], and their numbers [pairs]."""
        lengths = self.lengths[begin:end]
        start = self._offsets[begin]
        ids = self._ids[start : start + lengths.sum()]
        is_src = np.repeat(np.arange(lengths.size) % 2 == 0, lengths.ravel())
        return ids[is_src], lengths[:, 0]

    def counts(self, size: int) -> npt.NDArray[np.int64]:
        """How often each id below `size` occurs [2, size], in sources and in targets."""
        counts = np.zeros((2, size), np.int64)
        for begin in range(0, len(self), _PAIRS_AT_ONCE):
            lengths = self.lengths[begin : begin + _PAIRS_AT_ONCE].ravel()
            start = self._offsets[begin]
            ids = self._ids[start : start + lengths.sum()]
            is_tgt = np.repeat(np.arange(len(lengths)) % 2, lengths)
            counts += np.bincount(ids + is_tgt * size, minlength=2 * size).reshape(2, size)
        return counts


TokenPairs = Sequence[tuple[Sequence[int], Sequence[int]]]


def write_shard(
    folder: Path, pairs: Iterable[tuple[Sequence[int], Sequence[int]]], meta: Mapping[str, Any]
) -> Shard:
    """Writes `pairs` to `folder`, whole or not at all and in constant memory; returns the shard.

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
    """Writes pairs that are arrays already; returns the shard.

    Args:
        folder: to write, whole or not at all.
        pieces: ids in the form of `flat_ids` and lengths [pairs, 2] of some pairs; first all pieces of the
            first segmentation, then all of the second, and so on.
        meta: as for `write_shard`.
        num_segmentations: number of segmentations; each has all pairs in the same order.
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
                offsets = tokens.sum() + sizes.cumsum() - sizes  # [pairs]
                ids_file.write(ids.astype(dtype, copy=False).tobytes())
                offsets_file.write(offsets.astype("<i8").tobytes())
                lengths_file.write(lengths.astype("<i4", copy=False).tobytes())
                count += len(lengths)
                tokens += lengths.sum(axis=0, dtype=np.int64)
        manifest.update(pairs=count // num_segmentations, segmentations=num_segmentations)
        manifest.update(src_tokens=int(tokens[0]), tgt_tokens=int(tokens[1]))
    return open_shard(folder)


def flat_ids(pairs: TokenPairs, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """[tokens], the ids of all pairs, source before target; OverflowError if `dtype` is too small."""
    return np.fromiter(chain.from_iterable(chain.from_iterable(pairs)), dtype)


def count_tokens(pairs: TokenPairs) -> npt.NDArray[np.int32]:
    """[pairs, 2], source and target tokens."""
    return np.array([(len(src), len(tgt)) for src, tgt in pairs], np.int32).reshape(-1, 2)


def _dtype(meta: Mapping[str, Any]) -> np.dtype[Any]:
    return np.dtype("<u2" if meta.get("vocab_size", 1 << 32) <= 1 << 16 else "<u4")


def open_shard(folder: Path, segmentation: int = 0) -> Shard:
    """Maps one segmentation of the shard in `folder` into memory, after comparing sizes with its manifest.

    Raises:
        InputError: the shard is missing, damaged, or in an unknown version of the format.
    """
    manifest = read_manifest(folder, FORMAT, VERSION, hashes=False)
    try:
        pairs, count = manifest["pairs"], manifest["segmentations"]
        own = slice(segmentation * pairs, (segmentation + 1) * pairs)
        shard = Shard(
            folder,
            lengths=map_numbers(folder / "lengths.bin", "<i4", 2 * count * pairs).reshape(-1, 2)[own],
            meta=dict(manifest["meta"]),
            _ids=map_numbers(
                folder / "ids.bin", manifest["dtype"], manifest["src_tokens"] + manifest["tgt_tokens"]
            ),
            _offsets=map_numbers(folder / "offsets.bin", "<i8", count * pairs)[own],
            num_segmentations=count,
            segmentation=segmentation,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise InputError(f"{folder}: is damaged: {error}.", "Run `mtkit prepare --force`.") from error
    return shard


def map_numbers(path: Path, dtype: str, count: int) -> npt.NDArray[Any]:
    """[count], the numbers in a file, mapped into memory; ValueError if it has another size."""
    if path.stat().st_size != count * np.dtype(dtype).itemsize:
        raise ValueError(
            f"{path.name} has {path.stat().st_size:,} bytes, expected {count:,} numbers of type {dtype}"
        )
    # A plain array over the map, because slicing np.memmap is several times slower. An empty file has no map.
    return np.asarray(np.memmap(path, dtype, "r")) if count else np.zeros(0, dtype)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """`items` in lists of `size`; the last list may be shorter."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
