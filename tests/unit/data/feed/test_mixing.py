from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mtkit.config.data import MixingStage
from mtkit.data.feed.mixing import Stage, build_stages, stage_at
from mtkit.errors import InputError

SIZES = (1000, 100, 10)


def draws(*, sizes: tuple[int, ...] = SIZES, **options: object) -> tuple[int, ...]:
    (stage,) = build_stages([MixingStage.model_validate(options)], sizes)
    assert stage.draws is not None
    return stage.draws


def drawn(stage: Stage, epoch: int, seed: int = 1) -> list[int]:
    found = stage.epoch(SIZES, seed, epoch)
    assert found is not None
    result: list[int] = found.tolist()
    return result


def test_without_mixing_every_pair_comes_once() -> None:
    (stage,) = build_stages((), SIZES)
    assert stage == Stage()
    assert stage.epoch(SIZES, 1, 0) is None


def test_shares_follow_sizes_weights_and_temperature() -> None:
    assert draws() == (1000, 100, 10)
    assert draws(weights=(1, 1, 1)) == (370, 370, 370)
    assert draws(weights=(3, 1, 0)) == (825, 275, 0)
    # At temperature 2 shares go as the square roots of sizes: 31.6, 10 and 3.16 of 44.8.
    assert draws(temperature=2.0) == pytest.approx((784, 248, 78), abs=1)
    assert draws(temperature=1e6) == pytest.approx((370, 370, 370), abs=1)
    assert draws(weights=(1, 1, 1), sizes=(1000, 0, 10)) == (505, 0, 505)


def test_pairs_of_a_corpus_are_drawn_equally_often() -> None:
    (stage,) = build_stages([MixingStage(weights=(1.0, 1.0, 1.0))], SIZES)
    epochs = 7
    counts = Counter(pair for epoch in range(epochs) for pair in drawn(stage, epoch))
    begin = 0
    for size in SIZES:
        found = [counts[pair] for pair in range(begin, begin + size)]
        assert sum(found) == epochs * 370
        assert max(found) - min(found) <= 1
        begin += size


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    (stage,) = build_stages([MixingStage(temperature=5.0)], SIZES)
    assert drawn(stage, 3) == drawn(stage, 3)
    assert drawn(stage, 3) != drawn(stage, 4)
    assert drawn(stage, 3) != drawn(stage, 3, seed=2)
    assert set(drawn(stage, 3)) <= set(range(sum(SIZES)))


def test_the_stage_of_a_step() -> None:
    stages = build_stages([MixingStage(until=5), MixingStage(until=9), MixingStage()], SIZES)
    assert [stages.index(stage_at(stages, step)) for step in (0, 4, 5, 8, 9, 10**9)] == [0, 0, 1, 1, 2, 2]


def test_a_stage_of_empty_corpora_is_refused() -> None:
    with pytest.raises(InputError, match=r"data\.mixing\.0: no pairs are left"):
        draws(weights=(0, 1), sizes=(5, 0))


def test_the_numbers_do_not_overflow() -> None:
    sizes = (4_000_000_000, 1)
    found = draws(sizes=sizes, weights=(1e-300, 1e300))
    assert sum(found) == sum(sizes)
    assert np.array(found).min() >= 0
