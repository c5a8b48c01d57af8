"""How much a client may ask for, and how often."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_BUCKETS = 10_000
"""Clients that are remembered; the one that was quiet for longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request.

    Attributes:
        body: bytes.
        texts: in one request.
        characters: of each text.
        alternatives: to each translation.
        terms: of a glossary.
    """

    body: int = 1 << 20
    texts: int = 128
    characters: int = 5_000
    alternatives: int = 10
    terms: int = 1_000


WITHOUT_KEY = Limits()
WITH_KEY = Limits(body=64 << 20, texts=10_000, characters=1_000_000, terms=20_000)


class Buckets:
    """A token bucket for each client: so many requests a minute on average, and some more at once.

    Args:
        per_minute: requests; 0 for any number.
        clock: seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_minute / 60, clock
        self._most = max(10.0, per_minute / 6)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Takes a request out of a client's bucket; 0, or the seconds until there is one."""
        if not self._rate:
            return 0.0
        now = self._clock()
        tokens, since = self._buckets.pop(client, (self._most, now))
        tokens = min(self._most, tokens + (now - since) * self._rate)
        is_enough = tokens >= 1
        self._buckets[client] = (tokens - is_enough, now)
        while len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return 0.0 if is_enough else (1 - tokens) / self._rate
