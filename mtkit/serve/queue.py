"""One queue for the sentences of all clients, decoded in common batches. Knows nothing of the web.

Text stays with the `Translator`: a client's call runs in a thread of its own, over an engine that puts
sentences in the queue and waits for them. So each answer is what the same call would give alone.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

from mtkit.decode.hypothesis import NO_DEMAND, Demand, Hypothesis
from mtkit.engine.interface import Engine
from mtkit.serve.orders import Ask, Counts, FullError, GoneError, Order, Waiting, Way

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

LINGER = 0.005
"""Seconds that a batch waits at most for sentences of other clients."""
CROWD = 0.1
"""Seconds for which several people at once are remembered: they probably come back."""
BATCH_TOKENS, BULK_TOKENS, LEAST_TOKENS = 4096, 2048, 256
"""Most source tokens of a batch for people who wait, and for files; the least that one for files aims at."""
BULK_SECONDS = 0.05
"""That a batch for files should take, because people who come meanwhile wait for it."""
_LOOK = 64
"""Sentences of an order that are looked through for one that fits."""
_END = 0.5
"""Seconds that a batch under way has left at the end."""
MOST_ORDERS, MOST_TOKENS = 256, 200_000
"""Orders at once, and source tokens waiting, above which a new order is refused."""


class SentenceQueue:
    """Batches the sentences of all orders; may be used by many threads.

    Args:
        threads: that decode, at least 2: one of them takes no files, so that people need not wait for them.
        most_orders: at once.
        most_tokens: of sources waiting, above which no new order is taken.
        clock: seconds.
    """

    def __init__(
        self,
        threads: int = 2,
        most_orders: int = MOST_ORDERS,
        most_tokens: int = MOST_TOKENS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._most_orders, self._most_tokens, self._clock = most_orders, most_tokens, clock
        self._orders: list[Order] = []
        self._waiting = 0
        self._crowded = float("-inf")
        self._bulk_under_way, self._most_bulk = 0, max(1, threads - 1)
        self._is_stopping = self._is_stopped = False
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # there are new sentences, or it stops
        self._idle = threading.Condition(lock)  # there are no orders
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Source tokens that are in no batch yet."""
        return self._waiting

    @property
    def open_orders(self) -> int:
        """Orders that are not closed."""
        return len(self._orders)

    # ------------------------------------------------------------ for clients

    def open(self, is_bulk: bool = False) -> Order:
        """An order, to be closed by the caller.

        Raises:
            FullError: there are too many orders, or too much is waiting.
        """
        with self._changed:
            is_full = len(self._orders) >= self._most_orders or self._waiting >= self._most_tokens
            if self._is_stopping or is_full:
                self.counts.refused += 1
                raise FullError(self._retry_after())
            order = Order(is_bulk)
            self._orders.append(order)
            if sum(not one.is_bulk for one in self._orders) > 1:
                self._crowded = self._clock()
            self.counts.orders += 1
            return order

    @contextmanager
    def order(self, is_bulk: bool = False) -> Iterator[Order]:
        """An order as a block.

        Raises:
            FullError: as `open`.
        """
        order = self.open(is_bulk)
        try:
            yield order
        finally:
            self.close(order)

    def decode(
        self,
        order: Order,
        engine: Engine,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None,
        scores: bool,
    ) -> list[list[Hypothesis]]:
        """See `Engine.decode`; waits until all sentences are decoded.

        Raises:
            GoneError: the order was cancelled.
        """
        if not src_ids:
            return []
        ask = Ask([[] for _ in src_ids], len(src_ids))
        kind, now = Way(engine, options, scores, demands is not None), self._clock()
        sentences = [
            Waiting(kind, ask, place, ids, demands[place] if demands else None, now)
            for place, ids in enumerate(src_ids)
        ]
        sentences.sort(key=lambda one: -len(one.ids))  # engines are fastest with equal lengths together
        with self._changed:
            if order.is_gone:
                raise GoneError("the client went away.")
            order.has_asked = True
            order.asks.append(ask)
            order.waiting.extend(sentences)
            self._waiting += sum(one.tokens for one in sentences)
            self._changed.notify()
        ask.done.wait()
        with self._changed:
            order.asks.remove(ask)
            if ask.error:
                self._forget(order, ask)
                raise ask.error
        return ask.hyps

    def cancel(self, order: Order) -> None:
        """Takes an order's sentences out of the queue; whoever waits for them gets a `GoneError`."""
        with self._changed:
            if order.is_gone or order not in self._orders:
                return
            order.is_gone = True
            self.counts.cancelled += 1
            self._waiting -= sum(one.tokens for one in order.waiting)
            order.waiting.clear()
            for ask in order.asks:
                ask.fail(GoneError("the client went away."))

    def close(self, order: Order) -> None:
        """Ends an order; only an open one counts against the bound."""
        with self._changed:
            if order in self._orders:
                self._waiting -= sum(one.tokens for one in order.waiting)
                order.waiting.clear()
                self._orders.remove(order)
                if not self._orders:
                    self._idle.notify_all()

    def _forget(self, order: Order, ask: Ask) -> None:
        """Takes out of the queue what is left of a call that failed."""
        left = [one for one in order.waiting if one.ask is ask]
        self._waiting -= sum(one.tokens for one in left)
        order.waiting = deque(one for one in order.waiting if one.ask is not ask)

    def _retry_after(self) -> int:
        """Seconds until what waits is decoded, at the speed until now; from 1 to 60."""
        speed = self.counts.tokens / self.counts.seconds if self.counts.seconds else 1000.0
        return max(1, min(60, round(self._waiting / speed)))

    # ------------------------------------------------------------ ending

    def drain(self, seconds: float) -> bool:
        """Takes no new order, and waits for the open ones; cancels what is left. Tells if nothing was."""
        with self._changed:
            self._is_stopping = True
            finished = self._idle.wait_for(lambda: not self._orders, seconds)
            left = list(self._orders)
        for order in left:
            self.cancel(order)
        return finished

    def stop(self) -> None:
        """Cancels everything and ends the threads."""
        self.drain(0)
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_END)

    # ------------------------------------------------------------ for its threads

    def _work(self) -> None:
        while batch := self._next():
            sentences, is_bulk = batch
            begin = self._clock()
            self._decode(sentences)
            with self._changed:
                self._bulk_under_way -= is_bulk
                self.counts.seconds += self._clock() - begin

    def _next(self) -> tuple[list[Waiting], bool] | None:
        """The next batch, and whether it is of files; None at the end."""
        with self._changed:
            while not self._is_stopped:
                lane = self._lane()
                if not lane:
                    self._changed.wait()
                    continue
                is_bulk = lane[0].is_bulk
                if not is_bulk and (left := self._linger(lane)) > 0:
                    self._changed.wait(left)
                    continue
                batch = self._take(lane, self._bulk_tokens() if is_bulk else BATCH_TOKENS)
                self._bulk_under_way += is_bulk
                self.counts.batches += 1
                self.counts.sentences += len(batch)
                self.counts.tokens += sum(one.tokens for one in batch)
                if self._waiting:
                    self._changed.notify()  # another thread may have work, too
                return batch, is_bulk
            return None

    def _lane(self) -> list[Order]:
        """The orders whose turn it is, in their order: people first, else files."""
        people = [order for order in self._orders if order.waiting and not order.is_bulk]
        if people or self._bulk_under_way >= self._most_bulk:
            return people
        return [order for order in self._orders if order.waiting]

    def _linger(self, lane: Sequence[Order]) -> float:
        """Seconds to wait for others: none for a client that is alone, or if a batch is full."""
        now = self._clock()
        if now - self._crowded > CROWD and all(order.has_asked or order.is_bulk for order in self._orders):
            return 0.0
        if sum(one.tokens for order in lane for one in order.waiting) >= BATCH_TOKENS:
            return 0.0
        return min(order.waiting[0].since for order in lane) + LINGER - now

    def _bulk_tokens(self) -> int:
        """Source tokens of a batch for files, by the speed until now."""
        if not self.counts.seconds:
            return BULK_TOKENS
        wanted = BULK_SECONDS * self.counts.tokens / self.counts.seconds
        return min(BULK_TOKENS, max(LEAST_TOKENS, int(wanted)))

    def _take(self, lane: list[Order], most: int) -> list[Waiting]:
        """Sentences of one kind, one of each order in turn, as many as a batch may have but at least one.

        If the engine decodes each length by itself, only as many lengths as it does at once: the sentences of
        other lengths wait for more of their own.
        """
        first, is_bulk = lane[0].waiting[0].kind, lane[0].is_bulk
        # A file's sentences are taken as they come, which is by length.
        most_lengths, look = (0, 1) if is_bulk else (first.engine.lengths_at_once, _LOOK)
        lengths: set[int] = set()
        batch: list[Waiting] = []
        room = most

        def fits(one: Waiting) -> bool:
            if (batch and one.tokens > room) or not one.kind.is_like(first):
                return False
            return not most_lengths or one.tokens in lengths or len(lengths) < most_lengths

        while lane:
            still = []
            for order in lane:
                found = next(filter(fits, islice(order.waiting, look)), None)
                if found is None:
                    continue
                order.waiting.remove(found)
                batch.append(found)
                lengths.add(found.tokens)
                room -= found.tokens
                still.append(order)
            lane = still
        self._waiting -= sum(one.tokens for one in batch)
        served = {id(one.ask) for one in batch}
        # Whoever was served stands at the end for the next turn.
        self._orders.sort(key=lambda order: any(id(ask) in served for ask in order.asks))
        return batch

    def _decode(self, batch: Sequence[Waiting]) -> None:
        """Decodes a batch; one that fails again in halves, so that an error hits only its own sentence."""
        kind = batch[0].kind
        demands = [one.demand or NO_DEMAND for one in batch] if kind.has_demands else None
        try:
            found = kind.engine.decode([one.ids for one in batch], kind.options, demands, kind.scores)
            if len(found) != len(batch) or not all(found):
                raise RuntimeError(f"{len(found)} answers to {len(batch)} sentences")
        except Exception as error:
            if len(batch) == 1:
                with self._changed:
                    self.counts.failures += 1
                    batch[0].ask.fail(error)
                return
            self._decode(batch[: len(batch) // 2])
            self._decode(batch[len(batch) // 2 :])
            return
        with self._changed:
            for one, hyps in zip(batch, found, strict=True):
                one.ask.answer(one.place, hyps)
