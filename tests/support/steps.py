"""Steps of training data, and what is in them."""

from __future__ import annotations

import itertools

from mtkit.data.feed.loader import Cursor, PairTable, StepData, Steps


def content(step: StepData) -> list[list[list[int]]]:
    return [[batch.src_ids.tolist(), batch.tgt_out.tolist()] for batch in step.batches]


def take(table: PairTable, count: int, cursor: Cursor, micro: int | None = None) -> list[StepData]:
    return list(itertools.islice(Steps(table, 60, micro, seed=3).read(cursor), count))
