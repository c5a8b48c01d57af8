"""Keys by which pairs are known that repeat an earlier one, or nearly do."""

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
"""[numbers, keys] of the pairs with these numbers; a pair falls if an earlier one has any of its keys."""

# ---------------------------------------------------------------- duplicates


def duplicate_keys(side: Literal["both", "src", "tgt"], *, fold: bool) -> Keys:
    """One key for each pair, equal if these sides are."""

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
    """Keys of which two pairs share one, most of the time, if they are that similar.

    Similarity is the Jaccard index of the runs of five bytes in both sides, folded. Of 128 MinHashes
    (Broder 1997) each key takes as many as make a match half likely near `similarity` (Leskovec,
    Rajaraman and Ullman, Mining of Massive Datasets, section 3.4).
    """
    rows = min(range(1, _PERMUTATIONS + 1), key=lambda rows: abs(_threshold(rows) - similarity))
    bands = _PERMUTATIONS // rows
    state = np.random.RandomState(2947)  # whose stream never changes
    shape = (bands * rows, 1)
    factors, offsets = (state.randint(0, 1 << 63, shape, np.uint64) | np.uint64(1) for _ in range(2))

    def keys(src: Column, tgt: Column, numbers: Sequence[int]) -> npt.NDArray[np.uint64]:
        result = np.empty((len(numbers), bands), np.uint64)
        width = 8 * rows
        for row, number in enumerate(numbers):
            runs = hashed_runs(src.folds[number] + b"\0" + tgt.folds[number] + b"\0" * (RUN - 1))
            data = (factors * runs + offsets).min(axis=1).astype("<u8").tobytes()
            for band in range(bands):
                result[row, band] = hash64(bytes([band]) + data[band * width : (band + 1) * width])
        return result

    return keys


def _threshold(rows: int) -> float:
    return float((_PERMUTATIONS // rows) ** (-1 / rows))


def hashed_runs(data: bytes) -> npt.NDArray[np.uint64]:
    """A hash of each run of five bytes of at least five, each hash once."""
    values = np.frombuffer(data, np.uint8).astype(np.uint64)
    count = len(values) - RUN + 1
    packed = values[:count].copy()
    for place in range(1, RUN):
        packed |= values[place : place + count] << np.uint64(8 * place)
    packed = np.unique(packed) * MIX[0]
    packed ^= packed >> np.uint64(29)
    packed *= MIX[1]
    return packed ^ packed >> np.uint64(32)
