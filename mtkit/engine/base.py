"""What an engine is: ids in, ids out. Text is the translator's business. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from mtkit.config.schema import DecodeConfig
from mtkit.decode.hypothesis import Hypothesis

Precision = Literal["fp32", "bf16", "fp16", "auto"]


class Engine(Protocol):
    """Whatever can run a model."""

    def decode(self, src_ids: Sequence[Sequence[int]], options: DecodeConfig) -> list[list[Hypothesis]]:
        """Hypotheses of each source, best first, in the order of the sources.

        Args:
            src_ids: sources without end of sentence.
            options: how to search.
        """
