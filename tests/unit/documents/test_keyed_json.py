"""JSON by key: i18next and its like, Chrome's messages, ARB."""

from __future__ import annotations

import json
import re

import pytest

from mtkit.documents.formats import FileFormat, open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, leaves, real, rendered, texts_of, translated

REAL: list[tuple[FileFormat, str]] = [
    ("json", "i18next/excalidraw-en.json"),
    ("json", "i18next/excalidraw-fr.json"),
    ("json", "i18next/typescript-ns1.json"),
    ("arb", "arb/gallery-en.arb.gz"),
    ("arb", "arb/gallery-fr.arb"),
]
SPAN = re.compile(
    r"\{\{.*?\}\}|<[^<>]*>|(?<!\w)\{\w+\}|\{\w+, *plural,|\b(?:one|other|few|many|zero|two|=\d)\{"
)


@pytest.mark.parametrize(("kind", "name"), REAL)
def test_real_files(kind: FileFormat, name: str) -> None:
    data = real(name)
    document = open_document(kind, name, data)
    assert document.render(document.texts) == data
    given = dict(leaves(json.loads(data)))
    for translate in [str.upper, *HOSTILE[::3]]:
        found = dict(leaves(json.loads(rendered(document, translate))))
        assert found.keys() == given.keys()
        for path, value in given.items():
            if "/@" in path or not isinstance(value, str):
                assert found[path] == value
            else:
                assert SPAN.findall(str(found[path])) == SPAN.findall(value)
    found = dict(leaves(json.loads(rendered(document, str.upper))))
    words = [path for path, value in given.items() if re.fullmatch(r"[A-Za-z]+ [a-z]+", str(value))]
    assert all(str(found[path]) == str(given[path]).upper() for path in words if "/@" not in path)


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        (
            '{"a": {"b": ["One", {"c": "Two"}]}, "n": 1, "t": true, "u": "https://a.org/x", "e": ""}',
            ["One", "Two"],
        ),
        ('{"Key words": "file_name.txt", "b": "/path/to", "c": "some.key.name", "d": "12 %"}', []),
        ('{"a_one": "{{count}} file", "a_other": "{{count}} files in $t(b)"}', ["file", "files in"]),
        ('{"a": "{n, plural, one {# file} other {# files}} left"}', ["file", "files", "left"]),
        ('{"a": "One.\\n\\n- Two"}', ["One.", "- Two"]),
        ('{"a": "one car | {n} cars"}', ["one car", "cars"]),
        (
            '{"a": {"message": "Hi $NAME$", "description": "No"}, "b": {"message": "It is $5"}}',
            ["Hi", "It is"],
        ),
        ('["One", "Two"]', ["One", "Two"]),
        ('{"a": "One", "a": "Two"}', ["Two"]),
        ('"One word"', ["One word"]),
    ],
)
def test_what_is_translated(source: str, texts: list[str]) -> None:
    assert texts_of("json", source) == texts
    assert translated("json", source, lambda text: text) == source


def test_values_are_spelled_as_the_file_spells_them() -> None:
    def german(text: str) -> str:
        return f"Größe {text}"

    assert translated("json", '{"a": "One", "b": "\\u00e9t\\u00e9"}', german) == (
        '{"a": "Gr\\u00f6\\u00dfe One", "b": "Gr\\u00f6\\u00dfe \\u00e9t\\u00e9"}'
    )
    assert translated("json", '\ufeff{"a" :\t"One"\r\n}\r\n', german) == '\ufeff{"a" :\t"Größe One"\r\n}\r\n'


def test_arb() -> None:
    source = (
        '{"@@locale": "en", "a": "It\'s {name}\'s", "@a": {"description": "Not this"},'
        ' "b": "{n, plural, =0{No files} other{{n} files}}", "c": "\'{not}\' a name"}'
    )
    document = open_document("arb", "a", source.encode())
    assert list(document.texts) == ["It's", "No files", "files", "a name"]
    assert getattr(document, "languages") == ("en", "")  # noqa: B009
    french = translated("arb", source, lambda text: f"l'{text}", target="fr")
    found = json.loads(french)
    assert found["@@locale"] == "fr"
    assert found["@a"] == {"description": "Not this"}
    assert found["b"] == "{n, plural, =0{l'No files} other{{n} l'files}}"
    assert found["c"] == "'{not}' l'a name"


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("json", '{\n"a": }', "a:2: is not JSON: Expecting value at column 6."),
        ("json", "[" * 100_000, "a: is not JSON that can be read"),
        ("json", "\n" + "[" * 200 + "]" * 200, "a:2: is nested more than 128 deep."),
        ("arb", "[]", "a:1: is not an ARB file: it is not a JSON object."),
    ],
)
def test_what_is_refused(kind: FileFormat, source: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document(kind, "a", source.encode())
