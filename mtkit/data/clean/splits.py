"""Cuts validation and test sets from the training pairs, without separating twins.

Two pairs are twins if they have the same folded source or the same folded target; a group holds a pair,
its twins, their twins and so on. Only whole groups are cut, in an order that the seed and the texts decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mtkit.errors import InputError

Folds = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]
Scan = Callable[[], Iterable[tuple[Folds, Positions]]]
"""Reads, each time it is called, the folded keys [pairs, 2] of pairs that may be cut, and their positions."""

_ROUNDS = 4
"""A group that takes more steps from twin to twin to collect stays in the training data."""
_MOST_TWINS = 32
"""A group with more pairs, or with a key that more pairs share, stays in the training data."""


def cut(scan: Scan, wanted: Sequence[int], seed: int) -> list[list[int]]:
    """The positions of each split, disjoint and sorted; split n has exactly `wanted[n]` pairs.

    Reads the keys several times, and holds only those of candidates and their twins in memory.

    Raises:
        InputError: there are not enough pairs in small groups.
    """
    found: list[list[int]] = []
    for considered, largest_first in ((4, False), (40, False), (40, True)):
        groups = _groups(scan, considered * (sum(wanted) + 16), seed)
        if largest_first:
            groups.sort(key=len, reverse=True)
        found = _shared_out(groups, wanted)
        if all(len(split) == size for split, size in zip(found, wanted, strict=True)):
            return found
    raise InputError(
        f"data: cannot hold out {sum(wanted):,} of the training pairs: only {sum(map(len, found)):,} can be "
        "cut together with all pairs that have the same source or target.",
        "Hold out fewer pairs, or use files for validation and test sets.",
    )


def _shared_out(groups: list[list[int]], wanted: Sequence[int]) -> list[list[int]]:
    """Fills one split after the other with whole groups, up to its size."""
    result = []
    for size in wanted:
        taken: list[int] = []
        left = []
        for group in groups:
            if len(taken) + len(group) <= size:
                taken += group
            else:
                left.append(group)
        result.append(sorted(taken))
        groups = left
    return result


_Keys = tuple[int, int]
_Sets = tuple[set[int], set[int]]


@dataclass(slots=True)
class _Neighbours:
    """The candidates and pairs near them.

    Attributes:
        keys: the source and target key of each known pair, by position.
        holders: for each side, the positions of all pairs with a key; empty if there are too many.
    """

    keys: dict[int, _Keys]
    holders: tuple[dict[int, list[int]], dict[int, list[int]]] = field(default_factory=lambda: ({}, {}))

    def unknown(self) -> _Sets:
        """The keys of known pairs whose holders have not been looked up yet."""
        srcs, tgts = {src for src, _ in self.keys.values()}, {tgt for _, tgt in self.keys.values()}
        return srcs - self.holders[0].keys(), tgts - self.holders[1].keys()

    def look_up(self, scan: Scan, wanted: _Sets) -> None:
        """Finds the holders of the keys in `wanted`."""
        # 1. All holders, and their keys, in one pass over the pairs.
        arrays = [np.array(sorted(keys), np.uint64) for keys in wanted]
        for side in (0, 1):
            self.holders[side].update((key, []) for key in wanted[side])
        found: dict[int, _Keys] = {}
        for folds, positions in scan():
            for side in (0, 1):
                for number in _found(folds[:, side], arrays[side]):
                    holders = self.holders[side][int(folds[number, side])]
                    if len(holders) <= _MOST_TWINS:
                        holders.append(int(positions[number]))
                        found[int(positions[number])] = (int(folds[number, 0]), int(folds[number, 1]))
        # 2. A key that too many pairs have keeps no holders; the holders of the others become known.
        for side in (0, 1):
            for key in wanted[side]:
                holders = self.holders[side][key]
                if len(holders) > _MOST_TWINS:
                    holders.clear()
                self.keys.update((position, found[position]) for position in holders)

    def group(self, position: int) -> list[int] | None:
        """The whole group of a pair; None if it is too large or not completely known."""
        group, new = {position}, [position]
        while new:
            keys = self.keys[new.pop()]
            for side in (0, 1):
                holders = self.holders[side].get(keys[side])
                if not holders:
                    return None
                for other in holders:
                    if other not in group:
                        group.add(other)
                        new.append(other)
            if len(group) > _MOST_TWINS:
                return None
        return sorted(group)


def _groups(scan: Scan, considered: int, seed: int) -> list[list[int]]:
    """Disjoint groups around the `considered` pairs of lowest rank, in the order of rank."""
    candidates = _lowest(scan, considered, seed)
    near = _Neighbours(dict(candidates))
    for _ in range(_ROUNDS):
        unknown = near.unknown()
        if not any(unknown):
            break
        near.look_up(scan, unknown)
    groups, seen = [], set[int]()
    for position in candidates:
        if position not in seen and (group := near.group(position)):
            seen.update(group)
            groups.append(group)
    return groups


def _found(keys: Folds, wanted: Folds) -> list[int]:
    """The indices of those `keys` that are among `wanted`, which is sorted."""
    if not len(wanted):
        return []
    places = np.searchsorted(wanted, keys).clip(max=len(wanted) - 1)
    return np.flatnonzero(wanted[places] == keys).tolist()


def _lowest(scan: Scan, count: int, seed: int) -> dict[int, tuple[int, int]]:
    """The keys of the `count` pairs of lowest rank, by position, in the order of rank."""
    best = np.zeros(0, np.dtype([("rank", "u8"), ("position", "i8"), ("src", "u8"), ("tgt", "u8")]))
    for folds, positions in scan():
        more = np.empty(len(positions), best.dtype)
        more["rank"], more["position"] = _rank(folds, seed), positions
        more["src"], more["tgt"] = folds[:, 0], folds[:, 1]
        best = np.sort(np.concatenate([best, more]), order=["rank", "position"])[:count]
    return {row["position"].item(): (row["src"].item(), row["tgt"].item()) for row in best}


def _rank(folds: Folds, seed: int) -> Folds:
    """[pairs], pseudorandom numbers: MurmurHash3's finaliser of the keys and the seed."""
    rank: Folds = folds[:, 0] ^ (folds[:, 1] * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(seed)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        rank = (rank ^ (rank >> np.uint64(33))) * np.uint64(factor)
    return rank ^ (rank >> np.uint64(33))
