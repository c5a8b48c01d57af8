"""Every request passes here: its host, its origin and its time are checked, and it is counted and logged.

Texts are in no log: a line has a number, the path of the route, sizes and times.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from mtkit.serve.settings import Settings
from mtkit.serve.tally import Tally
from mtkit.serve.values import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_SEND_SECONDS = 60.0
"""That a client may take to accept a part of the answer."""


def fault_response(status: int, message: str, retry_after: int = 0) -> Response:
    """A fault, as LibreTranslate and as DeepL name it."""
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return JSONResponse({"error": message, "message": message}, status, headers)


class Gate:
    """An ASGI application around another one.

    Args:
        app: inside.
        settings: of the operator.
        tally: counts.
    """

    def __init__(self, app: ASGIApp, settings: Settings, tally: Tally) -> None:
        self._app, self._settings, self._tally = app, settings, tally
        self._numbers = itertools.count(1)
        self._worker = f"{tally.worker}." if tally.worker else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        begin, status, sent = time.monotonic(), 0, 0
        headers = dict(scope["headers"])
        more = _HEADERS + self._cross_origin(headers)

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *more]}
            sent += len(message.get("body", b""))
            async with asyncio.timeout(_SEND_SECONDS):
                await send(message)

        try:
            response = self._refusal(scope, headers)
            await (response or self._app)(scope, receive, send_on)
        except Exception as error:
            place = _place_of(error)
            logger.error("a request failed: %s at %s", type(error).__name__, place)
            if not status:
                await fault_response(500, "the server failed at this request.")(scope, receive, send_on)
        finally:
            seconds = time.monotonic() - begin
            path = getattr(scope.get("route"), "path", "-")
            self._tally.request(path, status, seconds)
            size = headers.get(b"content-length", b"0")[:12].decode("ascii", "replace")
            logger.info(
                "request %s%d: %s %s %d, %s bytes in, %d out, %.0f ms",
                self._worker, next(self._numbers), _method(scope), path, status, size, sent, 1000 * seconds,
            )  # fmt: skip

    def _refusal(self, scope: Scope, headers: MutableMapping[bytes, bytes]) -> Response | None:
        """The answer to a request that goes no further."""
        host = headers.get(b"host", b"").decode("latin-1")
        if not self._settings.knows(host):
            return fault_response(
                421, "this server has another name. Its operator can add one by --allow-host."
            )
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and not self._allows(origin, host):
            return fault_response(
                403, "other pages may not use this server. Its operator can allow one by --cors."
            )
        if origin and scope["method"] == "OPTIONS":
            return Response(status_code=204)
        return None

    def _allows(self, origin: str, host: str) -> bool:
        return origin.partition("://")[2] == host or origin in self._settings.origins

    def _cross_origin(self, headers: MutableMapping[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        """The headers for a page of another origin, if that is allowed."""
        origin = headers.get(b"origin", b"")
        if origin.decode("latin-1") not in self._settings.origins:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", b"GET, POST, DELETE"),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"vary", b"origin"),
        ]


async def read_body(request: Request, most: int, seconds: float) -> bytes:
    """The body of a request.

    Raises:
        RefusedError: it is too large, or takes too long.
    """
    length = request.headers.get("content-length", "0")
    if len(length) > 18 or not length.isdecimal() or int(length) > most:
        raise _too_large(most)
    parts, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, f"the body took more than {seconds:g} seconds.") from None
    return b"".join(parts)


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"the body is larger than {most:,} bytes.", "Send less at once, or use a key.")


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS") else "other"


def _place_of(error: BaseException) -> str:
    """The line of code that raised an error; its message may quote a text."""
    trace: Any = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "an unknown place"
