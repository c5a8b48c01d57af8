"""Terms that the model has no pieces for stand in place of their sources, whatever the model says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import UNPLACED, UNSPELLED, Account
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.records import show
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import EchoEngine, TextEngine
from tests.support.translators import ADVERSARIES

TEXTS = [
    "There is a red chair in the bathroom of the driver's house.",
    "Which driver bought red chairs? Is he from Munich?",
    "红椅在家里。红红椅椅。",
]
BATHROOM = Term("bathroom", "浴室")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(train_subwords(TEXTS * 20, TokenizerConfig(vocab_size=90, character_coverage=1.0)))


def translated(
    tokenizer: Tokenizer,
    source: Source,
    glossary: Sequence[Term] = (),
    engine: EchoEngine | None = None,
    languages: tuple[str, str] = ("en", "fr"),
    stem: Callable[[str], str] = str,
) -> tuple[Translation, Account]:
    translator = Translator(engine or EchoEngine(), tokenizer, DecodeConfig(), languages)
    request = Request(glossary=Glossary(glossary, stem), own_terms=True, alignment=True)
    account = Account()
    window = Window([source], lambda found: found)
    [[[best, *_]]] = translator.results([window], request, account)
    return best, account


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("There is a red chair in the bathroom.", "There is a red chair in the 浴室."),
        ("Bathroom, bathroom: Is he (bathroom) from %s?", "浴室, 浴室: Is he (浴室) from %s?"),
        ("Is he in the bathroom? There is a chair.", "Is he in the 浴室? There is a chair."),
        ("Which bathrooms are red?", "Which bathrooms are red?"),
        ("bathroom", "浴室"),
        (
            "{n, plural, one {a bathroom} other {red # bathroom}}",
            "{n, plural, one {a 浴室} other {red # 浴室}}",
        ),
    ],
)
def test_the_term_stands_where_its_source_stood(tokenizer: Tokenizer, line: str, expected: str) -> None:
    best, account = translated(tokenizer, Source(line, 0), [BATHROOM])
    assert best.text == expected
    assert best.is_placed
    times = expected.count("浴室")
    assert account.terms_requested == account.terms_used == times
    said = [note.text for note in account.notes if note.kind == UNSPELLED]
    assert bool(said) is bool(times)
    assert all("the term 浴室: it stands in place of its source" in text for text in said)


def test_the_model_does_not_see_the_source_of_an_inserted_term(tokenizer: Tokenizer) -> None:
    engine = EchoEngine()
    translated(tokenizer, Source("Is the bathroom red?", 0), [BATHROOM], engine)
    assert tokenizer.src.decode(engine.calls[0]) == ["Is the red?"]


def test_other_forms_and_typography_of_a_source_are_replaced_too(tokenizer: Tokenizer) -> None:
    terms = [Term("driver's house", "司机"), Term("red chair", "座")]
    source = Source("Which red chairs? The driver’s house.", 0)
    best, _ = translated(tokenizer, source, terms, stem=lambda word: word.removesuffix("s"))
    assert best.text == "Which 座? The 司机."


def test_a_term_of_the_line_is_inserted_or_said_to_be_missing(tokenizer: Tokenizer) -> None:
    terms = (Term("Munich", "慕尼黑"), Term("Berlin", "柏林"), Term("chair", "house"))
    best, account = translated(tokenizer, Source("Is the chair from Munich?", 0, terms=terms))
    assert best.text == "Is the chair from 慕尼黑?"  # the engine ignores what it is asked for
    assert (account.terms_requested, account.terms_used) == (3, 1)
    assert [note.text.rpartition(": ")[2] for note in account.notes] == [
        "it stands in place of its source.",
        "its source is not in the text.",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Is he from Łódź?", "Is he from Munich?"),
        ("Łódź's chair, the café: Which?", "Munich's chair, the house: Which?"),
        ("Is he from ¿Łódź Munich?", "Is he from ¿Munich Munich?"),
        ("Is he from xŁódź?", "Is he from xŁódź?"),
    ],
)
def test_a_source_that_the_model_cannot_spell_is_found(
    tokenizer: Tokenizer, line: str, expected: str
) -> None:
    best, account = translated(tokenizer, Source(line, 0), [Term("Łódź", "Munich"), Term("café", "house")])
    assert best.text == expected
    assert account.terms_requested == account.terms_used


def test_such_a_source_of_a_line_of_its_own_is_found(tokenizer: Tokenizer) -> None:
    source = Source("Is he from Łódź?", 0, terms=(Term("Łódź", "Munich"),))
    best, account = translated(tokenizer, source)
    assert best.text == "Is he from Munich?"
    assert (account.terms_requested, account.terms_used) == (1, 1)


def test_links_lead_to_a_term_and_past_it_to_the_same_words(tokenizer: Tokenizer) -> None:
    best, _ = translated(tokenizer, Source("Is the bathroom of the driver red?", 0), [BATHROOM])
    assert best.text == "Is the 浴室 of the driver red?"
    assert best.links == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6))


@pytest.mark.parametrize("change", ADVERSARIES)
@pytest.mark.parametrize(
    "line", ["The bathroom is red.", "Is %s from the red bathroom (bathroom) of Munich?"]
)
def test_no_term_is_lost_or_invented(tokenizer: Tokenizer, line: str, change: Callable[[str], str]) -> None:
    best, account = translated(tokenizer, Source(line, 0), [BATHROOM], TextEngine(tokenizer, change))
    assert best.is_placed
    assert best.text.count("浴室") == line.count("bathroom")
    assert "bathroom" not in best.text
    assert account.terms_used == line.count("bathroom")


def test_a_term_that_cannot_be_placed_is_reported(tokenizer: Tokenizer) -> None:
    def nested(text: str) -> str:
        """Where a span is taken out, another is left, too often to go on."""
        return "红" * 20 + "椅" * 20

    source = Source("在红椅里家", 0)
    best, account = translated(
        tokenizer, source, [Term("红椅", "chaise ĝ")], TextEngine(tokenizer, nested), ("zh", "fr")
    )
    assert best.text == source.text
    assert account.counts[UNPLACED] == 1
    assert account.terms_used == 0
    [shown] = json.loads(show(Request(as_json=True))(0, [best]))["hypotheses"]
    assert shown["unplaced"] is True
