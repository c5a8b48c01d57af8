from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.fixed import Batching
from mtkit.data.feed.batching import cut_by_tokens, cut_step, plan_epoch


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


BATCHINGS = get_args(Batching)


@pytest.mark.parametrize("batching", BATCHINGS)
def test_an_epoch_holds_each_pair_once(batching: Batching) -> None:
    plan = plan_epoch(lengths(1000), 512, seed=1, epoch=0, batching=batching)
    assert sorted(np.concatenate(plan).tolist()) == list(range(1000))


@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_plan_is_a_function_of_seed_and_epoch(batching: Batching) -> None:
    def flat(seed: int, epoch: int) -> list[int]:
        plan = plan_epoch(lengths(300), 512, seed, epoch, batching=batching)
        return [int(index) for step in plan for index in step]

    assert flat(1, 0) == flat(1, 0)
    assert flat(1, 0) != flat(1, 1)
    assert flat(1, 0) != flat(2, 0)


def test_a_step_is_a_random_sample() -> None:
    """The mean lengths of steps vary as those of random samples, by σ/√n (n pairs of a step)."""
    found = lengths(30_000)
    steps = plan_epoch(found, 4096, seed=1, epoch=0)[:-1]
    means = np.array([found[step, 0].mean() for step in steps])  # sources: steps are cut by target lengths
    expected = found[:, 0].std() / np.sqrt(np.mean([len(step) for step in steps]))
    assert means.std() == pytest.approx(expected, rel=0.25)  # of some 220 steps: 5 % is its own error
    for step in steps:
        assert np.all(np.diff(found[step, 1]) >= 0)  # sorted within the step


def test_a_step_is_computed_in_parts_of_similar_length() -> None:
    found = lengths(5000)
    for step in plan_epoch(found, 1024, seed=1, epoch=0)[:-1]:
        tokens = found[step, 1].astype(np.int64) + 1
        parts = cut_step(step, tokens, None, 4)
        assert np.array_equal(np.concatenate(parts), step)
        assert len(parts) in (4, 5)
        padded = sum(len(part) * (int(found[part, 1].max()) + 1) for part in parts)
        assert padded < 0.85 * len(step) * tokens.max()
        bounded = cut_step(step, tokens, 100, 4)
        assert max(int(found[part, 1].sum()) + len(part) for part in bounded) <= 100


def test_pairs_of_a_step_by_length_are_of_like_length() -> None:
    found = lengths(5000)
    steps = plan_epoch(found, 1024, seed=1, epoch=0, batching="by_length")
    assert np.mean([np.ptp(found[step, 1]) for step in steps]) < 2


def test_long_and_short_steps_come_mixed() -> None:
    found = lengths(30_000)
    steps = plan_epoch(found, 1024, seed=1, epoch=0, batching="by_length")
    means = [found[step, 1].mean() for step in steps]
    half = len(means) // 2
    assert abs(np.mean(means[:half]) - np.mean(means[half:])) < 4
