"""The GET call of OPUS-CAT MT Engine, which plug-ins of translation programs use; its usual port is 8500."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mtkit.serve.service import Asked
from mtkit.serve.site import Site
from mtkit.serve.values import parse_values

if TYPE_CHECKING:
    from starlette.requests import Request

_FOLDERS = ("MTRestService", "MtRestService", "mtrestservice")
"""Windows does not tell them apart, and plug-ins write them in several ways."""


class OpusCatApi:
    """The endpoints.

    Args:
        site: that they are of.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.routes = [
            route
            for folder in _FOLDERS
            for route in (
                Route(f"/{folder}/TranslateJson", self.translate),
                Route(f"/{folder}/ListSupportedLanguagePairs", self.pairs),
                Route(f"/{folder}/GetLanguagePairModelTags", self.tags),
            )
        ]

    async def translate(self, request: Request) -> Response:
        """`GET /MTRestService/TranslateJson`; a key may be its `tokenCode`."""
        fields = parse_values("", b"", request.url.query)
        code = fields.text("tokenCode", "")
        visitor = self._site.admit(request, code if self._site.settings.keys and code else "")
        direction = self._site.direction(fields.text("srcLangCode"), fields.text("trgLangCode"))
        asked = Asked([fields.text("input")])
        (reply,) = await self._site.translate(request, visitor, direction, asked)
        return JSONResponse({"translation": reply.text})

    async def pairs(self, request: Request) -> Response:
        """`GET /MTRestService/ListSupportedLanguagePairs`."""
        return JSONResponse([f"{src}-{tgt}" for src, tgt in self._site.models.directions])

    async def tags(self, request: Request) -> Response:
        """`GET /MTRestService/GetLanguagePairModelTags`: there is one model for each pair."""
        return JSONResponse([])
