"""DeepL's and OPUS-CAT's APIs over stand-in models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mtkit.serve.keys import add_key, read_keys
from tests.support.servers import LocalSite, StandIn


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[LocalSite]:
    site = LocalSite(StandIn(), StandIn(str.swapcase, ("fr", "en")))
    yield site
    site.site.close()


def test_texts(site: LocalSite) -> None:
    asked = {"text": ["the cat", "a dog"], "source_lang": "EN", "target_lang": "FR"}
    assert site.post("/v2/translate", asked).json == {
        "translations": [
            {"detected_source_language": "EN", "text": "eht tac"},
            {"detected_source_language": "EN", "text": "a god"},
        ]
    }
    form = b"text=the+cat&text=a+dog&source_lang=EN&target_lang=FR"
    kind = "application/x-www-form-urlencoded"
    assert site.call("POST", "/v2/translate", form, kind).json == site.post("/v2/translate", asked).json
    html = {"text": ["<b>the cat</b> &lt;"], "source_lang": "EN", "target_lang": "FR", "tag_handling": "html"}
    assert site.post("/v2/translate", html).json["translations"][0]["text"] == "<b>eht tac</b> &lt;"


def test_regions_and_detection(site: LocalSite) -> None:
    pytest.importorskip("py3langid")
    asked = {"text": ["Je ne parle pas anglais, malheureusement."], "target_lang": "EN-GB"}
    (found,) = site.post("/v2/translate", asked).json["translations"]
    assert found["detected_source_language"] == "FR"


def test_languages_and_usage() -> None:
    site = LocalSite()
    assert site.call("GET", "/v2/languages").json == [{"language": "EN", "name": "English"}]
    targets = [{"language": "FR", "name": "French", "supports_formality": False}]
    assert site.call("GET", "/v2/languages?type=target").json == targets
    assert site.call("GET", "/v2/languages", b"type=target").json == targets
    assert site.call("GET", "/v2/usage").json["character_count"] == 0
    site.post("/v2/translate", {"text": "the cat", "source_lang": "en", "target_lang": "fr"})
    assert site.call("GET", "/v2/usage").json["character_count"] == len("the cat")
    site.site.close()


def test_glossaries_are_kept_by_owner(tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    alice, bob = add_key(keys, "alice"), add_key(keys, "bob")
    site = LocalSite(keys=read_keys(keys))

    def call(key: str, method: str, path: str, body: bytes = b"") -> Any:
        return site.call(method, path, body, headers={"authorization": f"DeepL-Auth-Key {key}"})

    made = call(
        alice,
        "POST",
        "/v2/glossaries",
        b'{"name": "mine", "source_lang": "en", "target_lang": "fr", "entries_format": "csv", '
        b'"entries": "cat,chat\\ndog,\\"chien, loup\\"\\n"}',
    )
    assert made.status == 201
    found = made.json
    assert (found["entry_count"], found["source_lang"], found["ready"]) == (2, "en", True)
    place = f"/v2/glossaries/{found['glossary_id']}"
    assert call(alice, "GET", place).json == found
    assert call(alice, "GET", "/v2/glossaries").json == {"glossaries": [found]}
    assert call(alice, "GET", f"{place}/entries").body == b"cat\tchat\ndog\tchien, loup"
    assert call(bob, "GET", place).status == 404
    assert call(bob, "GET", "/v2/glossaries").json == {"glossaries": []}
    assert call(bob, "DELETE", place).status == 404
    asked = (
        f'{{"text": ["the cat sat"], "source_lang": "en", "target_lang": "fr", '
        f'"glossary_id": "{found["glossary_id"]}"}}'
    ).encode()
    assert call(bob, "POST", "/v2/translate", asked).status == 404
    answer = call(alice, "POST", "/v2/translate", asked)
    assert answer.status == 200
    assert call(alice, "DELETE", place).status == 204
    assert call(alice, "GET", place).status == 404
    site.site.close()


@pytest.mark.parametrize(
    ("path", "values", "status", "said"),
    [
        ("/v2/translate", {"target_lang": "FR"}, 400, "text: is missing."),
        ("/v2/translate", {"text": ["a"]}, 400, "target_lang: is missing."),
        (
            "/v2/translate",
            {"text": ["a"], "source_lang": "EN", "target_lang": "JA"},
            400,
            "no model translates",
        ),
        ("/v2/translate", {"text": ["a"] * 129, "source_lang": "EN", "target_lang": "FR"}, 413, "too many"),
        ("/v2/translate", {"text": ["a"], "target_lang": "FR", "glossary_id": "x"}, 400, "needs source_lang"),
        (
            "/v2/translate",
            {"text": ["a"], "source_lang": "EN", "target_lang": "FR", "glossary_id": "x"},
            404,
            "there is no such glossary",
        ),
        (
            "/v2/glossaries",
            {"name": "a", "source_lang": "en", "target_lang": "fr"},
            400,
            "entries: is missing.",
        ),
        (
            "/v2/glossaries",
            {"name": "a", "source_lang": "en", "target_lang": "fr", "entries": "cat"},
            400,
            "line 1: expected a term, a tab",
        ),
        (
            "/v2/glossaries",
            {"name": "", "source_lang": "en", "target_lang": "fr", "entries": "cat\tchat"},
            400,
            "name: expected 1 to 1,024 characters.",
        ),
    ],
)
def test_mistakes(site: LocalSite, path: str, values: Any, status: int, said: str) -> None:
    answer = site.post(path, values)
    assert answer.status == status
    assert said in answer.json["message"]


@pytest.mark.parametrize("folder", ["MTRestService", "MtRestService", "mtrestservice"])
def test_opus_cat(site: LocalSite, folder: str) -> None:
    query = "tokenCode=0&input=the%20cat%20%26%20a%20dog&srcLangCode=en&trgLangCode=fr&modelTag="
    assert site.call("GET", f"/{folder}/TranslateJson?{query}").json == {"translation": "eht tac & a god"}
    assert site.call("GET", f"/{folder}/ListSupportedLanguagePairs?tokenCode=0").json == ["en-fr", "fr-en"]
    assert site.call("GET", f"/{folder}/GetLanguagePairModelTags?srcLangCode=en&trgLangCode=fr").json == []
    refused = site.call("GET", f"/{folder}/TranslateJson?input=a&srcLangCode=en&trgLangCode=xx")
    assert refused.status == 400
    assert site.call("GET", f"/{folder}/TranslateJson?input=%ff&srcLangCode=en&trgLangCode=fr").status == 400
