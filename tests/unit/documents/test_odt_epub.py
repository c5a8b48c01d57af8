"""ODT and EPUB: paragraphs with their notes, chapters with their titles, and files that are refused."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from ebooklib import epub

from mtkit.documents.formats import FileFormat, open_document
from mtkit.documents.office.zipped import Bundle
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.office import Office, attributes, members, office, structure, unpacked, zipped
from tests.support.translators import ADVERSARIES

NOTE = (
    '<text:note text:id="a"><text:note-citation>1</text:note-citation>'
    "<text:note-body>{}</text:note-body></text:note>"
)
PARAGRAPHS: dict[str, tuple[str, list[str], str]] = {
    "spans and links": (
        'The <text:span text:style-name="b">red</text:span> house <text:a xlink:href="x">is here</text:a>.',
        ["The red house is here."],
        'THE <text:span text:style-name="b">RED</text:span> HOUSE <text:a xlink:href="x">IS HERE</text:a>.',
    ),
    "spaces, tabs and breaks": (
        "Name<text:tab/>The<text:s/>house<text:line-break/>is old.<text:line-break/>"
        'It<text:s text:c="3"/>stands',
        ["Name", "The house is old.", "It stands"],
        'NAME<text:tab/>THE HOUSE<text:line-break/>IS OLD.<text:line-break/>IT<text:s text:c="3"/>STANDS',
    ),
    "a note": (
        f"The house{NOTE.format('<text:p>It is red</text:p>')} stands",
        ["The house stands", "It is red"],
        f"THE HOUSE{NOTE.format('<text:p>IT IS RED</text:p>')} STANDS",
    ),
    "a comment": (
        "The house<office:annotation><text:p>Kept</text:p></office:annotation>",
        ["The house"],
        "THE HOUSE<office:annotation><text:p>Kept</text:p></office:annotation>",
    ),
    "a text box": (
        "<draw:frame><draw:text-box><text:p>Inside</text:p></draw:text-box></draw:frame>The house",
        ["The house", "Inside"],
        "<draw:frame><draw:text-box><text:p>INSIDE</text:p></draw:text-box></draw:frame>THE HOUSE",
    ),
    "a field": (
        "On page <text:page-number>seven</text:page-number> of it",
        ["On page of it"],
        "ON PAGE <text:page-number>seven</text:page-number> OF IT",
    ),
}


@pytest.mark.parametrize("name", PARAGRAPHS)
def test_a_paragraph_of_a_text(name: str) -> None:
    body, texts, expected = PARAGRAPHS[name]
    document = open_document("odt", "a", office("odt", f"<text:p>{body}</text:p>"))
    assert document.texts == texts
    found = unpacked(document.render([text.upper() for text in texts]))["content.xml"].decode()
    assert f"<text:p>{expected}</text:p></office:text>" in found


def test_what_was_deleted_stays() -> None:
    body = "<text:tracked-changes><text:deletion><text:p>Old</text:p></text:deletion></text:tracked-changes>"
    assert open_document("odt", "a", office("odt", f"{body}<text:h>New</text:h>")).texts == ["New"]


def test_the_titles_of_a_book() -> None:
    whole = members("epub", "<p>Body &amp; text</p>")
    item = '<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    whole["OPS/a.opf"] = (
        whole["OPS/a.opf"].replace(">2024<", ">The book<").replace("</manifest>", f"{item}</manifest>")
    )
    whole["OPS/toc.ncx"] = "<ncx><navLabel><text>Chapter one</text></navLabel></ncx>"
    document = open_document("epub", "a", zipped(whole))
    assert document.texts == ["The book", "Body & text", "Chapter one"]
    assert isinstance(document, Bundle)
    assert document.languages == ("en", "")
    found = document.render(["Le <livre>", "Corps & texte", "Un"])
    assert (
        epub.read_epub(BytesIO(found), {"ignore_ncx": True}).get_metadata("DC", "title")[0][0] == "Le <livre>"
    )
    assert b"<text>Un</text>" in unpacked(found)["OPS/toc.ncx"]
    assert b"<p>Corps &amp; texte</p>" in unpacked(found)["OPS/a b.xhtml"]
    assert next(iter(unpacked(found))) == "mimetype"
    assert attributes(found) == attributes(zipped(whole))


def changed(kind: Office, member: str, old: str, new: str) -> bytes:
    whole = members(kind, "")
    whole[member] = whole.get(member, "").replace(old, new)
    return zipped(whole)


def encrypted(algorithm: str) -> bytes:
    method = f'<encryption><EncryptionMethod Algorithm="{algorithm}"/></encryption>'
    return zipped({**members("epub", ""), "META-INF/encryption.xml": method})


DTD = '<!DOCTYPE html [<!ENTITY a "b">]>'
REFUSED: dict[str, tuple[FileFormat, bytes, str]] = {
    "a renamed file": ("odt", office("docx", ""), "a: is not an OpenDocument text"),
    "a renamed book": ("epub", office("odt", ""), "a: is not an EPUB file"),
    "a password": (
        "odt",
        changed("odt", "META-INF/manifest.xml", "<man", "<encryption-data/><man"),
        "a: is encrypted",
    ),
    "a signed text": (
        "odt",
        zipped({**members("odt", ""), "META-INF/documentsignatures.xml": ""}),
        "a: is signed",
    ),
    "entities": (
        "odt",
        changed("odt", "content.xml", "?>", f"?>{DTD}"),
        "a: content.xml:1: declares entities",
    ),
    "entities in a chapter": (
        "epub",
        changed("epub", "OPS/a b.xhtml", "<!DOCTYPE html>", DTD),
        "a: OPS/a b.xhtml declares",
    ),
    "protection": ("epub", encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc"), "a: is protected"),
    "no package": (
        "epub",
        changed("epub", "META-INF/container.xml", "a.opf", "b.opf"),
        "a: OPS/b.opf is not there",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    kind, data, message = REFUSED[name]
    with pytest.raises(InputError, match=f"^{re.escape(message)}"):
        open_document(kind, "a", data)


def test_obfuscated_fonts_are_no_protection() -> None:
    assert open_document("epub", "a", encrypted("http://www.idpf.org/2008/embedding")).texts == []


@pytest.mark.parametrize(
    "name", ["odt/list", "odt/sample", "odt/okapi-document01", "epub/minimal", "epub/alice"]
)
def test_a_real_file_keeps_its_structure(name: str) -> None:
    kind: Office = "odt" if name.startswith("odt") else "epub"
    data = (corpus("formats") / "more" / f"{name}.{kind}").read_bytes()
    document = open_document(kind, name, data)
    assert len(document.texts) >= 5
    assert document.render(document.texts) == data
    expected = elements(kind, data)
    marked = [" ".join(f"{word}x" for word in text.split(" ")) for text in document.texts]
    for answers in (
        marked,
        *([translate(text) for text in document.texts] for translate in ADVERSARIES[1:4]),
    ):
        found = document.render(answers)
        assert elements(kind, found) == expected


def elements(kind: Office, data: bytes) -> list[object]:
    """The structure but for single spaces, which are text."""
    said, found = structure(kind, data)
    return [said, *(own for own in found if not str(own[0]).endswith("}s") or own[1])]
