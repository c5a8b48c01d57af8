from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtkit.text.segment import segments, sentences

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It rains. We stay in.", ["It rains. ", "We stay in."]),
        ("Really?! Yes. “He left.” She did not…", ["Really?! ", "Yes. ", "“He left.” ", "She did not…"]),
        ("Dr. Smith, J. Doe etc. came on the 3. Then", ["Dr. Smith, J. Doe etc. came on the 3. Then"]),
        ("It was 5 p.m. Then", ["It was 5 p.m. Then"]),
        ("Am 21. Oktober kam Prof. Weber, z. B. nach Köln. Es regnete.",
         ["Am 21. Oktober kam Prof. Weber, z. B. nach Köln. ", "Es regnete."]),
        ("It grew 3.5 % in 1995. Then it fell.", ["It grew 3.5 % in 1995. ", "Then it fell."]),
        ("See example.com. and so on. Good", ["See example.com. and so on. ", "Good"]),
        ("今天下雨。我们在家！“好吗？”他说。", ["今天下雨。", "我们在家！", "“好吗？”", "他说。"]),
        ("आज बारिश है। हम घर पर हैं।", ["आज बारिश है। ", "हम घर पर हैं।"]),
        ("M. Dupont est là. Où est-il ? Ici.", ["M. Dupont est là. ", "Où est-il ? ", "Ici."]),
        ("no end", ["no end"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(TEXT)
def test_sentences_lose_nothing(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert all(sentences(text))


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


@pytest.mark.parametrize("unit", ["x", "x ", ".", "a. ", "A. ", "。", "“", "⟦", "…", "\u2028", "a.b. "])
def test_a_megabyte_is_cut_in_few_passes(unit: str) -> None:
    text, passes = unit * ((1 << 20) // len(unit)), 0

    def counted(texts: Sequence[str]) -> list[int]:
        nonlocal passes
        passes += 1
        return characters(texts)

    assert "".join(segments(text, counted, 500)) == text
    assert passes <= 3
