from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mtkit.data.feed.batching import cut_by_tokens, plan_epoch


def lengths(pairs: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    return np.random.default_rng(seed).integers(1, 60, (pairs, 2)).astype(np.int32)


@given(
    tokens=st.lists(st.integers(1, 50), max_size=40).map(lambda found: np.array(found, np.int64)),
    most=st.integers(1, 120),
)
def test_parts_hold_everything_in_order_within_the_bound(
    tokens: np.ndarray[tuple[int], np.dtype[np.int64]], most: int
) -> None:
    order = np.arange(len(tokens), dtype=np.int64)
    parts = cut_by_tokens(order, tokens, most)
    assert [index for part in parts for index in part] == order.tolist()
    for number, part in enumerate(parts):
        assert tokens[part].sum() <= most or len(part) == 1
        if number + 1 < len(parts):  # no part could have taken one more
            assert tokens[part].sum() + tokens[parts[number + 1][0]] > most


def test_an_epoch_holds_each_pair_once() -> None:
    plan = plan_epoch(lengths(1000), 512, seed=1, epoch=0)
    assert sorted(np.concatenate(plan).tolist()) == list(range(1000))


def test_a_plan_is_a_function_of_seed_and_epoch() -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        return [int(index) for step in plan_epoch(lengths(300), 512, seed, epoch) for index in step]

    assert flat(1, 0) == flat(1, 0)
    assert flat(1, 0) != flat(1, 1)
    assert flat(1, 0) != flat(2, 0)


def test_pairs_of_a_step_are_of_like_length() -> None:
    found = lengths(5000)
    spread = [np.ptp(found[step, 1]) for step in plan_epoch(found, 1024, seed=1, epoch=0)]
    assert np.mean(spread) < 2


def test_long_and_short_steps_come_mixed() -> None:
    found = lengths(30_000)
    means = [found[step, 1].mean() for step in plan_epoch(found, 1024, seed=1, epoch=0)]
    half = len(means) // 2
    assert abs(np.mean(means[:half]) - np.mean(means[half:])) < 4
