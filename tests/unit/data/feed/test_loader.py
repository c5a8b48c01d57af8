from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mtkit.config.data import MixingStage
from mtkit.data.feed.loader import Cursor, PairTable, StepData, Steps
from mtkit.data.feed.mixing import build_stages
from mtkit.data.prepare.shards import Shard, open_shard, write_shard
from tests.support.steps import content, take


@pytest.fixture
def table(tmp_path: Path) -> PairTable:
    random = np.random.default_rng(0)

    def pairs(count: int) -> Iterator[tuple[list[int], list[int]]]:
        for _ in range(count):
            src, tgt = random.integers(1, 12, 2)
            yield random.integers(4, 99, src).tolist(), random.integers(4, 99, tgt).tolist()

    for name, count in (("a", 40), ("b", 25)):
        write_shard(tmp_path / name, pairs(count), {})
    return PairTable([open_shard(tmp_path / "a"), open_shard(tmp_path / "b")])


def test_pairs_are_found_across_shards(table: PairTable) -> None:
    batch = table.batch(np.array([39, 40, 64]))
    first, second = table.shards
    expected = [*first.tgt(39), 3, *second.tgt(0), 3, *second.tgt(24), 3]
    assert batch.tgt_out.tolist() == expected


def test_going_on_from_any_cursor_gives_the_same_steps(table: PairTable) -> None:
    whole = take(table, 25, Cursor())
    assert whole[-1].cursor.epoch > 0
    for stop in (1, 7, whole[0].steps_per_epoch, 20):
        rest = take(table, 25 - stop, whole[stop - 1].cursor)
        assert [content(step) for step in rest] == [content(step) for step in whole[stop:]]


def test_stages_of_mixing_follow_each_other_and_resume(table: PairTable) -> None:
    mixing = [
        MixingStage(until=4, weights=(1.0, 0.0)),
        MixingStage(until=15, weights=(0.0, 1.0)),
        MixingStage(temperature=5.0),
    ]
    stages = build_stages(mixing, table.sizes)

    def steps(count: int, cursor: Cursor) -> list[StepData]:
        return list(itertools.islice(Steps(table, 60, None, 3, stages).read(cursor), count))

    whole = steps(30, Cursor())
    assert [step.cursor.step for step in whole] == list(range(1, 31))
    first, second = map(shard_ids, table.shards)
    for number, step in enumerate(whole[:15]):
        for target in targets(step):
            assert target in (first if number < 4 else second)
    assert any(target in first for step in whole[15:] for target in targets(step))
    assert any(target in second for step in whole[15:] for target in targets(step))
    for stop in (1, 3, 4, 5, 14, 15, 16, 22):
        rest = steps(30 - stop, whole[stop - 1].cursor)
        assert [content(step) for step in rest] == [content(step) for step in whole[stop:]]
        assert [step.cursor for step in rest] == [step.cursor for step in whole[stop:]]


def shard_ids(shard: Shard) -> list[list[int]]:
    return [shard.tgt(index).tolist() for index in range(len(shard))]


def targets(step: StepData) -> Iterator[list[int]]:
    """The target ids of each pair; the end of sentence is 3."""
    for batch in step.batches:
        ids: list[int] = []
        for token in batch.tgt_out.tolist():
            if token == 3:
                yield ids
                ids = []
            else:
                ids.append(token)


def test_micro_batches_hold_the_same_pairs(table: PairTable) -> None:
    for whole, cut in zip(take(table, 5, Cursor()), take(table, 5, Cursor(), micro=20), strict=True):
        assert len(cut.batches) > 1
        assert all(batch.num_tgt_tokens <= 20 for batch in cut.batches)
        assert whole.num_tgt_tokens == cut.num_tgt_tokens
        joined = [token for batch in cut.batches for token in batch.tgt_out.tolist()]
        assert joined == whole.batches[0].tgt_out.tolist()


def test_validation_batches_hold_each_pair_once(table: PairTable) -> None:
    tokens = sum(batch.num_tgt_tokens for batch in table.batches(50))
    assert tokens == int(table.lengths[:, 1].sum()) + len(table.lengths)


def rows_of(step: StepData) -> list[tuple[list[int], list[int]]]:
    """The source and target ids of every pair of a step that something is learned of."""
    return sorted(
        (src[mask].tolist(), tgt[tgt != 0].tolist())
        for batch in step.batches
        if batch.num_tgt_tokens
        for src, mask, tgt in zip(batch.src_ids, batch.src_mask, batch.tgt_in, strict=True)
    )


@pytest.mark.parametrize("ranks", [2, 4])
@pytest.mark.parametrize("micro", [None, 20])
def test_ranks_share_each_step(table: PairTable, ranks: int, micro: int | None) -> None:
    alone = itertools.islice(Steps(table, 60, None, 3).read(Cursor()), 12)
    shared = [
        itertools.islice(Steps(table, 60, micro, 3, rank=rank, num_ranks=ranks).read(Cursor()), 12)
        for rank in range(ranks)
    ]
    for whole, *parts in zip(alone, *shared, strict=True):
        assert sorted(row for part in parts for row in rows_of(part)) == rows_of(whole)
        assert {part.num_tgt_tokens for part in parts} == {whole.num_tgt_tokens}
        assert {part.cursor for part in parts} == {whole.cursor}
        if micro is not None:
            for part in parts:
                for batch in part.batches:
                    longest = max(batch.tgt_in.shape[1], micro)
                    assert batch.num_tgt_tokens <= longest + batch.tgt_in.shape[1]
