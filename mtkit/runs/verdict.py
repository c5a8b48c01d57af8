"""What scores mean, in words: the one place that says from which score on a model is usable.

The bounds come from learning curves of real runs, which docs/scores.md shows. Does not use torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtkit.config.fixed import MetricName
from mtkit.text.languages import language_of


@dataclass(frozen=True, slots=True)
class Level:
    """What scores from a bound up to the next level's bound mean.

    Attributes:
        bleu: the least BLEU.
        chrf: the least chrF, where BLEU is not known.
        usable: whether the translations are of any use.
        meaning: in words, for the user.
    """

    bleu: float
    chrf: float
    usable: bool
    meaning: str


LEVELS = (
    Level(0, 0, False, "not usable yet: nearly every sentence is wrong"),
    Level(10, 30, False, "not usable yet: words and topics are right, most sentences are not"),
    Level(20, 40, True, "rough: the gist is often right, with mistakes in most sentences"),
    Level(30, 52, True, "fair: most sentences are understandable and need corrections"),
    Level(40, 60, True, "good, for text of the same kind as the validation text"),
    Level(60, 75, True, "very good, for text of the same kind as the validation text"),
)
"""The levels, the worst first."""


def level_of(scores: Mapping[MetricName, float], tgt_lang: str) -> Level | None:
    """The level of scores by BLEU, else by chrF; None if they have neither.

    chrF is not used for languages whose words are one or two characters, where its values are much lower.
    """
    if "bleu" in scores:
        return [level for level in LEVELS if level.bleu <= scores["bleu"] or level is LEVELS[0]][-1]
    if "chrf" in scores and not language_of(tgt_lang).many_characters:
        return [level for level in LEVELS if level.chrf <= scores["chrf"] or level is LEVELS[0]][-1]
    return None


def usable(scores: Mapping[MetricName, float], tgt_lang: str) -> bool:
    """Whether a model with these scores on validation text is usable; true if they do not tell."""
    level = level_of(scores, tgt_lang)
    return level is None or level.usable


_EXPECTED = (
    (10_000, "very little: expect a model that is hardly usable (5,000 pairs of everyday text gave BLEU 12)"),
    (
        50_000,
        "little: expect rough translations, better ones only of sentences that are much alike "
        "(20,000 pairs of everyday text gave BLEU 18, 29,000 captions of pictures 58)",
    ),
    (500_000, "enough for text of one kind: expect mistakes in everything that it lacks"),
)
"""What so many pairs or fewer are; the BLEU scores are those of docs/scores.md."""

_FADING = 0.5
"""The gain of doubling the time, divided by the slope of the curve so far: curves flatten."""
_MIN_GAIN = 1.0
"""Gain in points from which on more time is worth it."""
_PER_DOUBLING = 3
"""Points of BLEU by which twice the data improved a model: 11.9 with 5,000 pairs, 18.2 with 20,000."""

Curve = Sequence[tuple[float, float]]
"""Step and score of each validation."""


def expectation(num_pairs: int) -> str:
    """What a model of this many training pairs will be like; empty where their number is no limit."""
    return next((f"{num_pairs:,} pairs is {what}." for limit, what in _EXPECTED if num_pairs < limit), "")


def gain_of_doubling(curve: Curve) -> float | None:
    """The points that twice the training would add, by the slope of the curve; None if it is too short.

    The slope is that of a line through the second half of the curve over the logarithm of the steps. Half of
    it is expected to remain, and at most half of what is missing to 100.
    """
    points = [(math.log2(step), score) for step, score in curve if step > 0]
    late = [point for point in points if point[0] >= points[-1][0] - 1]
    late = late if len(late) > 1 else points[-2:]
    if len({x for x, _ in late}) < 2:
        return None
    from statistics import linear_regression  # slow to import, and models are opened with this module

    slope = linear_regression(*zip(*late, strict=True)).slope
    return max(0.0, min(_FADING * slope, (100 - points[-1][1]) / 2))


def outcome(
    level: Level | None, num_pairs: int, passes: float, curve: Curve, *, stopped_early: bool
) -> list[str]:
    """What a finished training achieved, and what would improve it, in a few sentences.

    Args:
        level: of its scores.
        num_pairs: training pairs.
        passes: how often they were seen.
        curve: BLEU of the validations.
        stopped_early: whether it ended because validations did not improve.
    """
    found = [f"Verdict: {level.meaning}."] if level else []
    seen = f"{num_pairs:,} pairs were seen {passes:,.1f} times"
    gain = gain_of_doubling(curve)
    if curve and curve[-1][1] < _MIN_GAIN:
        return [*found, f"{seen}, which is too little to tell what more data would bring. Train longer."]
    if stopped_early:
        found.append(f"{seen}, until the scores no longer improved: more time will not help.")
    elif gain is None:
        found.append(f"{seen}. One validation does not show whether more time would help.")
    elif gain >= _MIN_GAIN:
        found.append(
            f"{seen}, and BLEU was still rising: by its slope, twice the time would add about "
            f"{gain:.0f} point{'s' * (round(gain) > 1)}."
        )
    else:
        found.append(f"{seen}, and BLEU hardly rises any more: more time will add less than a point.")
    missing = 100 - curve[-1][1] if curve else 100.0
    has_few = num_pairs < _EXPECTED[-1][0] and missing > 4 * _PER_DOUBLING
    if has_few and (stopped_early or (gain is not None and gain < 2 * _PER_DOUBLING)):
        found.append(f"Twice the data would add about {_PER_DOUBLING} points, as it did in other runs.")
    return found
