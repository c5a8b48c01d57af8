"""Whether two engines give the same tokens, and equal tokens the same log-probabilities. Free of torch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from mtkit.engine.interface import Engine
from mtkit.errors import GateError, InputError
from mtkit.runs.layout import DATA, inside
from mtkit.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.config.schema import Config

EXACT_SHARE, EXACT_DIFFERENCE = 0.8, 1e-3
"""Of the same numbers in another engine. An untrained model with few pieces gives so much probability to
special ones, which are never written, that it matters whether this is shared out among the others."""
ROUNDED_DIFFERENCE = 0.1
"""Of numbers stored with fewer digits, in the mean."""
REPORT = "Please report it; translate with --engine native."


Scores = Sequence[Sequence[float]]
"""Log-probabilities of each target's tokens."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How far log-probabilities of the same tokens are apart: in the mean, and at most."""

    mean: float
    max: float

    def require(self, exact: bool) -> None:
        """Refuses a model that is too far from the other; `exact` if its weights have all their digits.

        Raises:
            GateError: a bound was missed.
        """
        found, bound = (self.max, EXACT_DIFFERENCE) if exact else (self.mean, ROUNDED_DIFFERENCE)
        if found > bound:
            raise GateError(
                f"export: log-probabilities differ by {found:.2g} from those of the native engine, "
                f"at most {bound:g} is allowed.",
                REPORT if exact else "Choose a finer --quantization.",
            )


@dataclass(frozen=True, slots=True)
class Parity:
    """How near one engine comes to another.

    Attributes:
        sentences: how many were translated by both.
        same: of them, those with equal tokens.
        differences: of the log-probabilities of the first engine's translations.
    """

    sentences: int
    same: int
    differences: Differences

    def require(self, exact: bool) -> None:
        """Refuses an engine that is too far from the other; see `Differences.require`."""
        self.differences.require(exact)
        if exact and self.same < EXACT_SHARE * self.sentences:
            raise GateError(
                f"export: {self.same} of {self.sentences} translations are those of the native engine, "
                f"expected {EXACT_SHARE:.0%}.",
                REPORT,
            )


def differences(scores: Scores, other: Scores) -> Differences:
    """How far two scorings of the same targets are apart."""
    found = [
        abs(a - b)
        for ours, theirs in zip(scores, other, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return Differences(sum(found) / len(found), max(found))


def compare(engine: Engine, other: Engine, src_ids: Sequence[Sequence[int]], options: DecodeConfig) -> Parity:
    """How near `other` comes to `engine` on some sources, of which there must be one at least."""
    expected = [hyps[0].ids for hyps in engine.decode(src_ids, options)]
    found = [hyps[0].ids for hyps in other.decode(src_ids, options)]
    same = sum(a == b for a, b in zip(expected, found, strict=True))
    ours, theirs = (
        [hyp.token_scores for hyp in each.score(src_ids, expected, options)] for each in (engine, other)
    )
    return Parity(len(expected), same, differences(ours, theirs))


def sample_sources(config: Config, tokenizer: Tokenizer, count: int) -> tuple[list[list[int]], str]:
    """Ids of at most `count` sources to compare engines with, and what they are.

    They are the first validation sentences; where those cannot be read, pieces drawn at random.
    """
    from mtkit.config.sources import CutSource
    from mtkit.data.read.lines import read_lines
    from mtkit.data.read.readers import read_pairs

    prepared, valid = inside(config.run, DATA) / "valid.src.txt", config.data.valid
    try:
        if prepared.is_file():
            texts = list(islice(read_lines(prepared), count))
        elif isinstance(valid, CutSource):
            raise InputError("they are cut from training data that are not there.")
        else:
            pairs = read_pairs(valid, config.data.src_lang, config.data.tgt_lang)
            texts = [pair.src for pair in islice(pairs, count)]
        if ids := [found for found in tokenizer.encode(texts) if found]:
            return ids, "validation sentences"
    except InputError:
        pass
    draw = random.Random(0)
    pieces = range(Tokenizer.EOS + 1, tokenizer.src.size)
    drawn = [[draw.choice(pieces) for _ in range(1 + i % 30)] for i in range(count)]
    return drawn, "sequences of random pieces"
