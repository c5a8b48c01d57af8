"""Android's strings.xml, and Apple's .stringsdict."""

from __future__ import annotations

import plistlib
import re

import pytest
from lxml import etree

from mtkit.documents.formats import FileFormat, open_document
from mtkit.errors import InputError
from tests.support.strings import HOSTILE, real, rendered, texts_of, translated

SPAN = re.compile(r"%(?:\d\$)?[sd]|</?[a-z]+\b[^<>]*>|\\n")


def strings(data: bytes) -> list[tuple[str, dict[str, str], list[str]]]:
    """Every element with its attributes, and what in its text is no word."""
    return [
        (str(element.tag), dict(element.attrib), SPAN.findall("".join(element.itertext())))
        for element in etree.fromstring(data).iter("*")
    ]


@pytest.mark.parametrize(
    "name", ["k9mail-message-list.xml", pytest.param("wikipedia-fr.xml.gz", marks=pytest.mark.slow)]
)
def test_real_files(name: str) -> None:
    data = real(f"android/{name}")
    document = open_document("android", name, data)
    assert document.render(document.texts) == data
    for translate in [str.upper, *HOSTILE[:2]]:
        found = rendered(document, translate)
        assert strings(found) == strings(data)
        for element in etree.fromstring(found).iter("string", "item"):
            assert not re.search(r"(?<!\\)(?:\\\\)*['\"]", element.text or "")
    upper = etree.fromstring(rendered(document, str.upper))
    plain = [
        element
        for element in etree.fromstring(data).iter("*")
        if re.fullmatch("[A-Za-z ]+", element.text or "x<")
    ]
    assert len(plain) > 10
    texts = {"".join(element.itertext()) for element in upper.iter("*")}
    assert all(str(element.text).upper() in texts for element in plain)


@pytest.mark.parametrize(
    ("value", "texts", "answered"),
    [
        ("It\\'s %1$s", ["It's"], "L\\'It\\'s %1$s"),
        ("Two\\nLines", ["Two", "Lines"], "L\\'Two\\nL\\'Lines"),
        ("A <b>bold</b> &amp; <xliff:g id='x'>%d</xliff:g> word", ["A bold & word"], None),
        ("A &lt;b&gt;bold&lt;/b&gt; word", ["A bold word"], None),
        ('"  A quoted text "', ["A quoted text"], r'"  L\'A quoted text "'),
        ("<![CDATA[A & word]]>", ["A & word"], "<![CDATA[L\\'A & word]]>"),
        ("\\@home \\u00e9\\?", ["@home é?"], "L\\'@home é?"),
        ("\\ud83d\\ude00 smile", ["\U0001f600 smile"], None),
        ("@string/other", [], "@string/other"),
        ("?attr/other", [], "?attr/other"),
        ("https://a.org/x", [], "https://a.org/x"),
        ("{n, plural, one {a} other {# b}}", ["a", "b"], "{n, plural, one {L\\'a} other {# L\\'b}}"),
        ("100% of 50 % off", ["100% of 50 % off"], "L\\'100% of 50 % off"),
        ("Two\n        lines", ["Two lines"], "L\\'Two lines"),
    ],
)
def test_values(value: str, texts: list[str], answered: str | None) -> None:
    frame = '<resources xmlns:xliff="u">\n<string name="a">@</string></resources>'
    source = frame.replace("@", value, 1)
    assert texts_of("android", source) == texts
    assert translated("android", source, lambda text: text) == source
    if answered:
        assert translated("android", source, lambda text: f"L'{text}") == frame.replace("@", answered, 1)


def test_what_stays() -> None:
    source = """<resources tools:locale="en" xmlns:tools="t"><string name="a" translatable="false">No</string>
<string-array name="b" translatable="false"><item>No</item></string-array><bool name="c">true</bool>
<plurals name="d"><item quantity="one">%d file</item><item quantity="other">%d files</item></plurals>
<string name="e">@string/a</string><string name="f"/></resources>"""
    document = open_document("android", "a", source.encode())
    assert list(document.texts) == ["file", "files"]
    assert getattr(document, "languages") == ("en", "")  # noqa: B009


def test_an_answer_never_becomes_a_reference_or_leaves_its_section() -> None:
    source = "<resources><string>One</string><string><![CDATA[One]]></string></resources>"
    found = translated("android", source, lambda text: "@one ]]> 'x' é")
    assert [element.text for element in etree.fromstring(found.encode())] == [
        "\\@one ]]> \\'x\\' é",
        "\\@one  \\'x\\' é",
    ]
    latin = f"<?xml version='1.0' encoding='us-ascii'?>{source}"
    assert b"\\u00e9\\ud83d\\ude00" in rendered(
        open_document("android", "a", latin.encode()), lambda text: "é\U0001f600"
    )


STRINGSDICT = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>%d files in %d folders</key>
    <dict>
        <key>NSStringLocalizedFormatKey</key>
        <string>%1$#@files@ in %2$#@folders@</string>
        <key>files</key>
        <dict>
            <key>NSStringFormatSpecTypeKey</key>
            <string>NSStringPluralRuleType</string>
            <key>NSStringFormatValueTypeKey</key>
            <string>lld</string>
            <key>one</key>
            <string>%d file &amp; more</string>
            <key>other</key>
            <string>%d files</string>
        </dict>
    </dict>
</dict>
</plist>
"""


def test_stringsdict() -> None:
    assert texts_of("stringsdict", STRINGSDICT) == ["in", "file & more", "files"]
    for translate in HOSTILE:
        found = plistlib.loads(translated("stringsdict", STRINGSDICT, translate).encode())
        entry = found["%d files in %d folders"]
        assert re.findall("%.#?@[a-z]*@|%1.#@files@|%2.#@folders@", entry["NSStringLocalizedFormatKey"])
        assert entry["files"]["NSStringFormatSpecTypeKey"] == "NSStringPluralRuleType"
        assert entry["files"]["NSStringFormatValueTypeKey"] == "lld"
    found = plistlib.loads(translated("stringsdict", STRINGSDICT, lambda text: f"{text}!").encode())
    assert found["%d files in %d folders"]["files"]["one"] == "%d file & more!"


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("android", "<resources>\n<string>", "a:2: is not well-formed XML"),
        ("android", "<plist/>", "a:1: the file is <plist>, expected <resources>."),
        ("android", "<!DOCTYPE r [<!ENTITY a 'b'>]><resources/>", "a:1: declares entities"),
        ("android", "<resources>" + "<a>" * 999, "a:1: elements are nested more than 256 deep."),
        ("stringsdict", "<resources/>", "a:1: the file is <resources>, expected <plist>."),
    ],
)
def test_what_is_refused(kind: FileFormat, source: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        open_document(kind, "a", source.encode())
