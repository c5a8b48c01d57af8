"""The stream of training steps, and the place in it."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mtkit.data.batch import Batch, collate
from mtkit.data.batching import Indices, cut_by_tokens, plan_epoch
from mtkit.data.sampling import Stage, stage_at
from mtkit.data.shards import Shard, open_shard


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the endless stream of steps: the next step is number `index` of pass `epoch`.

    Attributes:
        step: how many steps come before it.
        stage_epoch: the pass with which the present stage of mixing began.
    """

    epoch: int = 0
    index: int = 0
    step: int = 0
    stage_epoch: int = 0


@dataclass(frozen=True, slots=True)
class StepData:
    """What one optimizer step learns from.

    Attributes:
        batches: micro-batches, computed one after the other; of several ranks, those of one.
        num_tgt_tokens: target tokens of the step, on all ranks; the loss is divided by it.
        cursor: the place after this step.
        steps_per_epoch: steps in this pass.
        pairs: numbers of all its pairs, from 0, in the order in which they were prepared.
    """

    batches: tuple[Batch, ...]
    num_tgt_tokens: int
    cursor: Cursor
    steps_per_epoch: int
    pairs: Indices | None = None


class PairTable:
    """The pairs of several shards under one numbering."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = shards
        self.lengths = np.concatenate([shard.lengths for shard in shards])
        self.sizes = [len(shard) for shard in shards]
        self._ends = np.cumsum(self.sizes)

    def at_epoch(self, epoch: int) -> PairTable:
        """The pairs as pass `epoch` sees them: its turn's segmentation, where several are prepared."""
        turn = [epoch % shard.num_segmentations for shard in self.shards]
        if turn == [shard.segmentation for shard in self.shards]:
            return self
        return PairTable([open_shard(shard.folder, n) for shard, n in zip(self.shards, turn, strict=True)])

    def batch(self, indices: Indices) -> Batch:
        """The pairs with these numbers as one batch."""
        srcs, tgts = [], []
        shard_numbers = np.searchsorted(self._ends, indices, side="right")
        for index, number in zip(indices.tolist(), shard_numbers.tolist(), strict=True):
            shard = self.shards[number]
            local = index - (int(self._ends[number - 1]) if number else 0)
            srcs.append(shard.src(local))
            tgts.append(shard.tgt(local))
        return collate(srcs, tgts)

    def batches(self, batch_tokens: int, count: int | None = None) -> Iterator[Batch]:
        """All pairs once, or the first `count`, in batches of like length; for validation."""
        lengths = self.lengths[:count]
        order = np.lexsort((lengths[:, 0], lengths[:, 1]))
        for part in cut_by_tokens(order, self.lengths[order, 1].astype(np.int64) + 1, batch_tokens):
            yield self.batch(part)


def read_steps(
    table: PairTable,
    batch_tokens: int,
    micro_batch_tokens: int | None,
    seed: int,
    cursor: Cursor,
    stages: Sequence[Stage] = (Stage(),),
    rank: int = 0,
    num_ranks: int = 1,
) -> Iterator[StepData]:
    """The training steps from `cursor` on, without end; a pure function of its arguments.

    A pass ends early where a stage does. Of `num_ranks` readers each gets its rows of every micro-batch, of
    like length; the steps and their `num_tgt_tokens` are the same whatever the number. All get equally many
    micro-batches: where one has fewer rows than there are ranks, the last ranks get one without targets.

    Args:
        table: the pairs.
        batch_tokens: target tokens of a step at most.
        micro_batch_tokens: those of a micro-batch, on each rank; all of the step's if None.
        seed: of the run.
        cursor: where to begin.
        stages: how the corpora are mixed.
        rank: which reader this is, from 0.
        num_ranks: how many there are.
    """
    while True:
        stage = stage_at(stages, cursor.step)
        drawn = stage.epoch(table.sizes, seed, cursor.epoch - cursor.stage_epoch)
        table = table.at_epoch(cursor.epoch)
        plan = plan_epoch(table.lengths, batch_tokens, seed, cursor.epoch, drawn)
        for index in range(cursor.index, len(plan)):
            pairs = plan[index]
            tokens = table.lengths[pairs, 1].astype(np.int64) + 1
            parts = [pairs]
            if micro_batch_tokens is not None:
                parts = cut_by_tokens(pairs, tokens, micro_batch_tokens * num_ranks)
            cursor = _after(cursor, len(plan), stage)
            batches = tuple(_share(table, part, rank, num_ranks) for part in parts)
            yield StepData(batches, int(tokens.sum()), cursor, len(plan), pairs)
            if not cursor.index:
                break


def _share(table: PairTable, pairs: Indices, rank: int, num_ranks: int) -> Batch:
    """What one rank computes of a micro-batch."""
    if rank < len(pairs):
        return table.batch(pairs[rank::num_ranks])
    return table.batch(pairs[:1]).without_targets()


def _after(cursor: Cursor, steps_per_epoch: int, stage: Stage) -> Cursor:
    """The place after the step at `cursor`."""
    step, next_epoch = cursor.step + 1, cursor.epoch + 1
    if step == stage.until:
        return Cursor(next_epoch, 0, step, next_epoch)
    if cursor.index + 1 == steps_per_epoch:
        return Cursor(next_epoch, 0, step, cursor.stage_epoch)
    return Cursor(cursor.epoch, cursor.index + 1, step, cursor.stage_epoch)


_End = tuple[None, BaseException | None]


def prefetch(
    steps: Iterable[StepData], depth: int, prepare: Callable[[StepData], StepData]
) -> Iterator[StepData]:
    """The same steps, made and prepared up to `depth` ahead by a thread whose failure is raised here."""
    ready: queue.Queue[StepData | _End] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: StepData | _End) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            for step in steps:
                put(prepare(step))
                if stop.is_set():
                    return
        except BaseException as error:
            put((None, error))
        else:
            put((None, None))

    worker = threading.Thread(target=work, name="prefetch", daemon=True)
    worker.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, StepData):
                yield item
            elif item[1] is not None:
                raise item[1]
            else:
                return
    finally:
        stop.set()
        worker.join()
