"""Keys of pairs: a pair that shares one with an earlier pair is a duplicate, or nearly one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.column import Column
from mtkit.data.clean.folding import hash64

MIX = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
"""Odd numbers that spread bits (of SplitMix64)."""

Keys = Callable[[Column, Column, Sequence[int]], npt.NDArray[np.uint64]]
"""Returns [numbers, keys], the keys of the pairs with these numbers, from all sources and targets."""

# ---------------------------------------------------------------- duplicates


def duplicate_keys(side: Literal["both", "src", "tgt"], *, fold: bool) -> Keys:
    """One key for each pair, equal for pairs that are equal on this side or these sides."""

    def keys(src: Column, tgt: Column, numbers: Sequence[int]) -> npt.NDArray[np.uint64]:
        if side == "both":
            found = src.hashes(fold=fold)
            found ^= found >> np.uint64(32)
            found = found * MIX[0] + tgt.hashes(fold=fold)
        else:
            found = (src if side == "src" else tgt).hashes(fold=fold)
        return found[numbers].reshape(-1, 1)

    return keys


# ---------------------------------------------------------------- near duplicates

RUN = 5
_PERMUTATIONS = 128


def minhash_keys(similarity: float) -> Keys:
    """Several keys for each pair; two pairs with at least this similarity usually share one.

    Similarity is the Jaccard index of the runs of five bytes in both sides, folded. The 128 MinHashes
    (Broder 1997) are cut into bands of a size with which two pairs of this similarity share one half of the
    time (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, section 3.4); each band is a key.
    """
    rows = min(range(1, _PERMUTATIONS + 1), key=lambda rows: abs(_threshold(rows) - similarity))
    bands = _PERMUTATIONS // rows
    state = np.random.RandomState(2947)  # its stream is the same in every version of numpy
    shape = (bands * rows, 1)
    factors, offsets = (state.randint(0, 1 << 63, shape, np.uint64) | np.uint64(1) for _ in range(2))

    def keys(src: Column, tgt: Column, numbers: Sequence[int]) -> npt.NDArray[np.uint64]:
        result = np.empty((len(numbers), bands), np.uint64)
        width = 8 * rows
        for row, number in enumerate(numbers):
            runs = hashed_runs(src.folds[number] + b"\0" + tgt.folds[number] + b"\0" * (RUN - 1))
            minima = (factors * runs + offsets).min(axis=1)  # [bands · rows, runs] to [bands · rows]
            data = minima.astype("<u8").tobytes()
            for band in range(bands):
                result[row, band] = hash64(bytes([band]) + data[band * width : (band + 1) * width])
        return result

    return keys


def _threshold(rows: int) -> float:
    """The similarity at which a band of `rows` MinHashes is shared about half of the time."""
    return float((_PERMUTATIONS // rows) ** (-1 / rows))


def hashed_runs(data: bytes) -> npt.NDArray[np.uint64]:
    """[runs], the hashes of the runs of five bytes in `data`, each once; `data` has at least five bytes."""
    values = np.frombuffer(data, np.uint8).astype(np.uint64)  # [bytes]
    count = len(values) - RUN + 1
    packed = values[:count].copy()  # [bytes - 4], a run in each number
    for place in range(1, RUN):
        packed |= values[place : place + count] << np.uint64(8 * place)
    packed = np.unique(packed) * MIX[0]
    packed ^= packed >> np.uint64(29)
    packed *= MIX[1]
    return packed ^ packed >> np.uint64(32)
