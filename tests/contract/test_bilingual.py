"""A bilingual document: without its translations it is the source, and they are those of the other kind."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path

import docx
import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mtkit.documents.formats import BILINGUAL, FILE_FORMATS, FORMATS, LINE_FORMATS, line_format, open_document
from mtkit.errors import InputError, UsageError
from mtkit.translate.account import Account
from mtkit.translate.input import Input
from mtkit.translate.records import TextRecords
from mtkit.translate.request import Request, Translation
from tests.support import subtitles
from tests.support.corpora import corpus
from tests.support.office import office, unpacked
from tests.support.pages import installed_pages
from tests.support.translators import TRANSLATORS, changed

DRAWN = (
    "<w:r><w:drawing><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:drawing></w:r>"
    '<w:bookmarkStart w:id="1" w:name="here"/>'
)
SAMPLES: dict[str, bytes] = {
    "text": b"Good morning\r\n\nThe\tred house \xff",
    "tsv": b'n\ten\tmore\n1\tGood morning\t\xff\n\n2\t"The ""red"" house"\tx\n3\t42\t\n',
    "csv": b'n;en;more\r\n1;Good morning;"a ""b""; c"\r\n\r\n2;"The ""red"" house;\nyes";\r\n3;;"x"\r\n4;42;',
    "srt": b"1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}Good morning,\r\n\r\n"
    b"2\n00:00:02,100 --> 00:00:03,000\nsaid the <i>house</i>.\n\n"
    b"3\n00:00:04,000 --> 00:00:05,000\n- One more?\n- Two more.\n\n"
    b"4\n00:00:06,000 --> 00:00:07,000\n42\n",
    "vtt": b"WEBVTT\n\nNOTE kept\n\na\n00:01.000 --> 00:02.000 align:start\n<v Tom>Good morning,\n\n"
    b"00:02.100 --> 00:04.000\n<v Tom>said the <b>house</b>.\n",
    "ass": b"[Script Info]\nTitle: Kept\n[Events]\n"
    b"Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    b"Dialogue: 0,0:00:01.00,0:00:02.00,A,,0,0,0,,{\\an8}Good\\Nmorning\n"
    b"Dialogue: 0,0:00:03.00,0:00:04.00,A,,0,0,0,,{\\i1}The red house{\\i0} is {\\i1}here{\\i0}\n",
    "html": b"<!DOCTYPE html>\n<html lang=en><head><title>Kept</title></head><body><h1 id=a class=b>Good <i>"
    b"morning</i></h1>\n  <p>The red house</p><p>An open one<p>Another\n<ul><li>Point<ul><li><a href=/>Under"
    b"</a></ul><li>Last</ul>\n<table><tr><td>Cell<td>More</table><nav><a href=/>Home</a><a href=/m>Map</a>"
    b"</nav><div>Before <p>inside</p> behind <label>Name <input></label></div><button>Press</button>"
    b"<a href=/><span>Card</span><div>text</div></a><select><option>Kept</select></body></html>\n",
    "docx": office(
        "docx",
        f'<w:p><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr>{DRAWN}<w:r><w:t>Good morning</w:t>'
        '</w:r><w:bookmarkEnd w:id="1"/></w:p><w:tbl><w:tr><w:tc><w:p><w:r><w:rPr><w:b/></w:rPr><w:t>'
        "The red house</w:t></w:r></w:p></w:tc></w:tr></w:tbl><w:p><w:pPr><w:sectPr/></w:pPr><w:r><w:t>"
        "Section</w:t></w:r></w:p><w:p><w:r><w:t>42</w:t></w:r></w:p>",
    ),
}
EVERY = pytest.mark.parametrize("kind", BILINGUAL)


def rendered(kind: str, translate: Callable[[str], str], is_bilingual: bool) -> bytes:
    """The sample with its translations, into the language `fr`."""
    data = SAMPLES[kind]
    if kind in FILE_FORMATS:
        document = open_document(
            FILE_FORMATS[kind], "a", data, target="fr", column="en", is_bilingual=is_bilingual
        )
        return document.render([translate(text) for text in document.texts])
    if kind in LINE_FORMATS:
        beside = "fr" if is_bilingual else None
        reader = line_format(LINE_FORMATS[kind], "a", column="en", beside=beside)
        lines = [reader.read(line) for line in data.splitlines(keepends=True)]
        return b"".join(line.render([translate(text) for text in line.texts]) for line in lines)
    window = TextRecords(Request(), Account(), is_bilingual).read(data.splitlines(keepends=True))
    return window.render([[Translation(translate(source.text))] for source in window.sources])[1]


# ---------------------------------------------------------------- what others see


def sheet(kind: str, data: bytes) -> list[list[str]]:
    if kind == "csv":
        return list(csv.reader(StringIO(data.decode(), newline=""), delimiter=";"))
    return [line.split("\t") for line in data.decode(errors="surrogateescape").split("\n")]


def page(data: bytes) -> tuple[list[object], list[str], int]:
    """A page without its elements in French, their texts, and the number of errors in it."""
    parser = html5lib.HTMLParser(html5lib.getTreeBuilder("etree"), namespaceHTMLElements=False)
    found: list[object] = []
    translations: list[str] = []
    waiting = [(0, parser.parse(data.decode()))]
    while waiting:
        depth, node = waiting.pop()
        own = [*node]
        words = node.text or ""
        for before, child in zip([None, *own], own, strict=False):
            words += f" {child.tail or ''}"
            if child.get("lang") != "fr":
                continue
            translations.append(plain("".join(child.itertext())))
            node.remove(child)
            if child.tag == "span" and before is not None and before.tag == "br":
                node.remove(before)
        found.append((depth, node.tag, sorted(node.attrib.items()), plain(words)))
        waiting += [(depth + 1, child) for child in node]
    return found, translations, sum(code != "invalid-codepoint" for _, code, _ in parser.errors)


def plain(text: str) -> str:
    return " ".join(text.split())


def paragraphs(data: bytes) -> list[str]:
    body = docx.Document(BytesIO(data)).element.body
    word = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
    return ["".join(own.text or "" for own in each.iter(f"{word}t")) for each in body.iter(f"{word}p")]


def reworded(text: str) -> str:
    return plain(changed(text))


# ---------------------------------------------------------------- what holds


def test_every_bilingual_format_has_a_sample() -> None:
    assert SAMPLES.keys() == {*BILINGUAL}


def test_a_line_is_followed_by_its_translation() -> None:
    before, lines = SAMPLES["text"].split(b"\n"), rendered("text", reworded, True).split(b"\n")
    assert [line.rpartition(b"\t")[0] for line in lines] == [line.removesuffix(b"\r") for line in before]
    assert b"\n".join(line.rpartition(b"\t")[2] for line in lines) == rendered("text", reworded, False)


@pytest.mark.parametrize("kind", ["tsv", "csv"])
@given(translate=TRANSLATORS)
def test_a_table_has_another_column(kind: str, translate: Callable[[str], str]) -> None:
    both = [row for row in sheet(kind, rendered(kind, translate, True)) if len(row) > 1]
    before = [row for row in sheet(kind, SAMPLES[kind]) if len(row) > 1]
    after = [row for row in sheet(kind, rendered(kind, translate, False)) if len(row) > 1]
    assert [[*row[:2], *row[3:]] for row in both] == before
    assert [row[2] for row in both] == ["fr", *(row[1] for row in after[1:])]


@pytest.mark.parametrize("kind", ["tsv", "csv"])
def test_the_new_column_has_a_name_of_its_own(kind: str) -> None:
    source = b"en;fr\n".replace(b";", b"\t" if kind == "tsv" else b";")
    if kind == "csv":
        found = open_document("csv", "a", source, target="fr", column="en", is_bilingual=True).render([])
    else:
        found = line_format("tsv", "a", column="en", beside="fr").read(source).render([])
    assert sheet(kind, found)[0] == ["en", "en.fr", "fr"]


@pytest.mark.parametrize("kind", ["srt", "vtt", "ass"])
@given(translate=TRANSLATORS | st.just(changed))
def test_a_cue_has_its_translation_below(kind: subtitles.Kind, translate: Callable[[str], str]) -> None:
    def words(text: str) -> str:  # a new cue must not begin in the sample
        return f"a {translate(text)}"

    kept, before = subtitles.outline(kind, SAMPLES[kind])
    also_kept, both = subtitles.outline(kind, rendered(kind, words, True))
    _, after = subtitles.outline(kind, rendered(kind, words, False))
    assert also_kept == kept
    for (_, source), (_, own), (_, translation) in zip(before, both, after, strict=True):
        assert own == (source if translation == source else f"{source}\n{translation}")


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_a_tag_for_a_whole_cue_is_not_repeated(kind: str) -> None:
    tag = {"srt": b"{\\an8}", "vtt": b"<v Tom>"}[kind]
    assert rendered(kind, changed, True).count(tag) == SAMPLES[kind].count(tag)


@given(translate=TRANSLATORS | st.just(changed))
def test_a_page_has_elements_in_its_language(translate: Callable[[str], str]) -> None:
    before, _, errors = page(SAMPLES["html"])
    both, found, more = page(rendered("html", lambda text: f"a {translate(text)}", True))
    assert both == before
    assert more <= errors
    assert len(found) == 17


def test_the_elements_of_a_page() -> None:
    found = rendered("html", str.upper, True).decode()
    for expected in (
        '</h1><h1 lang="fr" class=b>GOOD <i>MORNING</i></h1>\n',
        '<p>The red house</p>\n  <p lang="fr">THE RED HOUSE</p><p>An',
        '<p>An open one<p lang="fr">AN OPEN ONE</p><p>Another<p lang="fr">ANOTHER</p>',
        '<li>Point<div lang="fr">POINT</div><ul>',
        '<a href=/m>Map</a><div lang="fr"><a href=/>HOME</a><a href=/m>MAP</a></div></nav>',
        '<label>Name<br/><span lang="fr">NAME</span> <input></label>',
        '<button>Press<br/><span lang="fr">PRESS</span></button>',
        '<span>Card</span><div lang="fr"><span>CARD</span></div><div>text<div lang="fr">TEXT</div></div></a>',
    ):
        assert expected in found


def test_a_paragraph_is_followed_by_its_translation() -> None:
    found = paragraphs(rendered("docx", str.upper, True))
    assert found == [
        *("In a boxIN A BOXGood morning", "In a box", "IN A BOX", "GOOD MORNING"),
        *("The red house", "THE RED HOUSE", "SectionSECTION", "42"),
    ]


@given(translate=TRANSLATORS | st.just(changed))
def test_the_second_paragraph_has_nothing_that_is_there_once(translate: Callable[[str], str]) -> None:
    before, both = (
        etree.fromstring(unpacked(data)["word/document.xml"])
        for data in (SAMPLES["docx"], rendered("docx", lambda text: f"a {translate(text)}", True))
    )
    for name in ("drawing", "bookmarkStart", "bookmarkEnd", "sectPr"):
        assert len(both.findall(f".//{{*}}{name}")) == len(before.findall(f".//{{*}}{name}"))
    assert [own.attrib.values()[0] for own in both.iter("{*}numId")] == ["3", "0"]
    assert len(both.findall(".//{*}tc/{*}p")) == 2


@EVERY
def test_an_equal_translation_changes_at_most_a_table(kind: str) -> None:
    if kind not in ("text", "tsv", "csv"):
        assert rendered(kind, str, True) == SAMPLES[kind]
    else:
        assert rendered(kind, str, True) != SAMPLES[kind]


def check_page(path: Path) -> None:
    data = path.read_bytes()
    try:
        document = open_document("html", path.name, data, target="fr", is_bilingual=True)
    except InputError:
        return
    found, translations, errors = page(document.render([changed(text) for text in document.texts]))
    before, already, errors_before = page(data)
    assert found == before, path
    assert not errors or errors_before, path
    assert len(translations) > len(already) or not document.texts, path


def test_some_real_pages() -> None:
    for path in installed_pages()[::30]:
        check_page(path)


@pytest.mark.slow
def test_many_real_pages() -> None:
    for path in installed_pages():
        check_page(path)


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in BILINGUAL])
def test_other_formats_refuse(kind: str) -> None:
    with pytest.raises(UsageError, match=f"--bilingual has no room in the format {kind}"):
        Input(Path("a"), kind, is_bilingual=True).check(Request())


@pytest.mark.parametrize("request_", [Request(n_best=2), Request(as_json=True)])
def test_a_line_has_room_for_one_translation(request_: Request) -> None:
    with pytest.raises(UsageError, match="--bilingual"):
        Input(None, "text", is_bilingual=True).check(request_)


@pytest.mark.parametrize("name", ["comments", "hyperlinks", "tables"])
def test_real_documents(name: str) -> None:
    data = (corpus("formats") / "more" / "docx" / f"{name}.docx").read_bytes()
    document = open_document("docx", name, data, is_bilingual=True)
    found = paragraphs(document.render([changed(text) for text in document.texts]))
    expected = []
    alone = open_document("docx", name, data)
    for source, translation in zip(
        paragraphs(data), paragraphs(alone.render([changed(text) for text in alone.texts])), strict=True
    ):
        expected += [source] if source == translation else [source, translation]
    assert found == expected
