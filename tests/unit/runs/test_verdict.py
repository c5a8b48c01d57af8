"""The levels agree with the learning curves of real runs in docs/benchmarks.md."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from mtkit.runs.verdict import LEVELS, level_of, usable


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
