"""The example of docs/files-office.md is what mtkit writes."""

from __future__ import annotations

import re

from mtkit.documents.base import Answer
from mtkit.documents.formats import open_document
from tests.support.corpora import REPOSITORY
from tests.support.office import office, unpacked

PAGE = (REPOSITORY / "docs" / "files-office.md").read_text("utf-8")


def test_the_example() -> None:
    before, after = re.findall(r"^```xml\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)
    document = open_document("docx", "a", office("docx", before))
    assert document.texts == ["There is a red chair."]
    answer = Answer("Il y a une chaise rouge.", [(0, 0), (9, 7), (11, 18), (15, 11), (20, 23)])
    assert unpacked(document.render([answer])) == unpacked(office("docx", after))
