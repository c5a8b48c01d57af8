"""The protocol of engines, which translate ids to ids. Text is the translator's business. Free of torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from mtkit.decode.hypothesis import Demand, Hypothesis, Inspected

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

Precision = Literal["fp32", "bf16", "fp16", "auto"]
EngineName = Literal["auto", "native", "ctranslate2"]
Feature = Literal["target prefixes", "terms", "alignments"]
"""Features, beside search options, that an engine may lack."""


class Engine(Protocol):
    """Runs a model."""

    @property
    def name(self) -> str:
        """A description for the user."""

    @property
    def at_once(self) -> int:
        """The number of concurrent `decode` calls that gives the best throughput."""

    @property
    def lengths_at_once(self) -> int:
        """How many lengths of sources a call decodes concurrently; 0 if one batch may hold different ones."""

    @property
    def aligns(self) -> bool:
        """Whether `align` can be called."""

    def refusals(self, options: DecodeConfig, features: Collection[Feature] = ()) -> list[str]:
        """The options, as `decode.name = value`, and features among these that it does not support."""

    def decode(
        self,
        src_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        demands: Sequence[Demand] | None = None,
        scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """At most `options.width` hypotheses of each source, in the order of the sources.

        Some engines leave out `token_scores`, which `score` gives.

        The hypotheses of a source are sorted from best to worst; samples stay in the order of drawing.

        Args:
            src_ids: sources without end of sentence.
            options: search options.
            demands: constraints for each translation; none by default.
            scores: whether the caller needs scores. Without them decoding is faster, and scores may be NaN.
        """

    def score(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[Hypothesis]:
        """Each target as a hypothesis of its source, with the scores that `decode` would give it.

        Args:
            src_ids: sources without end of sentence.
            tgt_ids: a target for each source, without beginning and end of sentence.
            options: length penalty and batch size.
        """

    def align(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
    ) -> list[list[tuple[int, int]]]:
        """Links from each target token to the source token it translates, as (source, target) indices from 0.

        Args:
            src_ids: sources without end of sentence.
            tgt_ids: a target for each source, without beginning and end of sentence.
            options: batch size.

        Raises:
            UsageError: the engine does not support alignments.
        """


@runtime_checkable
class Inspecting(Protocol):
    """An engine that can also show what the model makes of each token."""

    def inspect(
        self,
        src_ids: Sequence[Sequence[int]],
        tgt_ids: Sequence[Sequence[int]],
        options: DecodeConfig,
        num_likely: int,
    ) -> list[Inspected]:
        """Each target token by token.

        Args:
            src_ids: sources without end of sentence.
            tgt_ids: a target for each source, without beginning and end of sentence.
            options: batch size.
            num_likely: number of most probable tokens of each place.
        """
