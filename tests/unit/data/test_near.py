from __future__ import annotations

import pytest

from mtkit.config.filters import NearDuplicateFilter
from mtkit.data.column import column_of
from mtkit.data.filters import build_keys
from mtkit.data.folding import fold
from mtkit.data.leaks import LeakGuard
from mtkit.data.pair import Pair

SENTENCE = (
    "The minister said on Tuesday that the new bridge over the river would be open before the end of spring."
)
HELD_OUT = [
    Pair(SENTENCE, "Un pont.", "test.en:1"),
    Pair("Thank you very much!", "Merci beaucoup !", "test.en:2"),
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It\u2019s \u201cgood\u201d \u2013 yes\u2026", "its good yes"),
        ("L'\u00c9T\u00c9", "l\u2019\u00e9t\u00e9"),
        ("\u00ab Oui \u00bb", "oui"),
        ("\u4f60\u597d\uff0c\u4e16\u754c\uff01", "\u4f60\u597d\u4e16\u754c\u3002"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442!", "\u043f\u0440\u0438\u0432\u0435\u0442"),
    ],
)
def test_folding_leaves_letters_and_digits(one: str, other: str) -> None:
    assert fold(one) == fold(other) != b""


def test_folding_keeps_letters_apart() -> None:
    folded = [
        fold(text) for text in ("\u00e9t\u00e9", "ete", "\u4f60\u597d", "\u4f60\u4eec", "12", "13", "\uff71")
    ]
    assert len({*folded, b""}) == len(folded) + 1


def leaks(src: str, tgt: str, near: float | None = 0.75) -> bool:
    return LeakGuard(HELD_OUT, near)(Pair(src, tgt)) is not None


def test_either_side_is_enough_and_case_and_punctuation_do_not_matter() -> None:
    assert leaks(SENTENCE, "x")
    assert leaks("x", SENTENCE)
    assert leaks("thank you, very much", "x")
    assert not leaks("Thank you", "x")
    assert not leaks("", "...")


def test_it_says_which_text_was_found() -> None:
    assert LeakGuard(HELD_OUT, None)(Pair("x", "MERCI BEAUCOUP")) == "target is that of test.en:2"
    found = LeakGuard(HELD_OUT, 0.75)(Pair(SENTENCE.replace("Tuesday", "Friday"), "x"))
    assert found == "source is near that of test.en:1"


@pytest.mark.parametrize(
    ("text", "is_near"),
    [
        (SENTENCE.replace("Tuesday", "Wednesday"), True),
        (SENTENCE.replace("The minister", "A speaker"), True),
        (SENTENCE.replace("spring.", "autumn!"), True),
        ("Yes: " + SENTENCE, True),
        (SENTENCE.replace(" new", ""), True),
        (SENTENCE[: len(SENTENCE) // 2], False),
        (
            "The minister said on Tuesday that nobody knew how much was left, or who had it.",
            False,
        ),
    ],
)
def test_near(text: str, is_near: bool) -> None:
    assert leaks(text, "x") is is_near
    assert leaks("x", text) is is_near
    assert not leaks(text, "x", near=None)


def test_without_held_out_text_nothing_falls() -> None:
    assert LeakGuard([], 0.75)(Pair(SENTENCE, SENTENCE)) is None
    assert LeakGuard([Pair("", "...")], 0.75)(Pair("", "!")) is None


def near_duplicates(one: tuple[str, str], other: tuple[str, str]) -> bool:
    keys = build_keys(NearDuplicateFilter(filter="near_duplicate"))
    src, tgt = map(column_of, zip(one, other, strict=True))
    first, second = keys(src, tgt, [0, 1]).tolist()
    return bool({*first} & {*second})


def test_near_duplicates_share_a_key() -> None:
    target = (
        "Le ministre a dit mardi que le nouveau pont sur le fleuve serait ouvert avant la fin du printemps."
    )
    assert near_duplicates((SENTENCE, target), (SENTENCE.replace("Tuesday", "Friday"), target.upper()))
    assert not near_duplicates((SENTENCE, target), (target, SENTENCE[::-1]))
    assert not near_duplicates(("a", "b"), ("a", "c"))
    assert near_duplicates(("", ""), ("", "."))
