"""How certain a translation is, from its tokens' log-probabilities and the look of both texts. Free of torch.

The estimate is a ridge regression on cheap features, made monotone; `metrics/regression.py`
fits it. Using it needs no numpy.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, isfinite, log1p, sqrt
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from mtkit.disk.reading import using
from mtkit.errors import InputError
from mtkit.runs.exports import CONFIDENCE
from mtkit.text.lazy import lazy_pattern

VERSION = 1
"""Of the file, and of the features that it weighs."""
Meaning = Literal["chrf", "labels"]
"""What is predicted: sentence chrF divided by 100, or where a label lies between the worst and the best."""
MAX_DEVIATIONS = 4.0
"""Features further from their mean, in standard deviations, count as if they were so far."""
_LOWEST = -100.0
"""Log-probability of a token that cannot occur, or whose score is no number."""
_MAX_KNOTS = 100
_FIT = "Fit it again with `mtkit confidence fit`."

FEATURES = (
    "mean",
    "deviation",
    "minimum",
    "lowest_fifth",
    "share_below_1",
    "share_below_2",
    "first",
    "last",
    "log_sum",
    "mean_probability",
    "src_words",
    "tgt_words",
    "tokens",
    "tgt_chars",
    "longest_word",
    "ratio_words",
    "ratio_chars",
    "tokens_per_word",
    "capitals",
    "copied_words",
    "same_first_char",
    "same_first_word",
    "numbers",
    "punctuation",
    "src_coverage",
    "tgt_coverage",
)
"""Names of the features, in the order of `features`; counts and the sum as log(1 + count)."""

_NUMBER = lazy_pattern(r"\d+(?:[.,' \u00a0\u2009\u202f]\d{3}\b)*(?:[.,]\d+)?")
_SEPARATORS = str.maketrans("", "", ".,' \u00a0\u2009\u202f")
_MARKS = ".,;:?!()\"'"
_ASCII = str.maketrans("。，、；：？！（）“”„«»「」‘’", '.,,;:?!()"""""""' + "''")


class CoverageShares(Protocol):
    """The shares of the words of each text that have a counterpart in the other."""

    @property
    def src_share(self) -> float:
        """Of the source, from 0 to 1."""

    @property
    def tgt_share(self) -> float:
        """Of the translation, from 0 to 1."""


class CoverageModel(Protocol):
    """Knows which words translate each other."""

    def of(self, src: str, tgt: str) -> CoverageShares:
        """The shares of a pair."""


def features(
    src: str, tgt: str, token_scores: Sequence[float], coverage: CoverageModel | None = None
) -> list[float]:
    """The values of `FEATURES`.

    Args:
        src: a sentence.
        tgt: its translation.
        token_scores: log-probabilities of its tokens and of the end of the sentence; at least one.
        coverage: without it, both shares are 1.
    """
    token_scores = [max(_LOWEST, score) for score in token_scores]
    count = len(token_scores)
    total = sum(token_scores)
    mean = total / count
    ordered = sorted(token_scores)
    fifth = max(1, count // 5)
    src_words, tgt_words = src.split(), tgt.split()
    num_src, num_tgt = len(src_words), len(tgt_words)
    known = set(src_words)
    shares = coverage.of(src, tgt) if coverage else None
    return [
        mean,
        sqrt(sum([(score - mean) ** 2 for score in token_scores]) / count),
        ordered[0],
        sum(ordered[:fifth]) / fifth,
        bisect_right(ordered, -1.0) / count,
        bisect_right(ordered, -2.0) / count,
        token_scores[0],
        token_scores[-1],
        log1p(max(0.0, -total)),
        sum(map(exp, token_scores)) / count,
        log1p(num_src),
        log1p(num_tgt),
        log1p(count),
        log1p(len(tgt)),
        log1p(max(map(len, src_words), default=0)),
        log1p(num_tgt) - log1p(num_src),
        log1p(len(tgt)) - log1p(len(src)),
        count / (1 + num_tgt),
        sum([word[0].isupper() for word in tgt_words]) / (1 + num_tgt),
        sum([word in known for word in tgt_words]) / (1 + num_tgt),
        float(src[:1] == tgt[:1]),
        float(src_words[:1] == tgt_words[:1]),
        log1p(_different_numbers(src, tgt)),
        log1p(_different_marks(src, tgt)),
        shares.src_share if shares else 1.0,
        shares.tgt_share if shares else 1.0,
    ]


def _different_numbers(src: str, tgt: str) -> int:
    """How many numbers only one of the texts has; separators do not count."""
    found = [number.translate(_SEPARATORS) for number in _NUMBER.findall(src)]
    more = 0
    for number in _NUMBER.findall(tgt):
        try:
            found.remove(number.translate(_SEPARATORS))
        except ValueError:
            more += 1
    return len(found) + more


def _different_marks(src: str, tgt: str) -> int:
    """How many punctuation marks one of the texts has more often than the other."""
    src, tgt = src.translate(_ASCII), tgt.translate(_ASCII)
    return sum(abs(src.count(mark) - tgt.count(mark)) for mark in _MARKS)


@dataclass(frozen=True, slots=True)
class Confidence:
    """A fitted estimate, from features to a number between 0 and 1.

    Attributes:
        meaning: what is predicted.
        means: of each feature, in the examples.
        scales: standard deviation of each feature, 1 for one that is constant.
        linear: weights of the features, once they have mean 0 and deviation 1.
        squared: weights of their squares.
        bias: what is added.
        raw: sums at which the estimate is known, increasing.
        values: the estimate there, from 0 to 1, not decreasing; between them it is interpolated.
        examples: number of translations that it was fitted to.
    """

    meaning: Meaning
    means: tuple[float, ...]
    scales: tuple[float, ...]
    linear: tuple[float, ...]
    squared: tuple[float, ...]
    bias: float
    raw: tuple[float, ...]
    values: tuple[float, ...]
    examples: int

    def of(
        self, src: str, tgt: str, token_scores: Sequence[float], coverage: CoverageModel | None = None
    ) -> float:
        """The estimate for a sentence and its translation, see `features`."""
        return self.calibrated(self.weighed(features(src, tgt, token_scores, coverage)))

    def weighed(self, values: Sequence[float]) -> float:
        """The weighed sum of the features."""
        total = self.bias
        for value, mean, scale, linear, squared in zip(
            values, self.means, self.scales, self.linear, self.squared, strict=True
        ):
            z = min(max((value - mean) / scale, -MAX_DEVIATIONS), MAX_DEVIATIONS)
            total += (linear + squared * z) * z
        return total

    def calibrated(self, total: float) -> float:
        """The estimate for a weighed sum."""
        place = bisect_right(self.raw, total)
        if place == 0:
            return self.values[0]
        if place == len(self.raw):
            return self.values[-1]
        low, high = self.raw[place - 1], self.raw[place]
        share = (total - low) / (high - low)
        return self.values[place - 1] + share * (self.values[place] - self.values[place - 1])

    def to_bytes(self) -> bytes:
        """The content of the file that holds it."""
        values: dict[str, Any] = {
            "version": VERSION,
            "meaning": self.meaning,
            "examples": self.examples,
            "bias": self.bias,
            "features": {
                name: list(numbers)
                for name, *numbers in zip(
                    FEATURES, self.means, self.scales, self.linear, self.squared, strict=True
                )
            },
            "knots": [list(knot) for knot in zip(self.raw, self.values, strict=True)],
        }
        return (json.dumps(values, indent=1) + "\n").encode()


def read_confidence(folder: Path, content: bytes | None) -> Confidence:
    """The estimate of a model.

    Args:
        folder: of the model, for messages.
        content: of its file; None if it has none.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """
    path = folder / CONFIDENCE
    if content is None:
        raise InputError(
            f"{folder}: the model does not know how certain its translations are, since it has no "
            f"{CONFIDENCE}.",
            "Add it with `mtkit confidence fit`.",
        )
    with using(path, _FIT):
        values = json.loads(content)
        if values["version"] != VERSION:
            raise InputError(
                f"{path}: version {values['version']!s:.20}; this mtkit reads version {VERSION}.", _FIT
            )
        return _checked(values)


def _checked(values: dict[str, Any]) -> Confidence:
    """The estimate in untrusted values; raises ValueError or the like if they are not one."""
    if tuple(values["features"]) != FEATURES or values["meaning"] not in get_args(Meaning):
        raise ValueError("other features, or another meaning")
    means, scales, linear, squared = (_numbers(row) for row in zip(*values["features"].values(), strict=True))
    raw, estimates = (_numbers(row) for row in zip(*values["knots"], strict=True))
    (bias,) = _numbers([values["bias"]])
    rises = all(low < high for low, high in pairwise(raw))
    keeps = all(low <= high for low, high in zip((0.0, *estimates), (*estimates, 1.0), strict=True))
    if not rises or not keeps or not raw or len(raw) > _MAX_KNOTS or min(scales) <= 0:
        raise ValueError("numbers in the wrong order")
    return Confidence(
        values["meaning"], means, scales, linear, squared, bias, raw, estimates, int(values["examples"])
    )


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    if not all(type(value) in (int, float) and isfinite(value) for value in values):
        raise ValueError("no finite numbers")
    return tuple(map(float, values))
