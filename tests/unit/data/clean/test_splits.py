from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from mtkit.data.clean.splits import Folds, Positions, cut
from mtkit.errors import InputError

Keys = list[tuple[int, int]]


def scan_of(keys: Keys, part: int = 7) -> Callable[[], Iterator[tuple[Folds, Positions]]]:
    def scan() -> Iterator[tuple[Folds, Positions]]:
        for begin in range(0, len(keys), part):
            some = keys[begin : begin + part]
            yield np.array(some, np.uint64), np.arange(begin, begin + len(some))

    return scan


def some_keys(count: int, values: int, seed: int = 1) -> Keys:
    rng = random.Random(seed)
    return [(rng.randrange(values), rng.randrange(values)) for _ in range(count)]


def test_sizes_are_exact_and_splits_disjoint() -> None:
    splits = cut(scan_of(some_keys(3000, 100_000)), [50, 20, 1], seed=1)
    assert [len(split) for split in splits] == [50, 20, 1]
    assert len({position for split in splits for position in split}) == 71
    assert all(split == sorted(split) for split in splits)


@pytest.mark.parametrize("values", [3000, 10_000, 100_000])
def test_twins_never_fall_on_two_sides(values: int) -> None:
    keys = some_keys(3000, values)
    first, second = cut(scan_of(keys), [40, 30], seed=1)
    side = dict.fromkeys(range(len(keys)), "train") | dict.fromkeys(first, "1") | dict.fromkeys(second, "2")
    for of_side in (0, 1):
        sides: dict[int, set[str]] = {}
        for position, pair in enumerate(keys):
            sides.setdefault(pair[of_side], set()).add(side[position])
        assert all(len(found) == 1 for found in sides.values())


def test_a_group_goes_together() -> None:
    # 0-1 share a source, 1-2 a target, 2-3 a source: all four, or none.
    keys = [(1, 10), (1, 11), (2, 11), (2, 12), (3, 13)]
    (split,) = cut(scan_of(keys), [4], seed=1)
    assert split == [0, 1, 2, 3]


def test_it_depends_on_the_seed_and_the_keys_alone() -> None:
    keys = some_keys(1000, 100_000)
    splits = [cut(scan_of(keys, part), [30], seed) for part, seed in ((7, 1), (100, 1), (7, 2))]
    assert splits[0] == splits[1] != splits[2]
    moved = [keys[position] for position in cut(scan_of(keys[::-1]), [30], 1)[0]]
    assert len(moved) == 30
    backwards = {keys[::-1][position] for position in cut(scan_of(keys[::-1]), [30], 1)[0]}
    assert backwards == {keys[position] for position in splits[0][0]}


def test_a_frequent_sentence_stays_in_training() -> None:
    keys = [(0, 100 + number) for number in range(200)] + [(1 + number, number) for number in range(50)]
    (split,) = cut(scan_of(keys), [50], seed=1)
    assert split == list(range(200, 250))


def test_too_few() -> None:
    with pytest.raises(InputError, match="cannot hold out 10 of the training pairs") as caught:
        cut(scan_of([(0, number) for number in range(100)]), [10], seed=1)
    assert "Hold out fewer" in caught.value.hint
