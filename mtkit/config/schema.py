"""Every option of mtkit, with its type, default, bounds and meaning. Free of torch.

No option and no default stands anywhere else: the JSON Schema, the option tables and the
error messages are made from this file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(value: object) -> object:
    """Seconds from text such as `30m` or `1h30m`; anything else is left for the type check."""
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value)
    if found is None or not value:
        raise ValueError("a duration is written like 90s, 30m, 1h30m or 2d, or as a number of seconds")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
"""Seconds as a float; written in YAML as `90s`, `30m`, `1h30m`, `2d` or a number of seconds."""

Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
Probability = Annotated[float, Field(ge=0, lt=1)]


class Options(BaseModel):
    """A section of the configuration: strict types, no unknown keys, never changed once read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


# ---------------------------------------------------------------- data: readers and filters


class PlainSource(Options):
    """Two text files, line N of one being the translation of line N of the other."""

    reader: Literal["plain"]
    src: Path = Field(description="Source side; .gz, .xz and .zst are decompressed.")
    tgt: Path = Field(description="Target side.")


class TsvSource(Options):
    """One file of tab-separated columns."""

    reader: Literal["tsv"]
    path: Path = Field(description="The file; .gz, .xz and .zst are decompressed.")
    src_column: int = Field(1, ge=1, description="Column of the source text, from 1.")
    tgt_column: int = Field(2, ge=1, description="Column of the target text, from 1.")
    columns: int | None = Field(None, ge=2, description="Columns a line must have; any number if left out.")


class PhrasebookSource(Options):
    """Sentences that mtkit composes itself (en, fr, de, zh); needs no file and no network."""

    reader: Literal["phrasebook"]
    split: Literal["train", "valid", "test"] = Field("train", description="Splits never share a sentence.")
    pairs: int = Field(20_000, ge=1, description="How many pairs to compose.")
    seed: int = Field(1, ge=0, description="The same seed always gives the same sentences.")


Source = Annotated[PlainSource | TsvSource | PhrasebookSource, Field(discriminator="reader")]


class EmptyFilter(Options):
    """Drops pairs with a side that has no text."""

    filter: Literal["empty"]


class LengthFilter(Options):
    """Drops pairs with a side outside these bounds, in characters."""

    filter: Literal["length"]
    min_chars: int = Field(1, ge=0, description="Shortest side to keep.")
    max_chars: int = Field(2000, ge=1, description="Longest side to keep.")


class RatioFilter(Options):
    """Drops pairs whose longer side has more than `max_ratio` times the UTF-8 bytes of the shorter."""

    filter: Literal["ratio"]
    max_ratio: float = Field(4.0, ge=1, description="Largest ratio to keep.")
    slack: int = Field(
        20, ge=0, description="Bytes added to both sides first, so that short pairs may differ."
    )


class DuplicateFilter(Options):
    """Drops exact repetitions of an earlier pair."""

    filter: Literal["duplicate"]


class OverlapFilter(Options):
    """Drops training pairs with a side that also stands in validation or test data."""

    filter: Literal["overlap"]


class TokensFilter(Options):
    """Drops pairs with a side of more tokens than this, after segmentation."""

    filter: Literal["tokens"]
    max_tokens: int = Field(256, ge=1, description="Longest side to keep, in tokens.")


Filter = Annotated[
    EmptyFilter | LengthFilter | RatioFilter | DuplicateFilter | OverlapFilter | TokensFilter,
    Field(discriminator="filter"),
]

DEFAULT_FILTERS: tuple[Filter, ...] = (
    EmptyFilter(filter="empty"),
    LengthFilter(filter="length"),
    RatioFilter(filter="ratio"),
    DuplicateFilter(filter="duplicate"),
    OverlapFilter(filter="overlap"),
    TokensFilter(filter="tokens"),
)


