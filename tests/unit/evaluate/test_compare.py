"""Comparisons of systems: planted regressions are found, equal systems are not flagged."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
import sacrebleu

from mtkit.data.read.lines import read_lines
from mtkit.evaluate.compare import ComparedSet, compare
from mtkit.evaluate.outputs import Outputs
from mtkit.evaluate.wording import Piece, differences
from mtkit.metrics.significance import PairedTest
from tests.support.corpora import corpus, edited, texts

QUICK = PairedTest("ar", 500)


def compared(one: list[str], other: list[str], refs: list[str], test: PairedTest = QUICK) -> ComparedSet:
    return compare(Outputs("", "en", {"a": one, "b": other}, [refs]), ["bleu", "chrf"], test, 5)


def noisy(refs: list[str], seed: int) -> list[str]:
    rng = random.Random(seed)
    return [edited(ref, True, rng) for ref in refs]


def is_flagged(found: ComparedSet) -> bool:
    return any(figure.is_significant(1) for figure in found.figures)


def test_scores_are_those_of_sacrebleu() -> None:
    refs = texts(30)
    one, other = noisy(refs, 1), noisy(refs, 2)
    bleu, chrf = compared(one, other, refs).figures
    for place, hyps in enumerate((one, other)):
        assert bleu.values[place] == sacrebleu.corpus_bleu(hyps, [refs]).score
        assert chrf.values[place] == sacrebleu.corpus_chrf(hyps, [refs]).score


def test_lines_are_sorted_by_the_change_of_sentence_chrf() -> None:
    refs = texts(30)
    one = noisy(refs, 1)
    other = one[:10] + noisy(refs, 2)[10:]
    [change] = compared(one, other, refs).changes
    assert {line.number for line in change.lines} <= set(range(11, 31))
    scores = {
        place + 1: sacrebleu.sentence_chrf(other[place], [refs[place]]).score
        - sacrebleu.sentence_chrf(one[place], [refs[place]]).score
        for place in range(30)
        if one[place] != other[place]
    }
    assert [line.number for line in change.lines] == sorted(scores, key=lambda n: (scores[n], n))
    for line in change.lines:
        assert line.change == pytest.approx(scores[line.number])


def test_ngrams_lost_and_gained() -> None:
    refs = ["the red cat", "the red dog", "a blue cat"]
    found = compared(
        ["the red cat", "the red dog", "a green cat"], ["the cat", "the dog", "a blue cat"], refs
    )
    [change] = found.changes
    lost, gained = ({gram.text: gram for gram in grams} for grams in (change.lost, change.gained))
    assert change.lost[0].matches == (2, 0)
    assert {"red", "the red"} <= set(lost)
    assert "blue" in gained
    assert gained["blue"].matches == (0, 1)
    assert lost["red"].in_refs == 2
    assert not set(lost) & set(gained)


def test_matches_are_at_most_those_of_one_reference() -> None:
    outputs = Outputs("", "en", {"a": ["no no no"], "b": ["yes"]}, [["no no"], ["no"]])
    [change] = compare(outputs, ["bleu"], QUICK, 9).changes
    assert Counter({gram.text: gram.matches[0] for gram in change.lost}) == {"no": 2, "no no": 1}


def test_swapped_numbers_in_three_lines_of_a_hundred_are_found() -> None:
    rng = random.Random(5)
    refs = [f"{text} {rng.randint(10, 99)} {rng.randint(10, 99)}" for text in texts()]
    one = noisy(refs, 1)
    other = list(one)
    for place in rng.sample(range(len(refs)), len(refs) * 3 // 100):
        other[place] = " ".join(f"{word[::-1]}7" if word.isdecimal() else word for word in one[place].split())
    assert is_flagged(compared(one, other, refs))
    assert not is_flagged(compared(one, one, refs))


def flagged_of(count: int, trials: int) -> int:
    """How often two systems with the same kind of noise are flagged, each time on resampled lines."""
    refs = texts()[:150]
    flagged = 0
    for number in range(count):
        rng = random.Random(number)
        sample = rng.choices(refs, k=len(refs))
        one, other = noisy(sample, 2 * number), noisy(sample, 2 * number + 1)
        flagged += is_flagged(compared(one, other, sample, PairedTest("ar", trials)))
    return flagged


def test_equal_systems_are_seldom_flagged() -> None:
    assert flagged_of(12, 200) <= 2


@pytest.mark.slow
def test_of_200_equal_systems_ten_at_most_are_flagged() -> None:
    assert flagged_of(200, 1000) <= 10


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a red cat", "a blue cat", [("a ", False), ("red", True), (" cat", False)]),
        ("same", "same", [("same", False)]),
        ("我有三只猫", "我有四只猫", [("我有", False), ("三", True), ("只猫", False)]),
        ("word", "", [("word", True)]),
        ("", "word", []),
    ],
)
def test_changed_words(one: str, other: str, expected: list[Piece]) -> None:
    assert differences(one, other)[0] == expected


def test_stretches_make_up_the_texts() -> None:
    rng = random.Random(2)
    for text in [*texts(20), "\u3042 x\ty_z  1.5 %s été"]:
        other = edited(text, True, rng)
        for side, pieces in zip((text, other), differences(text, other), strict=True):
            assert "".join(piece.text for piece in pieces) == side
    assert differences("a " * 5000, "b")[0] == [Piece("a " * 5000, True)]


def test_swapped_numbers_are_found_in_real_text() -> None:
    folder, rng = corpus("wmt"), random.Random(1)
    refs = list(read_lines(folder / "newstest2014-ende.de.gz"))[:1000]
    one = noisy(refs, 1)
    other = list(one)
    numbered = [place for place, line in enumerate(one) if re.search(r"\d", line)]
    for place in rng.sample(numbered, 30):
        other[place] = re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), one[place])
    outputs = Outputs("", "de", {"a": one, "b": other}, [refs])
    found = compare(outputs, ["bleu", "chrf"], PairedTest("ar", 1000), 5)
    assert all(figure.is_significant(1) and figure.is_worse(1) for figure in found.figures)
    assert {line.number - 1 for line in found.changes[0].lines} <= set(numbered)
