"""Apple's .xcstrings."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, leaves, real, rendered, translated

SPAN = re.compile(r"%(?:\d\$)?(?:lld|@|arg|#@\w+@)")


@pytest.mark.parametrize("target", ["fr", "de"])
@pytest.mark.parametrize("name", ["localizable", "zeitgeist"])
def test_real_files(name: str, target: str) -> None:
    data = real(f"xcstrings/{name}.xcstrings")
    document = open_document("xcstrings", name, data, target=target)
    assert document.render(document.texts) == data
    assert getattr(document, "languages") == ("en", target)  # noqa: B009
    given = json.loads(data)["strings"]
    for translate in [str.upper, *HOSTILE]:
        found = json.loads(rendered(document, translate))["strings"]
        assert found.keys() == given.keys()
        for key, entry in found.items():
            before = given[key].get("localizations", {})
            new = entry.get("localizations", {}).pop(target, None)
            old = before.pop(target, None)
            if old is not None:
                assert new == old
                before[target] = old
            elif new is not None:
                source = before.get("en", {"stringUnit": {"state": "new", "value": key}})
                drafts, originals = dict(leaves(new)), dict(leaves(source))
                assert drafts.keys() == originals.keys()
                for path, value in drafts.items():
                    if path.endswith("/state"):
                        assert value == "needs_review"
                    else:
                        assert SPAN.findall(str(value)) == SPAN.findall(str(originals[path]))
            if old is not None:
                entry["localizations"][target] = old
            elif not entry.get("localizations", True) and "localizations" not in given[key]:
                del entry["localizations"]
            assert entry == given[key]


def catalogue(entry: dict[str, Any]) -> str:
    return json.dumps({"sourceLanguage": "en", "strings": {"A key": entry}, "version": "1.0"}, indent=2)


def unit(value: str, state: str = "translated") -> dict[str, Any]:
    return {"stringUnit": {"state": state, "value": value}}


PLURAL = {"variations": {"plural": {"one": unit("%lld file"), "other": unit("%lld files")}}}
DRAFTS = {
    "variations": {
        "plural": {"one": unit("%lld FILE", "needs_review"), "other": unit("%lld FILES", "needs_review")}
    }
}


@pytest.mark.parametrize(
    ("entry", "draft"),
    [
        ({}, unit("A KEY", "needs_review")),
        ({"comment": "c"}, unit("A KEY", "needs_review")),
        ({"shouldTranslate": True, "localizations": {}}, unit("A KEY", "needs_review")),
        ({"localizations": {"en": unit("One")}}, unit("ONE", "needs_review")),
        ({"localizations": {"en": unit("One"), "fr": unit("", "new")}}, unit("ONE", "needs_review")),
        ({"localizations": {"fr": unit("x", "new"), "de": unit("y")}}, unit("A KEY", "needs_review")),
        ({"localizations": {"en": PLURAL, "zh": unit("y")}}, DRAFTS),
        ({"localizations": {"fr": unit("Un", "needs_review")}}, None),
        ({"localizations": {"fr": unit("Un")}}, None),
        ({"localizations": {"fr": PLURAL}}, None),
        ({"shouldTranslate": False}, None),
    ],
)
def test_what_is_filled(entry: dict[str, Any], draft: dict[str, Any] | None) -> None:
    source = catalogue(entry)
    found = json.loads(translated("xcstrings", source, str.upper, target="fr"))["strings"]["A key"]
    if draft is None:
        assert found == entry
    else:
        assert found["localizations"].pop("fr") == draft
        rest = {code: one for code, one in entry.get("localizations", {}).items() if code != "fr"}
        assert found == {**entry, "localizations": rest}


def test_it_is_written_as_xcode_does() -> None:
    source = '{\n  "sourceLanguage" : "en",\n  "strings" : {\n    "One" : {\n\n    }\n  }\n}'
    assert translated("xcstrings", source, str.upper, target="fr") == source.replace(
        "{\n\n    }",
        '{\n      "localizations" : {\n        "fr" : {\n          "stringUnit" : {\n'
        '            "state" : "needs_review",\n            "value" : "ONE"\n          }\n'
        "        }\n      }\n    }",
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{}", "a:1: is not a string catalogue."),
        (catalogue({}), "a: does not say into which language it is to be translated: it has 0 others."),
        ('{\n"sourceLanguage": }', "a:2: is not JSON"),
    ],
)
def test_what_is_refused(source: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document("xcstrings", "a", source.encode())
