"""The parts of a network; each choice among the options of `model` is matched here and nowhere else.

The result is used to build, count or export a network. Does not use pydantic or torch, because an export is
opened without either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from mtkit.config.model import ModelConfig

TRAINING_ONLY = frozenset(
    {"preset", "dropout", "embedding_dropout", "attention_dropout", "activation_dropout", "init"}
)
"""Options of `model` that a trained network does not depend on."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """The parts that a network has or lacks.

    Attributes:
        pre_norm: blocks normalise their input, and each side its output; else residual sums are normalised.
        norm_bias: a norm adds a bias after scaling.
        gated: the feed-forward layers multiply by a gate, so that their inner map has twice the width.
        attention_bias: the linear maps of attention add a bias.
        feed_forward_bias: the linear maps of the feed-forward layers add a bias.
        position_table: a table of positions is added to the embeddings.
        learned_positions: the number of rows of that table if it is trained, else 0.
        rotary: queries and keys are rotated by their positions.
        wave_gap: subtracted from the number of wavelengths in their exponents' denominator.
        embedding_norm: the sums of embeddings and positions are normalised.
        recurrent: the decoder sees its own tokens by a recurrent unit instead of attention.
        zero_start: the embedding of the decoder's start is zero.
        shared_src: the source embedding is the target embedding.
        shared_output: the output projection is the target embedding.
        output_bias: the output projection adds a bias to the logits.
    """

    pre_norm: bool
    norm_bias: bool
    gated: bool
    attention_bias: bool
    feed_forward_bias: bool
    position_table: bool
    learned_positions: int
    rotary: bool
    wave_gap: int
    embedding_norm: bool
    recurrent: bool
    zero_start: bool
    shared_src: bool
    shared_output: bool
    output_bias: bool


def aligning_layer(num_decoder_layers: int) -> int:
    """The decoder layer whose attention tells which words translate which: the last but one.

    Source: Garg et al. 2019, section 4.1.
    """
    return max(0, num_decoder_layers - 2)


def architecture_of(model: ModelConfig) -> Architecture:  # noqa: PLR0912
    """The architecture that the options of `model` describe."""
    match model.norm:
        case "pre":
            pre_norm = True
        case "post":
            pre_norm = False
        case _:
            assert_never(model.norm)
    match model.norm_type:
        case "layernorm":
            norm_bias = True
        case "rmsnorm":
            norm_bias = False
        case _:
            assert_never(model.norm_type)
    match model.activation:
        case "relu" | "gelu" | "silu":
            gated = False
        case "swiglu":
            gated = True
        case _:
            assert_never(model.activation)
    match model.bias:
        case "all":
            attention_bias = feed_forward_bias = True
        case "feed_forward":
            attention_bias, feed_forward_bias = False, True
        case "none":
            attention_bias = feed_forward_bias = False
        case _:
            assert_never(model.bias)
    match model.positions:
        case "sinusoidal":
            position_table, learned_positions, rotary = True, 0, False
        case "learned":
            position_table, learned_positions, rotary = True, model.max_positions, False
        case "rope":
            position_table, learned_positions, rotary = False, 0, True
        case _:
            assert_never(model.positions)
    match model.tie_embeddings:
        case "all":
            shared_src = shared_output = True
        case "tgt":
            shared_src, shared_output = False, True
        case "none":
            shared_src = shared_output = False
        case _:
            assert_never(model.tie_embeddings)
    return Architecture(
        pre_norm=pre_norm, norm_bias=norm_bias, gated=gated,
        attention_bias=attention_bias, feed_forward_bias=feed_forward_bias,
        position_table=position_table, learned_positions=learned_positions, rotary=rotary,
        wave_gap=_wave_gap(model), embedding_norm=model.embedding_norm,
        recurrent=_is_recurrent(model), zero_start=_starts_with_zero(model),
        shared_src=shared_src, shared_output=shared_output, output_bias=model.output_bias,
    )  # fmt: skip


def _wave_gap(model: ModelConfig) -> int:
    match model.wavelengths:
        case "paper":
            return 0
        case "tensor2tensor":
            return 1
        case _:
            assert_never(model.wavelengths)


def _is_recurrent(model: ModelConfig) -> bool:
    match model.decoder:
        case "attention":
            return False
        case "ssru":
            return True
        case _:
            assert_never(model.decoder)


def _starts_with_zero(model: ModelConfig) -> bool:
    match model.start_embedding:
        case "trained":
            return False
        case "zero":
            return True
        case _:
            assert_never(model.start_embedding)


def refusals(model: ModelConfig, known: Mapping[str, Collection[object] | None]) -> list[str]:
    """Every reason why a format does not support a model; empty if it does.

    Args:
        model: the options of the model.
        known: the options that the format supports, each with the supported values; None for any value.
    """
    reasons = []
    for name, values in known.items():
        value = getattr(model, name)
        if values is not None and value not in values:
            only = " or ".join("null" if possible is None else str(possible) for possible in values)
            reasons.append(f"model.{name} = {value} is not supported, only {only}")
    for name, value in model.changed().items():
        if name not in known and name not in TRAINING_ONLY:
            reasons.append(f"model.{name} = {value} is not supported")
    return reasons
