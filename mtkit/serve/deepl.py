"""DeepL's API, version 2: texts, languages, usage and glossaries."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mtkit.serve.service import Asked
from mtkit.serve.shared import MOST_GLOSSARIES, StoredGlossary
from mtkit.serve.site import Site, check_texts
from mtkit.serve.values import RefusedError, Values, checked_pairs, read_pairs
from mtkit.text.languages import english_name

if TYPE_CHECKING:
    from starlette.requests import Request

_NO_LIMIT = 10**12
"""DeepL's clients expect a number."""


class DeeplApi:
    """The endpoints.

    Args:
        site: that they are of.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.routes = [
            Route("/v2/translate", self.translate, methods=["POST"]),
            Route("/v2/languages", self.languages, methods=["GET", "POST"]),
            Route("/v2/usage", self.usage, methods=["GET", "POST"]),
            Route("/v2/glossary-language-pairs", self.glossary_pairs),
            Route("/v2/glossaries", self.make_glossary, methods=["POST"]),
            Route("/v2/glossaries", self.list_glossaries, methods=["GET"]),
            Route("/v2/glossaries/{id}", self.show_glossary, methods=["GET"]),
            Route("/v2/glossaries/{id}", self.remove_glossary, methods=["DELETE"]),
            Route("/v2/glossaries/{id}/entries", self.entries),
        ]

    async def translate(self, request: Request) -> Response:
        """`POST /v2/translate`."""
        fields, visitor = await self._site.read(request)
        texts, _ = fields.texts("text")
        tgt, src = fields.text("target_lang"), fields.text("source_lang", "")
        is_html = fields.choice("tag_handling", ("html", "xml", ""), "") == "html"
        asked = Asked(texts, is_html, glossary=self._terms(fields, visitor.owner, src, tgt))
        check_texts(asked, visitor.limits)
        if src:
            sources = [src] * len(texts)
        else:
            ranked = await self._site.detect(texts, self._site.sources_of(tgt))
            sources = [one[0].language for one in ranked]
        found: dict[int, dict[str, Any]] = {}
        for own in dict.fromkeys(sources):
            places = [place for place, one in enumerate(sources) if one == own]
            part = Asked([texts[place] for place in places], is_html, glossary=asked.glossary)
            direction = self._site.direction(own, tgt)
            replies = await self._site.translate(request, visitor, direction, part)
            for place, reply in zip(places, replies, strict=True):
                found[place] = {"detected_source_language": direction.pair[0].upper(), "text": reply.text}
                if fields.flag("show_billed_characters"):
                    found[place]["billed_characters"] = len(texts[place])
        return JSONResponse({"translations": [found[place] for place in range(len(texts))]})

    async def languages(self, request: Request) -> Response:
        """`GET /v2/languages`."""
        fields, _ = await self._site.read(request)
        is_target = fields.choice("type", ("source", "target"), "source") == "target"
        codes = dict.fromkeys(pair[is_target] for pair in self._site.models.directions)
        shown = [{"language": code.upper(), "name": english_name(code)} for code in codes]
        return JSONResponse([{**one, "supports_formality": False} if is_target else one for one in shown])

    async def usage(self, request: Request) -> Response:
        """`GET /v2/usage`: characters since the server started; there is no limit."""
        _, visitor = await self._site.read(request)
        return JSONResponse(
            {"character_count": self._site.shared.used(visitor.owner), "character_limit": _NO_LIMIT}
        )

    # ------------------------------------------------------------ glossaries

    async def glossary_pairs(self, request: Request) -> Response:
        """`GET /v2/glossary-language-pairs`."""
        pairs = [
            {"source_lang": src.lower(), "target_lang": tgt.lower()}
            for src, tgt in self._site.models.directions
        ]
        return JSONResponse({"supported_languages": pairs})

    async def make_glossary(self, request: Request) -> Response:
        """`POST /v2/glossaries`."""
        fields, visitor = await self._site.read(request)
        pair = self._site.direction(fields.text("source_lang"), fields.text("target_lang")).pair
        kind = fields.choice("entries_format", ("tsv", "csv"), "tsv")
        entries = fields.text("entries")
        terms = read_pairs("entries", entries) if kind == "tsv" else _csv_pairs(entries)
        if not terms:
            raise RefusedError(400, "entries: there is no term.")
        checked_pairs("entries", terms, visitor.limits.terms)
        name = fields.text("name")
        if not 0 < len(name) <= 1024:
            raise RefusedError(400, "name: expected 1 to 1,024 characters.")
        made = StoredGlossary(str(uuid.uuid4()), visitor.owner, name, pair, terms, datetime.now(UTC))
        if not self._site.shared.add_glossary(made):
            raise RefusedError(400, f"there are {MOST_GLOSSARIES} glossaries.", "Delete one first.")
        return JSONResponse(made.shown(), 201)

    async def list_glossaries(self, request: Request) -> Response:
        """`GET /v2/glossaries`."""
        _, visitor = await self._site.read(request)
        own = [one.shown() for one in self._site.shared.glossaries(visitor.owner)]
        return JSONResponse({"glossaries": own})

    async def show_glossary(self, request: Request) -> Response:
        """`GET /v2/glossaries/ID`."""
        return JSONResponse((await self._named(request)).shown())

    async def remove_glossary(self, request: Request) -> Response:
        """`DELETE /v2/glossaries/ID`."""
        found = await self._named(request)
        self._site.shared.remove_glossary(found.id)
        return Response(status_code=204)

    async def entries(self, request: Request) -> Response:
        """`GET /v2/glossaries/ID/entries`."""
        found = await self._named(request)
        rows = "\n".join(f"{src}\t{tgt}" for src, tgt in found.terms.items())
        return PlainTextResponse(rows, media_type="text/tab-separated-values")

    async def _named(self, request: Request) -> StoredGlossary:
        _, visitor = await self._site.read(request)
        return self._glossary(request.path_params["id"], visitor.owner)

    def _glossary(self, name: str, owner: str) -> StoredGlossary:
        found = self._site.shared.glossary(name)
        if found is None or found.owner != owner:
            raise RefusedError(404, "there is no such glossary.", "The server forgets them when it ends.")
        return found

    def _terms(self, fields: Values, owner: str, src: str, tgt: str) -> Mapping[str, str] | None:
        """The terms of the glossary that a request names."""
        if not (name := fields.text("glossary_id", "")):
            return None
        if not src:
            raise RefusedError(400, "glossary_id: needs source_lang.")
        found = self._glossary(name, owner)
        if found.pair != self._site.direction(src, tgt).pair:
            raise RefusedError(400, f"glossary_id: is for {found.pair[0]} to {found.pair[1]}.")
        return found.terms


def _csv_pairs(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise RefusedError(400, f"entries: {error}.") from None
    for number, row in enumerate(rows, start=1):
        if row and len(row) < 2:
            raise RefusedError(400, f"entries: row {number}: expected a term and its translation.")
        if row:
            pairs.setdefault(row[0].strip(), row[1].strip())
    return pairs
