from __future__ import annotations

import random
import re

import pytest

from mtkit.config.filters import NearDuplicateFilter
from mtkit.data.clean.column import column_of
from mtkit.data.clean.folding import fold
from mtkit.data.clean.kin import Patterns, ShortPairs
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.read.pair import Pair
from tests.support.filters import keys_of

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
    assert LeakGuard(HELD_OUT, None)(Pair("x", "MERCI BEAUCOUP")) == "target repeats a text of test.en:2"
    found = LeakGuard(HELD_OUT, 0.75)(Pair(SENTENCE.replace("Tuesday", "Friday"), "x"))
    assert found == "source nearly repeats a text of test.en:1"


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


ROOMS = [
    "I would like to book a single room with a bath for three nights, please.",
    "I would like to book a double room with a view for seven nights, please.",
]


def test_what_is_near_a_pattern_of_held_out_text_is_another_sentence_of_it() -> None:
    other = ROOMS[0].replace("three", "four")
    pattern = LeakGuard([Pair(text, "x", "test.en:1") for text in ROOMS], 0.75)
    assert pattern(Pair(other, "y")) is None
    assert pattern(Pair(ROOMS[0].upper(), "y")) == "source repeats a text of test.en:1"
    assert LeakGuard([Pair(ROOMS[0], "x")], 0.75)(Pair(other, "y"))
    twins = [Pair(ROOMS[0], "x"), Pair(ROOMS[0].replace("please", "thanks"), "x")]
    assert LeakGuard(twins, 0.75)(Pair(other, "y")), "one text in two sets is no pattern"


SHORT = [
    Pair("She missed the last train.", "Elle a rat\u00e9 le dernier train.", "test:1"),
    Pair("Tom likes green tea.", "\u6c64\u59c6\u559c\u6b22\u559d\u7eff\u8336\u3002", "test:2"),
]


@pytest.mark.parametrize(
    ("src", "tgt", "found"),
    [
        (
            "She missed that last train!",
            "Elle a rat\u00e9 ce dernier train !",
            "source nearly repeats a text of test:1",
        ),
        (
            "She missed the last last train.",
            "Elle rat\u00e9 le dernier train.",
            "source nearly repeats a text of test:1",
        ),
        (
            "Tom likes the green tea.",
            "\u6c64\u59c6\u4e5f\u559c\u6b22\u559d\u7eff\u8336\u3002",
            "source nearly repeats a text of test:2",
        ),
        ("She missed that last train!", "Il est parti hier.", None),
        ("They saw the last train.", "Elle a rat\u00e9 ce dernier train.", None),
        ("Tom likes green tea, too.", "Elle a rat\u00e9 ce dernier train.", None),
        ("Tom likes cold beer.", "\u6c64\u59c6\u559c\u6b22\u559d\u5564\u9152\u3002", None),
    ],
)
def test_short_sides_are_near_where_both_are(src: str, tgt: str, found: str | None) -> None:
    assert LeakGuard(SHORT, 0.75)(Pair(src, tgt)) == found
    assert LeakGuard(SHORT, None)(Pair(src, tgt)) is None


def dice(one: bytes, other: bytes, size: int) -> float:
    """By the definition."""
    first, second = ({data[at : at + size] for at in range(len(data) - size + 1)} for data in (one, other))
    return 2 * len(first & second) / (len(first) + len(second))


def half_stands(one: bytes, other: bytes) -> bool:
    runs = re.findall(rb"...", other)
    return sum(run in one for run in runs) >= len(runs) / 2


def words(rng: random.Random, least: int, most: int) -> bytes:
    return b"".join(
        rng.choices([b"red", b"green", b"tea", b"house", b"of", b"wine"], k=rng.randint(least, most))
    )


def test_patterns_are_those_of_the_definition() -> None:
    rng = random.Random(3)
    texts = sorted({words(rng, 9, 15) for _ in range(60)})
    patterns = Patterns(texts, range(len(texts)), 0.75)
    for number, text in enumerate(texts):
        expected = [dice(text, other, 5) for other in texts]
        assert patterns.similarities(number).tolist() == pytest.approx(expected)
        assert (number in patterns) == any(0.5 <= value < 0.75 for value in expected)
    assert 0 < sum(number in patterns for number in range(len(texts))) < len(texts)


def test_short_pairs_are_those_of_the_definition() -> None:
    rng = random.Random(4)
    held_out = [(words(rng, 3, 6), words(rng, 3, 6)) for _ in range(40)]
    pairs = [(words(rng, 3, 6), words(rng, 3, 6)) for _ in range(3000)]
    short = ShortPairs(held_out, range(len(held_out)), 0.75, 30)
    screened = short.screen(
        *(column_of([side.decode() for side in sides]) for sides in zip(*pairs, strict=True))
    )
    found = 0
    for pair, may in zip(pairs, screened.tolist(), strict=True):
        shares = [
            min(dice(side, held, 3) for side, held in zip(pair, other, strict=True))
            if all(
                side[:8] == held[:8] or side[-8:] == held[-8:] for side, held in zip(pair, other, strict=True)
            )
            and 8 <= min(map(len, pair)) < 30
            and min(map(len, other)) >= 8
            else 0.0
            for other in held_out
        ]
        number = short.find(*pair)
        assert number == (shares.index(max(shares)) if max(shares) >= 0.65 else None)
        assert may or number is None
        found += number is not None
    assert 5 < found < len(pairs) / 2
    assert screened.mean() < 0.6


def near_duplicates(one: tuple[str, str], other: tuple[str, str]) -> bool:
    keys = keys_of(NearDuplicateFilter(filter="near_duplicate"))
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
