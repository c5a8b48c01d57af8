"""The clients of other services as they are, and requests that programs were seen to send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import Listening, LocalSite, backwards, listening


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Listening]:
    site = LocalSite()
    with listening(site) as server:
        yield server
    site.site.close()


EXPECTED = backwards("the cat sat")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it leaves connections open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_libretranslatepy(server: Listening) -> None:
    found = pytest.importorskip("libretranslatepy", reason="libretranslatepy is not installed")
    client = found.LibreTranslateAPI(f"http://127.0.0.1:{server.port}/")
    assert client.translate("the cat sat", "en", "fr") == EXPECTED
    assert client.languages() == [{"code": "en", "name": "English", "targets": ["fr"]}]
    pytest.importorskip("py3langid")
    assert client.detect("Where is the station?")[0]["language"] == "en"


def test_deepl(server: Listening) -> None:
    found = pytest.importorskip("deepl", reason="deepl is not installed")
    client = found.Translator("any", server_url=f"http://127.0.0.1:{server.port}", send_platform_info=False)
    assert client.translate_text("the cat sat", source_lang="EN", target_lang="FR").text == EXPECTED
    both = client.translate_text(["the cat sat", "a dog"], target_lang="FR")
    assert (both[0].text, both[0].detected_source_lang, len(both)) == (EXPECTED, "EN", 2)
    assert [one.code for one in client.get_source_languages()] == ["EN"]
    assert [one.code for one in client.get_target_languages()] == ["FR"]
    assert client.get_usage().character.count > 0
    made = client.create_glossary("mine", "EN", "FR", {"cat": "chat", "dog": "chien"})
    assert client.get_glossary(made.glossary_id).entry_count == 2
    assert client.get_glossary_entries(made) == {"cat": "chat", "dog": "chien"}
    assert [one.glossary_id for one in client.list_glossaries()] == [made.glossary_id]
    assert [(one.source_lang, one.target_lang) for one in client.get_glossary_languages()] == [("en", "fr")]
    client.delete_glossary(made)
    with pytest.raises(found.GlossaryNotFoundException):
        client.get_glossary(made)
    with pytest.raises(found.DeepLException, match="no model translates"):
        client.translate_text("the cat sat", source_lang="EN", target_lang="JA")
    client.close()


def test_weblate(server: Listening) -> None:
    """As its machinery for LibreTranslate does: JSON, and a key that nobody asked for."""
    kind = {"Content-Type": "application/json", "User-Agent": "Weblate/5.9"}
    assert server.call("GET", "/languages", headers=kind).json[0]["code"] == "en"
    body = b'{"api_key": "", "q": "the cat sat", "source": "en", "target": "fr"}'
    assert server.call("POST", "/translate", body, kind).json["translatedText"] == EXPECTED


def test_plug_ins_of_opus_cat(server: Listening) -> None:
    """As Wordfast's template and the extension for browsers do."""
    for query in (
        "tokenCode=&input=the%20cat%20sat&srcLangCode=en&trgLangCode=fr",
        "tokenCode=0&input=the+cat+sat&srcLangCode=en&trgLangCode=fr&modelTag=",
        "tokenCode=0&input=the%20cat%20sat&srcLangCode=EN-US&trgLangCode=FR-FR&modelTag=&inputIsSingleSentence=true",
    ):
        answer = server.call(
            "GET", f"/MTRestService/TranslateJson?{query}", headers={"Host": "localhost:8500"}
        )
        assert answer.json == {"translation": EXPECTED}


def test_curl_without_a_type(server: Listening) -> None:
    answer = server.call("POST", "/translate", b"q=the cat sat&source=en&target=fr",
                         {"Content-Type": "application/x-www-form-urlencoded"})  # fmt: skip
    assert answer.json["translatedText"] == EXPECTED
