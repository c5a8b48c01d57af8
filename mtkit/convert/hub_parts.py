"""What the models of Hugging Face transformers share, from Marian to M2M-100 and mBART: names and layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.convert.foreign import NEVER_BIAS, ForeignConfig, ForeignFolder, ForeignWeights, check_same
from mtkit.convert.piece_rows import PieceRows
from mtkit.convert.spm_rebuild import SPECIAL
from mtkit.errors import InputError
from mtkit.model.positions import sinusoidal_positions
from mtkit.text.subwords import BOS

_ACTIVATIONS = {"relu": "relu", "swish": "silu", "silu": "silu", "gelu": "gelu"}
_SHARED = "model.shared.weight"
_COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
_TABLE_ERROR = 1e-3
"""Largest difference of a stored table of positions, which may be in fp16."""


def read_options(config: ForeignConfig, activation: str) -> dict[str, Any]:
    """The sizes of the network, its activation and dropout.

    Args:
        config: the content of config.json.
        activation: that a file without one means.
    """
    config.require("scale_embedding", False, True)
    config.require("tie_word_embeddings", True, True)
    heads, d_ff = config.count("encoder_attention_heads"), config.count("encoder_ffn_dim")
    config.require("decoder_attention_heads", None, heads)
    config.require("decoder_ffn_dim", None, d_ff)
    dropout = config.values.get("dropout", 0.1)
    return {
        "d_model": config.count("d_model"),
        "d_ff": d_ff,
        "num_heads": heads,
        "num_encoder_layers": config.count("encoder_layers"),
        "num_decoder_layers": config.count("decoder_layers"),
        "dropout": dropout if isinstance(dropout, float) and 0 <= dropout < 1 else 0.1,
        "activation": _ACTIVATIONS[config.require("activation_function", activation, *_ACTIVATIONS)],
        "output_bias": True,
    }


def read_search(config: ForeignConfig, folder: ForeignFolder) -> dict[str, Any]:
    """The beam size that the model was published with."""
    values = config.values
    if "generation_config.json" in folder:
        values = folder.object("generation_config.json")
    beam = values.get("num_beams")
    return {"beam_size": beam} if type(beam) is int and 1 <= beam <= 256 else {}


def untie(where: Path, tensors: dict[str, Tensor]) -> None:
    """Leaves one copy of the table of embeddings, which older files hold several times."""
    if _SHARED not in tensors and (name := next((n for n in _COPIES if n in tensors), None)):
        tensors[_SHARED] = tensors.pop(name)
    if _SHARED in tensors:
        check_same(where, tensors, _COPIES, tensors[_SHARED])


def read_table(taken: ForeignWeights, rows: PieceRows, d_model: int) -> Tensor:
    """The table of embeddings by the source's rows, [source rows, d_model]."""
    return taken.reordered(_SHARED, rows.size, d_model)


def read_output_bias(taken: ForeignWeights, rows: PieceRows, pieces: tuple[str, ...]) -> Tensor:
    """The bias of the logits of mtkit's `pieces`; transformers takes a missing one for zeros.

    Pieces that the source does not have, and BOS if it is a second row of another piece, are never output.
    """
    name = "final_logits_bias"
    whole = taken.take(name, 1, rows.size)[0] if name in taken.tensors else torch.zeros(rows.size)
    bias = whole[rows.rows(pieces)]
    if rows.start in (rows.pad, rows.eos, rows.unk):
        bias[BOS] = NEVER_BIAS
    for number, piece in enumerate(pieces[len(SPECIAL) :], start=len(SPECIAL)):
        if rows.row(piece) is None:
            bias[number] = NEVER_BIAS
    return bias


def read_layer(taken: ForeignWeights, model: ModelConfig, source: str, name: str) -> dict[str, Tensor]:
    """The layer `source`, such as `model.encoder.layers.0`, by mtkit's names under `name`."""
    d_model, d_ff = model.d_model, model.d_ff
    found = _attention(taken, d_model, f"{source}.self_attn", f"{name}.attention")
    if name.startswith("decoder"):
        found |= _attention(taken, d_model, f"{source}.encoder_attn", f"{name}.cross_attention")
    inner, outer = f"{name}.feed_forward.inner", f"{name}.feed_forward.outer"
    return found | {
        f"{inner}.weight": taken.reordered(f"{source}.fc1.weight", d_ff, d_model),
        f"{inner}.bias": taken.take(f"{source}.fc1.bias", d_ff),
        f"{outer}.weight": taken.reordered(f"{source}.fc2.weight", d_model, d_ff, dim=0),
        f"{outer}.bias": taken.reordered(f"{source}.fc2.bias", d_model),
        **read_norm(taken, d_model, f"{source}.final_layer_norm", f"{name}.feed_forward_sum.norm"),
    }


def _attention(taken: ForeignWeights, d_model: int, source: str, name: str) -> dict[str, Tensor]:
    """An attention and the norm after its residual sum."""
    weight = {n: taken.reordered(f"{source}.{n}_proj.weight", d_model, d_model) for n in "qkv"}
    bias = {n: taken.take(f"{source}.{n}_proj.bias", d_model) for n in "qkv"}
    return {
        f"{name}.q_proj.weight": weight["q"],
        f"{name}.q_proj.bias": bias["q"],
        f"{name}.kv_proj.weight": torch.cat((weight["k"], weight["v"])),
        f"{name}.kv_proj.bias": torch.cat((bias["k"], bias["v"])),
        f"{name}.out_proj.weight": taken.reordered(f"{source}.out_proj.weight", d_model, d_model, dim=0),
        f"{name}.out_proj.bias": taken.reordered(f"{source}.out_proj.bias", d_model),
        **read_norm(taken, d_model, f"{source}_layer_norm", f"{name}_sum.norm"),
    }


def read_norm(taken: ForeignWeights, d_model: int, source: str, name: str) -> dict[str, Tensor]:
    """Weight and bias of a norm."""
    return {f"{name}.{part}": taken.reordered(f"{source}.{part}", d_model) for part in ("weight", "bias")}


def check_positions(
    where: Path, table: Tensor | None, order: Tensor, wave_gap: int = 0, offset: int = 0
) -> None:
    """Checks that a stored table of sinusoidal positions is the one that mtkit computes.

    Args:
        where: it comes from, for messages.
        table: from position 0; None if there is none.
        order: of its dimensions.
        wave_gap: see `sinusoidal_positions`.
        offset: the first position that is used.

    Raises:
        InputError: it is another one.
    """
    if table is None:
        return
    table = table[offset:]
    own = sinusoidal_positions(len(table), len(order), wave_gap, offset) if table.dim() == 2 else table
    if table.shape != own.shape or not torch.allclose(
        table.float().index_select(1, order), own, rtol=0, atol=_TABLE_ERROR
    ):
        raise InputError(
            f"{where}: its positions are not those of its family.", "Such a model cannot be imported."
        )
