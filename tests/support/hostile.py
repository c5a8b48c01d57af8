"""What strangers' texts may be made of, and documents around it."""

from __future__ import annotations

import json
import re
from typing import get_args

from mtkit.documents.base import Document, encode
from mtkit.documents.formats import FileFormat, LineFormat, line_format, open_document
from tests.support.office import OFFICE, office

UNITS = (
    *("<a ", "<br ", "<meta ", '<a b="', "<a b='", "<!--", "<![", "<?", "</a", "<a>", "<pre>", "&", "&amp;"),
    *(
        "{{",
        "{",
        "%0",
        "%(a",
        "$",
        ":",
        "::::",
        "://",
        "www.",
        "www. ",
        "a@",
        "a.",
        "- ",
        "-",
        "> ",
        "_",
        "a_",
    ),
    *("`", "`` ", "~", "# ", "|", "- |", "[", "]", "![", "](", "[^", "\\", "'", '"', "0", "1.", "⟦", "⟦1⟧"),
    *("a", "A a ", " ", "\t", "\n", "a\n", " \n", "\r\n", "\u2028", "\0", "!", "!a", "。", "\u200d", "\x1b["),
    *("e\u0301\u0316", "\u0301\u0316", "中", "\U0001f3f4\U000e0061", "\ufeff", "\udcff"),
)
AROUND = (("", ""), ("Hello ", " x"), ("www. ", ""), ("a ", "b"), ("%", "!"), ("<a ", ">"), ("![", ""))
FRAMES: dict[FileFormat | LineFormat, tuple[str, ...]] = {
    "tsv": ("@\n",),
    "jsonl": ("@", '{"text": "@"}'),
    "md": ("@", "a | b\n--|--\n@ | x\n", "* one\n\n  @\n", "---\ntitle: @\n---\n"),
    "html": ("@", "<p>Hello @</p>", "<script>@", "<pre>@", "<p title='@'>Hello</p>"),
    "srt": ("@", "1\n00:00:01,000 --> 00:00:02,000\n@\n", "1\n00:00:01,000 --> 00:00:02,000\n- a\n- @\n"),
    "vtt": (
        "@",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n@\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>a\n- @\n",
    ),
    "ass": (
        "@",
        "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,,@\n",
        "[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,,,,,,,{\\p1}m{\\p0}a\\N@\n",
    ),
    "csv": ("@", '"@",b\nc,d\n', "a;b\n@;c\n"),
    "po": (
        "@",
        'msgid "@"\nmsgstr ""\n',
        'msgid "a"\nmsgstr ""\n\n#, @\nmsgid "b"\nmsgstr ""\n',
        'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=@;\\n"\n\n'
        '#, c-format\nmsgid "a"\nmsgid_plural "@"\nmsgstr[0] ""\n',
    ),
    "xliff": (
        "@",
        "<xliff><trans-unit><source>@</source></trans-unit></xliff>",
        '<xliff><trans-unit><source a="@">Hello <g>you</g></source></trans-unit></xliff>',
        "<xliff><trans-unit><source><![CDATA[@]]></source><target/></trans-unit></xliff>",
        '<xliff><trans-unit xml:space="preserve"><source>a</source><seg-source><mrk mtype="seg" mid="1">@'
        '</mrk><mrk mtype="seg" mid="2">b</mrk></seg-source></trans-unit></xliff>',
    ),
    "json": ("@", '{"a": "@", "b": ["@"]}', '{"@": {"message": "@"}}'),
    "arb": ("@", '{"a": "{n, plural, one{@} other{b}}", "b": "@"}'),
    "stringsdict": (
        "@",
        "<plist><dict><key>@</key><string>@</string></dict></plist>",
        "<plist><dict><key>a</key><dict><key>b</key><string>a <!--b-->@</string></dict></dict></plist>",
    ),
    "android": (
        "@",
        "<resources><string>@</string></resources>",
        "<resources><string>a <b>@</b> <g>b</g></string></resources>",
        '<resources><plurals><item>"@"</item></plurals><string><![CDATA[@]]></string></resources>',
    ),
    "properties": ("@", "a=@\n", "# @\na: {0} @\\\n  @", "a = it''s @"),
    "qt": (
        "@",
        "<TS><context><message><source>@</source></message></context></TS>",
        "<TS><message><source>a @</source><translation/></message></TS>",
        "<TS><message numerus='yes'><source>%n @</source>"
        "<translation><numerusform/></translation></message></TS>",
    ),
    "xcstrings": (
        "@",
        '{"sourceLanguage": "en", "strings": {"@": {"localizations": {"fr": {}}}, "b@": {}}}',
        '{"sourceLanguage": "en", "strings": {"a": {"localizations": {"en": {"stringUnit": {"value": "@"}}, '
        '"fr": {"stringUnit": {"state": "new", "value": "@"}}}}}}',
    ),
    "yaml": ("@", 'a: "@"\nb: [c, "@"]\n', "a: '@'\nb: >\n  @\n\nc: |\n  @\n", "a: @\n"),
    "ftl": ("@", "a = @\n", "a =\n    { $a ->\n        [b] @\n       *[c] d\n    } @\n    .e = @\n"),
    "strings": ("@", '/* @ */ "a" = "@";\n// @\na="b@";'),
    "docx": (
        "@",
        "<w:p><w:r><w:t>Hello </w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>@</w:t><w:tab/></w:r></w:p>",
    ),
    "pptx": ("@",),
    "xlsx": ("@",),
    "odt": ("@",),
    "epub": ("@",),
}
"""Of each format: documents with a place for a text."""


def framed(kind: FileFormat | LineFormat, frame: str, text: str) -> bytes:
    """The bytes of a document with `text`, spelled as the format has it where it is more than the place."""
    if frame != "@":
        match kind:
            case "yaml" | "ftl":
                text = re.sub(r"[\\\r\n\"']", "", text)
            case "properties":
                text = re.sub(r"[\\\r\n]", "", text)
            case "tsv":
                text = text.replace("\n", " ").replace("\t", " ")
            case "csv":
                text = text.replace('"', '""').replace(";", "")
            case "jsonl" | "json" | "arb" | "strings" | "xcstrings":
                text = json.dumps(text)[1:-1]
            case "po":
                text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\0", "")
            case "xliff" | "android" | "stringsdict" | "qt" | "docx" | "pptx" | "xlsx" if (
                "CDATA" not in frame
            ):
                text = (
                    text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;").replace("\0", "")
                )
    whole = frame.replace("@", text).replace("\ud800", "\ufffd")
    return office(kind, whole) if kind in OFFICE else encode(whole)


def opened(kind: FileFormat | LineFormat, data: bytes) -> list[Document]:
    """The document, or that of each line."""
    if kind in get_args(FileFormat):
        return [open_document(kind, "a", data)]  # type: ignore[arg-type]
    reader = line_format(kind, "a", terms="terms" if kind == "jsonl" else "")  # type: ignore[arg-type]
    return [reader.read(line) for line in data.splitlines(keepends=True)]
