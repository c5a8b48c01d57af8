"""What all APIs of a server share: reading a request, letting it in, and waiting for its translation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from starlette.requests import ClientDisconnect

from mtkit.errors import UsageError
from mtkit.serve.detector import Detected, Detector
from mtkit.serve.gate import read_body
from mtkit.serve.limits import WITH_KEY, WITHOUT_KEY, Limits
from mtkit.serve.models import Direction, Models
from mtkit.serve.orders import GoneError, Order
from mtkit.serve.queue import MOST_ORDERS, SentenceQueue
from mtkit.serve.service import Asked, Reply, Service
from mtkit.serve.settings import Settings
from mtkit.serve.shared import Shared
from mtkit.serve.supervisor import Worker
from mtkit.serve.tally import Tally
from mtkit.serve.values import RefusedError, Values, parse_values

if TYPE_CHECKING:
    from starlette.requests import Request

Result = TypeVar("Result")

BULK = 5_000
"""Characters of a request for whose answer nobody sits waiting."""


class Visitor(NamedTuple):
    """Who asks.

    Attributes:
        owner: of the key; empty without one.
        limits: of the request.
    """

    owner: str
    limits: Limits


class Site:
    """A server without its network.

    Args:
        models: that translate.
        settings: of the operator.
        worker: which one of several processes this is.
    """

    def __init__(self, models: Models, settings: Settings, worker: Worker | None = None) -> None:
        self.models, self.settings, self.worker = models, settings, worker
        self.queue = SentenceQueue()
        self.shared = worker.shared if worker else Shared(settings.rate)
        self.tally = Tally(worker.name if worker else "")
        self._service, self._detector = Service(self.queue), Detector()
        self._threads = ThreadPoolExecutor(MOST_ORDERS, "order")

    def close(self) -> None:
        """Cancels what is under way."""
        self.queue.stop()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def report(self) -> None:
        """Adds what this process has counted to the figures of all."""
        self.shared.report(self.tally.worker, self.tally.figures(self.queue, self.models))

    # ------------------------------------------------------------ reading

    async def read(self, request: Request) -> tuple[Values, Visitor]:
        """What a request says, and who asks; counts it against the rate.

        Raises:
            RefusedError: it is too large, too slow or unreadable, or the visitor may not ask, or not yet.
        """
        key = _key_in(request.headers.get("authorization", ""))
        limits = WITH_KEY if key and self._owner(key) else WITHOUT_KEY
        body = await read_body(request, limits.body, self.settings.body_seconds)
        fields = parse_values(request.headers.get("content-type", ""), body, request.url.query)
        return fields, self.admit(request, fields.text("api_key", ""))

    def admit(self, request: Request, key: str = "") -> Visitor:
        """Who asks; counts the request against the rate.

        Args:
            request: whose header may have a key.
            key: that is somewhere else in it.

        Raises:
            RefusedError: the key is wrong or missing, or there were too many requests.
        """
        key = _key_in(request.headers.get("authorization", "")) or key
        owner = self._owner(key) if key else ""
        if self.settings.needs_key and not owner:
            raise RefusedError(403, "this server needs a key.", "Send yours as api_key or in Authorization.")
        address = request.client.host if request.client else ""
        client = f"key {owner}" if owner else address
        if self.settings.rate and (wait := self.shared.take(client)):
            seconds = int(wait) + 1
            raise RefusedError(429, "too many requests.", f"Try again in {seconds} s.", seconds)
        return Visitor(owner, WITH_KEY if owner else WITHOUT_KEY)

    def _owner(self, key: str) -> str:
        """Whose key it is; a server without keys does not look at them.

        Raises:
            RefusedError: nobody's.
        """
        if self.settings.keys is None:
            return ""
        owner = self.settings.keys.owner(key)
        if owner is None:
            raise RefusedError(403, "the key is unknown.", "Ask the operator of this server for one.")
        return owner

    # ------------------------------------------------------------ languages

    def direction(self, src: str, tgt: str) -> Direction:
        """How a pair is translated.

        Raises:
            RefusedError: it is not.
        """
        try:
            return self.models.find(src, tgt)
        except UsageError as error:
            raise RefusedError(400, error.message, error.hint) from None

    def sources_of(self, tgt: str) -> list[str]:
        """The languages that can be translated into one.

        Raises:
            RefusedError: none can.
        """
        try:
            return self.models.into(tgt)
        except UsageError as error:
            raise RefusedError(400, error.message, error.hint) from None

    async def detect(self, texts: Sequence[str], languages: Sequence[str]) -> list[list[Detected]]:
        """The languages of each text, the likeliest first."""

        def rank() -> list[list[Detected]]:
            return [self._detector.rank(text, languages) for text in texts]

        return await asyncio.get_running_loop().run_in_executor(self._threads, rank)

    # ------------------------------------------------------------ translating

    async def translate(
        self, request: Request, visitor: Visitor, direction: Direction, asked: Asked
    ) -> list[Reply]:
        """The answer to each text.

        Raises:
            RefusedError: there is more than the limits allow, or the model cannot do what is asked.
            FullError: too much is waiting.
        """
        check_texts(asked, visitor.limits)
        characters = sum(map(len, asked.texts))
        self._count(visitor, direction, characters)
        return await self._run(
            request, characters > BULK, lambda order: self._service.texts(order, direction, asked)
        )

    async def translate_file(
        self, request: Request, visitor: Visitor, direction: Direction, name: str, data: bytes
    ) -> bytes:
        """A file, translated.

        Raises:
            MtkitError: it cannot be.
        """
        self._count(visitor, direction, len(data))
        return await self._run(request, True, lambda order: self._service.file(order, direction, name, data))

    def _count(self, visitor: Visitor, direction: Direction, characters: int) -> None:
        self.tally.characters[direction.pair] += characters
        self.shared.count(visitor.owner, characters)

    async def _run(self, request: Request, is_bulk: bool, work: Callable[[Any], Result]) -> Result:
        """The result of work for an order, which is cancelled if the client goes away."""
        order = self.queue.open(is_bulk)
        done = asyncio.get_running_loop().run_in_executor(self._threads, work, order)
        done.add_done_callback(lambda _: self.queue.close(order))
        watching = asyncio.create_task(self._cancel_when_gone(request, order))
        try:
            return await asyncio.shield(done)  # it ends when the order is cancelled, not before
        except asyncio.CancelledError:
            self.queue.cancel(order)
            raise
        except GoneError:
            raise RefusedError(503, "the server is stopping.", "Try again soon.", 5) from None
        finally:
            watching.cancel()

    async def _cancel_when_gone(self, request: Request, order: Order) -> None:
        """Cancels an order whose client goes away before it has the answer."""
        with suppress(ClientDisconnect):
            while (await request.receive())["type"] != "http.disconnect":
                pass
        self.queue.cancel(order)


def check_texts(asked: Asked, limits: Limits) -> None:
    """Refuses too much.

    Raises:
        RefusedError: there are too many texts, or one is too long.
    """
    if len(asked.texts) > limits.texts:
        raise RefusedError(
            413, f"{len(asked.texts):,} texts are too many, {limits.texts} are allowed.", "Send less at once."
        )
    for number, text in enumerate(asked.texts, start=1):
        if len(text) > limits.characters:
            raise RefusedError(
                413,
                f"text {number} has {len(text):,} characters, and {limits.characters:,} are allowed.",
                "Divide it.",
            )


def _key_in(header: str) -> str:
    """The key in an Authorization header."""
    scheme, _, key = header.partition(" ")
    return key.strip() if scheme.lower() in ("deepl-auth-key", "bearer") else ""
