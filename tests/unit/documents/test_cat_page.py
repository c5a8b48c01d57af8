"""The examples of docs/files-cat.md are what mtkit writes."""

from __future__ import annotations

import re

import pytest

from mtkit.documents.base import Answer
from mtkit.documents.catalogues.po import PoOptions, open_po
from mtkit.documents.catalogues.xliff import open_xliff
from tests.support.corpora import REPOSITORY

PAGE = (REPOSITORY / "docs" / "files-cat.md").read_text("utf-8")
FRENCH = {
    "The library is behind the bus station.": "La bibliothèque est derrière la gare routière.",
    "There is a red chair.": Answer("Il y a une chaise rouge.", [(11, 18), (15, 11)]),  # red, chair
    "There are red chairs.": "Il y a chaises rouges.",
    "Good morning.": "Bonjour.",
}


@pytest.mark.parametrize(("language", "encoding"), [("po", "iso-8859-1"), ("xml", "utf-8")])
def test_examples(language: str, encoding: str) -> None:
    before, after = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    data = before.encode(encoding)
    document = open_po("a.po", data, PoOptions(fuzzy=True)) if language == "po" else open_xliff("a.xlf", data)
    found = document.render([FRENCH[text] for text in document.texts]).decode(encoding)
    assert found == after
