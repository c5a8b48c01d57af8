"""Similarity for the leak guard: of held-out texts to each other, and of short pairs to training pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.column import Column
from mtkit.data.clean.near import MIX, RUN, hashed_runs

PATTERN = 2 / 3
"""Held-out texts at least this fraction of `near` similar to each other follow one pattern."""

_KEY = 8
_SHORT_RUN = 3
_SHORT_SLACK = 0.1
_COMMON = 4
_Words = npt.NDArray[np.uint64]


def runs_of(data: bytes, size: int = RUN) -> set[bytes]:
    """All runs of `size` bytes."""
    return {data[start : start + size] for start in range(len(data) - size + 1)}


def dice(runs: set[bytes], others: set[bytes]) -> float:
    """Dice's coefficient, 0 to 1."""
    return 2 * len(runs & others) / max(1, len(runs) + len(others))


class Patterns:
    """The held-out texts that follow a pattern: another is similar, but less so than a near copy.

    A training text that is near one of these may well be another sentence of the pattern, so it is no leak.
    Held-out texts that are near copies of each other are the same text in two sets, not a pattern, and
    neither are references of the same sentence.

    Args:
        texts: folded; each of at least `RUN` bytes.
        groups: a number for each of them, equal for references of the same sentence.
        near: similarity from which a text is a near copy.
    """

    def __init__(self, texts: Sequence[bytes], groups: Sequence[int], near: float) -> None:
        self._texts = texts
        self._groups = np.array(groups)
        self._near = near
        self._known: dict[int, bool] = {}

    def __contains__(self, number: int) -> bool:
        if number not in self._known:
            similar = self.similarities(number)
            similar[self._groups == self._groups[number]] = 1.0
            self._known[number] = bool(((similar >= PATTERN * self._near) & (similar < self._near)).any())
        return self._known[number]

    def similarities(self, number: int) -> npt.NDArray[np.float64]:
        """[texts], Dice's coefficient of a text and each text."""
        runs, owners, sizes = self._index
        own = hashed_runs(self._texts[number])
        first, last = np.searchsorted(runs, own), np.searchsorted(runs, own, "right")
        sharing = [owners[start:end] for start, end in zip(first.tolist(), last.tolist(), strict=True)]
        shared = np.bincount(np.concatenate(sharing), minlength=len(sizes))
        return 2 * shared / (sizes + len(own))

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Sorted runs of all texts [runs], the text of each [runs], and the runs of each text [texts]."""
        runs = [hashed_runs(text) for text in self._texts]
        sizes = np.array([len(found) for found in runs])
        joined = np.concatenate(runs)
        order = joined.argsort(kind="stable")
        return joined[order], np.repeat(np.arange(len(runs), dtype=np.int32), sizes)[order], sizes


class ShortPairs:
    """Finds the held-out pair that a pair with a short side nearly repeats, on both sides.

    A short side proves little by itself: many sentences are similar to *Tom likes tea*. Runs have three bytes
    here and the required similarity is 0.1 lower, because one word is a large part of a short text. Only
    pairs that share the first or last eight bytes of both sides, and half of every third run, are compared.

    Args:
        pairs: folded sides of held-out pairs.
        groups: a number for each of them, equal for references of the same sentence.
        near: similarity from which long sides are near copies.
        shortest: sides of at least this many bytes are compared by themselves.
    """

    def __init__(
        self, pairs: Sequence[tuple[bytes, bytes]], groups: Sequence[int], near: float, shortest: int
    ) -> None:
        self._pairs = pairs
        self._least = near - _SHORT_SLACK
        self._shortest = shortest
        # 1. The held-out pairs by key, without keys that too many have.
        found: dict[tuple[int, bytes, bytes], list[int]] = {}
        for number, (src, tgt) in enumerate(pairs):
            for key in _keys(src, tgt, shortest + _KEY):
                found.setdefault(key, []).append(number)
        self._keys = {key: ids for key, ids in found.items() if len({groups[n] for n in ids}) <= _COMMON}
        # 2. A hash table of flags [slots] for the keys, in which `screen` looks up many pairs at once.
        self._bits = max(8, (16 * len(self._keys)).bit_length())
        self._table = np.zeros(1 << self._bits, np.bool_)
        for kind in range(4):
            ends = b"".join(src + tgt for of, src, tgt in self._keys if of == kind)
            words = np.frombuffer(ends, "<u8")  # [2 · keys], source and target in turn
            self._table[self._slots(kind, words[::2], words[1::2])] = True

    def find(self, src: bytes, tgt: bytes) -> int | None:
        """The number of the most similar held-out pair, if it is similar enough."""
        likely = {number for key in _keys(src, tgt, self._shortest) for number in self._keys.get(key, ())}
        near = {number: found for number in sorted(likely) if (found := self._similarity(src, tgt, number))}
        return max(near, key=near.__getitem__, default=None)

    def _similarity(self, src: bytes, tgt: bytes, number: int) -> float:
        """The similarity of the less similar side; 0 if it is too low."""
        sides = [*zip((src, tgt), self._pairs[number], strict=True)]
        if not all(_may_be_near(side, other) for side, other in sides):
            return 0.0
        found = min(dice(runs_of(side, _SHORT_RUN), runs_of(other, _SHORT_RUN)) for side, other in sides)
        return found if found >= self._least else 0.0

    def screen(self, src: Column, tgt: Column) -> npt.NDArray[np.bool_]:
        """[pairs], true where `find` may find a pair; false where it would not."""
        found = np.zeros(len(src), np.bool_)
        if not self._keys:
            return found
        # 1. Pairs whose shorter side is within the bounds.
        ends, sizes = zip(*(_ends_of(side.folded) for side in (src, tgt)), strict=True)
        shorter = np.minimum(*sizes)  # [pairs]
        numbers = np.flatnonzero((shorter >= _KEY) & (shorter < self._shortest))
        # 2. Of these, the pairs with a key in the table; a kind is numbered as in `_keys`.
        for kind in range(4):
            slots = self._slots(kind, ends[0][kind // 2][numbers], ends[1][kind % 2][numbers])
            found[numbers[self._table[slots]]] = True
        return found

    def _slots(self, kind: int, src: _Words, tgt: _Words) -> _Words:
        """[keys], the slot in the table of each key."""
        hashes = (src + np.uint64(kind)) * MIX[0]
        hashes ^= hashes >> np.uint64(32)
        hashes = (hashes + tgt) * MIX[1]
        hashes ^= hashes >> np.uint64(29)
        hashes *= MIX[2]
        return hashes >> np.uint64(64 - self._bits)


def _may_be_near(side: bytes, other: bytes) -> bool:
    """Whether `side` contains at least half of every third run of `other`."""
    contained = [
        other[start : start + _SHORT_RUN] in side
        for start in range(0, len(other) - _SHORT_RUN + 1, _SHORT_RUN)
    ]
    return 2 * contained.count(True) >= len(contained)


def _keys(src: bytes, tgt: bytes, shortest: int) -> list[tuple[int, bytes, bytes]]:
    """The four keys of a pair: first or last bytes of the source, with those of the target, and a number.

    A pair whose shorter side is outside the bounds has none.
    """
    if not _KEY <= min(len(src), len(tgt)) < shortest:
        return []
    ends = [(side[:_KEY], side[-_KEY:]) for side in (src, tgt)]
    return [(kind, ends[0][kind // 2], ends[1][kind % 2]) for kind in range(4)]


def _ends_of(folded: bytes) -> tuple[tuple[_Words, _Words], npt.NDArray[np.intp]]:
    """[lines], the first and the last eight bytes as numbers (meaningless in shorter lines), and the size."""
    data = folded + bytes(_KEY)
    words = np.ndarray((len(data) - _KEY + 1,), "<u8", data, strides=(1,))  # one begins at every byte
    ends = np.flatnonzero(np.frombuffer(folded, np.uint8) == 0x0A)
    sizes = np.diff(ends, prepend=-1) - 1
    return (words[ends - sizes], words[np.maximum(ends - _KEY, 0)]), sizes
