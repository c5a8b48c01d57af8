"""Texts that are nearly the same: MinHash keys, and the leak guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from struct import Struct
from typing import Literal

import numpy as np
import numpy.typing as npt

from mtkit.data.column import Column
from mtkit.data.folding import fold, hash64
from mtkit.data.pair import Pair

_MIX = tuple(map(np.uint64, (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)))
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
            found = found * _MIX[0] + tgt.hashes(fold=fold)
        else:
            found = (src if side == "src" else tgt).hashes(fold=fold)
        return found[numbers].reshape(-1, 1)

    return keys


# ---------------------------------------------------------------- near duplicates

_RUN = 5
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
            runs = _runs(src.folds[number] + b"\0" + tgt.folds[number] + b"\0" * (_RUN - 1))
            data = (factors * runs + offsets).min(axis=1).astype("<u8").tobytes()
            for band in range(bands):
                result[row, band] = hash64(bytes([band]) + data[band * width : (band + 1) * width])
        return result

    return keys


def _threshold(rows: int) -> float:
    return float((_PERMUTATIONS // rows) ** (-1 / rows))


def _runs(data: bytes) -> npt.NDArray[np.uint64]:
    """A hash of each run of five bytes, each hash once."""
    values = np.frombuffer(data, np.uint8).astype(np.uint64)
    count = len(values) - _RUN + 1
    packed = values[:count].copy()
    for place in range(1, _RUN):
        packed |= values[place : place + count] << np.uint64(8 * place)
    packed = np.unique(packed) * _MIX[0]
    packed ^= packed >> np.uint64(29)
    packed *= _MIX[1]
    return packed ^ packed >> np.uint64(32)


# ---------------------------------------------------------------- the leak guard

_WIDTH = 15
_STRIDE = 3
_COMMON = 16
_SHORTEST = 2 * _WIDTH
_LONGEST = 4000
_WINDOWS = [Struct(f"{_WIDTH}s" * count) for count in range(_LONGEST // _WIDTH + 1)]


class LeakGuard:
    """Finds the pairs with a side that held-out text has too, or nearly has.

    Equality is looked up. For nearness, a folded side's bytes are looked up fifteen by fifteen, and its last
    fifteen, among the windows of held-out text, which begin at every third byte. So a common run of fifteen
    bytes at either end is found; one in the middle is if it is as long again, always where characters take
    three bytes and one time in three else. What shares a window is compared run by run. Sides under 30
    bytes are compared for equality alone.

    Args:
        held_out: validation and test pairs, normalised; they are kept in memory.
        near: share of common runs of five bytes (Dice's coefficient) from which a side counts as found; None
            for equal only.
    """

    def __init__(self, held_out: Iterable[Pair], near: float | None) -> None:
        self._near = near or 1.0
        self._texts: list[bytes] = []
        self._origins: list[str] = []
        self._exact: dict[bytes, int] = {}
        found: dict[bytes, list[int]] = {}
        for pair in held_out:
            for side in (pair.src, pair.tgt):
                data = fold(side)
                if data and data not in self._exact:
                    self._exact[data] = len(self._texts)
                    if near is not None and _SHORTEST <= len(data) <= _LONGEST:
                        for window in _held_out_windows(data):
                            found.setdefault(window, []).append(len(self._texts))
                    self._texts.append(data)
                    self._origins.append(pair.origin)
        self._windows = {window: tuple(ids) for window, ids in found.items() if len(ids) <= _COMMON}
        self._sketch = _Sketch(self._windows)

    def __call__(self, pair: Pair) -> str | None:
        """None, or which held-out text the pair repeats."""
        src, tgt = fold(pair.src), fold(pair.tgt)
        if src in self._exact:
            return f"source is that of {self._name(self._exact[src])}"
        if tgt in self._exact:
            return f"target is that of {self._name(self._exact[tgt])}"
        if self._windows:
            for name, data in (("source", src), ("target", tgt)):
                if _SHORTEST <= len(data) <= _LONGEST:
                    windows = _WINDOWS[len(data) // _WIDTH].unpack_from(data)
                    if self._windows.keys().isdisjoint(windows) and data[-_WIDTH:] not in self._windows:
                        continue
                    found = self._nearest(data, {*windows, data[-_WIDTH:]})
                    if found is not None:
                        return f"{name} is near that of {self._name(found)}"
        return None

    def screen(self, src: Column, tgt: Column) -> npt.NDArray[np.bool_]:
        """The pairs that may be found, of many at once; all others are not."""
        found = np.zeros(len(src), np.bool_)
        for side in (src, tgt):
            if not self._exact.keys().isdisjoint(side.folds):
                found[[number for number, data in enumerate(side.folds) if data in self._exact]] = True
            if self._windows:
                found[self._sketch.lines(side.folded)] = True
        return found

    def _name(self, number: int) -> str:
        return self._origins[number] or "held-out text"

    def _nearest(self, data: bytes, windows: set[bytes]) -> int | None:
        """The first held-out text that is near enough, of those that share most windows first."""
        shared = Counter(number for window in windows for number in self._windows.get(window, ()))
        likely = [number for number in shared if self._may_be_near(data, self._texts[number])]
        runs = _runs_of(data) if likely else set()
        for number in sorted(likely, key=lambda number: (-shared[number], number)):
            others = _runs_of(self._texts[number])
            if 2 * len(runs & others) >= self._near * (len(runs) + len(others)):
                return number
        return None

    def _may_be_near(self, data: bytes, other: bytes) -> bool:
        """Whether lengths allow it, and a quarter of the other's windows stand somewhere in `data`."""
        if min(len(data), len(other)) < self._near * (len(data) + len(other)) / 2:
            return False
        windows = _WINDOWS[len(other) // _WIDTH].unpack_from(other)
        return 4 * [window in data for window in windows].count(True) >= len(windows)


class _Sketch:
    """Which lines may have one of many windows where the leak guard looks for them (a Bloom filter)."""

    def __init__(self, windows: Collection[bytes]) -> None:
        self._bits = (16 * len(windows)).bit_length()
        self._table = np.zeros(1 << self._bits, np.bool_)
        data = b"".join(windows)
        for slots in self._slots(data, np.arange(0, len(data), _WIDTH)):
            self._table[slots] = True

    def lines(self, folded: bytes) -> npt.NDArray[np.intp]:
        """Numbers of such lines, of all that end with a line feed in `folded`."""
        ends = np.flatnonzero(np.frombuffer(folded, np.uint8) == 0x0A)
        starts = np.concatenate([np.zeros(1, np.intp), ends[:-1] + 1]) if len(ends) else ends
        sizes = ends - starts
        numbers = np.flatnonzero((sizes >= _SHORTEST) & (sizes <= _LONGEST))
        counts = sizes[numbers] // _WIDTH
        owners = np.repeat(numbers, counts)
        steps = np.arange(len(owners)) - np.repeat(counts.cumsum() - counts, counts)
        places = np.concatenate([starts[owners] + _WIDTH * steps, ends[numbers] - _WIDTH])
        owners = np.concatenate([owners, numbers])
        first, second = self._slots(folded, places)
        likely = np.flatnonzero(self._table[first])
        return owners[likely[self._table[second[likely]]]]

    def _slots(self, data: bytes, places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.uint64], ...]:
        """Two places in the table for each window of `data`."""
        half = _WIDTH // 2
        words = np.ndarray((max(0, len(data) - 7),), "<u8", data, strides=(1,))
        hashes = words[places] * _MIX[0]
        hashes ^= hashes >> np.uint64(32)
        hashes += words[places + half] * _MIX[1]
        hashes ^= hashes >> np.uint64(29)
        hashes *= _MIX[2]
        return hashes >> np.uint64(64 - self._bits), hashes & np.uint64(len(self._table) - 1)


def _held_out_windows(data: bytes) -> set[bytes]:
    starts = range(0, len(data) - _WIDTH + 1, _STRIDE)
    return {data[start : start + _WIDTH] for start in (*starts, len(data) - _WIDTH)}


def _runs_of(data: bytes) -> set[bytes]:
    return {data[start : start + _RUN] for start in range(len(data) - _RUN + 1)}
