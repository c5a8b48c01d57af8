"""Options of `model`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from mtkit.config.architecture import Architecture, architecture_of
from mtkit.config.options import Options, Probability, rule

_BIG: dict[str, Any] = {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "dropout": 0.3}
_PAPER: dict[str, Any] = {"norm": "post", "bias": "feed_forward"}
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"d_model": 128, "d_ff": 512, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "small": {"d_model": 256, "d_ff": 1024, "num_heads": 4, "num_encoder_layers": 3, "num_decoder_layers": 3},
    "base": {},
    "big": _BIG,
    "deep": {"num_encoder_layers": 12, "num_decoder_layers": 3, "init": "depth_scaled"},
    "paper-base": _PAPER,
    "paper-big": {**_BIG, **_PAPER},
}
"""The options in which each preset differs from `base`, the defaults of `ModelConfig`."""


class ModelConfig(Options):
    """The Transformer (Vaswani et al. 2017) and its variants. Options not given come from the preset."""

    preset: Literal["tiny", "small", "base", "big", "deep", "paper-base", "paper-big", "auto"] = Field(
        "base",
        description="Preset of all sizes, as listed by `mtkit config presets`. auto (or `model: auto`) "
        "chooses sizes and dropout to fit the data and the machine.",
    )
    d_model: int = Field(512, ge=8, le=16384, description="Width of the embeddings and the layers.")
    d_ff: int = Field(2048, ge=8, le=65536, description="Inner width of the feed-forward layers.")
    num_heads: int = Field(8, ge=1, le=128, description="Number of attention heads.")
    num_kv_heads: int | None = Field(
        None,
        ge=1,
        le=128,
        description="Number of key and value heads, each shared by a group of attention heads. Default: "
        "num_heads.",
    )
    num_encoder_layers: int = Field(6, ge=1, le=100, description="Number of encoder layers.")
    num_decoder_layers: int = Field(6, ge=1, le=100, description="Number of decoder layers.")
    dropout: Probability = Field(
        0.1, description="Dropout probability before each residual sum and after the embeddings."
    )
    embedding_dropout: Probability | None = Field(
        None, description="Dropout probability after the embeddings and positions. Default: dropout."
    )
    attention_dropout: Probability = Field(0.0, description="Dropout probability of the attention weights.")
    activation_dropout: Probability = Field(
        0.0, description="Dropout probability inside the feed-forward layers."
    )
    norm: Literal["pre", "post"] = Field(
        "pre",
        description="Normalise before each sublayer (pre) or after its residual sum (post, as in the paper).",
    )
    norm_type: Literal["layernorm", "rmsnorm"] = Field("layernorm", description="Kind of normalisation.")
    norm_epsilon: float = Field(
        1e-5,
        gt=0,
        le=0.1,
        description="Number that each normalisation adds to the variance or the mean square.",
    )
    activation: Literal["relu", "gelu", "silu", "swiglu"] = Field(
        "relu",
        description="Activation of the feed-forward layers. silu is x·σ(x), also called swish. swiglu adds a "
        "third matrix to each.",
    )
    positions: Literal["sinusoidal", "learned", "rope"] = Field(
        "sinusoidal",
        description="Position encoding: sinusoidal or learned embeddings, or rotary queries and keys (rope).",
    )
    wavelengths: Literal["paper", "tensor2tensor"] = Field(
        "paper",
        description="sinusoidal only: wavelength of the pair of dimensions i of n = d_model / 2. It is "
        "2π·10000^(i/n) in the paper, and 2π·10000^(i/(n-1)) in tensor2tensor and Marian.",
    )
    position_offset: int = Field(
        0,
        ge=0,
        le=1024,
        description="sinusoidal only: position of the first token; 2 in models of fairseq.",
    )
    max_positions: int = Field(
        512,
        ge=2,
        le=65536,
        description="learned only: number of position embeddings. Later positions share the last one.",
    )
    embedding_norm: bool = Field(
        False,
        description="Normalise the sum of embeddings and positions. Imported models may do so.",
    )
    decoder: Literal["attention", "ssru"] = Field(
        "attention",
        description="How the decoder sees its own tokens: by attention, or by a recurrent unit (ssru), which "
        "decodes faster. CTranslate2 does not support ssru.",
    )
    bias: Literal["all", "feed_forward", "none"] = Field(
        "all",
        description="Linear maps with a bias: all those in the layers, only those of feed-forward "
        "layers, or none.",
    )
    tie_embeddings: Literal["all", "tgt", "none"] = Field(
        "all",
        description="Embeddings that share one matrix: source, target and output (all), target and "
        "output (tgt), or none.",
    )
    start_embedding: Literal["trained", "zero"] = Field(
        "trained",
        description="Embedding with which the decoder starts: a trained one, or zero as in Marian.",
    )
    output_bias: bool = Field(
        False,
        description="Add a trained bias to the logits. Imported models may have one.",
    )
    init: Literal["xavier", "depth_scaled"] = Field(
        "xavier",
        description="Initialisation of the matrices. depth_scaled divides those of layer l by √l.",
    )

    @property
    def architecture(self) -> Architecture:
        """The parts of the network that these options describe."""
        return architecture_of(self)

    @property
    def kv_heads(self) -> int:
        """Number of heads of keys and values."""
        return self.num_kv_heads or self.num_heads

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.num_heads

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        """Options that are not given come from the preset."""
        if not isinstance(data, dict):
            return data
        preset = data.get("preset")
        return {**PRESETS.get(preset if isinstance(preset, str) else "", {}), **data}

    @rule
    def _sizes_fit(self) -> Iterator[str]:
        if self.preset == "auto" and not {"d_model", "num_heads"} <= self.model_fields_set:
            return  # auto chooses what fits
        yield from _must_divide("num_heads", self.num_heads, "d_model", self.d_model)
        if self.d_model % 2:
            yield f"d_model = {self.d_model} must be even. Try {self.d_model + 1}."
        yield from _must_divide("num_kv_heads", self.kv_heads, "num_heads", self.num_heads)
        if self.architecture.rotary and self.d_model % self.num_heads == 0 and self.d_head % 2:
            yield (
                f"positions = {self.positions} requires an even head width, but d_model / num_heads = "
                f"{self.d_head}. Change num_heads, or use sinusoidal."
            )


_FREE = {"preset", "dropout", "attention_dropout", "activation_dropout", "embedding_dropout", "init"}
SHAPE = tuple(name for name in ModelConfig.model_fields if name not in _FREE)
"""Options that decide the shapes or the meaning of the weights."""


def _must_divide(name: str, value: int, whole_name: str, whole: int) -> Iterator[str]:
    if whole % value:
        fits = [n for n in range(1, 65) if whole % n == 0]
        near = sorted(sorted(fits, key=lambda n: abs(n - value))[:2])
        yield f"{name} = {value} must divide {whole_name} = {whole}. Try {' or '.join(map(str, near))}."


def num_parameters(config: ModelConfig, src_vocab_size: int, tgt_vocab_size: int) -> int:
    """The number of parameters of a model, by formula; tied matrices count once."""
    d, d_ff, d_kv = config.d_model, config.d_ff, config.kv_heads * config.d_head
    has = config.architecture
    inner = 2 * d_ff if has.gated else d_ff
    attention = 2 * d * d + 2 * d * d_kv + (2 * d + 2 * d_kv) * has.attention_bias
    feed_forward = d * inner + d_ff * d + (inner + d) * has.feed_forward_bias
    norm = d * (2 if has.norm_bias else 1)
    encoder = config.num_encoder_layers * (attention + feed_forward + 2 * norm)
    past = 2 * d * d + d * has.attention_bias if has.recurrent else attention
    decoder = config.num_decoder_layers * (past + attention + feed_forward + 3 * norm)
    side_norms = 2 * norm * (has.pre_norm + has.embedding_norm)
    positions = 2 * has.learned_positions * d
    src_rows = 0 if has.shared_src else src_vocab_size
    tgt_rows = tgt_vocab_size * (1 if has.shared_output else 2)
    output_bias = tgt_vocab_size * has.output_bias
    return encoder + decoder + side_norms + positions + (src_rows + tgt_rows) * d + output_bias
