"""Finds held-out text in training data, and counts how much of each set was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mtkit.data.clean.column import Column
from mtkit.data.clean.folding import fold
from mtkit.data.clean.kin import Patterns, ShortPairs, dice, runs_of
from mtkit.data.clean.near import MIX
from mtkit.data.read.pair import Pair

_WIDTH = 15
_STRIDE = 3
_COMMON = 4
_SHORTEST = 2 * _WIDTH
_LONGEST = 4000
_WINDOWS = [Struct(f"{_WIDTH}s" * count) for count in range(_LONGEST // _WIDTH + 1)]

KINDS = ("equal", "folded", "near")
"""How a side may repeat held-out text: exactly; except for case, punctuation and spaces; or nearly."""

NEAR = KINDS.index("near")


class Hit(NamedTuple):
    """A side that repeats a held-out text.

    Attributes:
        text: number of the held-out text.
        side: 0 for the source, 1 for the target.
        kind: how it repeats the text, an index of `KINDS`.
    """

    text: int
    side: int
    kind: int


class LeakGuard:
    """Finds pairs with a side that repeats a held-out text, exactly or nearly.

    Equal texts are looked up. To find near copies, a folded side is cut into windows of 15 bytes, its last 15
    bytes being one more, and each is looked up among the windows of held-out texts, which begin at every
    third byte. This finds every common run of 15 bytes at either end, and runs of 30 bytes in the middle:
    always in scripts with three bytes per character, one time in three in others. Texts that share a window
    are then compared by Dice's coefficient. Held-out texts that follow a pattern are only matched exactly,
    and sides under 30 bytes exactly or together with the other side (see `kin`).

    Args:
        held_out: validation and test pairs, normalised; they are kept in memory. Their origin names the set.
            A pair with further references is one for each of them.
        near: Dice's coefficient of runs of five bytes from which a side is a near copy; None to find equal
            texts only.

    Attributes:
        owners: for each distinct held-out text, the numbers of the pairs that contain it.
    """

    def __init__(self, held_out: Iterable[Pair], near: float | None) -> None:
        self._near = near or 1.0
        self._texts: list[bytes] = []
        self._origins: list[str] = []
        self._exact: dict[bytes, int] = {}
        self._as_written: set[str] = set()
        self.owners: list[list[int]] = []
        # 1. The distinct folded texts, and the pairs of each.
        pairs: list[tuple[bytes, bytes]] = []
        numbers: list[int] = []  # of the held-out pair that each of `pairs` is a version of
        sentences: dict[bytes, int] = {}  # of which there are several references
        for number, pair in enumerate(held_out):
            texts = (pair.src, pair.tgt, *pair.refs)
            src, *targets = folds = [fold(text) for text in texts]
            pairs += ((src, tgt) for tgt in targets)
            numbers += [number] * len(targets)
            sentences |= dict.fromkeys(targets, number) if pair.refs else {}
            for text, data in zip(texts, folds, strict=True):
                if not data:
                    continue
                self._as_written.add(text)
                if data not in self._exact:
                    self._exact[data] = len(self._texts)
                    self._texts.append(data)
                    self._origins.append(pair.origin)
                    self.owners.append([])
                self.owners[self._exact[data]].append(number)
        # 2. For near copies: the texts of a suitable length by window, without windows that too many have.
        compared = [data for data in self._texts if near is not None and _SHORTEST <= len(data) <= _LONGEST]
        groups = [sentences.get(data, -1 - place) for place, data in enumerate(compared)]
        found: dict[bytes, list[int]] = {}
        for place, data in enumerate(compared):
            for window in _held_out_windows(data):
                found.setdefault(window, []).append(place)
        self._compared = compared
        self._windows = {
            window: tuple(ids)
            for window, ids in found.items()
            if len({groups[place] for place in ids}) <= _COMMON
        }
        self._sketch = _Sketch(self._windows)
        self._patterns = Patterns(compared, groups, self._near)
        # 3. Pairs with a short side.
        self._pairs = pairs if near is not None else []
        self._short = ShortPairs(self._pairs, numbers, self._near, _SHORTEST)

    def __call__(self, pair: Pair) -> str | None:
        """A description of the held-out text that the pair repeats; None if it repeats none."""
        hits = self.find(pair.src, pair.tgt)
        return self.describe(hits[0]) if hits else None

    def find(self, src: str, tgt: str) -> list[Hit]:
        """The held-out texts that the sides of a pair repeat: of each side the equal one, else a near one."""
        return self._find((src, tgt), (fold(src), fold(tgt)))

    def _find(self, texts: tuple[str, str], folds: tuple[bytes, bytes]) -> list[Hit]:
        sides = enumerate(zip(texts, folds, strict=True))
        hits = [hit for side, (text, data) in sides if (hit := self._look_up(side, text, data))]
        if hits or (number := self._short.find(*folds)) is None:
            return hits
        return [Hit(self._exact[data], side, NEAR) for side, data in enumerate(self._pairs[number])]

    def find_all(self, src: Column, tgt: Column) -> dict[int, list[Hit]]:
        """The results of `find` for many pairs, by number; pairs without a hit are omitted."""
        likely = np.flatnonzero(self.screen(src, tgt)).tolist()
        found = {
            number: self._find((src.lines[number], tgt.lines[number]), (src.folds[number], tgt.folds[number]))
            for number in likely
        }
        return {number: hits for number, hits in found.items() if hits}

    def describe(self, hit: Hit) -> str:
        """The hit in words."""
        name = self._origins[hit.text] or "the held-out sets"
        verb = "nearly repeats" if hit.kind == NEAR else "repeats"
        return f"{('source', 'target')[hit.side]} {verb} a text of {name}"

    def screen(self, src: Column, tgt: Column) -> npt.NDArray[np.bool_]:
        """[pairs], true where `find` may find something; false where it would not."""
        found = self._short.screen(src, tgt)
        for side in (src, tgt):
            if not self._exact.keys().isdisjoint(side.folds):
                found[[number for number, data in enumerate(side.folds) if data in self._exact]] = True
            if self._windows:
                found[self._sketch.lines(side.folded)] = True
        return found

    def _look_up(self, side: int, text: str, data: bytes) -> Hit | None:
        if (equal := self._exact.get(data)) is not None:
            return Hit(equal, side, KINDS.index("equal" if text in self._as_written else "folded"))
        if not self._windows or not _SHORTEST <= len(data) <= _LONGEST:
            return None
        windows = _WINDOWS[len(data) // _WIDTH].unpack_from(data)
        if self._windows.keys().isdisjoint(windows) and data[-_WIDTH:] not in self._windows:
            return None
        nearest = self._nearest(data, {*windows, data[-_WIDTH:]})
        return None if nearest is None else Hit(self._exact[self._compared[nearest]], side, NEAR)

    def _nearest(self, data: bytes, windows: set[bytes]) -> int | None:
        """The first near copy among the held-out texts, tried in the order of most shared windows."""
        shared = Counter(number for window in windows for number in self._windows.get(window, ()))
        likely = [number for number in shared if self._may_be_near(data, self._compared[number])]
        runs = runs_of(data) if likely else set()
        for number in sorted(likely, key=lambda number: (-shared[number], number)):
            is_near = dice(runs, runs_of(self._compared[number])) >= self._near
            if is_near and number not in self._patterns:
                return number
        return None

    def _may_be_near(self, data: bytes, other: bytes) -> bool:
        """Whether the lengths allow it, and `data` contains at least a quarter of the windows of `other`."""
        if min(len(data), len(other)) < self._near * (len(data) + len(other)) / 2:
            return False
        windows = _WINDOWS[len(other) // _WIDTH].unpack_from(other)
        return 4 * [window in data for window in windows].count(True) >= len(windows)


class _Sketch:
    """A Bloom filter of windows, which tells which of many lines may contain one."""

    def __init__(self, windows: Collection[bytes]) -> None:
        self._bits = (16 * len(windows)).bit_length()
        self._table = np.zeros(1 << self._bits, np.bool_)
        data = b"".join(windows)
        for slots in self._slots(data, np.arange(0, len(data), _WIDTH)):
            self._table[slots] = True

    def lines(self, folded: bytes) -> npt.NDArray[np.intp]:
        """The numbers of the lines of `folded` that may contain one; a number may occur several times."""
        # 1. The lines of a suitable length.
        ends = np.flatnonzero(np.frombuffer(folded, np.uint8) == 0x0A)
        starts = np.concatenate([np.zeros(1, np.intp), ends[:-1] + 1]) if len(ends) else ends
        sizes = ends - starts  # [all lines]
        numbers = np.flatnonzero((sizes >= _SHORTEST) & (sizes <= _LONGEST))  # [lines]
        # 2. Where the windows of each line begin, one after the other, and the line of each.
        counts = sizes[numbers] // _WIDTH
        owners = np.repeat(numbers, counts)  # [windows]
        steps = np.arange(len(owners)) - np.repeat(counts.cumsum() - counts, counts)  # 0, 1, … in each line
        # 3. The last bytes of each line are one more window.
        places = np.concatenate(
            [starts[owners] + _WIDTH * steps, ends[numbers] - _WIDTH]
        )  # [windows + lines]
        owners = np.concatenate([owners, numbers])
        # 4. A window may be known if both its slots are set.
        first, second = self._slots(folded, places)
        likely = np.flatnonzero(self._table[first])
        return owners[likely[self._table[second[likely]]]]

    def _slots(self, data: bytes, places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.uint64], ...]:
        """Two slots of the table for each window of `data` that begins at one of `places`."""
        half = _WIDTH // 2
        words = np.ndarray((max(0, len(data) - 7),), "<u8", data, strides=(1,))  # one begins at every byte
        hashes = words[places] * MIX[0]
        hashes ^= hashes >> np.uint64(32)
        hashes += words[places + half] * MIX[1]
        hashes ^= hashes >> np.uint64(29)
        hashes *= MIX[2]
        return hashes >> np.uint64(64 - self._bits), hashes & np.uint64(len(self._table) - 1)


def _held_out_windows(data: bytes) -> set[bytes]:
    starts = range(0, len(data) - _WIDTH + 1, _STRIDE)
    return {data[start : start + _WIDTH] for start in (*starts, len(data) - _WIDTH)}


# ---------------------------------------------------------------- counts


@dataclass(frozen=True, slots=True)
class Leaks:
    """How much of a held-out set occurs in the training corpora, counted by `KINDS`.

    Attributes:
        name: of the set: `valid`, or `test.NAME`.
        sentences: number of its pairs.
        met: how many of them have a side that some training pair repeats, before any filter.
        left: how many have a side that some training pair still repeats after all filters.
        dropped: training pairs that the filter `overlap` dropped because of this set.
    """

    name: str
    sentences: int
    met: dict[str, int]
    left: dict[str, int]
    dropped: dict[str, int]

    def figures(self) -> list[int]:
        """The numbers under the heads in `LEAK_FIGURES`."""
        met, left = sum(self.met.values()), sum(self.left.values())
        return [self.sentences, met, left, *(self.dropped[kind] for kind in KINDS)]


LEAK_TITLE = "Held-out sentences found in the training corpora, and pairs dropped because of them"
LEAK_FIGURES = ("sentences", "found", "left", "dropped: equal", "same words", "similar")
"""Heads of a table. The same words are those that differ in case, punctuation or spaces only."""


def count_leaks(
    held_out: Sequence[Pair],
    owners: Sequence[Sequence[int]],
    found: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]],
) -> list[Leaks]:
    """The counts of each set.

    Args:
        held_out: the pairs of the leak guard.
        owners: its attribute of the same name.
        found: for each part of the corpora, rows [hits, 4] of a pair's number and the fields of a `Hit`;
            whether the pair was kept [hits]; and whether the guard dropped it [hits].
    """
    # 1. The closest kind in which each held-out pair was met and is left, and in which each training pair was
    #    dropped because of a set. A pair is in one part only.
    none = len(KINDS)
    met, left = np.full(len(held_out), none), np.full(len(held_out), none)  # [held-out pairs]
    dropped: dict[str, Counter[int]] = {pair.origin: Counter() for pair in held_out}
    for rows, kept, guarded in found:
        closest: dict[tuple[int, str], int] = {}
        for (number, text, _, kind), is_kept, is_dropped in zip(
            rows.tolist(), kept.tolist(), guarded.tolist(), strict=True
        ):
            for owner in owners[text]:
                met[owner] = min(met[owner], kind)
                left[owner] = min(left[owner], kind) if is_kept else left[owner]
                if is_dropped:
                    key = number, held_out[owner].origin
                    closest[key] = min(closest.get(key, none), kind)
        for (_, name), kind in closest.items():
            dropped[name][kind] += 1
    # 2. The counts by set.
    sets = np.array([pair.origin for pair in held_out])
    return [
        Leaks(
            name,
            int((sets == name).sum()),
            _by_kind(Counter(met[sets == name].tolist())),
            _by_kind(Counter(left[sets == name].tolist())),
            _by_kind(counts),
        )
        for name, counts in dropped.items()
    ]


def _by_kind(counts: Counter[int]) -> dict[str, int]:
    return {name: counts[kind] for kind, name in enumerate(KINDS)}


def read_leaks(values: Iterable[dict[str, Any]]) -> list[Leaks]:
    """The inverse of `dataclasses.asdict` for each of the counts."""
    return [Leaks(**value) for value in values]
