"""Options of `decode`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from mtkit.config.fixed import OPTIONS_OF_METHOD, DecodeMethod, options_of_other_methods
from mtkit.config.options import Options, Tag, rule

Split = Literal["auto", "always", "never"]

DEFAULT_SAMPLES = {"sample": 1, "mbr": 32}

_COMPARED = ("beam_size", "length_penalty", "max_len_ratio", "batch_tokens", "target_tag")
"""The options that count when models and exports are compared; `batch_tokens` changes only the speed."""


class DecodeConfig(Options):
    """The search for translations."""

    method: DecodeMethod = Field(
        "beam",
        description="Search method. beam: the most likely translation. diverse_beam: likely translations "
        "that differ from each other. sample: random samples. mbr: the sample most similar "
        "to all other samples by chrF (minimum Bayes risk).",
    )
    beam_size: int = Field(
        5, ge=1, le=256, description="Number of hypotheses kept per sentence; 1 is greedy search."
    )
    length_penalty: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Divide the score of a hypothesis by its length in tokens raised to this power. 0 "
        "turns this off.",
    )
    patience: float = Field(
        1.0, gt=0, le=100, description="Stop the search after patience × beam_size finished hypotheses."
    )
    diversity_groups: int | None = Field(
        None,
        ge=1,
        le=256,
        description="diverse_beam only: number of groups in the beam, each of which avoids the tokens "
        "that earlier groups chose. Default: one group per hypothesis.",
    )
    diversity_penalty: float = Field(
        0.5,
        ge=0,
        le=1000,
        description="diverse_beam only: subtract this from the log-probability of a token for each "
        "earlier group that chose it.",
    )
    num_samples: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="sample and mbr only: number of translations to sample. Default: 1 for sample, 32 "
        "for mbr.",
    )
    top_k: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="sample and mbr only: sample from this many of the most likely tokens. Default: from "
        "all tokens.",
    )
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="sample and mbr only: sample from the smallest set of tokens whose probabilities add "
        "up to this value (nucleus sampling). 1 is all tokens.",
    )
    epsilon_cutoff: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="sample and mbr only: exclude tokens whose probability, after temperature, is below "
        "this (epsilon sampling). The most likely token always stays. Usual values are 0.0002 to 0.02. 0 is "
        "all tokens.",
    )
    temperature: float = Field(
        1.0,
        gt=0,
        le=100,
        description="sample and mbr only: sampling temperature. Below 1, likely tokens become more likely.",
    )
    seed: int = Field(
        1,
        ge=0,
        le=2**32 - 1,
        description="sample and mbr only: random seed. The same seed gives the same translation of the "
        "same line.",
    )
    split: Split = Field(
        "auto",
        description="Whether to translate each sentence of a text by itself. auto: if the model was trained "
        "on single sentences. always: with any model. never: only texts that are too long for the model "
        "are split.",
    )
    min_len: int = Field(0, ge=0, le=10_000, description="Minimum length of a translation, in tokens.")
    max_len_ratio: float = Field(
        2.0,
        gt=0,
        le=20,
        description="Maximum length of a translation, in tokens: this ratio × the source length + 50.",
    )
    no_repeat_ngram_size: int = Field(
        0, ge=0, le=1000, description="Do not repeat any sequence of this many tokens. 0 allows repetition."
    )
    repetition_penalty: float = Field(
        1.0,
        ge=1,
        le=100,
        description="Multiply the log-probability of each token that is already in the translation by "
        "this. Above 1, repetition becomes less likely.",
    )
    banned: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Phrases that must not appear in a translation. Case is ignored."
    )
    batch_tokens: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Batch size in source tokens, counted once for each hypothesis of the beam. Default: "
        "65,536 on a GPU, else 4,096.",
    )
    tags: tuple[Tag, ...] = Field(
        (),
        description="Tags that `mtkit translate` puts before each source. With data.target_tags, add "
        "2LANG to choose another target language.",
    )
    target_tag: Tag | None = Field(
        None,
        description="Tag that the decoder reads before each translation, such as the target language in "
        "imported M2M-100 models. Training puts it before each target.",
    )

    @property
    def samples(self) -> int:
        """Number of translations sampled."""
        return self.num_samples or DEFAULT_SAMPLES.get(self.method, 1)

    @property
    def groups(self) -> int:
        """Number of groups that the beam is divided into."""
        has_groups = "diversity_groups" in OPTIONS_OF_METHOD[self.method]
        return (self.diversity_groups or self.beam_size) if has_groups else 1

    @property
    def width(self) -> int:
        """Number of hypotheses searched in parallel for each sentence."""
        return self.samples if self.method in DEFAULT_SAMPLES else self.beam_size

    def plain_beam(self, beam_size: int | None = None) -> DecodeConfig:
        """The beam search by which models and exports are compared, whatever the method and the rules.

        Args:
            beam_size: in place of the own one.
        """
        kept = {name: getattr(self, name) for name in _COMPARED}
        return DecodeConfig.model_validate(kept | ({} if beam_size is None else {"beam_size": beam_size}))

    def applicable(self) -> dict[str, Any]:
        """The values of all options that have an effect, as in JSON.

        Only these are stored. An option without an effect would be invalid when its default has changed.
        """
        return self.model_dump(mode="json", exclude=options_of_other_methods(self.method))

    @classmethod
    def without_effect(cls, given: Mapping[str, Any]) -> set[str]:
        """The options of other methods."""
        return options_of_other_methods(given.get("method", "beam"))

    @rule
    def _options_belong_to_the_method(self) -> Iterator[str]:
        others = options_of_other_methods(self.method)
        for name in self.changed():
            if name in others:
                methods = " or ".join(method for method, names in OPTIONS_OF_METHOD.items() if name in names)
                yield (
                    f"{name} has no effect with method {self.method}. Remove it, or set method to {methods}."
                )
        if self.beam_size % self.groups:
            yield (
                f"diversity_groups = {self.groups} must divide beam_size = {self.beam_size}. "
                f"Try beam_size = {self.groups * -(-self.beam_size // self.groups)}."
            )
