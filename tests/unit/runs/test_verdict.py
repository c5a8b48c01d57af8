"""The levels agree with the learning curves of real runs in docs/benchmarks.md."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest

from mtkit.runs.verdict import LEVELS, expectation, gain_of_doubling, level_of, outcome, usable


@pytest.mark.parametrize(
    ("bleu", "chrf", "good_enough"),
    [
        (0.3, 10.0, False),  # 90 seconds on 2,737 pairs
        (3.11, 14.85, False),  # `tiny`, four minutes on 5,000 pairs of Tatoeba
        (11.94, 30.73, False),  # auto, four minutes on 5,000 pairs
        (18.24, 37.09, False),  # auto, five minutes on 20,000 pairs
        (29.9, 52.7, True),  # Multi30k en-fr after 500 steps
        (37.46, 61.72, True),  # Multi30k en-de
        (58.28, 74.11, True),  # Multi30k en-fr
    ],
)
def test_real_models_are_judged_alike_by_bleu_and_by_chrf(
    bleu: float, chrf: float, good_enough: bool
) -> None:
    assert usable({"bleu": bleu}, "fr") is good_enough
    assert usable({"chrf": chrf}, "fr") is good_enough


def test_chrf_says_nothing_about_chinese() -> None:
    assert level_of({"chrf": 20.98}, "zh") is None
    assert usable({"chrf": 20.98}, "zh")
    assert usable({"bleu": 23.56, "chrf": 20.98}, "zh")


def test_other_metrics_say_nothing() -> None:
    assert level_of({"ter": 60.0}, "fr") is None
    assert level_of({}, "fr") is None


def test_levels_rise() -> None:
    for lower, upper in pairwise(LEVELS):
        assert (lower.bleu, lower.chrf, lower.usable) < (upper.bleu, upper.chrf, True)
        below = level_of({"bleu": math.nextafter(upper.bleu, 0)}, "fr")
        assert (below, level_of({"bleu": upper.bleu}, "fr")) == (lower, upper)


M30K: list[tuple[float, float]] = [
    (500, 29.9), (1_000, 40.8), (1_500, 47.0), (2_000, 49.6), (2_500, 52.3),
    (3_000, 54.3), (3_500, 55.3), (4_000, 56.8), (4_500, 58.3), (4_989, 58.5),
]  # fmt: skip
"""BLEU of a run of thirty minutes, Multi30k en-fr."""


def test_few_pairs_are_called_few_and_millions_are_not_mentioned() -> None:
    assert expectation(2_737).startswith("2,737 pairs is very little: expect")
    assert expectation(29_000).startswith("29,000 pairs is little: expect")
    assert "enough" in expectation(100_000)
    assert expectation(5_000_000) == ""


def test_the_gain_of_doubling_is_near_that_of_real_runs() -> None:
    """A run of twelve minutes ended at step 674 with BLEU 39.5, one of thirty at step 4,989 with 58.5."""
    measured = (58.5 - 39.5) / math.log2(4_989 / 674)
    found = gain_of_doubling([(500, 34.7), (674, 39.5)])
    assert found == pytest.approx(measured, abs=1.5)


def test_the_gain_is_half_the_slope_over_the_logarithm_of_the_steps() -> None:
    assert gain_of_doubling([(100, 5.0), (200, 9.0), (400, 13.0)]) == pytest.approx(2.0)
    assert gain_of_doubling([(1_000, 3.0), (100, 90.0)][::-1]) == 0.0
    assert gain_of_doubling([(100, 10.0), (200, 90.0)]) == pytest.approx(5.0)  # half of what is missing
    assert gain_of_doubling([(100, 5.0)]) is None
    assert gain_of_doubling([]) is None


def test_outcomes() -> None:
    def said(scores: dict[Any, float], curve: list[tuple[float, float]], early: bool = False) -> str:
        level = level_of(scores, "fr")
        return " ".join(outcome(level, 2_737, 0.7, curve, stopped_early=early))

    weak = said({"bleu": 0.3}, [(50, 0.1), (112, 0.3)])
    assert "not usable yet" in weak
    assert "seen 0.7 times, which is too little to tell" in weak
    assert "Twice the data" not in weak
    assert "still rising" in said({"bleu": 39.5}, M30K[:3])
    assert "would add about 1 point." in said({"bleu": 38.5}, [(2_500, 36.0), (5_000, 38.5)])
    assert "would add about 2 points." in said({"bleu": 38.5}, [(2_500, 34.5), (5_000, 38.5)])
    assert "hardly rises" in said({"bleu": 58.5}, [(2_500, 58.0), (5_000, 58.5)])
    assert "more time will not help" in said({"bleu": 58.5}, M30K, early=True)
    assert "Verdict" not in said({}, [])
