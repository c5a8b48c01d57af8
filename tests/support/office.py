"""Office files and books made up around a piece of XML, and what libraries that are not ours see in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, Literal, get_args
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import docx
import openpyxl
import pptx
from lxml import etree

from mtkit.documents.base import encode

Office = Literal["docx", "pptx", "xlsx", "odt", "epub"]
OFFICE: tuple[Office, ...] = get_args(Office)

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_FORMATS = "http://schemas.openxmlformats.org/"
_W = f'xmlns:w="{_FORMATS}wordprocessingml/2006/main" xmlns:r="{_FORMATS}officeDocument/2006/relationships"'
_P = (
    f'xmlns:p="{_FORMATS}presentationml/2006/main" xmlns:a="{_FORMATS}drawingml/2006/main" '
    f'xmlns:r="{_FORMATS}officeDocument/2006/relationships"'
)
_X = f'xmlns="{_FORMATS}spreadsheetml/2006/main" xmlns:r="{_FORMATS}officeDocument/2006/relationships"'
_RELATIONS = f"{_FORMATS}officeDocument/2006/relationships"
_PACKAGE = f"{_FORMATS}package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument."


def zipped(members: Mapping[str, str | bytes], compression: int = ZIP_DEFLATED) -> bytes:
    """An archive; what is called `mimetype` is stored."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = ZipInfo(name, (2020, 2, 3, 4, 5, 6))
            info.compress_type = ZIP_STORED if name == "mimetype" else compression
            archive.writestr(info, encode(content) if isinstance(content, str) else content)
    return file.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The members of an archive, in order."""
    with ZipFile(BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def attributes(data: bytes) -> list[object]:
    """What an archive says of its members, but for their sizes."""
    with ZipFile(BytesIO(data)) as archive:
        return [
            (
                *(info.filename, info.date_time, info.compress_type, info.comment, info.extra),
                *(info.create_system, info.create_version, info.internal_attr, info.external_attr),
            )
            for info in archive.infolist()
        ]


def _package(
    main: str, parts: Mapping[str, tuple[str, str]], links: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    """The members of an Office file: parts by name, with type and content, and what `main` refers to."""
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPE}{of}+xml"/>' for name, (of, _) in parts.items()
    )
    folder, _, name = main.rpartition("/")
    return {
        "[Content_Types].xml": f'{XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
        "_rels/.rels": _relations({"rId1": ("officeDocument", main)}),
        f"{folder}/_rels/{name}.rels": _relations(links),
        **{part: f"{XML}{content}" for part, (_, content) in parts.items()},
        "media/kept.bin": "\0kept",
    }


def _relations(links: Mapping[str, tuple[str, str]]) -> str:
    outside = ' TargetMode="External"'
    listed = "".join(
        f'<Relationship Id="{key}" Type="{_RELATIONS}/{of}" Target="{target}"'
        f"{outside * (of == 'hyperlink')}/>"
        for key, (of, target) in links.items()
    )
    return f'{XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def members(kind: Office, body: str) -> dict[str, str]:
    """The members of a small file whose main part holds `body`: paragraphs, or strings of cells."""
    match kind:
        case "docx":
            part = f"<w:document {_W}><w:body>{body}<w:sectPr/></w:body></w:document>"
            parts = {"word/document.xml": ("wordprocessingml.document.main", part)}
            return _package("word/document.xml", parts, {"rId9": ("hyperlink", "https://a.org/x")})
        case "pptx":
            slides = '<p:sldIdLst><p:sldId id="256" r:id="rId1"/></p:sldIdLst>'
            group = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
            box = '<p:nvSpPr><p:cNvPr id="2" name="Box"/><p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/>'
            text = f"<p:txBody><a:bodyPr/>{body}</p:txBody>"
            tree = f"<p:spTree>{group}<p:sp>{box}{text}</p:sp></p:spTree>"
            parts = {
                "ppt/presentation.xml": (
                    "presentationml.presentation.main",
                    f"<p:presentation {_P}>{slides}</p:presentation>",
                ),
                "ppt/slides/slide1.xml": (
                    "presentationml.slide",
                    f"<p:sld {_P}><p:cSld>{tree}</p:cSld></p:sld>",
                ),
            }
            return _package("ppt/presentation.xml", parts, {"rId1": ("slide", "slides/slide1.xml")})
        case "xlsx":
            sheets = '<sheets><sheet name="Good morning" sheetId="1" r:id="rId1"/></sheets>'
            rows = "".join(
                f'<row r="{n + 1}"><c r="A{n + 1}" t="s"><v>{n}</v></c><c r="B{n + 1}"><f>1+{n}</f></c></row>'
                for n in range(body.count("<si>"))
            )
            parts = {
                "xl/workbook.xml": ("spreadsheetml.sheet.main", f"<workbook {_X}>{sheets}</workbook>"),
                "xl/worksheets/sheet1.xml": (
                    "spreadsheetml.worksheet",
                    f"<worksheet {_X}><sheetData>{rows}</sheetData></worksheet>",
                ),
                "xl/sharedStrings.xml": ("spreadsheetml.sharedStrings", f"<sst {_X}>{body}</sst>"),
            }
            links = {
                "rId1": ("worksheet", "worksheets/sheet1.xml"),
                "rId2": ("sharedStrings", "sharedStrings.xml"),
            }
            return _package("xl/workbook.xml", parts, links)
        case "odt":
            namespaces = " ".join(
                f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
                for prefix, name in (("office", "office"), ("text", "text"), ("draw", "drawing"))
            )
            text = f"<office:body><office:text>{body}</office:text></office:body>"
            more = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
            return {
                "mimetype": "application/vnd.oasis.opendocument.text",
                "content.xml": f"{XML}<office:document-content {namespaces} {more}>{text}"
                "</office:document-content>",
                "META-INF/manifest.xml": f"{XML}<manifest/>",
                "Pictures/kept.bin": "\0kept",
            }
        case "epub":
            item = '<item id="{0}" href="{0}" media-type="application/xhtml+xml"/>'
            return {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": f"{XML}<container "
                'xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
                '<rootfiles><rootfile full-path="OPS/a.opf" media-type="application/oebps-package+xml"/>'
                "</rootfiles></container>",
                "OPS/a.opf": f'{XML}<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
                '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>2024</dc:title>'
                "<dc:language>en</dc:language></metadata>"
                f"<manifest>{item.format('a%20b.xhtml')}</manifest>"
                "<spine><itemref idref='a%20b.xhtml'/></spine>"
                "</package>",
                "OPS/a b.xhtml": "<!DOCTYPE html>\n"
                '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>'
                f"<body>{body}</body></html>",
                "OPS/kept.css": "p { color: red }",
            }


def office(kind: Office, body: str) -> bytes:
    """The file of `members`."""
    return zipped(members(kind, body))


# ---------------------------------------------------------------- what others see


def structure(kind: Office, data: bytes) -> tuple[list[object], list[Any]]:
    """All that a library sees but for words: paragraphs, styles, links, pictures, members."""
    match kind:
        case "docx":
            found: list[Any] = [*_word(docx.Document(BytesIO(data)))]
        case "pptx":
            found = [*_slides(pptx.Presentation(BytesIO(data)))]
        case "odt" | "epub":
            found = [*_elements(data)]
        case "xlsx":
            found = [*_cells(openpyxl.load_workbook(BytesIO(data), rich_text=True))]
    return attributes(data), found


def _elements(data: bytes) -> Iterator[object]:
    for name, content in unpacked(data).items():
        if content and name.endswith(("ml", ".opf", ".ncx")):
            for element in etree.fromstring(content).iter():
                shown = {key: value for key, value in element.attrib.items() if key not in ("alt", "title")}
                yield element.tag, shown
        else:
            yield name, content


def _word(document: Any) -> Iterator[object]:
    tables = [cell for table in document.tables for row in table.rows for cell in row.cells]
    edges = [part for section in document.sections for part in (section.header, section.footer)]
    for holder in (document, *tables, *(part for part in edges if not part.is_linked_to_previous)):
        for paragraph in holder.paragraphs:
            runs = [run for run in paragraph.runs if run.text.strip()]
            yield (
                paragraph.style.name,
                {
                    (run.bold, run.italic, run.underline, run.style.name, str(run.font.color.rgb))
                    for run in runs
                },
                [link.address for link in paragraph.hyperlinks],
                len(paragraph._p.xpath(".//w:drawing")),
                paragraph._p.xpath(".//w:footnoteReference/@w:id | .//w:bookmarkStart/@w:name | .//w:tab"),
            )


def _slides(show: Any) -> Iterator[object]:
    for slide in show.slides:
        holders = [*slide.shapes, *(slide.notes_slide.shapes if slide.has_notes_slide else [])]
        for shape in holders:
            yield shape.element.tag, shape.name
            frames = [shape.text_frame] if shape.has_text_frame else []
            if getattr(shape, "has_table", False):
                frames = [cell.text_frame for row in shape.table.rows for cell in row.cells]
            for paragraph in (own for frame in frames for own in frame.paragraphs):
                runs = [run for run in paragraph.runs if run.text.strip()]
                fonts = {(run.font.bold, run.font.italic, run.hyperlink.address) for run in runs}
                yield paragraph.level, paragraph.alignment, fonts


def _cells(book: Any) -> Iterator[object]:
    for sheet in book:
        yield sheet.title, sheet.dimensions
        for row in sheet.iter_rows():
            for cell in row:
                text = cell.value if isinstance(cell.value, str) and cell.data_type == "s" else ""
                fonts = (
                    {str(part.font.b) for part in text if hasattr(part, "font")}
                    if not isinstance(text, str)
                    else ()
                )
                kept = cell.value if cell.data_type != "s" else None
                yield cell.coordinate, cell.data_type, kept, fonts, cell.number_format
