"""An engine for one order, which decodes through the queue of all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.interface import Engine, Feature
from mtkit.serve.orders import GoneError, Order
from mtkit.serve.queue import SentenceQueue

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig


class QueuedEngine:
    """An engine that decodes through the queue, for the translator of one order.

    Args:
        engine: that decodes.
        queue: through which it does.
        order: on whose behalf.
    """

    def __init__(self, engine: Engine, queue: SentenceQueue, order: Order) -> None:
        self._engine, self._queue, self._order = engine, queue, order

    @property
    def name(self) -> str:
        """See `Engine`."""
        return self._engine.name

    @property
    def at_once(self) -> int:
        """See `Engine`."""
        return self._engine.at_once if self._order.is_bulk else 1

    @property
    def lengths_at_once(self) -> int:
        """See `Engine`."""
        return self._engine.lengths_at_once

    @property
    def aligns(self) -> bool:
        """See `Engine`."""
        return self._engine.aligns

    def refusals(self, options: DecodeConfig, features: Collection[Feature] = ()) -> list[str]:
        """See `Engine`."""
        return self._engine.refusals(options, features)

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """See `Engine`.

        Raises:
            GoneError: the order was cancelled.
        """
        return self._queue.decode(self._order, self._engine, src_ids, options, demands, scores)

    def score(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[Hypothesis]:
        """See `Engine`."""
        self._check()
        return self._engine.score(src_ids, tgt_ids, options)

    def align(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[list[tuple[int, int]]]:
        """See `Engine`."""
        self._check()
        return self._engine.align(src_ids, tgt_ids, options)

    def _check(self) -> None:
        if self._order.is_gone:
            raise GoneError("the client went away.")
