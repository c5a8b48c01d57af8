"""The examples of the pages about files are what mtkit writes."""

from __future__ import annotations

import re

import pytest

from mtkit.documents.base import Answer
from mtkit.documents.formats import FILE_FORMATS, open_document
from tests.support.corpora import REPOSITORY

EXAMPLE = re.compile(
    r"^```(\w+)\n(.*?)^```\n.*?\| --- \| --- \|\n((?:\|[^\n]*\n)+).*?^```\1\n(.*?)^```",
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("name", ["subtitles", "html", "tables"])
def test_the_example_of_a_page(name: str) -> None:
    page = (REPOSITORY / "docs" / f"files-{name}.md").read_text("utf-8")
    [(kind, source, table, result)] = EXAMPLE.findall(page)
    answers = dict(tuple(row.strip("| ").split(" | ")) for row in table.splitlines())
    column = re.search(r"`--column\s(\w+)`", page)
    document = open_document(FILE_FORMATS[kind], name, source.encode(), column=column[1] if column else 1)
    assert list(document.texts) == list(answers)
    assert document.render([answers[text] for text in document.texts]).decode() == result


def test_the_bilingual_example() -> None:
    page = (REPOSITORY / "docs" / "translate.md").read_text("utf-8")
    source, result = re.findall(r"^```srt\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    document = open_document("srt", "a", source.encode(), target="fr", is_bilingual=True)
    answers = {
        "There is a red chair.": Answer("Il y a une chaise rouge.", [(0, 0), (11, 18), (15, 11), (20, 23)]),
        "Where is the key?": "Où est la clé ?",
        "My name is Simon.": "Je m'appelle Simon.",
    }
    assert document.render([answers[text] for text in document.texts]).decode() == result