class DataConfig(Options):
    """Where the parallel text comes from and what is kept of it."""

    root: Path | None = Field(None, description="Relative paths in `data` start here.")
    src_lang: Language = Field(description="Language translated from, such as en.")
    tgt_lang: Language = Field(description="Language translated into, such as fr.")
    train: tuple[Source, ...] = Field(min_length=1, description="Training corpora.")
    valid: Source = Field(
        description="Validation corpus: steers early stopping and the choice of checkpoints."
    )
    test: dict[str, Source] = Field(default_factory=dict, description="Test sets by name.")
    filters: tuple[Filter, ...] = Field(
        DEFAULT_FILTERS, description="Applied to training pairs in this order."
    )


class TokenizerConfig(Options):
    """The SentencePiece subword model, shared by both languages."""

    model_type: Literal["unigram", "bpe"] = Field("unigram", description="Segmentation algorithm.")
    vocab_size: int = Field(8000, ge=16, le=1_000_000, description="Pieces; fewer if the text gives no more.")
    character_coverage: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the text's characters that the vocabulary must spell. If left out: 0.9995 "
        "with Chinese, Japanese or Korean, else 1.",
    )
    byte_fallback: bool = Field(False, description="Spell unknown characters as bytes.")
    sample_pairs: int = Field(1_000_000, ge=1, description="Training pairs that the model is trained on.")
    num_threads: int = Field(4, ge=1, le=128, description="Fixed, since unigram pieces depend on it.")


# ---------------------------------------------------------------- model

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"d_model": 128, "d_ff": 512, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "small": {"d_model": 256, "d_ff": 1024, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "base": {},
    "big": {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "dropout": 0.3},
}
"""What each preset changes of the defaults of `ModelConfig`, which are `base`."""


class ModelConfig(Options):
    """The Transformer of Vaswani et al. 2017. A width left out comes from the preset."""

    preset: Literal["tiny", "small", "base", "big"] = Field(
        "base", description="Starting point of all sizes."
    )
    d_model: int = Field(512, ge=8, le=16384, description="Width of embeddings and layers.")
    d_ff: int = Field(2048, ge=8, le=65536, description="Inner width of the feed-forward layers.")
    num_heads: int = Field(8, ge=1, le=128, description="Attention heads.")
    num_encoder_layers: int = Field(6, ge=1, le=100, description="Encoder depth.")
    num_decoder_layers: int = Field(6, ge=1, le=100, description="Decoder depth.")
    dropout: Probability = Field(0.1, description="After embeddings and before each residual sum.")
    attention_dropout: Probability = Field(0.0, description="On attention weights.")
    activation_dropout: Probability = Field(0.0, description="Inside the feed-forward layers.")
    norm: Literal["pre", "post"] = Field(
        "pre", description="LayerNorm before each block, or after (the paper)."
    )
    activation: Literal["relu", "gelu"] = Field("relu", description="Of the feed-forward layers.")
    tie_embeddings: bool = Field(True, description="Source, target and output embeddings are one matrix.")

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        """Widths that are not given come from the preset."""
        if not isinstance(data, dict):
            return data
        preset = data.get("preset")
        return {**PRESETS.get(preset if isinstance(preset, str) else "", {}), **data}

    @model_validator(mode="after")
    def _heads_divide(self) -> ModelConfig:
        if self.d_model % self.num_heads:
            fits = [n for n in range(1, 65) if self.d_model % n == 0]
            near = sorted(sorted(fits, key=lambda n: abs(n - self.num_heads))[:2])
            raise ValueError(
                f"num_heads = {self.num_heads} must divide d_model = {self.d_model}. "
                f"Try {' or '.join(map(str, near))}."
            )
        if self.d_model % 2:
            raise ValueError(f"d_model = {self.d_model} must be even. Try {self.d_model + 1}.")
        return self


# ---------------------------------------------------------------- train


