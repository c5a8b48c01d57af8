"""What a model that was trained with matches is given of a translation memory."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.fixed import MAX_TOKENS
from mtkit.documents.formats import open_document
from mtkit.errors import UsageError
from mtkit.text.form import TextForm
from mtkit.text.fuzzy import FuzzyIndex
from mtkit.text.subwords import SEPARATOR, train_subwords
from mtkit.text.term_marks import TERM_MARKS
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import Account
from mtkit.translate.glossary import Glossary, Term
from mtkit.translate.records import document_windows, show
from mtkit.translate.request import Request, Source, Translation
from mtkit.translate.translation_memory import TranslationMemory
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import EchoEngine

FORM = TextForm()
CAT = "the cat sat on the mat"
ENTRIES = {CAT: "le chat est sur le tapis", "a dog ran": "un chien a couru"}
NEAR = "the dog sat on the mat"


def memory(entries: Mapping[str, str] = ENTRIES) -> TranslationMemory:
    return TranslationMemory(entries.items(), FORM.normalize)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    texts = [*ENTRIES, *ENTRIES.values(), "See https://x.yz. Voir http:// www."]
    options = TokenizerConfig(vocab_size=90, character_coverage=1.0)
    return Tokenizer(train_subwords(texts * 20, options, tags=["<2fr>", SEPARATOR]))


@pytest.fixture
def engine() -> EchoEngine:
    return EchoEngine()


@pytest.fixture
def translator(engine: EchoEngine, tokenizer: Tokenizer) -> Translator:
    options = DecodeConfig(split="always")
    return Translator(engine, tokenizer, options, ("en", "fr"), ("2fr",), min_match=0.5)


def translated(
    translator: Translator, line: str, request: Request, account: Account | None = None
) -> Translation:
    window = Window([Source(line, 0)], lambda found: found[0][0])
    return next(translator.results([window], request, account))


def seen(tokenizer: Tokenizer, ids: list[int]) -> tuple[str, str]:
    """The source and the match in the input of a model."""
    [separator] = tokenizer.match([])
    assert ids[:1] == tokenizer.tag_ids(["2fr"])
    place = ids.index(separator) if separator in ids else len(ids)
    src, match = tokenizer.src.decode([ids[1:place], ids[place + 1 :]])
    return src, match


def test_the_separator_is_no_tag(tokenizer: Tokenizer) -> None:
    assert tokenizer.src.tags == ("2fr",)
    assert tokenizer.takes_matches
    assert tokenizer.tgt.decode([tokenizer.match(tokenizer.tgt.encode([CAT])[0])]) == [CAT]
    assert not Tokenizer(train_subwords([CAT] * 9, TokenizerConfig(vocab_size=30))).takes_matches


def test_the_model_reads_the_source_and_the_translation_of_the_most_similar_entry(
    translator: Translator, engine: EchoEngine, tokenizer: Tokenizer
) -> None:
    account = Account()
    found = translated(translator, NEAR, Request(memory=memory()), account)
    assert seen(tokenizer, engine.calls[0][0]) == (NEAR, ENTRIES[CAT])
    assert found.match is not None
    assert (found.origin, found.match.src, found.match.score) == ("fuzzy", CAT, 1 - 1 / 6)
    assert (account.matched, account.recalled, account.partly_recalled) == (1, 0, 0)


def test_exact_matches_come_first_and_texts_without_any_stay_plain(
    translator: Translator, engine: EchoEngine, tokenizer: Tokenizer
) -> None:
    request = Request(memory=memory())
    assert translated(translator, CAT, request).origin == "memory"
    assert not engine.calls
    found = translated(translator, "the red tapis", request)
    assert (found.origin, found.match) == ("model", None)
    assert seen(tokenizer, engine.calls[0][0]) == ("the red tapis", "")


def test_a_model_that_learned_both_reads_terms_in_the_source_and_the_match_after_it(
    engine: EchoEngine,
) -> None:
    texts = [*ENTRIES, *ENTRIES.values(), "toutou"]
    options = TokenizerConfig(vocab_size=60, character_coverage=1.0)
    tokenizer = Tokenizer(train_subwords(texts * 20, options, tags=["<2fr>", SEPARATOR, *TERM_MARKS]))
    translator = Translator(
        engine, tokenizer, DecodeConfig(), ("en", "fr"), ("2fr",), min_match=0.5, reads_terms=True
    )
    glossary = Glossary([Term("dog", "toutou")])
    translated(translator, NEAR, Request(memory=memory(), glossary=glossary, glossary_mode="soft"))
    [read] = engine.calls[0]
    pieces = tokenizer.src.pieces(read)
    begin, middle, end = TERM_MARKS
    expected = f"<2fr> the {begin} dog {middle} toutou {end} sat on the mat{SEPARATOR} {ENTRIES[CAT]}"
    assert "".join(pieces).replace("▁", " ").replace(" ", "") == expected.replace(" ", "")


@pytest.mark.parametrize("least", [None, 0.9, 1])
def test_only_similar_enough_entries_count(translator: Translator, least: float | None) -> None:
    found = translated(translator, NEAR, Request(memory=memory(), min_match=least))
    assert (found.origin == "fuzzy") == (least is None)


def test_sentences_of_a_line_have_their_own(translator: Translator) -> None:
    account = Account()
    line = "A dog ran. The dog sat on the mat. Le tapis."
    entries = {"A dog ran.": "Un chien.", "The cat sat on the mat.": "Le chat."}
    found = translated(translator, line, Request(memory=memory(entries)), account)
    assert [part.origin for part in found.parts] == ["memory", "fuzzy", "model"]
    assert [part.match.score if part.match else None for part in found.parts] == [None, 1 - 2 / 7, None]
    assert found.origin == "model"
    assert (account.matched, account.partly_recalled) == (1, 1)


def test_json_shows_the_match(translator: Translator) -> None:
    request = Request(memory=memory(), as_json=True)
    [shown] = json.loads(show(request)(0, [translated(translator, NEAR, request)]))["hypotheses"]
    assert shown["origin"] == "fuzzy"
    assert shown["match"] == {"score": 0.8333, "source": CAT, "text": ENTRIES[CAT]}


def test_links_are_with_the_words_of_the_source(translator: Translator) -> None:
    found = translated(translator, NEAR, Request(memory=memory(), alignment=True))
    assert found.links
    assert {src for src, _ in found.links} == set(range(len(NEAR.split())))


def test_a_match_that_is_too_long_is_left_out(
    translator: Translator, engine: EchoEngine, tokenizer: Tokenizer
) -> None:
    entries = {CAT: "le chat " * MAX_TOKENS}
    assert translated(translator, NEAR, Request(memory=memory(entries))).origin == "model"
    assert seen(tokenizer, engine.calls[0][0])[1] == ""


def test_addresses_are_in_neither(translator: Translator, engine: EchoEngine, tokenizer: Tokenizer) -> None:
    entries = {"See the cat on https://a.bc/cat the mat": "Voir le chat http://a.bc/chat tapis"}
    text = "See the dog on https://x.yz/dog the mat"
    found = translated(translator, text, Request(memory=memory(entries)))
    src, match = seen(tokenizer, engine.calls[0][0])
    assert "http" not in src + match
    assert found.text.count("https://x.yz/dog") == 1
    assert "a.bc" not in found.text
    assert found.origin == "fuzzy"


def test_terms_stay_in_force(translator: Translator, engine: EchoEngine, tokenizer: Tokenizer) -> None:
    glossary = Glossary([Term("dog", "chien")])
    translated(translator, NEAR, Request(memory=memory(), glossary=glossary))
    assert seen(tokenizer, engine.calls[0][0])[1] == ENTRIES[CAT]


def test_texts_of_documents_have_matches(translator: Translator) -> None:
    account = Account()
    document = open_document("md", "x", f"# {NEAR}\n\n- a dog\n- {CAT}\n".encode())
    windows = document_windows(document)
    for _ in translator.results(windows, Request(memory=memory()), account):
        pass
    assert (account.matched, account.recalled) == (2, 1)


def test_the_index_is_built_once_for_many_calls(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[float] = []

    def build(texts: list[str], least: float) -> FuzzyIndex:
        built.append(least)
        return FuzzyIndex(texts, least)

    monkeypatch.setattr("mtkit.text.fuzzy.FuzzyIndex", build)
    known = memory()
    for least in (None, None, 0.7):
        translated(translator, NEAR, Request(memory=known, min_match=least))
    assert built == [0.5, 0.7]


@pytest.mark.parametrize(
    ("trained", "asked", "said"),
    [
        (None, 0.7, "--min-match 0.7: the model was not trained to use similar translations."),
        (0.6, 0.5, "--min-match 0.5: the model was trained with matches from 0.6 on."),
        (0.6, 1.5, "--min-match 1.5: expected a number above 0, at most 1."),
    ],
)
def test_what_the_model_cannot_use_is_refused(
    engine: EchoEngine, tokenizer: Tokenizer, trained: float | None, asked: float, said: str
) -> None:
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"), min_match=trained)
    with pytest.raises(UsageError) as caught:
        translated(translator, NEAR, Request(memory=memory(), min_match=asked))
    assert caught.value.message == said


def test_a_model_without_matches_gets_exact_ones(engine: EchoEngine, tokenizer: Tokenizer) -> None:
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    assert translated(translator, NEAR, Request(memory=memory())).origin == "model"
    assert translated(translator, CAT, Request(memory=memory(), min_match=1)).origin == "memory"


def test_without_rapidfuzz_only_exact_ones_can_be_asked_for(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--memory: rapidfuzz is not installed"):
        translated(translator, NEAR, Request(memory=memory()))
    assert translated(translator, CAT, Request(memory=memory(), min_match=1)).origin == "memory"
