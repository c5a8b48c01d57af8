from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.documents.base import Answer
from mtkit.documents.spans import PLACEHOLDERS, TAG, Cut, Markup, split_by
from tests.support.translators import TRANSLATORS

FINDER = re.compile(rf"{TAG}|\*+|{PLACEHOLDERS}")
MARKUP = Markup(split_by(FINDER), silent=re.compile(rf"\*+|(?!<(?:br|img)\b)(?:{TAG})"))
WORDS = st.sampled_from(["one", "Dog", "é", "好", "3", ".", "!", "(", " ", "  ", "\n", "a<b", "&"])
SPANS = st.sampled_from(
    ["<b>", "</b>", "<br>", "{name}", "%s", "%(n)d", "http://a.b/c", "<i a='>'>", "{{ x }}", "**", "(%s)"]
)


@given(st.lists(WORDS | SPANS, max_size=12).map("".join), TRANSLATORS)
def test_spans_stay_in_their_order_whatever_the_translation(
    raw: str, translate: Callable[[str], str]
) -> None:
    cut = Cut(raw, MARKUP)
    assert FINDER.findall(cut.put([translate(text) for text in cut.texts])) == FINDER.findall(raw)
    assert cut.put(cut.texts) == raw
    assert not any("\n" in text for text in cut.texts)


@pytest.mark.parametrize(
    ("raw", "text", "answer", "expected"),
    [
        ("<b>Hello</b> brave world", "Hello brave world", "Hallo schöne Welt", "<b>Hallo</b> schöne Welt"),
        (
            "A <b>very</b> big dog.",
            "A very big dog.",
            "Ein sehr großer Hund.",
            "Ein <b>sehr</b> großer Hund.",
        ),
        ("Hello {name}!", "Hello!", "Hallo!", "Hallo {name}!"),
        ("{n} files of %s", "files of", "Dateien von", "{n} Dateien von %s"),
        ("Open {file} now", "Open now", "Jetzt öffnen", "Jetzt {file} öffnen"),
        ("Hello <b>big</b> world", "Hello big world", "你好大世界", "你好<b>大</b>世界"),
        ("one<br>two", "one two", "eins zwei", "eins<br>zwei"),
        ("12 <b>3</b>", "", "", "12 <b>3</b>"),
    ],
)
def test_where_spans_go(raw: str, text: str, answer: str, expected: str) -> None:
    cut = Cut(raw, MARKUP)
    assert cut.texts == [text] * bool(text)
    assert cut.put([answer] * bool(text)) == expected


BATHROOM = "There is a red chair in the bathroom."
CHAISE = "Il y a une chaise rouge dans la salle de bains."
LINKS = "0-0 1-2 2-3 3-5 4-4 5-6 6-7 7-8"


def linked(src: str, tgt: str, links: str) -> Answer:
    """An answer with links between words, by their numbers."""
    starts = [[found.start() for found in re.finditer(r"\S+", text)] for text in (src, tgt)]
    pairs = [tuple(map(int, link.split("-"))) for link in links.split()]
    return Answer(tgt, [(starts[0][own], starts[1][other]) for own, other in pairs])


@pytest.mark.parametrize(
    ("raw", "text", "answer", "links", "expected"),
    [
        ("A **red** chair.", "A red chair.", "Une chaise rouge.", "0-0 1-2 2-1", "Une chaise **rouge**."),
        (
            BATHROOM.replace("a red", "**a** red").replace("in", "**in**"),
            BATHROOM,
            CHAISE,
            LINKS,
            "Il y a **une** chaise rouge **dans** la salle de bains.",
        ),
        (
            BATHROOM.replace("chair", "chair<sup>1</sup>"),
            BATHROOM,
            CHAISE,
            LINKS,
            "Il y a une chaise<sup>1</sup> rouge dans la salle de bains.",
        ),
        (BATHROOM.replace("red", "{n} red"), BATHROOM, CHAISE, LINKS, CHAISE.replace("chaise", "{n} chaise")),
        (
            "**The library**: a chair.",
            "The library: a chair.",
            "La bibliothèque : une chaise.",
            "0-0 1-1 2-3 3-4",
            "**La bibliothèque** : une chaise.",
        ),
        (
            BATHROOM.replace("chair", "**chair**"),
            BATHROOM,
            CHAISE,
            "4-4",
            "Il y a une **chaise** rouge dans la salle de bains.",
        ),
        (
            BATHROOM.replace("There is a red chair", "**There is a red chair**"),
            BATHROOM,
            CHAISE,
            "0-0 4-4",
            "**Il y a une chaise** rouge dans la salle de bains.",
        ),
        (
            "Click <a href='x'>here <b>now</b></a>.",
            "Click here now.",
            "Maintenant cliquez ici.",
            "0-1 1-2 2-0",
            "<a href='x'><b>Maintenant</b> cliquez ici</a>.",
        ),
    ],
)
def test_spans_follow_the_alignment(raw: str, text: str, answer: str, links: str, expected: str) -> None:
    cut = Cut(raw, MARKUP)
    assert cut.texts == [text]
    assert cut.put([linked(text, answer, links)]) == expected