class OptimizerConfig(Options):
    """AdamW and its learning-rate schedule."""

    lr: float = Field(1.0e-3, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(4000, ge=0, description="Steps of linear rise to the peak.")
    schedule: Literal["inverse_sqrt", "linear", "constant"] = Field(
        "inverse_sqrt",
        description="After warm-up: lr·√(warmup/step), a straight line to 0 at the end, or flat.",
    )
    cooldown: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Last share of the budget in which the rate falls to 0 in a straight line.",
    )
    betas: tuple[float, float] = Field((0.9, 0.98), description="Adam's decay rates.")
    eps: float = Field(1.0e-9, gt=0, description="Adam's epsilon.")
    weight_decay: float = Field(0.0, ge=0, description="Decoupled weight decay, on matrices only.")
    clip_norm: float = Field(1.0, ge=0, description="Largest norm of the whole gradient; 0 is no clipping.")


class TrainConfig(Options):
    """The training loop. Whichever of `max_steps`, `max_epochs`, `max_time` comes first ends it."""

    max_steps: int | None = Field(100_000, ge=1, description="Optimizer steps.")
    max_epochs: int | None = Field(None, ge=1, description="Passes through the data.")
    max_time: Duration | None = Field(None, description="Training time, resumed parts added up, such as 30m.")
    batch_tokens: int = Field(
        4096, ge=16, description="Target tokens per optimizer step, whatever the devices."
    )
    micro_batch_tokens: int | None = Field(
        None, ge=16, description="Target tokens that are computed at once; all of the step's if left out."
    )
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "auto", description="auto is bf16 where the hardware has it, else fp32."
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto is cuda where there is one.")
    num_threads: int | None = Field(None, ge=1, description="CPU threads; torch's choice if left out.")
    label_smoothing: Probability = Field(0.1, description="Probability spread over the whole vocabulary.")
    optimizer: OptimizerConfig = Field(default_factory=OptimizerConfig, description="Optimizer and schedule.")
    ema: Probability = Field(
        0.0, description="Decay of the moving average of the weights that is validated and kept; 0 is none."
    )
    validate_every: int = Field(1000, ge=1, description="Steps between validations.")
    validate_pairs: int = Field(
        500, ge=1, description="Validation pairs translated for BLEU and chrF, at most."
    )
    validate_beam_size: int = Field(1, ge=1, description="Beam of those translations; 1 is greedy and fast.")
    save_every: int = Field(1000, ge=1, description="Steps between checkpoints.")
    keep_last: int = Field(2, ge=1, description="Newest checkpoints kept.")
    keep_best: int = Field(5, ge=1, description="Best checkpoints kept, by `best_metric`.")
    best_metric: Literal["bleu", "chrf", "loss"] = Field(
        "bleu", description="What makes a checkpoint the best."
    )
    average: int = Field(5, ge=1, description="Best checkpoints averaged into the final model.")
    patience: int | None = Field(
        None, ge=1, description="Validations without a new best before stopping early."
    )
    log_every: int = Field(50, ge=1, description="Steps between lines in metrics.jsonl and TensorBoard.")
    tensorboard: bool = Field(True, description="Write TensorBoard events, if tensorboard is installed.")


# ---------------------------------------------------------------- decode, evaluate, everything


class DecodeConfig(Options):
    """How translations are searched for."""

    beam_size: int = Field(5, ge=1, le=256, description="Hypotheses kept per sentence; 1 is greedy.")
    length_penalty: float = Field(1.0, ge=0, description="A score is divided by length ^ this.")
    max_len_ratio: float = Field(2.0, gt=0, description="Longest output: this times the source length + 50.")
    batch_tokens: int = Field(4096, ge=1, description="Source tokens translated at once, beams included.")


Metric = Literal["bleu", "chrf", "ter"]


class EvaluateConfig(Options):
    """What `mtkit evaluate` reports."""

    metrics: tuple[Metric, ...] = Field(("bleu", "chrf"), min_length=1, description="Scores to compute.")


class Config(Options):
    """One run of mtkit, from raw text to scores."""

    run: Path = Field(description="Folder of everything that the run writes.")
    seed: int = Field(1, ge=0, le=2**32 - 1, description="All randomness is derived from it.")
    data: DataConfig
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    decode: DecodeConfig = Field(default_factory=DecodeConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)
