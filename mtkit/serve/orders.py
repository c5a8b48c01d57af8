"""What is in the queue: orders of clients, their calls that wait, and sentences. Knows nothing of the web."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.engine.interface import Engine
from mtkit.errors import MtkitError

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig


class FullError(MtkitError):
    """The queue takes no further order for now.

    Attributes:
        retry_after: seconds after which it probably does.
    """

    def __init__(self, retry_after: int) -> None:
        super().__init__("too much is waiting to be translated.", f"Try again in {retry_after} s.")
        self.retry_after = retry_after


class GoneError(MtkitError):
    """Nobody waits for this any more."""


@dataclass(slots=True)
class Counts:
    """What a queue has done.

    Attributes:
        orders: taken.
        refused: orders not taken.
        cancelled: orders whose client went away.
        batches: decoded.
        sentences: decoded.
        tokens: of their sources.
        failures: sentences at which the engine failed.
        seconds: of decoding, of all threads together.
    """

    orders: int = 0
    refused: int = 0
    cancelled: int = 0
    batches: int = 0
    sentences: int = 0
    tokens: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """How sentences are decoded; those with the same way can be decoded together."""

    engine: Engine
    options: DecodeConfig
    scores: bool
    has_demands: bool

    def is_like(self, other: Way) -> bool:
        """Whether it is the same way; compares options only where it must."""
        return self is other or (
            self.engine is other.engine
            and (self.scores, self.has_demands) == (other.scores, other.has_demands)
            and (self.options is other.options or self.options == other.options)
        )


@dataclass(slots=True)
class Ask:
    """A call of `decode` that waits.

    Attributes:
        hyps: found until now, by place.
        missing: how many sentences have no answer yet.
        error: with which one of them ended.
        done: set when there is nothing to wait for.
    """

    hyps: list[list[Hypothesis]]
    missing: int
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def answer(self, place: int, hyps: list[Hypothesis]) -> None:
        """Takes the hypotheses of one sentence."""
        self.hyps[place] = hyps
        self.missing -= 1
        if not self.missing:
            self.done.set()

    def fail(self, error: BaseException) -> None:
        """Ends the wait with an error."""
        self.error = self.error or error
        self.done.set()


@dataclass(eq=False, slots=True)
class Waiting:
    """A sentence in the queue.

    Attributes:
        kind: how it is decoded.
        ask: the call that it is of.
        place: in that call.
        ids: of the source.
        demand: what is asked of its translation.
        since: when it came, in seconds.
    """

    kind: Way
    ask: Ask
    place: int
    ids: Sequence[int]
    demand: Demand | None
    since: float

    @property
    def tokens(self) -> int:
        """Of the source, with its end."""
        return len(self.ids) + 1


@dataclass(eq=False, slots=True)
class Order:
    """What one client wants translated; `SentenceQueue.open` makes it.

    Attributes:
        is_bulk: nobody waits for it; others go first.
        waiting: its sentences that are in no batch yet.
        asks: its calls that wait.
        has_asked: whether it ever called.
        is_gone: whether it was cancelled.
    """

    is_bulk: bool = False
    waiting: deque[Waiting] = field(default_factory=deque)
    asks: list[Ask] = field(default_factory=list)
    has_asked: bool = False
    is_gone: bool = False
