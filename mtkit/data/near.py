"""Texts that are nearly the same: what folding leaves of a text, MinHash keys, and the leak guard."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from struct import Struct

import numpy as np
import numpy.typing as npt
import xxhash

from mtkit.data.pair import Pair

_KEPT = {*b"abcdefghijklmnopqrstuvwxyz0123456789", *range(128, 256)}
_DELETED = bytes(set(range(256)) - _KEPT)
_WIDE_PUNCTUATION = re.compile(
    rb"\xe2[\x80\x81].|\xc2[\xa0-\xbf]|\xe3\x80.|\xef\xbc[\x81-\x8f\x9a-\xa0]", re.DOTALL
)


def fold(text: str) -> bytes:
    """The letters and digits of `text`, in lower case, as UTF-8.

    Punctuation is what ASCII, Latin-1 and Unicode's general, CJK and full-width blocks have of it.
    """
    data = text.lower().encode()
    if len(data) != len(text) and (b"\xe2" in data or b"\xc2" in data or b"\xe3" in data or b"\xef" in data):
        data = _WIDE_PUNCTUATION.sub(b"", data)
    return data.translate(None, _DELETED)


def hash64(data: bytes) -> int:
    """64 bits: among 10 million texts, one false match in 300,000 corpora."""
    return xxhash.xxh3_64_intdigest(data)


# ---------------------------------------------------------------- near duplicates

_RUN = 5
_PERMUTATIONS = 128


def minhash_keys(similarity: float) -> Callable[[Pair], Sequence[int]]:
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

    def keys(pair: Pair) -> Sequence[int]:
        runs = _runs(fold(pair.src) + b"\0" + fold(pair.tgt) + b"\0" * (_RUN - 1))
        least = (factors * runs + offsets).min(axis=1)
        data = least.astype("<u8").tobytes()
        width = 8 * rows
        return [hash64(bytes([band]) + data[band * width : (band + 1) * width]) for band in range(bands)]

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
    packed = np.unique(packed) * np.uint64(0x9E3779B97F4A7C15)
    packed ^= packed >> np.uint64(29)
    packed *= np.uint64(0xBF58476D1CE4E5B9)
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


def _held_out_windows(data: bytes) -> set[bytes]:
    starts = range(0, len(data) - _WIDTH + 1, _STRIDE)
    return {data[start : start + _WIDTH] for start in (*starts, len(data) - _WIDTH)}


def _runs_of(data: bytes) -> set[bytes]:
    return {data[start : start + _RUN] for start in range(len(data) - _RUN + 1)}
