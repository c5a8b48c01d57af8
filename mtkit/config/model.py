"""Options of `model`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from mtkit.config.options import Options, Probability

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
    tie_embeddings: Literal["all", "tgt", "none"] = Field(
        "all", description="One matrix for source, target and output embeddings, for the latter two, or none."
    )

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
