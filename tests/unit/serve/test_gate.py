"""Who may ask, how often and from where; what is counted, and what is said when something fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtkit.errors import InputError, UsageError
from mtkit.serve.keys import add_key, read_keys
from mtkit.serve.limits import Buckets
from mtkit.serve.settings import Settings, host_name, is_loopback
from tests.support.servers import LocalSite, StandIn

ASKED = {"q": "the cat", "source": "en", "target": "fr"}


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite(names=("mt.example.org",), origins=("https://page.example.org",))
    yield site
    site.site.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:5000", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("192.168.1.7:5000", 200),  # no name can be made to point here by it
        ("mt.example.org", 200),
        ("MT.example.org:443", 200),
        ("evil.example.org", 421),
        ("mt.example.org.evil.com", 421),
        ("", 421),
        ("localhost@evil.com", 421),
        ("127.0.0.1.evil.com", 421),
    ],
)
def test_hosts(site: LocalSite, host: str, status: int) -> None:
    assert site.call("GET", "/health", headers={"host": host}).status == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 200),
        ("https://page.example.org", 200),
        ("https://evil.example.org", 403),
        ("null", 403),
        ("http://localhost.evil.com", 403),
    ],
)
def test_origins(site: LocalSite, origin: str, status: int) -> None:
    answer = site.call("POST", "/translate", b'{"q": "a", "source": "en", "target": "fr"}',
                       headers={"origin": origin})  # fmt: skip
    assert answer.status == status
    allowed = answer.headers.get("access-control-allow-origin")
    assert allowed == ("https://page.example.org" if "page" in origin else None)
    before = site.call("OPTIONS", "/translate", headers={"origin": origin})
    assert before.status == (204 if status == 200 else 403)


def test_other_machines_need_keys_or_courage() -> None:
    for host in ("0.0.0.0", "192.168.1.7", "::", "example.org", ""):
        with pytest.raises(UsageError, match="--api-keys"):
            Settings(host=host)
        assert Settings(host=host, is_open=True).rate > 0
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert Settings(host=host).rate == 0
        assert is_loopback(host)
    assert [host_name(host) for host in ("a:1", "[::1]", "a:b", "a b", "[x]")] == [
        "a",
        "::1",
        None,
        None,
        None,
    ]


def test_keys_are_hashed_and_lift_limits(tmp_path: Path) -> None:
    path = tmp_path / "keys.txt"
    key = add_key(path, "alice")
    add_key(path, "bob@example.org")
    assert key not in path.read_text()
    assert len(read_keys(path)) == 2
    (tmp_path / "link.txt").symlink_to(path)  # as Kubernetes shows a secret
    assert len(read_keys(tmp_path / "link.txt")) == 2
    assert [read_keys(path).owner(one) for one in (key, f"{key} ", "", "\ud800")] == [
        "alice",
        None,
        None,
        None,
    ]
    needed = LocalSite(keys=read_keys(path))
    assert needed.post("/translate", ASKED).status == 403
    assert needed.post("/translate", {**ASKED, "api_key": key}).status == 200
    assert needed.call("GET", "/metrics").status == 403
    many = {**ASKED, "q": ["the cat"] * 200}
    bearer = {"authorization": f"Bearer {key}"}
    assert needed.post("/translate", many, headers=bearer).status == 200
    assert needed.post("/translate", ASKED, headers={"authorization": "Bearer x"}).status == 403
    assert needed.post("/translate", {**ASKED, "api_key": 7}).status == 400
    for public in ("/health", "/languages", "/frontend/settings", "/"):
        assert needed.call("GET", public).status == 200
    needed.site.close()
    optional = LocalSite(keys=read_keys(path), is_open=True)
    assert optional.post("/translate", ASKED).status == 200
    assert optional.post("/translate", many).status == 413
    assert optional.post("/translate", many, headers=bearer).status == 200
    optional.site.close()


@pytest.mark.parametrize("content", ["alice\n", "alice sha256:12\n", "a sha256:{0}\na sha256:{0}\n"])
def test_files_of_keys_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.txt"
    path.write_text(content.format("0" * 64))
    with pytest.raises(InputError, match=r"keys\.txt:\d: expected NAME"):
        read_keys(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_keys(tmp_path / "none")
    with pytest.raises(UsageError, match="cannot be the name"):
        add_key(tmp_path / "new", "a b")


def test_a_bucket_fills_with_time() -> None:
    now = [0.0]
    buckets = Buckets(60, lambda: now[0])  # one a second, ten at once
    assert [buckets.take("a") for _ in range(10)] == [0.0] * 10
    assert buckets.take("a") == pytest.approx(1.0)
    assert buckets.take("b") == 0.0
    now[0] += 1.0
    assert [buckets.take("a") == 0.0 for _ in range(2)] == [True, False]
    now[0] += 1e6
    assert [buckets.take("a") == 0.0 for _ in range(11)] == [True] * 10 + [False]
    assert [Buckets(0).take("a") for _ in range(99)] == [0.0] * 99


def test_too_many_requests_are_refused_by_address() -> None:
    site = LocalSite(per_minute=6.0)
    told = [site.post("/translate", ASKED, client="1.2.3.4") for _ in range(11)]
    assert [one.status for one in told] == [200] * 10 + [429]
    assert int(told[-1].headers["retry-after"]) in (10, 11)
    assert site.post("/translate", ASKED, client="4.3.2.1").status == 200
    site.site.close()


def test_a_full_queue_says_when_to_come_back() -> None:
    site = LocalSite()
    orders = [site.site.queue.open() for _ in range(256)]
    answer = site.post("/translate", ASKED)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    for order in orders:
        site.site.queue.close(order)
    assert site.post("/translate", ASKED).status == 200
    site.site.queue.drain(0)
    assert site.post("/translate", ASKED).status == 503
    site.site.close()


def test_a_bug_is_said_without_the_text(caplog: pytest.LogCaptureFixture) -> None:
    model = StandIn()
    site = LocalSite(model)

    def fails(request: Any) -> Any:
        raise KeyError("the secret text")

    model.able = fails  # type: ignore[method-assign]
    with caplog.at_level(logging.INFO, "mtkit.serve"):
        answer = site.post("/translate", ASKED)
    assert answer.status == 500
    assert "KeyError at " in caplog.text
    assert "secret" not in caplog.text
    site.site.close()


def test_an_engine_that_fails_gives_the_source_and_a_note() -> None:
    def fails(text: str) -> str:
        raise RuntimeError("broken")

    site = LocalSite(StandIn(fails))
    answer = site.post("/translate", {**ASKED, "q": ["the cat", "a dog"]})
    assert answer.json["translatedText"] == ["the cat", "a dog"]
    assert "the engine failed at it" in answer.json["notes"][0][0]
    site.site.close()


def test_a_slow_body_is_refused() -> None:
    site = LocalSite(body_seconds=0.05)

    async def slow() -> list[Any]:
        told: list[Any] = []

        async def receive() -> Any:
            await asyncio.sleep(0.02)
            return {"type": "http.request", "body": b" ", "more_body": True}

        async def send(message: Any) -> None:
            told.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/translate", "query_string": b"", "root_path": "",
            "scheme": "http", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1), "state": {},
            "raw_path": b"/translate", "http_version": "1.1", "server": ("localhost", 1),
        }  # fmt: skip
        await site.app(scope, receive, send)
        return told

    assert asyncio.run(slow())[0]["status"] == 408
    site.site.close()


def test_figures_for_prometheus() -> None:
    site = LocalSite()
    site.post("/translate", {**ASKED, "q": "the cat.\na dog"})
    site.call("GET", "/nothing")
    lines = site.call("GET", "/metrics").body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['mtkit_requests_total{path="/translate",status="200"}'] == "1"
    assert values['mtkit_requests_total{path="-",status="404"}'] == "1"
    assert values['mtkit_characters_total{src="en",tgt="fr"}'] == str(len("the cat.\na dog"))
    assert values["mtkit_orders_open"] == "0"
    assert values["mtkit_sentences_total"] == "2"
    assert values['mtkit_request_seconds_bucket{le="+Inf"}'] == values["mtkit_request_seconds_count"] == "2"
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.split("{")[0].split()[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            for line in lines if not line.startswith("#")} == names  # fmt: skip
    site.site.close()
