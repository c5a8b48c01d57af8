"""LibreTranslate's API over stand-in models."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest

from mtkit.serve import detector
from tests.support.servers import LocalSite, StandIn, backwards


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite(StandIn(), StandIn(lambda text: text[::-1], ("fr", "en")))
    yield site
    site.site.close()


TEXT = "the cat sat on the mat"
BACK = "eht tac tas no eht tam"


def test_a_text_and_a_list(site: LocalSite) -> None:
    one = site.post("/translate", {"q": TEXT, "source": "en", "target": "fr"})
    assert (one.status, one.json) == (200, {"translatedText": BACK})
    many = site.post("/translate", {"q": [TEXT, "", "a dog\nran"], "source": "en", "target": "fr"})
    assert many.json == {"translatedText": [BACK, "", "a god\nnar"]}
    other = site.post("/translate", {"q": "the cat", "source": "fr", "target": "en"})
    assert other.json == {"translatedText": "tac eht"}


def test_forms_are_as_good_as_json(site: LocalSite) -> None:
    values = {"q": TEXT, "source": "en", "target": "fr", "alternatives": "0"}
    form = site.call("POST", "/translate", urlencode(values).encode(), "application/x-www-form-urlencoded")
    assert form.json == {"translatedText": BACK}
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in values.items()
    )
    body = f"{parts}--b--\r\n".encode()
    assert site.call("POST", "/translate", body, "multipart/form-data; boundary=b").json == form.json


def test_html_keeps_its_markup(site: LocalSite) -> None:
    asked = {"q": "<p>the <b>cat</b> &amp; dog</p>", "source": "en", "target": "fr", "format": "html"}
    assert site.post("/translate", asked).json == {"translatedText": "<p>eht <b>tac</b> &amp; god</p>"}


def test_what_is_asked_beside_the_text_is_answered(site: LocalSite) -> None:
    asked = {"q": [TEXT, "a dog"], "source": "en", "target": "fr", "alternatives": 2}
    answer = site.post("/translate", asked).json
    assert answer["alternatives"] == [[], []]  # the stand-in knows none
    noted = site.post("/translate", {"q": "好 the cat", "source": "en", "target": "fr"}).json
    assert "characters that the model does not know" in noted["notes"][0]


def test_languages_and_settings(site: LocalSite) -> None:
    assert site.call("GET", "/languages").json == [
        {"code": "en", "name": "English", "targets": ["fr"]},
        {"code": "fr", "name": "French", "targets": ["en"]},
    ]
    shown = site.call("GET", "/frontend/settings").json
    assert (shown["charLimit"], shown["keyRequired"], shown["language"]["target"]["code"]) == (
        5000,
        False,
        "fr",
    )
    assert shown["limits"]["withoutKey"] == {"bodyBytes": 1 << 20, "texts": 128, "charactersPerText": 5000}
    assert {".docx", ".md", ".txt"} < set(shown["supportedFilesFormat"])
    assert site.call("GET", "/health").json == {"status": "ok"}


def test_other_spellings_of_languages(site: LocalSite) -> None:
    for src, tgt in (("EN", "FR"), ("eng", "fra"), ("en-US", "fr_CA")):
        assert site.post("/translate", {"q": "a", "source": src, "target": tgt}).status == 200


def test_the_source_can_be_detected(site: LocalSite) -> None:
    pytest.importorskip("py3langid")
    asked = ["Where is the nearest railway station, please?", "Où se trouve la gare la plus proche ?"]
    found = site.post("/detect", {"q": asked[1]}).json
    assert found[0]["language"] == "fr"
    assert found[0]["confidence"] > 50
    answer = site.post("/translate", {"q": asked, "source": "auto", "target": "fr"}).json
    # Only what can be translated into the target is considered.
    assert [one["language"] for one in answer["detectedLanguage"]] == ["en", "en"]


def test_texts_of_several_languages_stay_in_their_order() -> None:
    pytest.importorskip("py3langid")
    site = LocalSite(StandIn(pair=("en", "de")), StandIn(str.swapcase, ("fr", "de")))
    asked = ["Où est la gare, s'il vous plaît ?", "Where is the station, please?", "Je ne parle pas anglais."]
    answer = site.post("/translate", {"q": asked, "source": "auto", "target": "de"}).json
    assert [one["language"] for one in answer["detectedLanguage"]] == ["fr", "en", "fr"]
    alone = [
        site.post("/translate", {"q": text, "source": src, "target": "de"}).json["translatedText"]
        for text, src in zip(asked, ("fr", "en", "fr"), strict=True)
    ]
    assert answer["translatedText"] == alone
    site.site.close()


def test_without_an_identifier_the_source_must_be_named(
    site: LocalSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Any:
        raise ImportError

    monkeypatch.setattr(detector, "load_identifier", missing)
    two = LocalSite(StandIn(), StandIn(pair=("de", "fr")))
    refused = two.post("/translate", {"q": "a", "source": "auto", "target": "fr"})
    assert (refused.status, refused.json["error"]) == (
        400, "this server cannot detect languages. Name the source language."
    )  # fmt: skip
    two.site.close()
    one = LocalSite()
    assert one.post("/translate", {"q": "a", "target": "fr"}).json["detectedLanguage"]["language"] == "en"
    one.site.close()


def upload(name: str, data: bytes, **values: str) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in values.items()
    ]
    head = f'--xyz\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    return b"".join((*parts, head, data, b"\r\n--xyz--\r\n"))


def test_a_file_is_translated_and_fetched(site: LocalSite) -> None:
    body = upload("a b.md", b"# the cat\n\na *dog* ran\r\n", source="en", target="fr")
    answer = site.call("POST", "/translate_file", body, "multipart/form-data; boundary=xyz")
    url = answer.json["translatedFileUrl"]
    assert url.startswith("http://localhost/download_file/")
    fetched = site.call("GET", url.removeprefix("http://localhost"))
    assert fetched.body == b"# eht tac\n\na *god* nar\r\n"
    assert fetched.headers["content-disposition"] == 'attachment; filename="a_b.md"'
    assert site.call("GET", "/download_file/none.md").status == 404


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.docx", b"no zip", "a.docx"),
        ("a.pdf", b"%PDF-1.7", "is a PDF"),
        ("a.xyz", b"text", "the format of .xyz files is unknown"),
        ("../../etc/passwd.html.gz", b"\x1f\x8b\x08", "compressed by gzip"),
        ("a.txt", bytes(range(32)) * 9, "is not text in UTF-8"),
    ],
)
def test_files_that_are_none(site: LocalSite, name: str, data: bytes, said: str) -> None:
    body = upload(name, data, source="en", target="fr")
    answer = site.call("POST", "/translate_file", body, "multipart/form-data; boundary=xyz")
    assert answer.status == 400
    assert said in answer.json["error"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"source": "en", "target": "fr"}, "q: is missing."),
        ({"q": 5, "source": "en", "target": "fr"}, "q: expected a text, not a number."),
        ({"q": ["a", None], "source": "en", "target": "fr"}, "q[1]: expected a text, not null."),
        ({"q": [], "source": "en", "target": "fr"}, "q: is an empty list."),
        (
            {"q": "a\ud800", "source": "en", "target": "fr"},
            "q: character 2, '\\ud800', is half of a surrogate",
        ),
        ({"q": "a", "source": "en"}, "target: is missing."),
        ({"q": "a", "source": "en", "target": "xx"}, "no model translates 'en' to 'xx'. There is en to fr"),
        ({"q": "a", "target": "xx"}, "no model translates to 'xx'."),
        ({"q": "a", "source": {}, "target": "fr"}, "source: expected a text, not an object."),
        ({"q": "a", "source": "en", "target": "fr", "format": "pdf"}, "format: expected text or html."),
        ({"q": "a", "source": "en", "target": "fr", "alternatives": 11}, "a whole number from 0 to 10."),
        ({"q": "a", "source": "en", "target": "fr", "alternatives": True}, "alternatives: expected a whole"),
        ({"q": "a", "source": "en", "target": "fr", "confidence": 1}, "confidence: expected true or false."),
        (
            {"q": "a", "source": "en", "target": "fr", "glossary": [1]},
            "glossary: expected an object of terms",
        ),
        (
            {"q": "a", "source": "en", "target": "fr", "glossary": {"a": ""}},
            "the term 'a' has an empty side.",
        ),
        ({"q": "a", "source": "en", "target": "fr", "glossary": "a b"}, "line 1: expected a term, a tab"),
    ],
)
def test_each_mistake_is_one_sentence(site: LocalSite, values: Any, said: str) -> None:
    answer = site.post("/translate", values)
    assert answer.status == 400
    assert said in answer.json["error"]
    assert "\n" not in answer.json["error"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"q": ["a"] * 129}, "129 texts are too many, 128 are allowed."),
        ({"q": ["a", "b" * 5001]}, "text 2 has 5,001 characters, and 5,000 are allowed."),
        ({"q": "a", "glossary": {f"a{n}": "b" for n in range(1001)}}, "1,001 terms"),
        ({"q": "a" * (1 << 20)}, "the body is larger than 1,048,576 bytes."),
    ],
)
def test_too_much_is_refused(site: LocalSite, values: Any, said: str) -> None:
    answer = site.post("/translate", {**values, "source": "en", "target": "fr"})
    assert answer.status == 413
    assert said in answer.json["error"]


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff{}", b"[" * 100_000, b'{"q": ' + b"9" * 9999 + b"}"])
def test_bodies_that_are_no_json(site: LocalSite, body: bytes) -> None:
    answer = site.call("POST", "/translate", body, "application/json")
    assert answer.status == 400


def test_many_clients_at_once_get_their_own_answers(site: LocalSite) -> None:
    async def all_of_them() -> list[Any]:
        return await asyncio.gather(
            *(
                site.answer(
                    "POST",
                    "/translate",
                    json.dumps(
                        {"q": [f"the cat {n}", TEXT[: n % 20]], "source": "en", "target": "fr"}
                    ).encode(),
                )
                for n in range(100)
            )
        )

    for number, answer in enumerate(asyncio.run(all_of_them())):
        assert answer.json["translatedText"] == [
            f"eht tac {str(number)[::-1]}",
            backwards(TEXT[: number % 20].strip()),
        ]


def test_a_request_that_is_cancelled_leaves_the_queue() -> None:
    """As uvicorn does when the time for requests under way is over."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def wait(text: str) -> str:
        begun.release()
        gate.wait()
        return text

    async def main(site: LocalSite) -> None:
        body = json.dumps({"q": "the cat", "source": "en", "target": "fr"}).encode()
        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(site.answer("POST", "/translate", body, "application/json")))
            if number < 2:  # each takes a thread of the queue
                await asyncio.to_thread(begun.acquire)
        while not site.site.queue.waiting_tokens:
            await asyncio.sleep(0.001)
        tasks[2].cancel()
        with suppress(asyncio.CancelledError):
            await tasks[2]
        assert (site.site.queue.counts.cancelled, site.site.queue.waiting_tokens) == (1, 0)
        gate.set()
        assert [(await task).status for task in tasks[:2]] == [200, 200]
        while site.site.queue.open_orders:
            await asyncio.sleep(0.001)

    site = LocalSite(StandIn(wait))
    asyncio.run(asyncio.wait_for(main(site), 20))
    site.site.close()
