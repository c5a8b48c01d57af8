"""Word, PowerPoint and Excel: runs are one text, styles land on their words, and all else stays."""

from __future__ import annotations

import re
from io import BytesIO

import docx
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from openpyxl.worksheet.table import Table

from mtkit.documents.base import Answer
from mtkit.documents.formats import open_document
from mtkit.errors import InputError
from tests.support.corpora import corpus
from tests.support.office import Office, members, office, structure, unpacked, zipped
from tests.support.translators import ADVERSARIES, TRANSLATORS

MAIN = {"docx": "word/document.xml", "pptx": "ppt/slides/slide1.xml", "xlsx": "xl/sharedStrings.xml"}
BOLD, LINK = "<w:rPr><w:b/></w:rPr>", '<w:hyperlink r:id="rId9">'


def run(text: str, properties: str = "") -> str:
    space = ' xml:space="preserve"' * (text != text.strip())
    return f"<w:r>{properties}<w:t{space}>{text}</w:t></w:r>"


def begin(code: str) -> str:
    inside = ('<w:fldChar w:fldCharType="begin"/>', f"<w:instrText> {code} </w:instrText>", "separate")
    return f'<w:r>{inside[0]}</w:r><w:r>{inside[1]}</w:r><w:r><w:fldChar w:fldCharType="{inside[2]}"/></w:r>'


END = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
NOTE = '<w:r><w:footnoteReference w:id="2"/></w:r>'
SUM = '<m:oMath xmlns:m="urn:m"><m:r><m:t>abc</m:t></m:r></m:oMath>'
PAGE = f"{begin('PAGE')}{run('seven')}{END}"
OPEN_LINK = begin('HYPERLINK "https://a.org"')


def box(text: str) -> str:
    return f"<w:r><w:pict><w:txbxContent><w:p>{text}</w:p></w:txbxContent></w:pict></w:r>"


