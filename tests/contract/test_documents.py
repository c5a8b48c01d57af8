"""What every document format keeps: untouched bytes stay, answers come back, and none breaks the markup."""

from __future__ import annotations

import csv
import json
import plistlib
import re
from collections.abc import Callable
from functools import lru_cache
from io import StringIO
from typing import assert_never, get_args

import polib
import pytest
import yaml
from fluent.syntax import FluentParser
from fluent.syntax.ast import Attribute, Junk, Resource, TextElement
from fluent.syntax.visitor import Visitor
from hypothesis import HealthCheck, given, settings
from lxml import etree
from markdown_it import MarkdownIt

from mtkit.documents.formats import FileFormat, LineFormat
from tests.support import subtitles
from tests.support.hostile import opened
from tests.support.office import OFFICE, attributes, office, structure, unpacked
from tests.support.pages import tags
from tests.support.translators import TRANSLATORS

Format = FileFormat | LineFormat
FORMATS: tuple[Format, ...] = (*get_args(LineFormat), *get_args(FileFormat))
SAMPLES: dict[Format, bytes] = {
    "tsv": b"Good morning\t1\t\xff\nThe red house\t2\tx y\n",
    "jsonl": b'{"id": 1, "text": "Good morning", "more": [null, 1.50]}\n{ "text":"The red house" }\n',
    "md": b"# Good morning #\n\n```\nkept = 1\n```\n\n- [ ] The red house\n",
    "html": b"<!DOCTYPE html>\n<h1 class='a>b'>Good morning</h1><!-- kept -->\n<p>The red house<br></p>\n",
    "srt": b"1\r\n00:00:01,000 --> 00:00:02,000\r\nGood morning\r\n\r\n"
    b"2\n00:00:03,000 --> 00:00:04,000\n<i>The red house</i>\n",
    "vtt": b"WEBVTT\n\nNOTE kept\n\na\n00:01.000 --> 00:02.000 align:start\n<v Tom>Good morning\n\n"
    b"00:03.000 --> 00:04.000\n<i.x>The red house</i>\n",
    "ass": b"[Script Info]\nTitle: Kept\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    b"Dialogue: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,{\\an8}Good morning\n"
    b"Comment: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,Kept\n"
    b"Dialogue: 0,0:00:03.00,0:00:04.00,A,,0,0,0,,{\\i1}The red house{\\i0}\n",
    "csv": b'Good morning,1,"a ""b"", c"\r\n"The red house",,"two\nlines"\r\n',
    "po": b'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n#: a.c:1\n#, no-wrap\n'
    b'msgctxt "menu"\nmsgid "Good morning"\nmsgstr ""\n\nmsgid "Done"\nmsgstr "Fertig"\n\n'
    b'msgid "The red house"\nmsgstr ""\n',
    "xliff": b'<?xml version="1.0"?>\n<xliff><file><body><trans-unit id="1"><source>Good morning</source>'
    b"<note> kept</note><target></target></trans-unit>\n<trans-unit id='2'><source>The red house</source>"
    b"<target></target></trans-unit></body></file></xliff>",
    "json": b'{\n  "menu": {"morning": "Good morning", "id": "a_b", "count": 1.50},\n'
    b'  "list": ["\\u0020", "The red house", null]}\n',
    "arb": b'{"@@locale": "en", "morning": "Good morning",\n"@morning": {"description": "On top"},'
    b' "house":"The red house"}',
    "strings": b'/* "kept" = "kept"; */\n"morning" = "Good morning"; // kept\nhouse="The red house" ;\n'
    b'"id" = "a_b";',
    "stringsdict": b'<?xml version="1.0"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "a.dtd">\n'
    b'<plist version="1.0"><dict><key>n</key><dict><key>NSStringLocalizedFormatKey</key>'
    b"<string>%#@n@</string><key>n</key><dict><key>NSStringFormatValueTypeKey</key><string>d</string>\n"
    b"<key>one</key><string>Good morning</string><key>other</key> <string>The red house</string></dict>"
    b"</dict></dict></plist>\n",
    "android": b'<?xml version="1.0"?>\n<resources><!-- kept --><string name="a">Good morning</string>\n'
    b'<string name="b" translatable="false">Kept</string><string-array name=\'c\'>\n<item><![CDATA['
    b"The red house]]></item><item>@string/a</item></string-array></resources>",
    "properties": b"# kept\nmorning = Good morning\n  id:a_b\n! kept=kept\r\nhouse The red house\n",
    "qt": b'<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS version="2.1" language="fr"><context><name>a</name>\n'
    b'<message><source>Good morning</source><translation type="unfinished"></translation></message>\n'
    b"<message><source>Done</source><translation>Fait</translation></message><message numerus='no'>"
    b'<source>The red house</source><translation type="unfinished"></translation></message></context></TS>',
    "docx": office(
        "docx",
        "<w:p><w:r><w:t>Good morning</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p><w:pPr><w:keepNext/></w:pPr>"
        "<w:r><w:rPr><w:b/></w:rPr><w:t>The red house</w:t></w:r></w:p></w:tc></w:tr></w:tbl>",
    ),
    "pptx": office(
        "pptx",
        '<a:p><a:pPr lvl="1"/><a:r><a:t>Good morning</a:t></a:r><a:endParaRPr lang="en"/></a:p>'
        '<a:p><a:r><a:rPr b="1"/><a:t>The red house</a:t></a:r></a:p>',
    ),
    "xlsx": office("xlsx", "<si><t>Good morning</t></si><si><r><rPr><b/></rPr><t>The red house</t></r></si>"),
    "odt": office(
        "odt",
        '<text:h text:outline-level="1">Good morning</text:h>'
        "<text:p><text:span>The red house</text:span></text:p>",
    ),
    "epub": office("epub", "<h1>Good morning</h1><p class='a'><br/>The red house</p>"),
    "xcstrings": b'{\n  "sourceLanguage" : "en",\n  "strings" : {\n    "Good morning" : {"localizations" : {'
    b'"fr" : {"stringUnit" : {"state" : "new", "value" : ""}}}}, "Kept": {"shouldTranslate": false},\n'
    b'"house": {"localizations": {"en": {"stringUnit": {"state": "translated", "value": "The red house"}},'
    b'"fr": {"stringUnit": {"state": "new", "value": ""}}}}},\n  "version" : "1.0"\n}',
    "yaml": b"# kept\nen:\n  morning: Good morning # kept\n  id: a_b\n  list: [1, 'The red house', yes, ~]\n",
    "ftl": b"# kept\nmorning = Good morning\n    .accesskey = G\n"
    b"house =\n    { $n ->\n       *[other] The red house\n    }\n\njunk\n",
}
PACKED = OFFICE
"""Formats that are archives: of an answer, other bytes than those of its member may change."""
TEXTS = ["Good morning", "The red house"]
"""Those of each sample."""
BILINGUAL = ("po", "xliff", "qt", "xcstrings")
EVERY = pytest.mark.parametrize("kind", FORMATS)


