"""Options of `decode`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mtkit.config.options import Options, Tag

DecodeMethod = Literal["beam", "diverse_beam", "sample", "mbr"]

DEFAULT_SAMPLES = {"sample": 1, "mbr": 32}


class DecodeConfig(Options):
    """How translations are searched for."""

    method: DecodeMethod = Field(
        "beam",
        description="beam: the likeliest translation; diverse_beam: likely ones that differ from each other; "
        "sample: drawn at random; mbr: of many drawn ones the one most like all others, by chrF.",
    )
    beam_size: int = Field(5, ge=1, le=256, description="Hypotheses kept per sentence; 1 is greedy.")
    length_penalty: float = Field(1.0, ge=0, le=10, description="A score is divided by length ^ this.")
    patience: float = Field(
        1.0, gt=0, le=100, description="A beam stops when this times `beam_size` hypotheses have ended."
    )
    diversity_groups: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Of diverse_beam: parts that avoid each other's tokens; one a hypothesis if left out.",
    )
    diversity_penalty: float = Field(
        0.5,
        ge=0,
        le=1000,
        description="Of diverse_beam: taken off for each earlier part that chose the same token.",
    )
    num_samples: int | None = Field(
        None, ge=1, le=1024, description="Of sample and mbr: translations drawn; 1 and 32 if left out."
    )
    top_k: int | None = Field(
        None, ge=1, le=1_000_000, description="Of sample and mbr: draw among so many tokens only."
    )
    top_p: float = Field(
        1.0, gt=0, le=1, description="Of sample and mbr: draw among the likeliest tokens of this probability."
    )
    temperature: float = Field(
        1.0, gt=0, le=100, description="Of sample and mbr: below 1 likely tokens become likelier."
    )
    seed: int = Field(
        1, ge=0, le=2**32 - 1, description="Of sample and mbr: the same one draws the same for the same line."
    )
    min_len: int = Field(0, ge=0, le=10_000, description="Shortest output, in tokens.")
    max_len_ratio: float = Field(
        2.0, gt=0, le=20, description="Longest output: this times the source length + 50."
    )
    no_repeat_ngram_size: int = Field(
        0, ge=0, le=1000, description="No run of so many tokens comes twice; 0 is no such rule."
    )
    repetition_penalty: float = Field(
        1.0,
        ge=1,
        le=100,
        description="Log-probabilities of tokens that were used already are multiplied by this.",
    )
    banned: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="Phrases that are never written, in any case of letters."
    )
    batch_tokens: int = Field(
        4096, ge=1, le=1_000_000, description="Source tokens translated at once, beams included."
    )
    tags: tuple[Tag, ...] = Field(
        (),
        description="What `translate` begins each source with; with target_tags also 2LANG for another "
        "language.",
    )

    @property
    def samples(self) -> int:
        """Translations that are drawn."""
        return self.num_samples or DEFAULT_SAMPLES.get(self.method, 1)

    @property
    def groups(self) -> int:
        """Parts of the beam that are searched apart."""
        return (self.diversity_groups or self.beam_size) if self.method == "diverse_beam" else 1

    @property
    def width(self) -> int:
        """Hypotheses that run at once for each sentence."""
        return self.samples if self.method in DEFAULT_SAMPLES else self.beam_size

    @model_validator(mode="after")
    def _options_belong_to_the_method(self) -> DecodeConfig:
        drawing = self.method in DEFAULT_SAMPLES
        foreign = [] if drawing else ["num_samples", "top_k", "top_p", "temperature", "seed"]
        if self.method != "diverse_beam":
            foreign += ["diversity_groups", "diversity_penalty"]
        for name in foreign:
            if getattr(self, name) != type(self).model_fields[name].default:
                fits = "diverse_beam" if name.startswith("diversity") else "sample or mbr"
                raise ValueError(
                    f"{name} has no effect with method {self.method}. Leave it out, or set method to {fits}."
                )
        if self.beam_size % self.groups:
            raise ValueError(f"diversity_groups = {self.groups} must divide beam_size = {self.beam_size}.")
        return self
