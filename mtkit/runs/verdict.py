"""What scores mean, in words: the one place that says from which score on a model is usable.

The bounds come from learning curves of real runs, which docs/scores.md shows. Does not use torch.
"""

from __future__ import annotations

from collections.abc import Mapping
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