PARAGRAPHS: dict[str, tuple[str, list[str], str]] = {
    "one run": (run("The house"), ["The house"], run("THE HOUSE")),
    "a word of another style": (
        run("The ") + run("red", BOLD) + run(" house"),
        ["The red house"],
        run("THE ") + run("RED", BOLD) + run(" HOUSE"),
    ),
    "runs that look the same": (
        '<w:r w:rsidR="1"><w:t xml:space="preserve">The h</w:t></w:r><w:proofErr w:type="gramStart"/>'
        '<w:r w:rsidR="2"><w:rPr><w:lang w:val="en-GB"/><w:noProof/></w:rPr><w:t>ouse</w:t></w:r>',
        ["The house"],
        '<w:r w:rsidR="1"><w:t>THE HOUSE</w:t></w:r>',
    ),
    "a space of another style": (
        run("Red", BOLD) + run(" ") + run("house", BOLD) + run(" is here now"),
        ["Red house is here now"],
        run("RED HOUSE", BOLD) + run(" IS HERE NOW"),
    ),
    "white space that does not count": (
        "<w:r><w:t> The </w:t></w:r><w:r><w:rPr/><w:t>\n house</w:t></w:r>",
        ["Thehouse"],
        run("THEHOUSE"),
    ),
    "a link": (
        run("The ") + LINK + run("red ", BOLD) + run("house", BOLD) + "</w:hyperlink>" + run("."),
        ["The red house."],
        run("THE ") + LINK + run("RED HOUSE", BOLD) + "</w:hyperlink>" + run("."),
    ),
    "a word of another style in a link": (
        run("The ") + LINK + run("red house ") + run("here", BOLD) + "</w:hyperlink>" + run(" is old"),
        ["The red house here is old"],
        run("THE ") + LINK + run("RED HOUSE ") + run("HERE", BOLD) + "</w:hyperlink>" + run(" IS OLD"),
    ),
    "fields": (
        run("See ") + OPEN_LINK + run("this house") + END + run(" on page ") + PAGE + run("."),
        ["See this house on page."],
        run("SEE ") + OPEN_LINK + run("THIS HOUSE") + END + run(" ON PAGE ") + PAGE + run("."),
    ),
    "a field over several paragraphs": (
        begin("TOC") + run("The house"),
        ["The house"],
        begin("TOC") + run("THE HOUSE"),
    ),
    "notes": (
        run("One house") + NOTE + run(" and two") + NOTE + run("."),
        ["One house and two."],
        run("ONE HOUSE") + NOTE + run(" AND TWO") + NOTE + run("."),
    ),
    "tabs and breaks": (
        "<w:r><w:t>Name</w:t><w:tab/><w:t>The house</w:t><w:br/><w:t>is old.</w:t><w:br/>"
        "<w:t>It is red</w:t></w:r>",
        ["Name", "The house is old.", "It is red"],
        run("NAME")
        + "<w:r><w:tab/></w:r>"
        + run("THE HOUSE")
        + "<w:r><w:br/></w:r>"
        + run("IS OLD.")
        + "<w:r><w:br/></w:r>"
        + run("IT IS RED"),
    ),
    "tracked changes": (
        '<w:del w:id="2"><w:r><w:delText>Old </w:delText></w:r></w:del><w:ins w:id="1">'
        + run("The house")
        + "</w:ins>"
        + run(" stands"),
        ["The house stands"],
        '<w:del w:id="2"><w:r><w:delText>Old </w:delText></w:r></w:del><w:ins w:id="1">'
        + run("THE HOUSE")
        + "</w:ins>"
        + run(" STANDS"),
    ),
    "a content control": (
        "<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent>"
        + run("House")
        + "</w:sdtContent></w:sdt>"
        + run(" here"),
        ["House here"],
        "<w:sdt><w:sdtPr><w:alias/></w:sdtPr><w:sdtContent>"
        + run("HOUSE")
        + "</w:sdtContent></w:sdt>"
        + run(" HERE"),
    ),
    "hyphens": (
        run("An e")
        + "<w:r><w:noBreakHyphen/></w:r>"
        + run("mail or a num")
        + "<w:r><w:softHyphen/></w:r>"
        + run("ber"),
        ["An e\u2011mail or a number"],
        run("AN E\u2011MAIL OR A NUMBER"),
    ),
    "a formula": (
        run("The ") + SUM + run(" is a sum"),
        ["The is a sum"],
        run("THE ") + SUM + run(" IS A SUM"),
    ),
    "a figure of another style in a word": (
        run("The H") + run("2", BOLD) + run("O is water"),
        ["The is water"],
        run("THE H") + run("2", BOLD) + run("O IS WATER"),
    ),
    "bookmarks": (
        '<w:pPr><w:jc w:val="left"/></w:pPr><w:bookmarkStart w:id="0" w:name="a"/>'
        + run("House")
        + '<w:bookmarkEnd w:id="0"/>',
        ["House"],
        '<w:pPr><w:jc w:val="left"/></w:pPr><w:bookmarkStart w:id="0" w:name="a"/>'
        + run("HOUSE")
        + '<w:bookmarkEnd w:id="0"/>',
    ),
    "a text box": (
        run("The house") + box(run("Inside ") + run("it", BOLD)) + box(run("7")) + run(" stands"),
        ["The house stands", "Inside it"],
        run("THE HOUSE") + box(run("INSIDE ") + run("IT", BOLD)) + box(run("7")) + run(" STANDS"),
    ),
    "characters of XML": (run("A &lt; B &amp; C"), ["A < B & C"], run("A &lt; B &amp; C")),
    "a section of characters": (run("<![CDATA[The <b>]]><!-- x --> house"), ["The <b> house"], ""),
    "no letter": (run("2024 – 2025"), [], run("2024 – 2025")),
}


def inner(kind: Office, data: bytes) -> str:
    """What stands in the first paragraph or string."""
    source = unpacked(data)[MAIN[kind]].decode()
    return source[re.search(r"<(?:\w+:)?(?:p|si)>", source).end() :]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", PARAGRAPHS)
def test_a_paragraph_of_word(name: str) -> None:
    body, texts, expected = PARAGRAPHS[name]
    document = open_document("docx", "a", office("docx", f"<w:p>{body}</w:p>"))
    assert document.texts == texts
    found = inner("docx", document.render([text.upper() for text in texts]))
    assert not expected or found.startswith(f"{expected}</w:p>")


def test_emphasis_goes_where_its_word_goes() -> None:
    document = open_document(
        "docx", "a", office("docx", f"<w:p>{run('very red ')}{run('house', BOLD)}</w:p>")
    )
    [text] = document.texts
    found = document.render([Answer("maison rouge", [(text.index("house"), 0), (text.index("red"), 7)])])
    assert inner("docx", found).startswith(f"{run('maison', BOLD)}{run(' rouge')}</w:p>")


