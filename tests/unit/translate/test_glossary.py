from __future__ import annotations

import pytest

from mtkit.translate.glossary import Glossary, Term, deal, terms_used

TERMS = [
    Term("art", "l'art"),
    Term("work of art", "œuvre d'art"),
    Term("C++", "C++"),
    Term("Bank", "banque"),
    Term("driver's licence", "permis"),
]


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


def test_typography_does_not_matter() -> None:
    assert sources("a driver’s\xa0licence") == ["driver's licence"]
    assert [term.tgt for term in Glossary([Term("l’art", "art")]).find("l'art", spaced=True)] == ["art"]


def test_forms_of_a_word_are_found_by_what_they_have_in_common() -> None:
    glossary = Glossary(TERMS, lambda word: word.removesuffix("s"))
    assert [term.src for term in glossary.find("Works of art, and banks", spaced=True)] == [
        "work of art",
        "Bank",
    ]


def test_without_spaces_a_term_is_found_anywhere() -> None:
    glossary = Glossary([Term("武宗学府", "academy"), Term("学", "study"), Term("Python", "python")])
    found = glossary.find("他在武宗学府上学用Python和CPython。", spaced=False)
    assert [term.tgt for term in found] == ["academy", "study", "python"]


def test_a_term_asked_twice_has_to_stand_twice() -> None:
    asked = [TERMS[3], TERMS[3], TERMS[0]]
    assert terms_used(asked, "La Banque et L’art", spaced=True) == 2


def test_only_whole_words_count_and_a_term_within_another_has_to_stand_elsewhere_too() -> None:
    chat, chat_noir = Term("cat", "chat"), Term("black cat", "chat noir")
    assert terms_used([chat], "le château", spaced=True) == 0
    assert terms_used([chat, chat_noir], "un chat noir", spaced=True) == 1
    assert terms_used([chat, chat_noir], "un chat et un chat noir", spaced=True) == 2
    assert terms_used([Term("skateboard", "滑板")], "玩滑板", spaced=False) == 1


def test_terms_go_to_the_parts_that_have_their_sources() -> None:
    one, two, absent = Term("bank", "banque"), Term("art", "l'art"), Term("sea", "mer")
    assert deal([two, one, one, absent], ["a Bank", "art, a bank and more"]) == [[one], [two, one, absent]]


@pytest.mark.parametrize("spaced", [True, False])
def test_of_equal_sources_the_first_counts(spaced: bool) -> None:
    glossary = Glossary([Term("bank", "banque"), Term("Bank", "rive")])
    assert len(glossary) == 1
    assert [term.tgt for term in glossary.find("a bank", spaced)] == ["banque"]
