"""What an engine is: ids in, ids out. Text is the translator's business. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from mtkit.decode.hypothesis import Demand, Hypothesis

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

Precision = Literal["fp32", "bf16", "fp16", "auto"]
EngineName = Literal["auto", "native", "ctranslate2"]


class Engine(Protocol):
    """Whatever can run a model."""

    @property
    def name(self) -> str:
        """What it is, for the user."""

    @property
    def at_once(self) -> int:
        """How many threads may call `decode` at once and gain by it."""

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """At most `options.width` hypotheses of each source, in the order of the sources.

        The best one comes first; those that are drawn stay in the order of drawing.

        Args:
            src_ids: sources without end of sentence.
            options: how to search.
            demands: what is asked of each translation; nothing if left out.
            scores: whether those of hypotheses are needed; otherwise they may be NaN, which is faster.
        """

    def score(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[Hypothesis]:
        """Each target as a hypothesis of its source, with the scores that `decode` would have given it.

        Args:
            src_ids: sources without end of sentence.
            tgt_ids: a target for each, without beginning and end of sentence.
            options: length penalty, and how much is scored at once.
        """

    def align(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[list[tuple[int, int]]]:
        """For each target token the source token that it comes from, as (source, target) places from 0.

        Args:
            src_ids: sources without end of sentence.
            tgt_ids: a target for each, without beginning and end of sentence.
            options: how much is looked at at once.

        Raises:
            UsageError: the engine cannot do it.
        """
