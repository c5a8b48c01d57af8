"""Every option of mtkit, with its type, default, bounds and meaning. Does not use torch.

Each section of the YAML file has a file of its own in this folder: `data` (with `sources` and `filters`),
`text`, `model`, `train`, `decode`, `export` and `card`; the short sections are here. Options and defaults are
defined nowhere else: the JSON Schema, the option tables and the errors are generated from these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from mtkit.config.card import CardConfig
from mtkit.config.data import DataConfig, TokenizerConfig
from mtkit.config.decode import DecodeConfig
from mtkit.config.export import ExportConfig
from mtkit.config.filters import TokensFilter
from mtkit.config.fixed import MAX_TOKENS, FormName, MetricName
from mtkit.config.model import ModelConfig
from mtkit.config.options import Options, rule
from mtkit.config.text import TextConfig
from mtkit.config.train import TrainConfig


class EvaluateConfig(Options):
    """The metrics of `mtkit evaluate`."""

    metrics: tuple[MetricName, ...] = Field(("bleu", "chrf"), min_length=1, description="Metrics to compute.")
    form: FormName = Field(
        "raw",
        description="Form of the texts for BLEU. raw: as they are, split by sacreBLEU. moses-lc: lower case, "
        "Moses punctuation and Moses tokens with escapes, without smoothing, as papers on Multi30k score; "
        "requires sacremoses.",
    )

    @classmethod
    def without_effect(cls, given: Mapping[str, Any]) -> set[str]:
        """The form of the texts, without BLEU."""
        metrics = given.get("metrics")
        return {"form"} if isinstance(metrics, list) and "bleu" not in metrics else set()

    @rule
    def _form_has_an_effect(self) -> Iterator[str]:
        if self.form != "raw" and "bleu" not in self.metrics:
            yield f"form = {self.form} has no effect without bleu. Remove it, or add bleu to metrics."


class Config(Options):
    """A run of mtkit, from raw text to scores."""

    run: Path = Field(description="Folder of all files that the run writes.")
    private: bool = Field(
        True,
        description="Make files with sentences (prepared data, reports, translations of test sets) "
        "readable by their owner only. If false, the umask decides.",
    )
    seed: int = Field(1, ge=0, le=2**32 - 1, description="Random seed, from which all randomness is derived.")
    data: DataConfig
    text: TextConfig = Field(default_factory=TextConfig)
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    decode: DecodeConfig = Field(default_factory=DecodeConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)
    export: ExportConfig = Field(default_factory=ExportConfig)
    card: CardConfig = Field(default_factory=CardConfig)

    @rule
    def _positions_are_learned(self) -> Iterator[str]:
        """Checks that there are learned positions for all tokens of a pair and EOS."""
        places = self.model.architecture.learned_positions
        for item in self.data.filters if places else ():
            if isinstance(item, TokensFilter) and item.max_tokens >= places:
                yield (
                    f"model.max_positions = {places} must be greater than max_tokens = {item.max_tokens} "
                    f"of the filter tokens. Try {item.max_tokens + 1}."
                )

    @rule
    def _matches_fit(self) -> Iterator[str]:
        """Checks what a source with a match needs: it has words of the target, and is longer."""
        if self.data.memory is None:
            return
        places = self.model.architecture.learned_positions
        if self.tokenizer.separate:
            yield (
                "data.memory puts words of the target into sources, which tokenizer.separate cannot spell "
                "there. Choose one of them."
            )
        if self.decode.target_tag is not None:
            yield (
                "data.memory and decode.target_tag cannot be combined: matches would begin with the tag. "
                "Choose one of them."
            )
        if self.train.guided_alignment:
            yield (
                "data.memory and train.guided_alignment cannot be combined: words would be aligned with "
                "those of the match. Choose one of them."
            )
        if places and places <= MAX_TOKENS:
            yield (
                f"model.max_positions = {places} must be greater than {MAX_TOKENS}, the tokens of a source "
                f"with its match in data.memory. Try {MAX_TOKENS + 1}."
            )

    @rule
    def _terms_fit(self) -> Iterator[str]:
        if self.data.terms and self.tokenizer.separate:
            yield (
                "data.terms writes words of the target language into sources, which needs one subword model "
                "for both. Leave out tokenizer.separate."
            )

    @rule
    def _vocabularies_fit(self) -> Iterator[str]:
        if self.tokenizer.separate and self.model.architecture.shared_src:
            yield (
                "tokenizer.separate gives two vocabularies, which cannot share one embedding. "
                "Set model.tie_embeddings to tgt or none."
            )
