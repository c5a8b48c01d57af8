"""The glossaries that docs/translate.md shows find the terms that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mtkit.translate.term_files import read_glossary
from tests.support.corpora import REPOSITORY

PAGE = (REPOSITORY / "docs" / "translate.md").read_text("utf-8").partition("\n## Terms\n")[2]
EXAMPLES = re.findall(
    r"^\| ([^|]*?) +\| ?([^|]*?) ?\|$", PAGE.partition("| --- |")[2].partition("\n\n")[0], re.M
)


@pytest.mark.parametrize(("language", "name"), [("csv", "terms.csv"), ("xml", "terms.tbx")])
def test_a_glossary_finds_what_the_page_says(tmp_path: Path, language: str, name: str) -> None:
    pytest.importorskip("simplemma")
    [example] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / name
    path.write_text(example, "utf-8")
    glossary = read_glossary(path, ("en", "fr"))
    assert len(EXAMPLES) == 3
    for text, terms in EXAMPLES:
        found = [term.tgt for term in glossary.find(text, spaced=True)]
        assert found == list(filter(None, terms.split(", ")))