def test_a_word_of_a_slide() -> None:
    """Marks that only the program reads make no other style, and no white space needs to be kept by force."""
    body = (
        '<a:p><a:r><a:rPr lang="en" dirty="0"/><a:t>The </a:t></a:r><a:r><a:rPr lang="fr" b="1" err="1"/>'
        '<a:t>red</a:t></a:r><a:r><a:rPr lang="en"/><a:t> house</a:t></a:r><a:br/>'
        '<a:fld id="{1}" type="slidenum"><a:t>seven</a:t></a:fld><a:endParaRPr lang="en"/></a:p>'
    )
    document = open_document("pptx", "a", office("pptx", body))
    assert document.texts == ["The red house"]
    found = inner("pptx", document.render(["THE RED HOUSE"]))
    assert found.startswith(
        '<a:r><a:rPr lang="en" dirty="0"/><a:t>THE </a:t></a:r><a:r><a:rPr lang="fr" b="1" err="1"/>'
        '<a:t>RED</a:t></a:r><a:r><a:rPr lang="en" dirty="0"/><a:t> HOUSE</a:t></a:r><a:br/>'
        '<a:fld id="{1}" type="slidenum"><a:t>seven</a:t></a:fld><a:endParaRPr lang="en"/></a:p>'
    )


CELLS: dict[str, tuple[str, list[str], str]] = {
    "plain": ("<t>The house</t>", ["The house"], "<t>THE HOUSE</t>"),
    "rich": (
        '<r><t xml:space="preserve">The old </t></r><r><rPr><b/></rPr><t>house</t></r>',
        ["The old house"],
        '<r><t xml:space="preserve">THE OLD </t></r><r><rPr><b/></rPr><t>HOUSE</t></r>',
    ),
    "lines": (
        "<t>The house.\nIt is_x000D_\nred</t>",
        ["The house.", "It is red"],
        "<t>THE HOUSE.\nIT IS_x000D_\nRED</t>",
    ),
    "readings": ('<t>The house</t><rPh sb="0" eb="1"><t>x</t></rPh>', ["The house"], "<t>THE HOUSE</t>"),
    "edges": ('<t xml:space="preserve"> House </t>', ["House"], '<t xml:space="preserve"> HOUSE </t>'),
    "a number as text": ("<t>1,000</t>", [], "<t>1,000</t>"),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell(name: str) -> None:
    body, texts, expected = CELLS[name]
    document = open_document("xlsx", "a", office("xlsx", f"<si>{body}</si>"))
    assert document.texts == texts
    assert inner("xlsx", document.render([text.upper() for text in texts])).startswith(f"{expected}</si>")


def test_cells_that_formulas_and_tables_name_stay() -> None:
    """Names of sheets, formulas, and the heads of a table, which Excel compares with the table's own."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Red house"
    sheet.append(["Name", "The price"])
    sheet.append(["A house", '=LEN("The house")'])
    sheet.add_table(Table(displayName="Houses", ref="A1:B2"))
    file = BytesIO()
    book.save(file)
    document = open_document("xlsx", "a", file.getvalue())
    assert document.texts == ["A house"]
    found = openpyxl.load_workbook(BytesIO(document.render(["UNE MAISON"])))["Red house"]
    assert [[cell.value for cell in row] for row in found.rows] == [
        ["Name", "The price"],
        ["UNE MAISON", '=LEN("The house")'],
    ]
    assert found.tables["Houses"].column_names == ["Name", "The price"]


def test_strings_inside_a_sheet() -> None:
    whole = members("xlsx", "<si><t>1</t></si>")
    sheet = whole["xl/worksheets/sheet1.xml"]
    whole["xl/worksheets/sheet1.xml"] = sheet.replace(
        '<c r="A1" t="s"><v>0</v></c>', '<c r="A1" t="inlineStr"><is><t>The house</t></is></c>'
    )
    document = open_document("xlsx", "a", zipped(whole))
    assert document.texts == ["The house"]
    found = openpyxl.load_workbook(BytesIO(document.render(["LA MAISON"]))).active
    assert (found["A1"].value, found["B1"].value) == ("LA MAISON", "=1+0")


def test_headers_notes_and_macros() -> None:
    """All parts with text are read, and a file with macros as any other."""
    whole = members("docx", f"<w:p>{run('Body text')}</w:p>")
    types = whole["[Content_Types].xml"]
    office_type = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    for name in ("header", "footnotes", "comments"):
        root = {"header": "hdr"}.get(name, name)
        whole[f"word/{name}1.xml"] = (
            whole["word/document.xml"]
            .replace("w:document", f"w:{root}")
            .replace("Body text", f"Text of {name}")
        )
        types = types.replace(
            "</Types>",
            f'<Override PartName="/word/{name}1.xml" ContentType="{office_type}.{name}+xml"/></Types>',
        )
    macro = "application/vnd.ms-word.document.macroEnabled.main+xml"
    whole["[Content_Types].xml"] = types.replace(f"{office_type}.document.main+xml", macro)
    document = open_document("docx", "a", zipped(whole))
    assert document.texts == ["Body text", "Text of header", "Text of footnotes"]


def test_a_part_in_utf_16_stays_so() -> None:
    whole = members("docx", f"<w:p>{run('The house')}</w:p>")
    source = whole.pop("word/document.xml").replace("UTF-8", "UTF-16")
    packed = zipped({**whole, "word/document.xml": source.encode("utf-16")})
    document = open_document("docx", "a", packed)
    found = unpacked(document.render(["Das Häuschen"]))["word/document.xml"]
    assert found.decode("utf-16") == source.replace("The house", "Das Häuschen")
    assert docx.Document(BytesIO(document.render(["Das Häuschen"]))).paragraphs[0].text == "Das Häuschen"


def entity(kind: Office) -> bytes:
    whole = members(kind, "")
    whole[MAIN[kind]] = whole[MAIN[kind]].replace("?>", '?><!DOCTYPE x [<!ENTITY a "aaaa">]>', 1)
    return zipped(whole)


def signed() -> bytes:
    whole = members("docx", "")
    kind = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
    whole["[Content_Types].xml"] = whole["[Content_Types].xml"].replace(
        "</Types>", f'<Override PartName="/media/kept.bin" ContentType="{kind}"/></Types>'
    )
    return zipped(whole)


REFUSED = {
    "another office file": (office("pptx", ""), "^a: is a pptx file, expected docx"),
    "another archive": (zipped({"a.xml": "<a/>"}), "^a: is of another format, expected docx"),
    "entities": (entity("docx"), "^a: word/document.xml:1: declares entities"),
    "not well-formed": (office("docx", "<w:p>"), "^a: word/document.xml:2: is not well-formed XML"),
    "a signature": (signed(), "^a: is signed"),
    "depth": (office("docx", "<w:p>" * 300 + "</w:p>" * 300), "nested more than 256 deep"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    data, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        open_document("docx", "a", data)


# ---------------------------------------------------------------- whatever the elements and the answers

NAMES = (
    "w:r",
    "w:hyperlink",
    "w:ins",
    "w:sdt",
    "w:sdtContent",
    "w:sdtPr",
    "w:p",
    "w:del",
    "w:pict",
    "w:txbxContent",
)
LEAVES = (
    *(
        "<w:r/>",
        "<w:tab/>",
        "<w:br/>",
        "<w:p/>",
        "<w:t/>",
        BOLD,
        "<w:t>words of it</w:t>",
        run("red "),
        run("house", BOLD),
    ),
    *(f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")),
    *(
        "<w:r><w:instrText>HYPERLINK</w:instrText></w:r>",
        NOTE,
        PAGE,
        SUM,
        "<w:r><w:noBreakHyphen/></w:r>",
        " ",
    ),
)
TREES = st.recursive(
    st.lists(st.sampled_from(LEAVES), max_size=4).map("".join),
    lambda inside: st.lists(
        st.builds(lambda name, body: f"<{name}>{body}</{name}>", st.sampled_from(NAMES), inside), max_size=4
    ).map("".join),
    max_leaves=12,
)


def skeleton(data: bytes) -> dict[str, list[str]]:
    """The elements of each part but for runs, which are as many as the words need."""
    return {
        name: [
            element.tag
            for element in etree.fromstring(part).iter("{*}*")
            if not element.tag.endswith(
                ("}r", "}rPr", "}t", "}noBreakHyphen", "}proofErr", "}lastRenderedPageBreak")
            )
            and all(not around.tag.endswith("}rPr") for around in element.iterancestors())
        ]
        for name, part in unpacked(data).items()
        if name.endswith((".xml", ".rels"))
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(body=TREES, translate=TRANSLATORS)
def test_any_elements_stay(body: str, translate: object) -> None:
    data = office("docx", f"<w:p>{body}</w:p>")
    document = open_document("docx", "a", data)
    assert document.render(document.texts) == data
    found = document.render([translate(text) for text in document.texts])  # type: ignore[operator]
    assert skeleton(found) == skeleton(data)


# ---------------------------------------------------------------- real files


REAL = [
    *("docx/comments", "docx/hyperlinks", "docx/tables"),
    *("pptx/bold-italics", "pptx/notes", "pptx/text-frame"),
]


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_keeps_its_structure(name: str) -> None:
    kind: Office = "docx" if name.startswith("docx") else "pptx"
    data = (corpus("formats") / "more" / f"{name}.{kind}").read_bytes()
    document = open_document(kind, name, data)
    assert len(document.texts) >= 2
    assert document.render(document.texts) == data
    expected = structure(kind, data)
    found = document.render([" ".join(f"{word}x" for word in text.split()) for text in document.texts])
    assert structure(kind, found) == expected
    assert [text.count("x") >= len(text.split()) for text in open_document(kind, name, found).texts]
    for translate in ADVERSARIES:
        found = document.render([translate(text) for text in document.texts])
        assert skeleton(found) == skeleton(data)
