from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.data.clean.dedup import Keys, Positions, repeated

# Keys of few values and of all bits, so that repetitions are common and buckets differ.
KEY = st.sampled_from([0, 1, 2**64 - 1, 2**63, 2**63 - 1]) | st.integers(0, 2**64 - 1)
CORPUS = st.lists(st.lists(st.lists(KEY, max_size=3), max_size=8), max_size=6)


def by_hand(corpus: list[list[list[int]]]) -> list[int]:
    holders: dict[int, set[int]] = {}
    found = []
    pairs = [keys for part in corpus for keys in part]
    for position, keys in enumerate(pairs):
        if any(holders.get(key, set()) - {position} for key in keys):
            found.append(position)
        for key in keys:
            holders.setdefault(key, set()).add(position)
    return found


def parts_of(corpus: list[list[list[int]]]) -> Iterator[tuple[Keys, Positions]]:
    position = 0
    for part in corpus:
        owned = [(key, position + number) for number, keys in enumerate(part) for key in keys]
        position += len(part)
        yield (
            np.array([key for key, _ in owned], np.uint64),
            np.array([owner for _, owner in owned], np.int64),
        )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize("at_once", [1, 4, 1000])
@given(corpus=CORPUS)
def test_as_by_hand(corpus: list[list[list[int]]], at_once: int, tmp_path: Path) -> None:
    total = sum(len(keys) for part in corpus for keys in part)
    found = {
        position
        for positions in repeated(parts_of(corpus), total, tmp_path, at_once)
        for position in positions.tolist()
    }
    assert sorted(found) == by_hand(corpus)
    assert list(tmp_path.iterdir()) == []
