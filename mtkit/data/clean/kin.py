"""Likeness of held-out texts, for the leak guard: to each other, and of short pairs to training pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.column import Column
from mtkit.data.clean.near import MIX, RUN, hashed_runs

PATTERN = 2 / 3
"""Share of `near` from which two held-out texts are taken for sentences of one pattern."""

_KEY = 8
_SHORT_RUN = 3
_SHORT_SLACK = 0.1
_COMMON = 4
_Combined = npt.NDArray[np.uint64]


def runs_of(data: bytes, size: int = RUN) -> set[bytes]:
    """All runs of so many bytes."""
    return {data[start : start + size] for start in range(len(data) - size + 1)}


def likeness(runs: set[bytes], others: set[bytes]) -> float:
    """Dice's coefficient, 0 to 1."""
    return 2 * len(runs & others) / max(1, len(runs) + len(others))


class Patterns:
    """Tells which held-out texts follow a pattern: another is like them, but less than a near copy would be.

    What is near such a text is as likely another sentence of the pattern. Texts that are nearer to each other
    than that are one text in two test sets, and no sign of a pattern.

    Args:
        texts: folded; each of at least `RUN` bytes.
        near: likeness of near copies.
    """

    def __init__(self, texts: Sequence[bytes], near: float) -> None:
        self._texts = texts
        self._near = near
        self._known: dict[int, bool] = {}

    def __contains__(self, number: int) -> bool:
        if number not in self._known:
            shares = self.likenesses(number)
            shares[number] = 1.0
            self._known[number] = bool(((shares >= PATTERN * self._near) & (shares < self._near)).any())
        return self._known[number]

    def likenesses(self, number: int) -> npt.NDArray[np.float64]:
        """Of a text to each text."""
        runs, owners, sizes = self._index
        own = hashed_runs(self._texts[number])
        first, last = np.searchsorted(runs, own), np.searchsorted(runs, own, "right")
        met = [owners[start:end] for start, end in zip(first.tolist(), last.tolist(), strict=True)]
        shared = np.bincount(np.concatenate(met), minlength=len(sizes))
        return 2 * shared / (sizes + len(own))

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """All runs in order, the text of each, and how many each text has; made when first asked for."""
        runs = [hashed_runs(text) for text in self._texts]
        sizes = np.array([len(found) for found in runs])
        joined = np.concatenate(runs)
        order = joined.argsort(kind="stable")
        return joined[order], np.repeat(np.arange(len(runs), dtype=np.int32), sizes)[order], sizes


class ShortPairs:
    """Finds held-out pairs whose both sides are nearly those of a pair with a short side.

    One short side alone says little: *Tom likes tea* is near to much. Runs have three bytes here, and 0.1
    less of them is asked for, since in a short text one word is a large share. Compared are pairs that share
    the first or last eight bytes of both sides, and half of every third run.

    Args:
        pairs: folded sides of held-out pairs.
        near: likeness from which long sides are near.
        shortest: bytes of a side that is long enough to be compared by itself.
    """

    def __init__(self, pairs: Sequence[tuple[bytes, bytes]], near: float, shortest: int) -> None:
        self._pairs = pairs
        self._least = near - _SHORT_SLACK
        self._shortest = shortest
        found: dict[tuple[int, bytes, bytes], list[int]] = {}
        for number, (src, tgt) in enumerate(pairs):
            for key in _keys(src, tgt, shortest + _KEY):
                found.setdefault(key, []).append(number)
        self._keys = {key: ids for key, ids in found.items() if len(ids) <= _COMMON}
        self._bits = max(8, (16 * len(self._keys)).bit_length())
        self._table = np.zeros(1 << self._bits, np.bool_)
        for kind in range(4):
            ends = b"".join(src + tgt for of, src, tgt in self._keys if of == kind)
            words = np.frombuffer(ends, "<u8")
            self._table[self._slots(kind, words[::2], words[1::2])] = True

    def find(self, src: bytes, tgt: bytes) -> int | None:
        """The number of the likest held-out pair, if it is near."""
        likely = {number for key in _keys(src, tgt, self._shortest) for number in self._keys.get(key, ())}
        shares = {number: share for number in sorted(likely) if (share := self._share(src, tgt, number))}
        return max(shares, key=shares.__getitem__, default=None)

    def _share(self, src: bytes, tgt: bytes, number: int) -> float:
        """Likeness of the sides that are less alike; 0 if it is not enough."""
        sides = [*zip((src, tgt), self._pairs[number], strict=True)]
        if not all(_may_be_near(side, other) for side, other in sides):
            return 0.0
        found = min(likeness(runs_of(side, _SHORT_RUN), runs_of(other, _SHORT_RUN)) for side, other in sides)
        return found if found >= self._least else 0.0

    def screen(self, src: Column, tgt: Column) -> npt.NDArray[np.bool_]:
        """The pairs of which `find` may find one."""
        found = np.zeros(len(src), np.bool_)
        if not self._keys:
            return found
        words, sizes = zip(*(_ends_of(side.folded) for side in (src, tgt)), strict=True)
        shorter = np.minimum(*sizes)
        numbers = np.flatnonzero((shorter >= _KEY) & (shorter < self._shortest))
        for kind in range(4):
            slots = self._slots(kind, words[0][kind // 2][numbers], words[1][kind % 2][numbers])
            found[numbers[self._table[slots]]] = True
        return found

    def _slots(self, kind: int, src: _Combined, tgt: _Combined) -> _Combined:
        """The place in the table for the ends of both sides."""
        hashes = (src + np.uint64(kind)) * MIX[0]
        hashes ^= hashes >> np.uint64(32)
        hashes = (hashes + tgt) * MIX[1]
        hashes ^= hashes >> np.uint64(29)
        hashes *= MIX[2]
        return hashes >> np.uint64(64 - self._bits)


def _may_be_near(side: bytes, other: bytes) -> bool:
    """Whether half of every third run of the other stands somewhere in `side`."""
    stands = [
        other[start : start + _SHORT_RUN] in side
        for start in range(0, len(other) - _SHORT_RUN + 1, _SHORT_RUN)
    ]
    return 2 * stands.count(True) >= len(stands)


def _keys(src: bytes, tgt: bytes, shortest: int) -> list[tuple[int, bytes, bytes]]:
    """The first or last bytes of both sides, numbered as in `screen`; none of long or tiny ones."""
    if not _KEY <= min(len(src), len(tgt)) < shortest:
        return []
    ends = [(side[:_KEY], side[-_KEY:]) for side in (src, tgt)]
    return [(kind, ends[0][kind // 2], ends[1][kind % 2]) for kind in range(4)]


def _ends_of(folded: bytes) -> tuple[tuple[_Combined, _Combined], npt.NDArray[np.intp]]:
    """The first and the last bytes of each line as numbers (void in shorter ones), and its size."""
    data = folded + bytes(_KEY)
    words = np.ndarray((len(data) - _KEY + 1,), "<u8", data, strides=(1,))
    ends = np.flatnonzero(np.frombuffer(folded, np.uint8) == 0x0A)
    sizes = np.diff(ends, prepend=-1) - 1
    return (words[ends - sizes], words[np.maximum(ends - _KEY, 0)]), sizes
