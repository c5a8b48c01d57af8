"""Compares an export with the native engine: translations, and log-probabilities. Free of torch."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean as mean
from typing import TYPE_CHECKING

from mtkit.engine.interface import Engine
from mtkit.errors import GateError, InputError
from mtkit.runs.layout import DATA, inside
from mtkit.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig
    from mtkit.config.schema import Config

EXACT_SHARE, EXACT_DIFFERENCE = 0.8, 1e-3
"""Least share of translations that are equal or equally good, and largest difference, in full precision. An
untrained model with a small vocabulary gives much probability to special pieces, which only one of the
engines redistributes to the others."""
ROUNDED_DIFFERENCE = 0.1
"""Largest mean difference with rounded weights."""
WORSE_BY, WORSE_SHARE = 0.1, 0.1
"""A translation is worse if the native engine gives it a log-probability per token that is lower by more than
this than that of its own translation; and the largest share of such translations with rounded weights. Two of
the same length that differ by at most this are equally good."""
SAMPLE = 64
"""Sentences that are compared."""
REPORT = "Please report it, and translate with --engine native."

Say = Callable[[str], None]
"""Tells the user a result."""
Scores = Sequence[Sequence[float]]
"""Log-probabilities of each target's tokens."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The mean and the largest absolute difference of log-probabilities of the same tokens."""

    mean: float
    max: float

    def require(self, exact: bool) -> None:
        """Checks the differences against a bound; `exact` if the weights are in full precision.

        Raises:
            GateError: they exceed it.
        """
        found, bound = (self.max, EXACT_DIFFERENCE) if exact else (self.mean, ROUNDED_DIFFERENCE)
        if found > bound:
            raise GateError(
                f"export: log-probabilities differ by {found:.2g} from the native engine, at most {bound:g} "
                "is allowed.",
                REPORT if exact else "Choose a finer --quantization.",
            )


@dataclass(frozen=True, slots=True)
class Parity:
    """The comparison of an export with the native engine.

    Attributes:
        sentences: number of sentences that both translated.
        same: number of equal translations.
        as_good: number of different translations that are equally good in the sense of `WORSE_BY`. A model
            that has learned nothing yet finds many sentences about equally likely.
        worse: number of translations by the export that are worse in the sense of `WORSE_BY`. A different
            translation that is as good is no fault.
        differences: between both engines' log-probabilities of the native engine's translations.
    """

    sentences: int
    same: int
    as_good: int
    worse: int
    differences: Differences

    def values(self) -> dict[str, float]:
        """The comparison, for the manifest of an export."""
        return {
            "sentences": self.sentences,
            "same": self.same,
            "as_good": self.as_good,
            "worse": self.worse,
            "mean_difference": self.differences.mean,
        }

    @property
    def is_close(self) -> bool:
        """Whether rounded weights translate well enough."""
        return self.differences.mean <= ROUNDED_DIFFERENCE and self.worse <= WORSE_SHARE * self.sentences

    def require(self, exact: bool) -> None:
        """Checks both results against their bounds; see `Differences.require`."""
        self.differences.require(exact)
        if exact and self.same + self.as_good < EXACT_SHARE * self.sentences:
            raise GateError(
                f"export: {self.same} of {self.sentences} translations are identical to the native engine's, "
                f"and {self.as_good} more are equally good. At least {EXACT_SHARE:.0%} is required.",
                REPORT,
            )


def differences(scores: Scores, other: Scores) -> Differences:
    """The differences between two scorings of the same targets."""
    found = [
        abs(a - b)
        for ours, theirs in zip(scores, other, strict=True)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return Differences(sum(found) / len(found), max(found))


def compare(
    native: Engine, exported: Engine, src_ids: Sequence[Sequence[int]], options: DecodeConfig
) -> Parity:
    """Compares an export with the native engine on one or more sources."""
    own, found = ([hyps[0].ids for hyps in engine.decode(src_ids, options)] for engine in (native, exported))
    of_own, of_found, by_export = (
        [hyp.token_scores for hyp in engine.score(src_ids, ids, options)]
        for engine, ids in ((native, own), (native, found), (exported, own))
    )
    # How much less likely the translation by the export is, per token; None if it is equal.
    losses = [
        None if ids == other else mean(a) - mean(b)
        for ids, other, a, b in zip(own, found, of_own, of_found, strict=True)
    ]
    return Parity(
        sentences=len(own),
        same=losses.count(None),
        as_good=sum(
            loss is not None and abs(loss) <= WORSE_BY and len(ids) == len(other)
            for loss, ids, other in zip(losses, own, found, strict=True)
        ),
        worse=sum(loss is not None and loss > WORSE_BY for loss in losses),
        differences=differences(of_own, by_export),
    )


def sample_sources(config: Config, tokenizer: Tokenizer, count: int) -> tuple[list[list[int]], str]:
    """Ids of at most `count` sources for a comparison, and what to call them.

    They are the first validation sentences, or random pieces if those cannot be read.
    """
    from mtkit.config.sources import CutSource
    from mtkit.data.read.lines import read_lines
    from mtkit.data.read.readers import read_pairs

    prepared, valid = inside(config.run, DATA) / "valid.src.txt", config.data.valid
    try:
        if prepared.is_file():
            texts = list(islice(read_lines(prepared), count))
        elif isinstance(valid, CutSource):
            raise InputError("data.valid: is cut from the training data, which is not prepared.")
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
