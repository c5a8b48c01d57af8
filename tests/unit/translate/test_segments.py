"""Nothing of a line is lost: sentences, spaces between them, and all that is not words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtkit.config.data import TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.decode.hypothesis import Demand, Hypothesis
from mtkit.text.subwords import train_subwords
from mtkit.text.tokenizer import Tokenizer
from mtkit.translate.account import MALFORMED, UNKNOWN, Account
from mtkit.translate.request import Request, Source, Translation, best_texts
from mtkit.translate.translator import Translator
from mtkit.translate.windows import Window
from tests.support.fakes import EchoEngine, TextEngine

SENTENCES = [
    "The cat sat on the mat.",
    "There is a red chair in the bathroom.",
    "My name is Simon and I come from Munich.",
    "Is the library open, or not?",
    "Five quick brown foxes jumped over 1,234,567,890 lazy dogs!",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    options = TokenizerConfig(vocab_size=120, character_coverage=1.0)
    return Tokenizer(train_subwords(SENTENCES * 20, options))


def first_sentence(text: str) -> str:
    """All that a model of single sentences says of a text."""
    return text[: text.find(". ") + 1] or text


def translated(translator: Translator, line: str, request: Request | None = None) -> Translation:
    window = Window([Source(line, 0)], lambda found: found)
    [[[best, *_]]] = translator.results([window], request or Request())
    return best


@pytest.mark.parametrize("gap", [" ", "  ", "\u00a0", "   "])
def test_each_sentence_of_a_line_is_translated_and_spaces_stay(tokenizer: Tokenizer, gap: str) -> None:
    translator = Translator(TextEngine(tokenizer, first_sentence), tokenizer, DecodeConfig(), ("en", "fr"))
    line = gap.join(SENTENCES[:3])
    assert list(translator.translate([line])) == [line]


@pytest.mark.parametrize(
    ("split", "per_pair", "parts"),
    [("auto", None, 3), ("auto", 1.1, 3), ("auto", 2.5, 1), ("always", 2.5, 3), ("never", 1.0, 1)],
)
def test_a_model_of_single_sentences_is_given_single_sentences(
    tokenizer: Tokenizer, split: str, per_pair: float | None, parts: int
) -> None:
    engine = EchoEngine()
    options = DecodeConfig(split=split)  # type: ignore[arg-type]
    translator = Translator(engine, tokenizer, options, ("en", "fr"), (), per_pair)
    list(translator.translate([" ".join(SENTENCES[:3])]))
    assert [len(call) for call in engine.calls] == [parts]


def test_a_language_without_spaces_has_none_between_sentences(tokenizer: Tokenizer) -> None:
    translator = Translator(EchoEngine(), tokenizer, DecodeConfig(), ("en", "zh"))
    assert list(translator.translate([" ".join(SENTENCES[:2])])) == ["".join(SENTENCES[:2])]


def test_scores_and_links_are_of_the_whole_line(tokenizer: Tokenizer) -> None:
    translator = Translator(EchoEngine(), tokenizer, DecodeConfig(), ("en", "fr"))
    line = " ".join(SENTENCES[:3])
    best = translated(translator, line, Request(alignment=True, scores=True))
    assert best.links == tuple((n, n) for n in range(len(line.split())))
    assert [part.src for part in best.parts] == SENTENCES[:3]
    assert [part.tgt for part in best.parts] == SENTENCES[:3]
    assert len(best.token_scores) == sum(len(ids) + 1 for ids in tokenizer.src.encode(SENTENCES[:3]))


class RankedEngine(EchoEngine):
    """Three hypotheses of each source: itself, and itself without its last tokens, each worse."""

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        return [
            [
                Hypothesis(tuple(ids[: len(ids) - cut]), -0.1 * cut * len(ids), (0.0,) * (len(ids) + 1 - cut))
                for cut in range(3)
            ]
            for ids in src_ids
        ]


def test_the_n_best_of_a_line_are_the_best_combinations_of_its_parts(tokenizer: Tokenizer) -> None:
    translator = Translator(RankedEngine(), tokenizer, DecodeConfig(), ("en", "fr"))
    window = Window([Source(" ".join(SENTENCES[:2]), 0)], lambda found: found)
    [[found]] = translator.results([window], Request(n_best=9, search={"beam_size": 9}))
    parts = [tokenizer.src.encode([sentence])[0] for sentence in SENTENCES[:2]]
    losses = {(i, j): 0.1 * (i * len(parts[0]) + j * len(parts[1])) for i in range(3) for j in range(3)}
    expected = [
        " ".join(
            tokenizer.tgt.decode([ids[: len(ids) - cut]])[0] for ids, cut in zip(parts, choice, strict=True)
        )
        for choice in sorted(losses, key=lambda choice: (losses[choice], choice))
    ]
    assert len(found) == len(expected)
    assert [one.text for one in found] == expected


@pytest.mark.parametrize(
    "line",
    [
        "12",
        "???",
        "2024-01-02",
        "https://example.org/a?b=c.",
        "%s",
        "({name})",
        "1,234.56 €",
        "🙂🙂",
        "日本語",
        "-",
        "* * *",
    ],
)
def test_a_text_without_words_passes_through(tokenizer: Tokenizer, line: str) -> None:
    engine = EchoEngine()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    assert list(translator.translate([line])) == [line]
    assert not any(map(len, engine.calls))


def backwards(text: str) -> str:
    return " ".join(reversed(text.split()))


CARRIED = [
    "{color}",
    "%s",
    "(%d)",
    "<b>",
    "</b>",
    "https://a.org/x?y=1",
    "a@b.org",
    "🙂",
    "{{ x }}",
    "ж",
    "日",
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*CARRIED, *" ".join(SENTENCES).split()]), max_size=14))
def test_what_is_not_words_comes_back_in_order_whatever_the_model_says(
    tokenizer: Tokenizer, words: list[str]
) -> None:
    line = " ".join(["The cat", *words])
    for engine in (EchoEngine(), TextEngine(tokenizer, backwards)):
        translator = Translator(engine, tokenizer, DecodeConfig(split="never"), ("en", "fr"))
        [found] = translator.translate([line])
        wanted = [word for word in words if word in CARRIED]
        place = 0
        for word in wanted:
            place = found.find(word, place)
            assert place >= 0, (line, found)
            place += len(word)
        assert not any(char in text for text in map(str, engine.calls) for char in "🙂{}")


def test_characters_unknown_to_the_model_stay_and_are_counted(tokenizer: Tokenizer) -> None:
    engine, account = EchoEngine(), Account()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    line = "The cat on the mat is Иван Петров from Munich."
    assert list(translator.translate([line], Request(), account)) == [line]
    assert tokenizer.src.decode(engine.calls[0]) == ["The cat on the mat is from Munich."]
    assert account.counts[UNKNOWN] == 1


def test_signs_like_those_that_the_model_knows_are_read_as_these(tokenizer: Tokenizer) -> None:
    engine, account = EchoEngine(), Account()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    [found] = translator.translate(["The cát sat\u202fon the mat."], Request(), account)
    assert found == "The cat sat on the mat."
    assert not any(Tokenizer.UNK in ids for ids in engine.calls[0])


def test_each_text_of_a_message_is_translated_and_its_syntax_stays(tokenizer: Tokenizer) -> None:
    engine = EchoEngine()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "zh"))
    line = "{n, plural, =0 {The cat sat. Is the library open?} other { The {x} mat # <b>in</b> Munich. }} mat"
    assert list(translator.translate([line])) == [line.replace(". Is", ".Is")]
    assert tokenizer.src.decode(engine.calls[0]) == [
        "The cat sat.",
        "Is the library open?",
        "The mat in Munich.",
        "mat",
    ]


@pytest.mark.parametrize(
    ("line", "given"),
    [
        (r"The cat in C:\new folder.", "The cat in folder."),
        (r"The cat in \\server\share$\x.txt. Is it?", "The cat in."),
        (r"The cat (d:\) sat.", "The cat sat."),
    ],
)
def test_paths_of_windows_are_kept(tokenizer: Tokenizer, line: str, given: str) -> None:
    engine = EchoEngine()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    assert list(translator.translate([line])) == [line]
    assert tokenizer.src.decode(engine.calls[0])[0].replace("  ", " ") == given


def test_a_choice_of_java_is_translated_text_by_text(tokenizer: Tokenizer) -> None:
    engine = EchoEngine()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    line = "{0,choice,0#The mat|1#The library in {1}|1<{0} brown foxes}"
    assert list(translator.translate([line])) == [line]
    assert tokenizer.src.decode(engine.calls[0]) == ["The mat", "The library in", "brown foxes"]


def test_a_malformed_message_stays_and_is_noted(tokenizer: Tokenizer) -> None:
    engine, account = EchoEngine(), Account()
    translator = Translator(engine, tokenizer, DecodeConfig(), ("en", "fr"))
    line = "{n, plural, one {The cat} other {The cats}"
    sources = [Source(SENTENCES[0], 0), Source(line, 1)]
    found = list(translator.results([Window(sources, best_texts)], Request(), account))
    assert found == [[SENTENCES[0], line]]
    assert tokenizer.src.decode(engine.calls[0]) == SENTENCES[:1]
    assert [(note.kind, note.number) for note in account.notes] == [(MALFORMED, 1)]


def test_each_placeholder_has_a_link(tokenizer: Tokenizer) -> None:
    """The words of the translation come the other way round, and each placeholder with its word."""

    def turned(text: str) -> str:
        return " ".join(reversed(text.split()))

    translator = Translator(TextEngine(tokenizer, turned), tokenizer, DecodeConfig(), ("en", "fr"))
    best = translated(translator, "red {x} mat %s cat", Request(alignment=True))
    src, tgt = ["red", "{x}", "mat", "%s", "cat"], best.text.split()
    assert {(src.index(span), tgt.index(span)) for span in ("{x}", "%s")} <= {*best.links}


def test_a_term_of_a_line_goes_to_its_sentence(tokenizer: Tokenizer) -> None:
    from mtkit.translate.glossary import Term

    asked: list[Sequence[Demand] | None] = []

    class Asking(EchoEngine):
        def decode(
            self,
            src_ids: Sequence[Sequence[int]],
            options: DecodeConfig,
            demands: Sequence[Demand] | None = None,
            scores: bool = True,
        ) -> list[list[Hypothesis]]:
            asked.append(demands)
            return super().decode(src_ids, options, demands, scores)

    translator = Translator(Asking(), tokenizer, DecodeConfig(), ("en", "fr"))
    source = Source(" ".join(SENTENCES[:2]), 0, None, (Term("bathroom", "cat"),))
    list(translator.results([Window([source], lambda found: found)], Request(own_terms=True)))
    [demands] = asked
    assert demands is not None
    assert [len(demand.terms.wanted) if demand.terms else 0 for demand in demands] == [0, 1]
