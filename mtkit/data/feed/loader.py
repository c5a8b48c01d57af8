"""The stream of training steps, and the position in it. Imports torch only to make tensors of a batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mtkit.config.fixed import MAX_TOKENS, Batching
from mtkit.data.feed.batching import Indices, cut_by_tokens, cut_step, plan_epoch
from mtkit.data.feed.mixing import Stage, stage_at
from mtkit.data.feed.padding import Ids, PaddedPairs, padded_pairs
from mtkit.data.prepare.matches import Matches
from mtkit.data.prepare.shards import Shard, open_shard

if TYPE_CHECKING:
    from mtkit.data.feed.batch import Batch

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the endless stream of steps.

    Attributes:
        epoch: number of the current epoch.
        index: number of the next step within the epoch.
        step: number of the next step in the whole stream.
        stage_epoch: the epoch with which the current mixing stage began.
    """

    epoch: int = 0
    index: int = 0
    step: int = 0
    stage_epoch: int = 0


@dataclass(frozen=True, slots=True)
class Step(Generic[Part]):
    """The data of one optimizer step.

    Attributes:
        batches: micro-batches of this rank, computed one after the other.
        num_tgt_tokens: target tokens of the step on all ranks; the loss is divided by it.
        cursor: the position after this step.
        steps_per_epoch: steps in this epoch.
        pairs: numbers of all pairs of the step, on all ranks; pairs are numbered as they were prepared.
    """

    batches: tuple[Part, ...]
    num_tgt_tokens: int
    cursor: Cursor
    steps_per_epoch: int
    pairs: Indices | None = None


StepArrays: TypeAlias = Step[PaddedPairs]
StepData: TypeAlias = Step["Batch"]


def as_tensors(step: StepArrays) -> StepData:
    """The step with its batches as tensors."""
    from mtkit.data.feed.batch import Batch

    return Step(
        tuple(map(Batch.of, step.batches)), step.num_tgt_tokens, step.cursor, step.steps_per_epoch, step.pairs
    )


class PairTable:
    """The pairs of several shards under one numbering. Unpickling opens the shards again.

    Args:
        shards: of the corpora.
        matches: of their pairs. In even epochs the pairs with even numbers are given theirs, in odd epochs
            the others, unless a source would be longer than `MAX_TOKENS`.
        epoch: number of the epoch.

    Attributes:
        shards: of the corpora.
        lengths: [pairs, 2], tokens of sources, with the matches that they are given, and of targets.
        sizes: number of pairs of each shard.
    """

    def __init__(self, shards: Sequence[Shard], matches: Matches | None = None, epoch: int = 0) -> None:
        self.shards = shards
        self.lengths = np.concatenate([shard.lengths for shard in shards])
        self.sizes = [len(shard) for shard in shards]
        self._ends = np.cumsum(self.sizes)
        self._matches, self._turn = matches, epoch % 2
        self._given: npt.NDArray[np.int64] | None = None
        if matches is not None:
            given = np.where(np.arange(len(self.lengths)) % 2 == self._turn, matches.numbers, -1)
            longer = self.lengths[:, 0] + 1 + self.lengths[given, 1]
            self._given = np.where(longer <= MAX_TOKENS, given, -1)
            self.lengths[:, 0] = np.where(self._given < 0, self.lengths[:, 0], longer)

    def __reduce__(self) -> tuple[type[PairTable], tuple[Sequence[Shard], Matches | None, int]]:
        return PairTable, (self.shards, self._matches, self._turn)

    def at_epoch(self, epoch: int) -> PairTable:
        """The pairs in the segmentation and with the matches of this epoch: epochs take turns."""
        turn = [shard.turn(epoch) for shard in self.shards]
        is_same = self._matches is None or epoch % 2 == self._turn
        if is_same and turn == [shard.segmentation for shard in self.shards]:
            return self
        shards = [open_shard(shard.folder, n) for shard, n in zip(self.shards, turn, strict=True)]
        return PairTable(shards, self._matches, epoch)

    def batch(self, indices: Indices) -> Batch:
        """One batch of the pairs with these numbers."""
        from mtkit.data.feed.batch import Batch

        return Batch.of(self.padded(indices))

    def padded(self, indices: Indices) -> PaddedPairs:
        """One padded batch, in arrays, of the pairs with these numbers."""
        srcs: list[Ids] = []
        tgts: list[Ids] = []
        for shard, place in self._places(indices):
            srcs.append(shard.src(place))
            tgts.append(shard.tgt(place))
        if self._matches is not None and self._given is not None:
            given = self._given[indices]
            rows = np.flatnonzero(given >= 0)
            for row, (shard, place) in zip(rows.tolist(), self._places(given[rows]), strict=True):
                srcs[row] = np.concatenate([srcs[row], [self._matches.separator], shard.tgt(place)])
        return padded_pairs(srcs, tgts)

    def _places(self, indices: Indices) -> Iterator[tuple[Shard, int]]:
        """The shard of each of these pairs, and its number there."""
        shard_numbers = np.searchsorted(self._ends, indices, side="right")
        for index, number in zip(indices.tolist(), shard_numbers.tolist(), strict=True):
            yield self.shards[number], index - (int(self._ends[number - 1]) if number else 0)

    def batches(self, batch_tokens: int, count: int | None = None) -> Iterator[Batch]:
        """Batches of similar length with all pairs, or the first `count`, once; for validation."""
        lengths = self.lengths[:count]
        order = np.lexsort((lengths[:, 0], lengths[:, 1]))
        for part in cut_by_tokens(order, self.lengths[order, 1].astype(np.int64) + 1, batch_tokens):
            yield self.batch(part)


