"""Reads human scores of translations, for fitting confidence to them. Does not use torch."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import NamedTuple

from mtkit.data.read.lines import read_lines
from mtkit.errors import InputError
from mtkit.evaluate.confidence_fit import LEAST, FitExample, fit_confidence
from mtkit.translate.confidence import Confidence, features
from mtkit.translate.translator import Translator

COLUMNS = ("src", "tgt", "score")
_AT_ONCE = 500
_COLUMNS_HINT = "Give the columns src, tgt and score between tabs, named in the first line or in this order."


class Labelled(NamedTuple):
    """A translation and its score.

    Attributes:
        src: the text.
        tgt: its translation.
        score: higher is better.
    """

    src: str
    tgt: str
    score: float


def read_labels(path: Path) -> list[Labelled]:
    """The translations and scores in a file with the columns src, tgt and score between tabs.

    A first line with these names, also among others, says which column is which.

    Raises:
        InputError: it cannot be read, a line lacks a column, a score is no number, there are too few lines,
            or all scores are equal.
    """
    places = (0, 1, 2)
    found: list[Labelled] = []
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split("\t")
        if number == 1 and set(COLUMNS) <= set(cells):
            places = (cells.index("src"), cells.index("tgt"), cells.index("score"))
            continue
        if len(cells) <= max(places) or (places == (0, 1, 2) and len(cells) > len(COLUMNS) and not found):
            raise InputError(
                f"{path}:{number}: {len(cells)} columns, expected {max(*places, 2) + 1}.", _COLUMNS_HINT
            )
        src, tgt, text = (cells[place] for place in places)
        found.append(Labelled(src, tgt, _score(text, path, number)))
    if len(found) < LEAST:
        raise InputError(
            f"{path}: {len(found):,} translations with a score, expected {LEAST} or more.", "Add some."
        )
    if len({one.score for one in found}) == 1:
        raise InputError(
            f"{path}: all {len(found):,} scores are {found[0].score:g}.", "Give scores that differ."
        )
    return found


def _score(text: str, path: Path, number: int) -> float:
    try:
        score = float(text)
    except ValueError:
        score = float("nan")
    if not isfinite(score):
        raise InputError(f"{path}:{number}: the score {text.strip()!r:.40} is no number.", _COLUMNS_HINT)
    return score


def fit_to_labels(
    translator: Translator, labels: list[Labelled], worst: float | None = None, best: float | None = None
) -> Confidence:
    """The estimate that fits human scores of translations, which need not be the model's own.

    Args:
        translator: of the model, which scores each translation by forced decoding.
        labels: the scores.
        worst: the score that becomes 0; by default the lowest.
        best: the score that becomes 1; by default the highest.

    Raises:
        InputError: a score is outside of these two.
    """
    scores = [one.score for one in labels]
    low = min(scores) if worst is None else worst
    high = max(scores) if best is None else best
    if outside := next((score for score in scores if not low <= score <= high), None):
        raise InputError(
            f"labels: the score {outside:g} is not between {low:g} and {high:g}.", "Change --worst or --best."
        )
    examples = []
    for begin in range(0, len(labels), _AT_ONCE):
        block = labels[begin : begin + _AT_ONCE]
        for one, hyp in zip(block, translator.score([(each.src, each.tgt) for each in block]), strict=True):
            values = features(one.src, one.tgt, hyp.token_scores, translator.coverage)
            examples.append(FitExample(values, (one.score - low) / (high - low)))
    return fit_confidence(examples, "labels")
