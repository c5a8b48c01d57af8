"""Servers: one in this process without a network, and one as a process of its own."""

from __future__ import annotations

import asyncio
import functools
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvicorn

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.engine.interface import Engine
from mtkit.serve.application import build_app
from mtkit.serve.listening import listen
from mtkit.serve.models import Models, Pair, ServedModel
from mtkit.serve.server import Server
from mtkit.serve.settings import Settings
from mtkit.serve.site import Site
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.request import Request
from mtkit.translate.translator import Translator
from tests.support.commands import MTKIT
from tests.support.corpora import REPOSITORY
from tests.support.fakes import TextEngine


@functools.cache
def letters_tokenizer() -> Tokenizer:
    """One that knows all letters of English and French, large and small."""
    options = TokenizerConfig(vocab_size=200, character_coverage=1.0)
    text = (
        "the cat sat on the mat, où est la gare s'il vous plaît? a zebra, a quick wolf & a dog jumps from "
        "the vexed hill ÀÉÈÊÎÔÙÛÇ àéèêîôùûç."
    )
    return Tokenizer(train_subwords([text, text.upper(), "0123456789 -!:;()"] * 20, options))


def backwards(text: str) -> str:
    """Each word of a text backwards."""
    return " ".join(word[::-1] for word in text.split(" "))


class StandIn:
    """A model of a server whose translation is what `change` makes of the source."""

    name = engine_name = "stand-in"
    has_confidence = False

    def __init__(self, change: Callable[[str], str] = backwards, pair: Pair = ("en", "fr")) -> None:
        self.pairs: dict[Pair, tuple[str, ...]] = {pair: ()}
        self.options = DecodeConfig()
        tokenizer = letters_tokenizer()
        self.engine: Engine = TextEngine(tokenizer, change)
        self.translator = Translator(self.engine, tokenizer, self.options, pair)

    def able(self, request: Request) -> Translator:
        return self.translator


@dataclass(frozen=True)
class Got:
    """An answer of a server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class LocalSite:
    """A server in this process."""

    def __init__(self, *models: Any, **settings: Any) -> None:
        found = Models(cast(list[ServedModel], list(models) or [StandIn()]))
        self.site = Site(found, Settings(**settings))
        self.app = build_app(self.site)

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        client: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
    ) -> Got:
        """The answer to one request."""
        return asyncio.run(self.answer(method, path, body, kind, client, headers))

    def post(self, path: str, values: Any, **more: Any) -> Got:
        """The answer to a request in JSON."""
        return self.call("POST", path, json.dumps(values).encode(), "application/json", **more)

    async def answer(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "",
        client: str = "127.0.0.1",
        headers: dict[str, str] | None = None,
    ) -> Got:
        """See `call`."""
        sent = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
        if kind:
            sent["content-type"] = kind
        place, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": place,
            "raw_path": place.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (client, 1234),
            "server": ("localhost", 5000),
            "state": {},
        }
        left = [{"type": "http.request", "body": body, "more_body": False}]
        told: list[Any] = []

        async def receive() -> Any:
            if left:
                return left.pop()
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            told.append(message)

        await self.app(scope, receive, send)
        start, *parts = told
        names = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return Got(start["status"], names, b"".join(part.get("body", b"") for part in parts))


@dataclass
class Listening:
    """A server at a port."""

    port: int

    def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Got:
        """The answer to one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, names, answer.read())
        finally:
            connection.close()

    def post(self, path: str, values: Any, **more: Any) -> Got:
        """The answer to a request in JSON."""
        return self.call("POST", path, json.dumps(values).encode(), **more)


@dataclass
class Serving(Listening):
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    log: Path


@contextmanager
def listening(site: LocalSite) -> Iterator[Listening]:
    """A server of this process at a free port."""
    config = uvicorn.Config(site.app, lifespan="off", log_config=None, ws="none")
    server = Server(config)
    with listen(Settings(port=0)) as found:
        port = found.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[found])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Listening(port)
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def serving(folder: Path, *args: str, command: Sequence[str] = MTKIT) -> Iterator[Serving]:
    """`mtkit serve` at a free port, ended afterwards by SIGTERM."""
    log = folder / "serve.log"
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [*command, "serve", "--port", "0", *args],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            encoding="utf-8",
        )
    try:
        while not (found := re.search(r"serving .* at http://\S+?:(\d+)\n", log.read_text("utf-8"))):
            assert process.poll() is None, log.read_text("utf-8")
            time.sleep(0.02)
        yield Serving(int(found[1]), process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
