"""LibreTranslate's API, with more in the answer for those who ask: `confidence`, `glossary` and notes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mtkit.documents.formats import SUFFIXES
from mtkit.serve.detector import Detected
from mtkit.serve.limits import WITH_KEY, WITHOUT_KEY, Limits
from mtkit.serve.service import Asked, Reply
from mtkit.serve.site import Site, Visitor, check_texts
from mtkit.serve.values import RefusedError, Values
from mtkit.text.languages import english_name

if TYPE_CHECKING:
    from starlette.requests import Request

AUTO = "auto"


class LibreApi:
    """The endpoints.

    Args:
        site: that they are of.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.routes = [
            Route("/translate", self.translate, methods=["POST"]),
            Route("/translate_file", self.translate_file, methods=["POST"]),
            Route("/download_file/{name}", self.download_file),
            Route("/detect", self.detect, methods=["POST"]),
            Route("/languages", self.languages, methods=["GET", "POST"]),
            Route("/frontend/settings", self.settings),
            Route("/health", self.health),
        ]

    async def translate(self, request: Request) -> Response:
        """`POST /translate`."""
        fields, visitor = await self._site.read(request)
        texts, is_list = fields.texts("q")
        src, tgt = fields.text("source", AUTO), fields.text("target")
        asked = _asked(fields, texts, visitor.limits)
        check_texts(asked, visitor.limits)
        detected: list[Detected] = []
        if src == AUTO:
            languages = self._site.sources_of(tgt)
            detected = [ranked[0] for ranked in await self._site.detect(texts, languages)]
        replies = await self._replies(request, visitor, asked, detected, (src, tgt))
        return JSONResponse(_answer(replies, detected, asked, is_list))

    async def _replies(
        self,
        request: Request,
        visitor: Visitor,
        asked: Asked,
        detected: Sequence[Detected],
        pair: tuple[str, str],
    ) -> list[Reply]:
        """The answer to each text, which may be in different languages."""
        sources = [one.language for one in detected] or [pair[0]] * len(asked.texts)
        if len(set(sources)) == 1:
            direction = self._site.direction(sources[0], pair[1])
            return await self._site.translate(request, visitor, direction, asked)
        replies: dict[int, Reply] = {}
        for src in dict.fromkeys(sources):
            places = [place for place, own in enumerate(sources) if own == src]
            part = _only(asked, places)
            found = await self._site.translate(request, visitor, self._site.direction(src, pair[1]), part)
            replies |= dict(zip(places, found, strict=True))
        return [replies[place] for place in range(len(sources))]

    async def translate_file(self, request: Request) -> Response:
        """`POST /translate_file`: gives an address from which the file can be fetched for half an hour."""
        fields, visitor = await self._site.read(request)
        upload = fields.upload("file")
        src, tgt = fields.text("source", AUTO), fields.text("target")
        name = _safe(upload.name)
        if src == AUTO:
            languages = self._site.sources_of(tgt)
            sample = upload.data[:20_000].decode(errors="replace")
            src = (await self._site.detect([sample], languages))[0][0].language
        direction = self._site.direction(src, tgt)
        data = await self._site.translate_file(request, visitor, direction, name, upload.data)
        key = self._site.shared.keep_file(name, data)
        host = request.headers["host"]
        return JSONResponse({"translatedFileUrl": f"{request.url.scheme}://{host}/download_file/{key}"})

    async def download_file(self, request: Request) -> Response:
        """`GET /download_file/NAME`."""
        found = self._site.shared.file(request.path_params["name"])
        if found is None:
            raise RefusedError(404, "there is no such file; it may have been kept for too long.")
        name, data = found
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type="application/octet-stream", headers=disposition)

    async def detect(self, request: Request) -> Response:
        """`POST /detect`."""
        fields, visitor = await self._site.read(request)
        texts, _ = fields.texts("q")
        check_texts(Asked(texts), visitor.limits)
        ranked = await self._site.detect(["\n".join(texts)], self._site.models.sources)
        return JSONResponse([_shown(one) for one in ranked[0]])

    async def languages(self, request: Request) -> Response:
        """`GET /languages`."""
        models = self._site.models
        return JSONResponse(
            [
                {"code": src, "name": english_name(src), "targets": models.targets(src)}
                for src in models.sources
            ]
        )

    async def settings(self, request: Request) -> Response:
        """`GET /frontend/settings`, with the limits of requests without and with a key."""
        site = self._site
        src, tgt = next(iter(site.models.directions))
        return JSONResponse(
            {
                "apiKeys": site.settings.keys is not None,
                "keyRequired": site.settings.needs_key,
                "charLimit": (WITH_KEY if site.settings.needs_key else WITHOUT_KEY).characters,
                "filesTranslation": True,
                "frontendTimeout": 400,
                "suggestions": False,
                "supportedFilesFormat": sorted(SUFFIXES),
                "language": {
                    "source": {"code": src, "name": english_name(src)},
                    "target": {"code": tgt, "name": english_name(tgt)},
                },
                "confidence": [
                    list(pair) for pair, one in site.models.directions.items() if one.model.has_confidence
                ],
                "limits": {"withoutKey": _limits(WITHOUT_KEY), "withKey": _limits(WITH_KEY)},
                "requestsPerMinute": site.settings.rate or None,
            }
        )

    async def health(self, request: Request) -> Response:
        """`GET /health`."""
        return JSONResponse({"status": "ok"})


def _asked(fields: Values, texts: Sequence[str], limits: Limits) -> Asked:
    return Asked(
        texts,
        is_html=fields.choice("format", ("text", "html"), "text") == "html",
        alternatives=fields.whole("alternatives", 0, limits.alternatives),
        confidence=fields.flag("confidence"),
        glossary=fields.pairs("glossary", limits.terms),
    )


def _only(asked: Asked, places: Sequence[int]) -> Asked:
    return Asked(
        [asked.texts[place] for place in places],
        asked.is_html,
        asked.alternatives,
        asked.confidence,
        asked.glossary,
    )


def _answer(
    replies: Sequence[Reply], detected: Sequence[Detected], asked: Asked, is_list: bool
) -> dict[str, Any]:
    """LibreTranslate's object: its values are lists if the request had one."""
    columns: dict[str, list[Any]] = {"translatedText": [reply.text for reply in replies]}
    if detected:
        columns["detectedLanguage"] = [_shown(one) for one in detected]
    if asked.alternatives:
        columns["alternatives"] = [list(reply.alternatives) for reply in replies]
    if asked.confidence:
        columns["confidence"] = [list(reply.confidence) for reply in replies]
    if any(reply.notes for reply in replies):
        columns["notes"] = [list(reply.notes) for reply in replies]
    return {name: found if is_list else found[0] for name, found in columns.items()}


def _shown(found: Detected) -> dict[str, Any]:
    return {"confidence": round(100 * found.probability, 1), "language": found.language}


def _limits(limits: Limits) -> dict[str, int]:
    return {"bodyBytes": limits.body, "texts": limits.texts, "charactersPerText": limits.characters}


def _safe(name: str) -> str:
    """The last part of a file's name, without characters that mean something elsewhere."""
    return re.sub(r"[^\w.-]", "_", PurePath(name.replace("\\", "/")).name, flags=re.ASCII)[-100:].lstrip(".")
