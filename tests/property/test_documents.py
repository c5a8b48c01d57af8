"""Any bytes as any format of documents: read and rendered, or refused with a clear error; nothing else."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.documents.base import decode, encode
from mtkit.documents.formats import FileFormat, LineFormat
from mtkit.errors import MtkitError
from tests.support.hostile import FRAMES, UNITS, framed, opened
from tests.support.office import OFFICE, office
from tests.support.translators import NASTY

KINDS = (*get_args(LineFormat), *get_args(FileFormat))
PARTS: dict[str, tuple[str, ...]] = {
    "tsv": ("\t", "Hello\n"),
    "jsonl": ('{"text": "', '"}\n', '"terms": {"a": "b"}, ', '{"a": [', "\\ud800", "9" * 5000, "[" * 2000),
    "md": (
        *(
            "---\n",
            "+++\n",
            "title: ",
            "title = ",
            '{"title": "',
            "```\n",
            "```{note}\n",
            ":::tip ",
            ":::\n",
            "    ",
        ),
        *(
            "a | b\n--|--\n",
            "[a]: b\n",
            "<script>",
            "</script>\n",
            "[^1]: ",
            ": ",
            "!!! note\n",
            '=== "',
            "$$\n",
        ),
        *("\\[", "\\begin{a}\n", "\\end{a}\n", "{{< code >}}\n", "{% raw %}", "[[a|", "]]", "> [!NOTE]\n"),
        *("<Tab a={", "}>\n", "import {a}\n", "<p translate=no>\n", "</p>\n", '](a "', "*[a]: ", "{.a}"),
    ),
    "html": ("<p>", "</p>", "<script>", "</script>", "<svg translate='no'>", "<![if x]>", "<!doctype", "</>"),
    "srt": ("1\n00:00:01,000 --> 00:00:02,000\n", "-->", "{\\an8}", "<i>", "- a"),
    "vtt": ("WEBVTT\n\n", "00:01.000 --> 00:02.000\n", "-->", "<v A>", "</v>", "<c.a>", "NOTE a\n", "\n\n"),
    "ass": ("[Events]\n", "Dialogue: 0,0:00:01.00,0:00:02.00,,,,,,,", "{\\p1}", "{\\i1}", "\\N", "\\h", "\n"),
    "csv": (",", ";", '"', '""', "\n", "\r", "sep=;\n"),
    "po": (
        'msgid "',
        'msgstr ""\n',
        '"\n',
        'msgid_plural "',
        'msgstr[0] ""\n',
        "#~ ",
        'msgctxt "',
        "\\n",
        ":r:`",
        "#, fuzzy\n",
        "nplurals=3; plural=n;\\n",
        "charset=latin-1\\n",
    ),
    "xliff": (
        *(
            "<xliff>",
            "</xliff>",
            "<trans-unit>",
            "</trans-unit>",
            "<source>",
            "</source>",
            "<target/>",
            "<target>",
        ),
        *(
            "</target>",
            "<g>",
            "</g>",
            "<ph/>",
            "<!-- ",
            " -->",
            "]]>",
            "<segment>",
            "</segment>",
            "<seg-source/>",
        ),
        *("<a:source xmlns:a='b'>", "</a:source>", "<?xml version='1.0' encoding='utf-16'?>", "<?x ?>"),
        *("<mrk mtype='seg' mid='1'>", "</mrk>", "<mrk translate='no'>", "<sm id='1' translate='no'/>"),
    ),
    "json": (
        '{"a": "',
        '"}',
        "[",
        "]",
        "{",
        '": "',
        ",",
        "\\ud800",
        "9" * 5000,
        "[" * 2000,
        "{{",
        "{n, plural, ",
    ),
    "arb": (
        '{"a": "',
        '"}',
        '{"@@locale": "en", "a": "',
        '", "b": "',
        "{n, plural, one{",
        "{n, select, ",
        "''",
    ),
    "strings": (
        '"a" = "',
        '";\n',
        "/* ",
        "*/",
        "// ",
        "\\U00e9",
        "\\Ud83d",
        "\\101",
        "\\n",
        "b = c;",
        "%1$@",
        "\xff\xfe",
    ),
    "stringsdict": (
        "<plist>",
        "</plist>",
        "<dict>",
        "</dict>",
        "<key>",
        "</key>",
        "<string>",
        "</string>",
        "%#@a@",
        "<!--",
        "-->",
    ),
    "android": (
        "<resources>",
        "</resources>",
        "<string>",
        "</string>",
        "<plurals>",
        "</plurals>",
        "<item>",
        "</item>",
        "<![CDATA[",
        "]]>",
        "\\n",
        "\\u00e9",
        "\\'",
        "@string/a",
        "<x:g xmlns:x='y'>",
        "</x:g>",
    ),
    "properties": (
        "a = ",
        "\n",
        "\\\n",
        "\\u00e9",
        "\\u",
        "\\n",
        "# ",
        "{0}",
        "''",
        "{0,choice,",
        "${a b}",
        "\xe9",
    ),
    "qt": (
        "<TS>",
        "</TS>",
        "<message>",
        "<message numerus='yes'>",
        "</message>",
        "<source>",
        "</source>",
        "<translation>",
        "</translation>",
        "<translation/>",
        "<numerusform/>",
        "&amp;",
        "%n",
        "<comment/>",
    ),
    "docx": (
        *(
            "<w:p>",
            "</w:p>",
            "<w:r>",
            "</w:r>",
            "<w:t>",
            "</w:t>",
            "<w:tab/>",
            "<w:hyperlink>",
            "</w:hyperlink>",
        ),
        *(
            "<w:p><w:r><w:t>a </w:t></w:r></w:p>",
            "<w:r/>",
            "<w:rPr><w:b/></w:rPr>",
            "<w:p/>",
            "<w:t/>",
            "<w:br/>",
        ),
    ),
    "pptx": ("<a:p>", "</a:p>", "<a:r><a:t>", "</a:t></a:r>", "<a:br/>", "<a:rPr b='1'/>", "<a:r/>"),
    "odt": (
        "<text:p>",
        "</text:p>",
        "<text:span>",
        "</text:span>",
        "<text:s/>",
        "<text:tab/>",
        "<text:note/>",
    ),
    "epub": ("<p>", "</p>", "<b>", "</b>", "<br/>", "<script/>", "<img alt='a b'/>"),
    "xlsx": ("<si>", "</si>", "<t>", "</t>", "<r>", "</r>", "<si><t>a b</t></si>", "<si/>", "<rPh/>"),
    "xcstrings": (
        *(
            '{"sourceLanguage": "en", "strings": {',
            '"a": {"localizations": {"fr": {}}}',
            '"b": {}',
            ",",
            "}}",
        ),
        *(
            '"c": {"localizations": {"en": ',
            "{}",
            '{"stringUnit": {"state": "new", "value": "x"}}',
            "[]",
            "1",
        ),
    ),
    "yaml": (
        *(
            "a: ",
            "\n",
            "\n  ",
            "- ",
            "|\n  a\n",
            ">-\n  a\n  b\n",
            "&x ",
            "*x",
            "!t ",
            "'a'",
            '"a\\n"',
            "[",
            "]",
        ),
        *("{", "}", "? ", "# ", "---\n", "%{a}", "[" * 2000, "en:\n  "),
    ),
    "ftl": (
        *(
            "a = ",
            "\n",
            "\n    ",
            "-t = ",
            "{ $a }",
            '{ "{" }',
            "{ $a ->",
            "[one] ",
            "*[other] ",
            "}",
            ".b = ",
        ),
        *("# a\n", "{" * 500, "\r\n"),
    ),
}
"""What a document of each format is made of."""

ALIEN = st.sampled_from([encode(unit) for unit in UNITS]) | st.binary(max_size=4)
NUMBER = st.sampled_from(
    ["&#" + "9" * 5000 + ";", "&#x" + "f" * 5000 + ";", "&#xd800;", "&#0;", "%" + "0" * 50]
)


def documents(kind: FileFormat | LineFormat) -> st.SearchStrategy[bytes]:
    own = st.sampled_from([part.encode() for part in PARTS[kind]])
    parts = own | ALIEN | NUMBER.map(str.encode) | st.just(b"Hello ")
    text = st.lists(st.sampled_from(UNITS) | NUMBER | st.just("Hello "), max_size=8).map("".join)
    whole = st.sampled_from(FRAMES[kind])
    whole_or_part = st.lists(parts, max_size=16).map(b"".join)
    if kind in OFFICE:
        whole_or_part = whole_or_part.map(lambda body: office(kind, decode(body)))
    return whole_or_part | st.builds(framed, st.just(kind), whole, text)


def check(kind: FileFormat | LineFormat, data: bytes) -> None:
    try:
        found = opened(kind, data)
    except MtkitError:
        return
    for document in found:
        for text in document.texts:
            assert text.strip()
        document.render(document.texts)
        document.render([f"{NASTY}{text}" for text in document.texts])
        document.render([text[::-1] for text in document.texts])
    assert b"".join(document.render(document.texts) for document in found) == data


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_rendered_or_refused(kind: Any, data: st.DataObject) -> None:
    check(kind, data.draw(documents(kind)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10_000, derandomize=False, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_many_bytes_are_rendered_or_refused(kind: Any, data: st.DataObject) -> None:
    check(kind, data.draw(documents(kind)))


@pytest.mark.parametrize(
    "page", ["<p>Hello</p><![![", "<p>Hello</p><![x[<![", "<p>Hello &#" + "9" * 5000 + ";"]
)
def test_pages_that_the_standard_library_fails_at(page: str) -> None:
    check("html", page.encode())
