"""Terms and prefixes in pieces: every run spells what was asked, in a context where it may stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.config.data import TokenizerConfig
from mtkit.decode.terms import TermStates
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.glossary import Term
from mtkit.translate.spelling import Speller

TEXTS = [
    "le chat est (sur) l'eau, un porte-clés",
    "Le Chat du port a des clés",
    "l’œuvre d’art",
    "他在玩滑板, 滑板很好",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(train_subwords(TEXTS * 20, TokenizerConfig(vocab_size=120, character_coverage=1.0)))


def spelled(tokenizer: Tokenizer, *targets: str, spaced: bool = True) -> tuple[list[set[str]], list[str]]:
    """The text of each run of each term, and the terms that cannot be spelled."""
    asked, unspelled = Speller(tokenizer, spaced).terms([Term("x", target) for target in targets])
    texts = [set(tokenizer.tgt.decode(list(runs))) for runs in asked.wanted] if asked else []
    return texts, [term.tgt for term in unspelled]


def test_a_term_may_begin_with_a_small_or_a_capital_letter(tokenizer: Tokenizer) -> None:
    assert spelled(tokenizer, "le chat", "Chat") == ([{"le chat", "Le chat"}, {"Chat"}], [])


def test_a_term_may_stand_behind_a_space_and_behind_punctuation(tokenizer: Tokenizer) -> None:
    asked, _ = Speller(tokenizer, spaced=True).terms([Term("x", "eau")])
    assert asked
    begins = {"".join(asked.pieces[token] for token in run) for run in asked.wanted[0]}
    assert {"▁eau", "eau"} <= {begin.replace(" ", "▁") for begin in begins}


@pytest.mark.parametrize(
    "sentence", ["il est sur l'eau", "l'eau est ici", "(eau)", "l’eau", "eau, eau", "un eau"]
)
def test_a_spelled_term_is_recognised_in_any_sentence(tokenizer: Tokenizer, sentence: str) -> None:
    asked, _ = Speller(tokenizer, spaced=True).terms([Term("x", "eau")])
    assert asked
    states = TermStates(asked)
    state = states.START
    for token in [*tokenizer.tgt.encode([sentence])[0], Tokenizer.EOS]:
        state = states.after(state, token)
    assert states.said[state] == states.goal


def test_typography_is_chosen_among_that_of_the_model() -> None:
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    straight = Tokenizer(train_subwords(["l'eau d'art \"oui\" porte-clef"] * 20, options))
    texts, unspelled = spelled(straight, "l’art", "«oui»", "porte‑clef")
    assert [sorted(own)[-1] for own in texts] == ["l'art", '"oui"', "porte-clef"]
    assert not unspelled
    curly = Tokenizer(train_subwords(["l’eau d’art ”oui”"] * 20, options))
    assert "l’art" in spelled(curly, "l'art")[0][0]


def test_between_words_without_spaces_a_term_begins_anywhere(tokenizer: Tokenizer) -> None:
    asked, _ = Speller(tokenizer, spaced=False).terms([Term("skateboard", "滑板")])
    assert asked
    assert not asked.spaced
    assert all("".join(asked.pieces[token] for token in run) == "滑板" for run in asked.wanted[0])


def test_terms_with_characters_that_the_model_lacks_are_told_apart(tokenizer: Tokenizer) -> None:
    assert spelled(tokenizer, "Łódź", "chat", "a ž") == ([{"chat", "Chat"}], ["Łódź", "a ž"])
    assert Speller(tokenizer, spaced=True).terms([Term("x", "Łódź")])[0] is None
    assert Speller(tokenizer, spaced=True).terms([]) == (None, [])


@given(st.text(alphabet="chatsurleopé' -", min_size=1).map(str.strip).filter(bool))
def test_every_run_spells_the_term(tokenizer: Tokenizer, text: str) -> None:
    runs, unspelled = spelled(tokenizer, text)
    clean = tokenizer.form.normalize(text)
    for own in runs:
        assert {run.casefold() for run in own} == {clean.casefold()}
    assert not unspelled


def test_a_prefix_is_spelled_as_the_tokenizer_would(tokenizer: Tokenizer) -> None:
    speller = Speller(tokenizer, spaced=True)
    assert list(speller.prefix("Le chat").ids) == tokenizer.tgt.encode(["Le chat"])[0]
    assert not speller.prefix("Le chat").unknown


@pytest.mark.parametrize(
    ("text", "known", "unknown", "whole"),
    [
        ("est Łódź", "est d", "Łóź", "est Łódź est sur"),
        ("Łódź est", "d est", "Łóź", "Łódź est est sur"),
        ("Łź", "", "Łź", "Łź est sur"),
    ],
)
def test_a_prefix_with_unknown_characters_stays_whole_and_the_model_reads_the_rest(
    tokenizer: Tokenizer, text: str, known: str, unknown: str, whole: str
) -> None:
    prefix = Speller(tokenizer, spaced=True).prefix(text)
    assert Tokenizer.UNK not in prefix.ids
    assert tokenizer.tgt.decode([prefix.ids]) == [known]
    assert prefix.unknown == unknown
    translation = tokenizer.tgt.decode([(*prefix.ids, *tokenizer.tgt.encode(["est sur"])[0])])[0]
    assert prefix.restored(translation, spaced=True) == whole


def test_between_words_without_spaces_no_space_follows_an_unknown_prefix(tokenizer: Tokenizer) -> None:
    assert Speller(tokenizer, spaced=False).prefix("龘").restored("滑板", spaced=False) == "龘滑板"
