"""Apple's .strings."""

from __future__ import annotations

import re

import pytest

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, real, rendered, texts_of, translated

REAL = ["localizable", "sparkle-base", "sparkle-fr"]
VALUE = re.compile(r'= *"((?:\\.|[^"\\])*)" *;')
SPECIFIER = re.compile(r"%(?:\d+\$)?(?:@|lld|%)|\\[nt]")


@pytest.mark.parametrize("name", REAL)
def test_real_files(name: str) -> None:
    data = real(f"apple-strings/{name}.strings")
    document = open_document("strings", name, data)
    assert document.render(document.texts) == data
    source = data.decode()
    for translate in [str.upper, *HOSTILE]:
        found = rendered(document, translate).decode()
        assert VALUE.sub("", found) == VALUE.sub("", source)
        for one, other in zip(VALUE.findall(source), VALUE.findall(found), strict=True):
            assert SPECIFIER.findall(one) == SPECIFIER.findall(other)
    assert "NEEDS TRANSLATION" in rendered(document, str.upper).decode() or name != "localizable"


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("Hello, %@!", ["Hello,!"]),
        (r"A \"quoted\" word", ['A "quoted" word']),
        (r"50%% of \U00e9t\u00e9 and \303", ["of été and Ã"]),
        (r"\Ud83d\ude00 smile", ["\U0001f600 smile"]),
        (r"One.\nTwo\\n", ["One.", r"Two\n"]),
        ("%lld of %#@files@ by %arg", ["of by"]),
        ("some_name", []),
        ("", []),
    ],
)
def test_values(value: str, texts: list[str]) -> None:
    source = f'"Some key" = "{value}";'
    assert texts_of("strings", source) == texts
    assert translated("strings", source, lambda text: text) == source


def test_answers_are_spelled_as_the_file_spells_them() -> None:
    assert translated("strings", '"a" = "One\\n%@ two";', lambda text: 'Größe "\\') == (
        '"a" = "Größe \\"\\\\\\n%@ Größe \\"\\\\";'
    )
    assert translated("strings", '"a" = "One"; "b" = "\\U00e9";', lambda text: "ß\U0001f600") == (
        '"a" = "\\U00df\\Ud83d\\Ude00"; "b" = "\\U00df\\Ud83d\\Ude00";'
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_the_encoding_stays(encoding: str) -> None:
    data = '\ufeff/* é */\r\n"a" = "One";\r\n'.encode(encoding)
    document = open_document("strings", "a", data)
    assert document.render(["Größe"]) == data.replace("One".encode(encoding), "Größe".encode(encoding))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b'"a" = "b";\n"c" = "d"\n"e" = "f";', "a:2: is not an entry"),
        (b"\n/* open", "a:2: is not an entry"),
        (b'"a" = "' + b"\\" * 99_999, "a:1: is not an entry"),
        (b"\xff\xfea", "a: begins like UTF-16, but byte 3 is not."),
        (b"\xff", "a:1: the byte 0xff is not UTF-8."),
    ],
)
def test_what_is_refused(source: bytes, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document("strings", "a", source)