def _without_texts(value: object) -> object:
    """A value of JSON, YAML or a property list with the same in place of each text and each answer."""
    if isinstance(value, dict):
        return {key: own if key[:1] == "@" else _without_texts(own) for key, own in value.items()}
    if isinstance(value, list):
        return [_without_texts(own) for own in value]
    return (
        "text" if isinstance(value, str) and re.match(r"a(?!\w)|Good morning|The red house", value) else value
    )


class _Elements(Visitor):
    """The texts of a Fluent resource but for those of access keys."""

    def __init__(self) -> None:
        self.found: list[TextElement] = []

    def visit_Attribute(self, node: Attribute) -> None:
        pass

    def visit_TextElement(self, node: TextElement) -> None:
        self.found.append(node)


def _elements(resource: Resource) -> list[TextElement]:
    visitor = _Elements()
    visitor.visit(resource)
    return visitor.found


@lru_cache(maxsize=64)
def outline(kind: Format, data: bytes) -> object:
    """All of a document but its translations, as a parser that is not ours sees it."""
    text = data.decode(errors="replace")
    match kind:
        case "tsv":
            return [line.split("\t")[1:] for line in text.split("\n")]
        case "jsonl":
            return [json.loads(line) | {"text": ""} for line in text.split("\n")[:-1]]
        case "md":
            return [
                (token.type, token.content * (token.type == "fence")) for token in MarkdownIt().parse(text)
            ]
        case "html":
            return tags(text)
        case "srt" | "vtt" | "ass":
            kept, cues = subtitles.outline(kind, data)
            return kept, [tags for tags, _ in cues]
        case "csv":
            return [row[1:] for row in csv.reader(StringIO(text, newline=""))]
        case "po":
            return [
                (entry.msgctxt, entry.msgid, entry.occurrences, entry.flags) for entry in polib.pofile(text)
            ]
        case "xliff":
            return [
                (element.tag, {}, "")
                if element.tag == "target"
                else (element.tag, element.attrib, element.text)
                for element in etree.fromstring(data).iter()
            ]
        case "stringsdict":
            return _without_texts(plistlib.loads(data))
        case "android":
            return [
                (element.tag, element.attrib, _without_texts(element.text))
                for element in etree.fromstring(data).iter()
            ]
        case "properties":  # as its format is described in java.util.Properties
            lines = re.split(r"\r?\n", re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t]*", r"\1", text))
            return [line.split()[:1] for line in lines]
        case "qt":
            return [
                (element.tag, element.attrib, element.text)
                for element in etree.fromstring(data).iter()
                if element.get("type") != "unfinished"
            ]
        case "strings":
            value = r'(?<==)(\s*)"(?!a_b)(?:\\[\s\S]|[^"\\])*"(?=\s*;)'
            parts = re.split(r"(/\*.*?\*/)", text)  # comments stay
            return [part if part[:2] == "/*" else re.sub(value, r"\1text", part) for part in parts]
        case "xcstrings":
            strings = json.loads(data)["strings"]
            for entry in strings.values():
                entry.get("localizations", {}).pop("fr", None)
            return strings
        case "yaml":
            return _without_texts(yaml.safe_load(data))
        case "ftl":
            resource = FluentParser(with_spans=False).parse(text)
            for each in _elements(resource):
                each.value = "text"
            return [each.content if isinstance(each, Junk) else each.to_json() for each in resource.body]
        case "json" | "arb":
            return _without_texts(json.loads(data))
        case "docx" | "pptx" | "xlsx" | "odt" | "epub":
            return structure(kind, data)
        case _:
            assert_never(kind)


