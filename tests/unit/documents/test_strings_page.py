"""The examples of docs/files-strings.md are what mtkit writes."""

from __future__ import annotations

import re

import pytest

from mtkit.documents.base import Answer
from mtkit.documents.formats import FILE_FORMATS, FileFormat, open_document
from tests.support.corpora import REPOSITORY

PAGE = (REPOSITORY / "docs" / "files-strings.md").read_text("utf-8")
FRENCH = {
    "Good morning.": "Bonjour.",
    "The library": "La bibliothèque",
    "There is a red chair.": "Il y a une chaise rouge.",
    "There is a red chair in.": Answer("Il y a une chaise rouge dans.", [(0, 0), (15, 11), (21, 24)]),
    "There are red chairs.": Answer("Il y a chaises rouges.", [(0, 0), (10, 15), (14, 7)]),
}


@pytest.mark.parametrize(
    ("language", "kind"), [("json", "json"), ("yaml", "yaml"), ("xml", "android"), ("ftl", "ftl")]
)
def test_examples(language: str, kind: FileFormat) -> None:
    before, after = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    document = open_document(kind, "a", before.encode(), target="fr")
    assert document.render([FRENCH[text] for text in document.texts]).decode() == after


def test_every_format_of_the_table_exists() -> None:
    named = [
        name
        for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert {*named} <= {*FILE_FORMATS}
    assert len(named) == 10
