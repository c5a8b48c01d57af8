"""Glossaries as people have them: tables and TBX."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from lxml import etree

from mtkit.errors import InputError
from mtkit.translate.inflection import build_stem
from mtkit.translate.term_files import read_glossary
from tests.support.corpora import corpus

LANGUAGES = ("en", "fr")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", "bank\tbanque\tnoun\n\nriver\trive\n"),
        ("t.tsv", "en\tfr\nbank\tbanque\nriver\trive\n"),
        ("t.tsv", "FR-fr\tnote\ten_GB\nbanque\tx\tbank\nrive\t\triver\n"),
        ("t.txt", "Source\tTarget\nbank\tbanque\nriver\trive\n"),
        ("t.csv", 'id,source,target\n1,"bank",banque\n2,river,"rive"\n'),
        ("t.csv", "bank,banque\nriver,rive\n"),
    ],
)
def test_a_header_names_columns_and_is_no_term(tmp_path: Path, name: str, text: str) -> None:
    glossary = read_glossary(write(tmp_path, name, text), LANGUAGES)
    assert len(glossary) == 2
    assert [term.tgt for term in glossary.find("the bank of the river", spaced=True)] == ["banque", "rive"]


def test_only_the_first_row_is_a_header(tmp_path: Path) -> None:
    glossary = read_glossary(write(tmp_path, "t.tsv", "bank\tbanque\nsource\ttarget\n"), LANGUAGES)
    assert [term.tgt for term in glossary.find("the source", spaced=True)] == ["target"]


def test_the_first_of_two_targets_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "terms.tsv", "bank\tbanque\tnoun\n\nBank\trive\n")
    assert [term.tgt for term in read_glossary(path).find("a bank", spaced=True)] == ["banque"]
    assert "terms.tsv:3: its source stands in line 1 too" in caplog.text


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.tsv", "bank banque\n", "t.tsv:1"),
        ("t.tsv", "a\t \n", ":1"),
        ("t.tsv", "\n", "no term"),
        ("t.tsv", "en\tfr\n", "no term"),
        ("t.csv", "en,fr\nbank,\n", "t.csv:2"),
        ("t.csv", 'a,"b\n', "t.csv:1"),
        ("t.tbx", "<martif><text/></martif>", "none of its 0 entries"),
        ("t.tbx", '<!DOCTYPE martif [<!ENTITY a "b">]><martif/>', "entities"),
        ("t.tbx", "<martif>", "t.tbx:1"),
    ],
)
def test_a_glossary_without_terms_is_refused(tmp_path: Path, name: str, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_glossary(write(tmp_path, name, text), LANGUAGES)


TBX = """\
<tbx xmlns="urn:iso:std:iso:30042:ed-2"><text><body><conceptEntry>
<langSec xml:lang="en-GB"><termSec><term>lorry</term></termSec><termSec><term>truck</term></termSec></langSec>
<langSec xml:lang="fr">
<termSec><term>char</term><termNote type="administrativeStatus">deprecatedTerm-admn-sts</termNote></termSec>
<termSec><term>camion</term></termSec></langSec>
</conceptEntry></body></text></tbx>
"""


def test_tbx_gives_each_source_the_first_target_in_use(tmp_path: Path) -> None:
    glossary = read_glossary(write(tmp_path, "t.tbx", TBX), LANGUAGES)
    assert [term.tgt for term in glossary.find("a lorry, a truck", spaced=True)] == ["camion", "camion"]


def test_a_real_term_base_gives_the_entries_that_lxml_sees() -> None:
    path = corpus("formats") / "more/tbx/iate-mini.tbx.xml"
    code = "{http://www.w3.org/XML/1998/namespace}lang"
    entries = [
        {own.get(code): [term.text.casefold() for term in own.iter("term")] for own in entry.iter("langSet")}
        for entry in etree.parse(path).iter("termEntry")
    ]
    sources = {source for entry in entries if "fr" in entry for source in entry.get("en", ())}
    assert sources
    glossary = read_glossary(path, LANGUAGES)
    assert len(glossary) == len(sources)
    assert all(glossary.find(source, spaced=True) for source in sources)


def test_plurals_are_found_by_simplemma_and_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    forms = {"en": ("stations", "station"), "fr": ("gares", "gare"), "de": ("Impfstoffe", "Impfstoff")}
    for installed in (True, False):
        if not installed:
            monkeypatch.setitem(sys.modules, "simplemma", None)
        for language, (plural, singular) in forms.items():
            assert build_stem(language)(plural) == build_stem(language)(singular)
            assert build_stem(language)("US") == "US"
    assert build_stem("")("stations") == "stations"
