"""Whatever a client sends, a server answers: never with its own failure, and no item of a list is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.servers import Got, LocalSite, StandIn
from tests.support.translators import NASTY, STAND_INS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)
SURROGATES = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\ud800", "a\udfff", "\0", NASTY, "\r\n", ""]
)
LANGUAGES = st.sampled_from(["en", "fr", "auto", "EN-us", "xx", "", "zh-Hans", "\0", "e" * 200]) | SURROGATES
PATHS = st.sampled_from(
    ["/translate", "/detect", "/v2/translate", "/v2/glossaries", "/languages", "/v2/languages"]
)
FIELDS = (
    "q", "source", "target", "format", "alternatives", "confidence", "glossary", "api_key", "text",
    "target_lang", "source_lang", "tag_handling", "glossary_id", "name", "entries", "entries_format", "type",
)  # fmt: skip
LIKELY: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(FIELDS, JSON),
    "q": SURROGATES | st.lists(SURROGATES, max_size=5) | JSON,
    "text": SURROGATES | st.lists(SURROGATES, max_size=5) | JSON,
    **dict.fromkeys(("source", "target", "source_lang", "target_lang"), LANGUAGES | JSON),
    "format": st.sampled_from(["text", "html"]) | JSON,
    "alternatives": st.integers(-1, 12) | JSON,
    "glossary": st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3) | JSON,
}
VALUES = st.fixed_dictionaries({}, optional=LIKELY)
KINDS = st.sampled_from(
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        "text/plain",
        "a/b+json",
        "\xff",
    ]
)
EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite(StandIn(), StandIn(STAND_INS[6], ("fr", "en")))
    yield site
    site.site.close()


def check(answer: Got) -> None:
    """An answer is none of a failure; a refusal is one sentence."""
    assert answer.status < 500, answer.body
    if answer.status >= 400:
        said = answer.json["error"]
        assert said
        assert "\n" not in said
        assert "Traceback" not in said
        assert len(said) < 1000


@EXAMPLES
@given(path=PATHS, values=VALUES)
def test_any_json(site: LocalSite, path: str, values: dict[str, Any]) -> None:
    check(site.post(path, values))


@EXAMPLES
@given(path=PATHS, value=JSON)
def test_any_json_that_is_no_object(site: LocalSite, path: str, value: Any) -> None:
    check(site.post(path, value))


@EXAMPLES
@given(path=PATHS, body=st.binary(max_size=300), kind=KINDS)
def test_any_bytes(site: LocalSite, path: str, body: bytes, kind: str) -> None:
    check(site.call("POST", path, body, kind))


@EXAMPLES
@given(path=PATHS, values=st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20), max_size=6))
def test_any_form(site: LocalSite, path: str, values: dict[str, str]) -> None:
    body = urlencode(values, errors="surrogatepass").encode()
    check(site.call("POST", path, body, "application/x-www-form-urlencoded"))
    check(site.call("GET", f"/MTRestService/TranslateJson?{body.decode()}"))


@EXAMPLES
@given(
    name=st.text(max_size=40), data=st.binary(max_size=200), head=st.binary(max_size=60), end=st.booleans()
)
def test_any_upload(site: LocalSite, name: str, data: bytes, head: bytes, end: bool) -> None:
    disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
    fields = "".join(
        f'\r\n--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}'
        for key, value in {"source": "en", "target": "fr"}.items()
    )
    body = (
        b"--b\r\n" + head + disposition.encode(errors="surrogatepass") + b"\r\n\r\n" + data + fields.encode()
    )
    check(site.call("POST", "/translate_file", body + (b"\r\n--b--\r\n" if end else b""),
                    "multipart/form-data; boundary=b"))  # fmt: skip


@pytest.mark.parametrize(
    "suffix", ["docx", "xlsx", "epub", "html", "md", "po", "xliff", "json", "srt", "csv", "ftl"]
)
def test_uploads_of_every_kind(site: LocalSite, suffix: str) -> None:
    for data in (b"", b"PK\x03\x04" + bytes(50), b"<a><b>", b'{"a": [1', b"\xff\xfea\0", NASTY.encode() * 20):
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.{suffix}"\r\n\r\n'.encode()
        tail = b"".join(
            f'\r\n--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}'.encode()
            for key, value in {"source": "en", "target": "fr"}.items()
        )
        check(site.call("POST", "/translate_file", head + data + tail + b"\r\n--b--\r\n",
                        "multipart/form-data; boundary=b"))  # fmt: skip


@EXAMPLES
@given(path=st.text(max_size=40), method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "BREW"]))
def test_any_address(site: LocalSite, path: str, method: str) -> None:
    check(site.call(method, "/" + path.encode(errors="replace").decode()))


@EXAMPLES
@given(
    texts=st.lists(st.text(max_size=30) | st.sampled_from([NASTY, "", " ", "\n\n"]), min_size=1, max_size=8)
)
def test_no_item_of_a_list_is_lost(site: LocalSite, texts: list[str]) -> None:
    values = {"q": texts, "source": "en", "target": "fr"}
    answer = site.post("/translate", values)
    check(answer)
    assert answer.status == 200
    found = answer.json["translatedText"]
    assert len(found) == len(texts)
    assert [text.count("\n") for text in found] == [text.count("\n") for text in texts]
    alone = [site.post("/translate", {**values, "q": text}).json["translatedText"] for text in texts]
    assert found == alone


@pytest.mark.parametrize("size", [1 << 20, 10 << 20])
def test_huge_bodies_are_refused(site: LocalSite, size: int) -> None:
    body = json.dumps({"q": "a" * size, "source": "en", "target": "fr"}).encode()
    assert site.call("POST", "/translate", body, "application/json").status == 413
    assert site.call("POST", "/translate", body, headers={"content-length": "5"}).status == 413
    for length in ("-1", "9" * 30, "x", "0x10"):
        check(site.call("POST", "/translate", b"{}", headers={"content-length": length}))