def rendered(kind: Format, translate: Callable[[str], str]) -> bytes:
    documents = opened(kind, SAMPLES[kind])
    return b"".join(document.render([translate(text) for text in document.texts]) for document in documents)


def test_every_format_has_a_sample() -> None:
    assert SAMPLES.keys() == {*FORMATS}


@EVERY
def test_its_texts_are_found(kind: Format) -> None:
    assert [text for document in opened(kind, SAMPLES[kind]) for text in document.texts] == TEXTS


@EVERY
def test_untouched_bytes_stay(kind: Format) -> None:
    """With each translation taken out again, or put back as it was, the document is the same to the byte."""
    found = rendered(kind, lambda text: f"QQ{TEXTS.index(text)}QQ")
    # Where a format has places for translations of their own, they are empty in the sample, and say later
    # that they hold a draft.
    bilingual = kind in BILINGUAL
    expected = SAMPLES[kind]
    if kind in PACKED:
        assert attributes(found) == attributes(expected)
        found, expected = (b"".join(unpacked(data).values()) for data in (found, expected))
    found = found.replace(b' state="needs-review-translation" state-qualifier="leveraged-mt"', b"")
    found = found.replace(b'"needs_review"', b'"new"')
    for number, text in enumerate(TEXTS):
        assert found.count(b"QQ%dQQ" % number) == 1
        found = found.replace(b"QQ%dQQ" % number, b"" if bilingual else text.encode())
    assert found == expected


@EVERY
def test_an_equal_translation_changes_nothing(kind: Format) -> None:
    assert rendered(kind, lambda text: text) == SAMPLES[kind]


@EVERY
@pytest.mark.parametrize("answer", ["Über\u2028alle", 'say "so"', "a \\ b", "e\u0301 \U0001f600", "50 % ok"])
def test_an_answer_comes_back(kind: Format, answer: str) -> None:
    """As the text of the rendered document, or beside its source, on one line."""
    found = rendered(kind, lambda text: answer)
    expected = " ".join(answer.split())
    match kind:
        case "po":
            strings = [entry.msgstr for entry in polib.pofile(found.decode()) if entry.msgid in TEXTS]
            assert strings == [expected] * 2
        case "xcstrings":
            units = [
                entry["localizations"]["fr"]
                for entry in json.loads(found)["strings"].values()
                if len(entry) and "localizations" in entry
            ]
            assert units == [{"stringUnit": {"state": "needs_review", "value": expected}}] * 2
        case "qt":
            targets = etree.fromstring(found).findall(".//translation[@type='unfinished']")
            assert [element.text for element in targets] == [expected] * 2
        case "xliff":
            targets = [element.text for element in etree.fromstring(found).iter("target")]
            assert targets == [expected] * 2
        case _:
            assert [text for document in opened(kind, found) for text in document.texts] == [expected] * 2


@EVERY
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(translate=TRANSLATORS)
def test_no_answer_breaks_the_markup(kind: Format, translate: Callable[[str], str]) -> None:
    # A block without a word is another block of Markdown, or none.
    found = rendered(kind, lambda text: f"a {translate(text)}")
    assert outline(kind, found) == outline(kind, SAMPLES[kind])
