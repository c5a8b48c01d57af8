"""Bilingual documents of Word: each paragraph is followed by its translation.

The second paragraph has the looks of the first one, and nothing that may be only once in a document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mtkit.documents.elements import XmlNode, read_nodes
from mtkit.documents.spans import Slot

_ONCE = {
    *("drawing", "pict", "object", "AlternateContent", "sectPr", "pageBreakBefore", "del", "moveFrom"),
    *("bookmarkStart", "bookmarkEnd", "commentRangeStart", "commentRangeEnd", "commentReference"),
    *("footnoteReference", "endnoteReference", "footnoteRef", "endnoteRef", "annotationRef"),
    *("moveFromRangeStart", "moveFromRangeEnd", "moveToRangeStart", "moveToRangeEnd"),
    *("permStart", "permEnd", "lastRenderedPageBreak", "id", "dataBinding"),
}
_FIELD = {"fldChar", "instrText"}
_ID = re.compile(r"\s(?:\w+:)?(?:paraId|textId)=(?:\"[^\"]*\"|'[^']*')")
_PREFIX = re.compile(r"[</\s]([A-Za-z_][\w.-]*+):")
_NUMBER = re.compile(r"(<(?:\w+:)?numId\b[^<>]*?\bval=[\"'])[^\"']*")


def followed_slot(source: str, node: XmlNode, slot: Slot, nested: Sequence[Slot]) -> Slot:
    """The slot of a paragraph that stays and is followed by its translation.

    Args:
        source: the part of the document.
        node: the paragraph.
        slot: of its content.
        nested: slots of paragraphs inside it, whose texts are the last ones of `slot`.
    """
    tag, end = source[node.start : node.text], source[node.text_end : node.end]
    own = len(slot.texts) - sum(len(each.texts) for each in nested)
    inside = [text for each in nested for text in each.texts]

    def write(answers: Sequence[str]) -> str:
        first = slot.write([*slot.texts[:own], *answers[own:]])
        second = slot.write([*answers[:own], *inside])
        if second == source[node.text : node.text_end]:
            return tag + first + end
        second = _copied(_ID.sub("", tag) + second + end)
        look = node.child("pPr")
        if look is None or look.child("sectPr") is None:
            return tag + first + end + second
        # The last paragraph of a section ends it, and takes its translation up after a line break.
        prefix = re.split("p[ />]", tag, maxsplit=1)[0]
        whole, copy = _parsed(second)
        begin = next((each.end for each in copy.children if each.name == "pPr"), copy.text)
        return f"{tag}{first}{prefix}r>{prefix}br/></{prefix[1:]}r>{whole[begin : copy.text_end]}{end}"

    return Slot(node.start, node.end, slot.texts, write)


def _copied(paragraph: str) -> str:
    """A paragraph without what may be only once in a document, and without its number in a list."""
    whole, copy = _parsed(paragraph)
    kinds = [node.attributes.get("fldCharType") for node in copy.descendants() if node.name == "fldChar"]
    omitted = _ONCE if kinds.count("begin") == kinds.count("end") else _ONCE | _FIELD
    parts, place = [], copy.start
    for node in copy.descendants():
        is_break = node.name == "br" and node.attributes.get("type") in ("page", "column")
        if node.start >= place and (node.name in omitted or is_break):
            parts.append(whole[place : node.start])
            place = node.end
    return _NUMBER.sub(r"\g<1>0", "".join([*parts, whole[place : copy.end]]))


def _parsed(paragraph: str) -> tuple[str, XmlNode]:
    """A paragraph in an element that declares its prefixes, and its place there."""
    declared = " ".join(f'xmlns:{name}="{name}"' for name in {*_PREFIX.findall(paragraph)} - {"xml", "xmlns"})
    whole = f"<all {declared}>{paragraph}</all>"
    [node] = read_nodes("", whole, "all", {"p"})
    return whole, node
