from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.text.segment import segments, sentences, splits

PIECES = st.sampled_from(
    [
        " ",
        ".",
        "!",
        "…",
        "。",
        "？",
        "”",
        ")",
        "a",
        "Z",
        "Dr",
        "etc",
        "12",
        "⟦1⟧",
        "⟦",
        "⟧",
        "今天",
        "wort",
        "\u2028",
    ]
)
TEXT = st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=60)


def characters(texts: Sequence[str]) -> list[int]:
    return list(map(len, texts))


# Sentences that are joined by a space, in Chinese and Japanese by none.
SENTENCES = {
    "en": [
        "The library is behind the bus station. | There is a chair. | My name is Simon.",
        "Really?! | Yes. | “He left.” | She did not…",
        "Mr. and Mrs. Smith met Dr. J. K. Rowling, Sen. Coons et al. at St. Mary's. | Good.",
        "He said 'Stop.' | Then he left. | (See below.) | It costs 3.5 million, up 2.1% from 1.7. | Ok.",
        "It was 5 p.m. | Then they met at 9 a.m. Monday, in the U.S. Senate.",
        "He lives in the U.S. | She does not.",
        "He was born on July 8. | One was sent home.",
        "See No. 3, vol. 2, pp. 10 ff. of the book. | He said no. | She left.",
        "Wait ... what? | “Stop!” he said. | I was 17. | I used web 2.0. | Look at example.com. | Good, eh?",
        "It was made by Smith & Co. | The firm, Smith Inc. of Boston, is gone.",
        "[It was sold.] | He, she, etc. | We left.",
        "1. Open the door. | 2. Close it.",
    ],
    "de": [
        "Am 3. Oktober kam Prof. Weber, z. B. nach Köln. | Es regnete. | Der 2. Weltkrieg endete. | Gut.",
        "Der Zug fährt von Gleis 21. | Meine Freundin ist 19. | Martin auch.",
        "Es kostet 16 €. | Essen Sie.",
        "„Halt!“ | Er ging. | „Halt!“, rief er. | Er sagte: „Ich gehe.“",
        "Dann ging er d. h. er lief. | »Ja.« | Gut.",
        "Vom 1. bis 3. Mai, am Montag, 7. Juni, im 21. Jahrhundert und bei Karl XVI. Gustaf. | Ja.",
        "Es gab bspw. Äpfel, Birnen usw. | Die Zahl stieg auf 2 Mio. Euro bzw. Dollar.",
    ],
    "fr": [
        "M. Dupont est là. | Où est-il ? | Ici ! | « Viens ! » dit-il.",
        "Il a dit : « Je viens. » | Il est parti.",
        "Le train part à 15 h. | L'eau coûte 3,80 €. | Il a parlé d'un « archipel ».",
        "M. Le Pen et J. K. Rowling aussi.",
        "Mme Curie, env. 30 ans, habite av. Foch. | À quelle heure ? | Le 3.",
        "Il est né en 1950. | Une fille.",
    ],
    "zh": [
        "今天下雨。|我们在家！|“好吗？”他说。|他说：“好。”|“我们走了。”|天气很好！|（他没有来。）|真的?|是。",
        "他花了3.5元…他笑了。|你好！！|再见。",
    ],
    "ja": ["「はい。」|彼は来た。|値段は３．５円です。|本当？|そうです！"],
    "hi": ["आज बारिश है। | हम घर पर हैं। | क्यों? | हाँ।"],
    "ur": ["وہ آیا۔ | کیا تم ٹھیک ہو؟ | ہاں۔"],
    "ar": ["هل أنت بخير؟ | نعم. | شكرا!"],
    "hy": ["Ես գնում եմ։ | Նա եկավ։"],
    "am": ["ሰላም ነው። | እንዴት ነህ? | ደህና ነኝ።"],
    "el": ["Τι κάνεις; | Καλά. | Εσύ;"],
    "ru": ["Он пришёл. | А. С. Пушкин писал. | Да!"],
    "cs": ["Přišel 3. října. | Byl 21. Prosince tam. | Ano."],
    "th": ["วันนี้ฝนตก เราอยู่บ้าน เขาไม่มา"],
    "km": ["ថ្ងៃនេះភ្លៀង។ | យើងនៅផ្ទះ។"],
    "my": ["မိုးရွာသည်။ | အိမ်မှာနေသည်။"],
}


@pytest.mark.parametrize(
    ("lang", "marked"), [(lang, marked) for lang, several in SENTENCES.items() for marked in several]
)
def test_sentences(lang: str, marked: str) -> None:
    unmarked = marked.replace("| ", "\0").replace("|", "\0")
    assert sentences(unmarked.replace("\0", ""), lang) == unmarked.split("\0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith came on the 3. Then", ["Dr. Smith came on the 3. Then"]),
        ("It rains.\u00a0 We stay in. ", ["It rains.\u00a0 ", "We stay in. "]),
        (" No end", [" No end"]),
        ("... and so on", ["... and so on"]),
        ("", []),
    ],
)
def test_sentences_of_an_unknown_language(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_when_texts_are_split() -> None:
    assert [splits("auto", known) for known in (None, 1.0, 1.1, 2.0)] == [True, True, True, False]
    assert [splits("always", known) for known in (None, 1.0, 2.0)] == [True] * 3
    assert [splits("never", known) for known in (None, 1.0, 2.0)] == [False] * 3


@given(TEXT, st.sampled_from(["", *SENTENCES]))
def test_sentences_lose_nothing(text: str, lang: str) -> None:
    found = sentences(text, lang)
    assert "".join(found) == text
    assert all(found)


@given(TEXT, st.integers(4, 20))
def test_segments_lose_nothing_and_fit(text: str, limit: int) -> None:
    found = segments(text, characters, limit)
    assert "".join(found) == text
    assert all(0 < len(part) <= limit for part in found)


@given(st.lists(st.sampled_from(["⟦1⟧", "⟦12⟧", "今", " ", "ab"])).map("".join), st.integers(6, 12))
def test_segments_part_no_symbol(text: str, limit: int) -> None:
    for part in segments(text, characters, limit):
        assert part.count("⟦") == part.count("⟧")


def test_a_long_sentence_is_cut_at_spaces_and_a_word_without_end_anywhere() -> None:
    assert segments("aa bb cc dd. Ee", characters, 7) == ["aa bb ", "cc dd. ", "Ee"]
    assert max(map(len, segments("x" * 1000, characters, 7))) <= 7


def test_a_long_sentence_without_stops_is_cut_where_it_hurts_least() -> None:
    thai = "วันนี้ ฝนตก เราอยู่ บ้าน"
    assert [word for part in segments(thai, characters, 9) for word in part.split()] == thai.split()
    assert segments("今天下雨，我们在家", characters, 7) == ["今天下雨，", "我们在家"]
    assert segments("a\u0301" * 6, characters, 5) == ["a\u0301" * 2] * 3


@pytest.mark.parametrize(
    "unit", ["x", "x ", ".", "a. ", "A. ", "。", "“", "⟦", "…", "\u2028", "a.b. ", ". (", "。”"]
)
def test_a_huge_text_is_cut_in_few_passes(unit: str) -> None:
    text, passes = unit * ((1 << 18) // len(unit)), 0

    def counted(texts: Sequence[str]) -> list[int]:
        nonlocal passes
        passes += 1
        return characters(texts)

    assert "".join(segments(text, counted, 500)) == text
    assert passes <= 3