@dataclass(frozen=True, slots=True)
class Steps:
    """The endless stream of training steps, a function of these values and the position.

    An epoch ends early where a mixing stage ends. Each rank reads its rows of every micro-batch, with similar
    lengths; the steps and their `num_tgt_tokens` do not depend on the number of ranks. All ranks get the same
    number of micro-batches: if one has fewer rows than there are ranks, the last ranks get one without
    targets. The pairs of a step are sorted by length, so each micro-batch needs little padding.

    Attributes:
        table: the pairs.
        batch_tokens: most target tokens of a step.
        micro_batch_tokens: most target tokens of a micro-batch on each rank; None for one micro-batch.
        seed: of the run.
        stages: how the corpora are mixed.
        rank: of this process, from 0.
        num_ranks: number of ranks.
        batching: how pairs are grouped into steps.
        parts: the least number of micro-batches of a step with enough pairs, which limits padding.
    """

    table: PairTable
    batch_tokens: int
    micro_batch_tokens: int | None
    seed: int
    stages: Sequence[Stage] = (Stage(),)
    rank: int = 0
    num_ranks: int = 1
    batching: Batching = "random"
    parts: int = 1

    def read(self, cursor: Cursor) -> Generator[StepData, None, None]:
        """The steps from `cursor` on."""
        yield from map(as_tensors, self.arrays(cursor))

    def arrays(self, cursor: Cursor) -> Iterator[StepArrays]:
        """The steps from `cursor` on, without torch."""
        table = self.table
        while True:
            stage = stage_at(self.stages, cursor.step)
            drawn = stage.epoch(table.sizes, self.seed, cursor.epoch - cursor.stage_epoch)
            table = table.at_epoch(cursor.epoch)
            plan = plan_epoch(table.lengths, self.batch_tokens, self.seed, cursor.epoch, drawn, self.batching)
            for pairs in plan[cursor.index :]:
                cursor = _after(cursor, len(plan), stage)
                yield self._step(table, pairs, cursor, len(plan))
                if not cursor.index:
                    break

    def _step(self, table: PairTable, pairs: Indices, cursor: Cursor, steps_per_epoch: int) -> StepArrays:
        tokens = table.lengths[pairs, 1].astype(np.int64) + 1
        most = self.micro_batch_tokens and self.micro_batch_tokens * self.num_ranks
        parts = cut_step(pairs, tokens, most, self.parts)
        batches = tuple(self._share(table, part) for part in parts)
        return Step(batches, int(tokens.sum()), cursor, steps_per_epoch, pairs)

    def _share(self, table: PairTable, pairs: Indices) -> PaddedPairs:
        """The rows of a micro-batch that this rank computes."""
        if self.rank < len(pairs):
            return table.padded(pairs[self.rank :: self.num_ranks])
        return table.padded(pairs[:1]).without_targets()


def _after(cursor: Cursor, steps_per_epoch: int, stage: Stage) -> Cursor:
    """The position after the step at `cursor`."""
    step, next_epoch = cursor.step + 1, cursor.epoch + 1
    if step == stage.until:
        return Cursor(next_epoch, 0, step, next_epoch)
    if cursor.index + 1 == steps_per_epoch:
        return Cursor(next_epoch, 0, step, cursor.stage_epoch)
    return Cursor(cursor.epoch, cursor.index + 1, step, cursor.stage_epoch)
