from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from mtkit.config.decode import DecodeConfig
from mtkit.convert.parity import compare
from mtkit.decode.hypothesis import Hypothesis
from mtkit.errors import GateError
from tests.support.fakes import EchoEngine

SRCS = [[5, 6], [7, 8, 9], [5], [6, 6]]


class Native(EchoEngine):
    """Translates by copying; a copy has probability 1, anything else as little as its ids say."""

    def score(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[Hypothesis]:
        return [
            Hypothesis(tuple(tgt), 0.0, tuple(-0.01 * abs(a - b) for a, b in zip(src, tgt, strict=True)))
            for src, tgt in zip(src_ids, tgt_ids, strict=True)
        ]


class Rounded(Native):
    """Adds these numbers to the ids of its translations, and `error` to its scores."""

    def __init__(self, shifts: Sequence[int], error: float) -> None:
        super().__init__()
        self._shifts, self._error = shifts, error

    def decode(self, src_ids: Sequence[Sequence[int]], *_: object) -> list[list[Hypothesis]]:
        changed = [
            [number + shift for number in ids] for ids, shift in zip(src_ids, self._shifts, strict=True)
        ]
        return [[Hypothesis(tuple(ids), 0.0, ())] for ids in changed]

    def score(
        self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
    ) -> list[Hypothesis]:
        return [
            Hypothesis(hyp.ids, hyp.score, tuple(one + self._error for one in hyp.token_scores))
            for hyp in super().score(src_ids, tgt_ids, options)
        ]


def test_only_a_translation_that_the_model_finds_less_likely_is_worse() -> None:
    found = compare(Native(), Rounded((0, 9, 11, 30), -0.25), SRCS, DecodeConfig())
    assert (found.sentences, found.same, found.as_good, found.worse) == (4, 1, 1, 2)
    assert (found.differences.mean, found.differences.max) == pytest.approx((0.25, 0.25))
    assert not found.is_close


@pytest.mark.parametrize(
    ("shifts", "enough"),
    [((0, 0, 0, 30), False), ((0, 0, 0, 9), True), ((9, 9, 9, 9), True), ((9, 9, 9, 11), False)],
)
def test_in_full_precision_other_translations_may_be_equally_good(
    shifts: Sequence[int], enough: bool
) -> None:
    """As a model that has learned nothing yet makes them: three of four are less than the 80 % required."""
    found = compare(Native(), Rounded(shifts, 0.0), SRCS, DecodeConfig())
    with nullcontext() if enough else pytest.raises(GateError, match="At least 80%"):
        found.require(exact=True)


def test_a_shorter_translation_is_not_equally_good() -> None:
    """A wrong length penalty shortens translations, which can make their tokens more likely."""

    class Lenient(EchoEngine):
        def score(
            self, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]], options: DecodeConfig
        ) -> list[Hypothesis]:
            return [Hypothesis(tuple(ids), 0.0, (0.0,) * len(ids)) for ids in tgt_ids]

    class Short(Lenient):
        def decode(self, src_ids: Sequence[Sequence[int]], *_: object) -> list[list[Hypothesis]]:
            return [[Hypothesis((ids[0],), 0.0, ())] for ids in src_ids]

    found = compare(Lenient(), Short(), [[5, 6]] * 4, DecodeConfig())
    assert (found.same, found.as_good, found.worse) == (0, 0, 0)
    with pytest.raises(GateError, match="0 of 4 translations are identical"):
        found.require(exact=True)