@pytest.mark.parametrize(
    ("raw", "texts", "answer", "expected"),
    [
        ("There are chairs (%s) in it.", "There are chairs in it.", "Il y a là.", "Il y a (%s) là."),
        ("It is #%d here.", "It is here.", "C'est là.", "C'est #%d là."),
        ("Free: {n}MB of {m}px", "Free: of", "Libre : de", "Libre : {n}MB de {m}px"),
        ('Open "{x}" now.', "Open now.", "Ouvrez là.", 'Ouvrez "{x}" là.'),
        ("Hello %(name)s, you", "Hello, you", "Bonjour, vous", "Bonjour %(name)s, vous"),
        ("See {a}/{b} now.", "See now.", "Voyez là.", "Voyez {a}/{b} là."),
        (
            "a <b>chair</b><sup>1</sup> is red",
            "a chair is red",
            "A CHAIR IS RED",
            "A <b>CHAIR</b><sup>1</sup> IS RED",
        ),
        ("of {a}, {b} and more", "of and more", "von und mehr", "von {a}, {b} und mehr"),
        ("a <!-- c --> more", "a more", "EIN MEHR", "EIN <!-- c --> MEHR"),
        ("one,<br><b>two</b> three", "one, two three", "EINS, ZWEI DREI", "EINS,<br><b>ZWEI</b> DREI"),
        ("There are <b>%s</b> chairs", "There are chairs", "Il y a chaises", "Il y a <b>%s</b> chaises"),
        ("<b>Use {x}</b>. If so", "Use. If so", "Nutze. Wenn so", "<b>Nutze {x}</b>. Wenn so"),
        ("H<sub>2</sub>O is wet", "is wet", "est là", "H<sub>2</sub>O est là"),
        ("<a name='x'></a>There is", "There is", "Il y a", "<a name='x'></a>Il y a"),
        ("<b>x <i>y</i></b> <b>z</b>", "x y z", "a b", "<b><i>a</i></b> <b>b</b>"),
    ],
)
def test_what_sticks_to_a_span_goes_with_it(raw: str, texts: str, answer: str, expected: str) -> None:
    cut = Cut(raw, MARKUP)
    assert cut.texts == [texts]
    assert cut.put([answer]) == expected


def test_a_break_after_a_sentence_ends_a_text() -> None:
    cut = Cut("One is <b>here.<br>Two</b> is there", MARKUP)
    assert cut.texts == ["One is here.", "Two is there"]
    assert cut.put(["Eins ist hier.", "Zwei ist da"]) == "Eins ist <b>hier.<br>Zwei</b> ist da"


def test_markup_that_cannot_be_placed_is_told() -> None:
    strict = replace(MARKUP, check=lambda raw: raw.startswith("**The"))
    cut = Cut("**The** library", strict)
    answer = Answer("La bibliothèque")
    assert cut.put([answer]) == "**The** library"
    assert not answer.is_placed


@given(st.lists(WORDS | SPANS, max_size=12).map("".join), st.lists(WORDS, max_size=12).map("".join))
def test_no_pair_is_empty_where_there_are_words_enough(raw: str, answer: str) -> None:
    raw = f"**a {raw.replace('*', '')} b** c"
    out = Cut(raw, MARKUP).put([f"one {answer} two three"] * len(Cut(raw, MARKUP).texts))
    assert not re.search(r"\*\*\s*\*\*", out)


def test_each_text_of_an_icu_message_is_a_text() -> None:
    raw = (
        "{n, plural, offset:1 =0 {No <b>dog</b>.} one {# dog of {owner}.} "
        "other {{g, select, a {His} other {Their}} dogs.}}"
    )
    markup = replace(MARKUP, icu=True, split=split_by(re.compile(rf"{TAG}|#|{PLACEHOLDERS}")))
    cut = Cut(raw, markup)
    assert cut.texts == ["No dog.", "dog of.", "His", "Their", "dogs."]
    assert cut.put(cut.texts) == raw
    out = cut.put([text.upper() for text in cut.texts])
    expected = raw
    for text in ("No", "dog<", "# dog of", "His", "Their", "dogs."):
        expected = expected.replace(text, text.upper())
    assert out == expected
    hostile = cut.put(["{x, plural, other {"] * len(cut.texts))
    assert hostile.count("{") == raw.count("{")
    assert len(Cut(hostile, markup).texts) == len(cut.texts)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("&lt;br/&gt;", "Press now."),
        (" {}", "Press now."),
        ("&lt;b&gt;{}&lt;/b&gt;", "Press now."),
        ("%d", "Press."),
    ],
)
def test_words_do_not_stick_to_a_code_that_shows_nothing(code: str, text: str) -> None:
    markup = replace(MARKUP, split=split_by(re.compile(r"<ph>.*?</ph>")), silent=re.compile("(?!)"))
    raw = f"Press<ph>{code}</ph>now."
    cut = Cut(raw, markup)
    assert cut.texts == [text]
    assert "<ph>" + code + "</ph>" in cut.put([text.upper()])


def test_a_malformed_message_is_one_text_that_stays() -> None:
    raw = "{n, plural, one {A  dog} other {Dogs}"
    cut = Cut(raw, replace(MARKUP, icu=True))
    assert cut.texts == ["{n, plural, one {A dog} other {Dogs}"]
    assert cut.put(cut.texts) == raw
    answer = Answer("{n, plural, one {Un chien} other {Chiens}")
    assert cut.put([answer]) == raw
    assert not answer.is_placed
