"""Qt's .ts."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, real, rendered, texts_of, translated

REAL = ["TSTest01.ts", "complete.ts", "monero-fr.ts.gz"]


def messages(data: bytes) -> list[etree._Element]:
    return list(etree.fromstring(data).iter("message"))


def is_empty(message: etree._Element) -> bool:
    source, translation = ("".join(message.xpath(f"string({name})")) for name in ("source", "translation"))
    return any(map(str.isalpha, source)) and not translation.strip()


@pytest.mark.parametrize("name", REAL)
def test_real_files(name: str) -> None:
    data = real(f"qt-ts/{name}")
    document = open_document("qt", name, data)
    assert document.render(document.texts) == data
    for translate in [str.upper, *HOSTILE]:
        filled = 0
        for before, after in zip(messages(data), messages(rendered(document, translate)), strict=True):
            if etree.tostring(before) == etree.tostring(after):
                continue
            filled += 1
            translation = after.find("translation")
            assert translation is not None
            assert translation.get("type") == "unfinished"
            old = before.find("translation")
            assert old is None or not "".join(old.itertext()).strip()
            given = before.find("source")
            assert given is not None
            assert re.findall(r"%\d|%n", "".join(translation.itertext())) == re.findall(
                r"%\d|%n", str(given.text)
            )
            assert [each.tag for each in translation] == [each.tag for each in given]
            after.remove(translation)
            if old is not None:
                before.remove(old)
            assert re.sub(rb"\s", b"", etree.tostring(before)) == re.sub(rb"\s", b"", etree.tostring(after))
        if translate is str.upper:
            assert filled == sum(map(is_empty, messages(data)))


def message(inside: str, attributes: str = "") -> str:
    return (
        f'<TS language="fr"><context>\n    <message{attributes}>\n{inside}\n    </message>\n</context></TS>\n'
    )


@pytest.mark.parametrize(
    ("attributes", "before", "after"),
    [
        (
            "",
            '<translation type="unfinished"></translation>',
            '<translation type="unfinished">LE %1</translation>',
        ),
        ("", "<translation/>", '<translation type="unfinished">LE %1</translation>'),
        ("", "<userdata/>", '\n<translation type="unfinished">LE %1</translation><userdata/>'),
        ("", "<translation>Fait</translation>", None),
        ("", '<translation type="unfinished">Fait</translation>', None),
        ("", '<translation type="vanished"></translation>', None),
        ("", '<translation type="obsolete"></translation>', None),
        (
            ' numerus="yes"',
            '<translation type="unfinished">\n<numerusform></numerusform><numerusform/>\n</translation>',
            '<translation type="unfinished">\n'
            "<numerusform>LE %1</numerusform><numerusform>LE %1</numerusform>\n</translation>",
        ),
        (' numerus="yes"', "<translation><numerusform>a</numerusform><numerusform/></translation>", None),
        (' numerus="yes"', '<translation type="unfinished"></translation>', None),
    ],
)
def test_what_is_filled(attributes: str, before: str, after: str | None) -> None:
    source = message(f"<source>The %1</source>{before}", attributes)
    assert translated("qt", source, lambda text: "LE") == (
        source if after is None else source.replace(before, after)
    )


def test_texts() -> None:
    source = message("<source>&amp;File</source>") + ""
    assert texts_of("qt", source) == ["File"]
    assert '<translation type="unfinished">&amp;Datei &quot;L&apos;&lt;1&quot;</translation>' in translated(
        "qt", source, lambda text: 'Datei "L\'<1"'
    )
    assert texts_of("qt", message("<source>E&amp;xit</source>")) == ["Exit"]
    assert texts_of("qt", message("<source>A &lt;b&gt;bold&lt;/b&gt;&amp;nbsp;word, %n</source>")) == [
        "A bold word,"
    ]
    assert texts_of("qt", message("<source>some_name</source>")) == []
    document = open_document("qt", "a", message("<source>A</source>").encode())
    assert getattr(document, "languages") == ("", "fr")  # noqa: B009


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<TS>\n<message>", "a:2: is not well-formed XML"),
        ("<xliff/>", "a:1: the file is <xliff>, expected <TS>."),
    ],
)
def test_what_is_refused(source: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document("qt", "a", source.encode())
