from __future__ import annotations

from pathlib import Path

import pytest

from mtkit.errors import InputError
from mtkit.translate.glossary import Glossary, Term, read_glossary, terms_used

TERMS = [Term("art", "l'art"), Term("work of art", "œuvre d'art"), Term("C++", "C++"), Term("Bank", "banque")]


def sources(text: str) -> list[str]:
    return [term.src for term in Glossary(TERMS).find(text, spaced=True)]


def test_terms_are_found_as_words_the_longest_first_whatever_their_case() -> None:
    assert sources("ART and a work of art at the start of C++, in C++20 banks") == [
        "art",
        "work of art",
        "C++",
        "C++",
    ]
    assert sources("the bank's bank") == ["Bank", "Bank"]
    assert sources("") == []


def test_without_spaces_a_term_is_found_anywhere() -> None:
    glossary = Glossary([Term("武宗学府", "academy"), Term("学", "study")])
    assert [term.tgt for term in glossary.find("他在武宗学府上学。", spaced=False)] == ["academy", "study"]


def test_a_term_asked_twice_has_to_stand_twice() -> None:
    assert terms_used([TERMS[3], TERMS[3], TERMS[0]], "La Banque et L'art") == 2


def test_the_first_of_two_targets_counts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text("bank\tbanque\tnoun\n\nBank\trive\n", "utf-8")
    assert [term.tgt for term in read_glossary(path).find("a bank", spaced=True)] == ["banque"]
    assert "terms.tsv:3: its source stands in line 1 too" in caplog.text


@pytest.mark.parametrize(
    ("text", "says"), [("bank banque\n", "terms.tsv:1"), ("a\t \n", ":1"), ("\n", "no term")]
)
def test_a_glossary_without_terms_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "terms.tsv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        read_glossary(path)
