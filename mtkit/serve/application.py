"""The application: all APIs and the page behind one gate."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.serve.deepl import DeeplApi
from mtkit.serve.gate import Gate, fault_response
from mtkit.serve.libre import LibreApi
from mtkit.serve.opuscat import OpusCatApi
from mtkit.serve.orders import FullError
from mtkit.serve.site import Site
from mtkit.serve.supervisor import ParentGoneError
from mtkit.serve.tally import TYPE, shown
from mtkit.serve.values import RefusedError
from mtkit.text.page import STYLE

if TYPE_CHECKING:
    from starlette.requests import Request

_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/live.js": ("live.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The page: by path, the file and its type."""


def build_app(site: Site) -> Gate:
    """The server as an ASGI application."""

    async def metrics(request: Request) -> Response:
        if site.settings.needs_key:
            site.admit(request)
        site.report()
        return PlainTextResponse(shown(site.shared.figures()), headers={"content-type": TYPE})

    async def page(request: Request) -> Response:
        name, kind = _FILES[request.url.path]
        return Response(_page(name), media_type=kind, headers={"cache-control": "no-cache"})

    routes = [
        *LibreApi(site).routes,  # tried in turn, hence the most frequent ones first
        *DeeplApi(site).routes,
        *OpusCatApi(site).routes,
        *(Route(path, page) for path in _FILES),
        Route("/metrics", metrics),
    ]
    handlers: dict[Any, Any] = {HTTPException: _http_fault, MtkitError: _fault}
    return Gate(Starlette(routes=routes, exception_handlers=handlers), site.settings, site.tally)


@cache
def _page(name: str) -> bytes:
    """A file of the page; its style begins with that of all pages of mtkit."""
    data = files("mtkit.serve").joinpath("page", name).read_bytes()
    return STYLE.encode() + data if name == "page.css" else data


async def _http_fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing at this address.", 405: "this address does not answer to this method."}
    return fault_response(error.status_code, said.get(error.status_code, "the request cannot be answered."))


async def _fault(request: Request, error: Exception) -> Response:
    """A failure that is expected, as one sentence or two."""
    assert isinstance(error, MtkitError)
    said = f"{error.message} {error.hint}".strip()
    match error:
        case RefusedError():
            return fault_response(error.status, said, error.retry_after)
        case FullError():
            return fault_response(503, said, error.retry_after)
        case ParentGoneError():
            return fault_response(503, said)
        case UsageError() | InputError():
            return fault_response(400, said)
        case _:
            return fault_response(500, "the server failed at this request.")
