"""Java's .properties."""

from __future__ import annotations

import re

import pytest

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, real, rendered, texts_of, translated

REAL = ["petclinic-de", "validation-en", "validation-fr"]


def loaded(source: str) -> dict[str, str]:
    """The entries of a file without continued keys, after the description of java.util.Properties."""
    entries = {}
    lines = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t\f]*", r"\1", source).split("\n")
    for line in lines:
        line = line.rstrip("\r").lstrip(" \t\f")
        if line and line[0] not in "#!":
            key, value = re.fullmatch(r"((?:\\.|[^\\:= \t])*)[ \t]*[:=]?[ \t]*(.*)", line).groups()  # type: ignore[union-attr]
            value = re.sub(r"\\u(....)", lambda found: chr(int(found[1], 16)), value)
            entries[key] = re.sub(
                r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), value
            )
    return entries


@pytest.mark.parametrize("name", REAL)
def test_real_files(name: str) -> None:
    data = real(f"properties/{name}.properties")
    document = open_document("properties", name, data)
    assert document.render(document.texts) == data
    given = loaded(data.decode())
    for translate in [str.upper, *HOSTILE]:
        found = loaded(rendered(document, translate).decode())
        assert found.keys() == given.keys()
        for key, value in given.items():
            assert re.findall(r"\$?\{[^{}]*\}", found[key]) == re.findall(r"\$?\{[^{}]*\}", value)
    plain = {key: value for key, value in given.items() if re.fullmatch("[a-zà-ÿ ]+", value)}
    found = loaded(rendered(document, str.upper).decode())
    assert len(plain) >= 5
    assert all(found[key] == value.upper() for key, value in plain.items())


@pytest.mark.parametrize(
    ("line", "texts", "answered"),
    [
        ("a=One", ["One"], "a=L'One"),
        (" a : One", ["One"], " a : L'One"),
        ("a One", ["One"], "a L'One"),
        ("a\\ b=One \\\n    two", ["One two"], "a\\ b=L'One two"),
        ("a=One\\ntwo \\u00e9", ["One two é"], None),
        ("a=It''s {0} of {1,number}", ["It's of"], "a=L''It''s {0} of {1,number}"),
        ("a=It''s", ["It's"], "a=L''It''s"),
        ("a=It's ${x == 'a' ? 'b' : ''}{c}", ["It's"], "a=L'It's ${x == 'a' ? 'b' : ''}{c}"),
        ("a={0,choice,0#no files|1#one file|1<{0} files}", [], None),
        ("a={n, plural, one {# file} other {# files}}", ["file", "files"], None),
        ("a=some.class.Name", [], None),
        ("# a=One", [], None),
        ("a=", [], None),
        ("a=One\\", ["One"], None),
        ("a=C:\\\\new", ["C:\\new"], "a=L'C:\\\\new"),
    ],
)
def test_entries(line: str, texts: list[str], answered: str | None) -> None:
    assert texts_of("properties", line) == texts
    assert translated("properties", line, lambda text: text) == line
    if answered:
        assert translated("properties", line, lambda text: f"L'{text}") == answered


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a=One\r\n", b"a=\\u00df\\u4e2d\\ud83d\\ude00\r\n"),
        ("# é\na=One\n".encode(), "# é\na=ß中\U0001f600\n".encode()),
        ("# é\na=One\n".encode("latin-1"), b"# \xe9\na=\xdf\\u4e2d\\ud83d\\ude00\n"),
    ],
)
def test_what_the_encoding_lacks_is_escaped(data: bytes, expected: bytes) -> None:
    assert rendered(open_document("properties", "a", data), lambda text: "ß中\U0001f600") == expected


def test_an_invalid_escape_is_refused() -> None:
    with pytest.raises(InputError, match=re.escape(r"a:2: \u12 is not an escape.")):
        open_document("properties", "a", b"# \\u\na=\\u12")
    assert texts_of("properties", r"a=One \\u12") == [r"One \u12"]
