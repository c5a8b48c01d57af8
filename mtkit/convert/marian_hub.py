"""Reads Marian models of Hugging Face transformers, such as OPUS-MT (Tiedemann and Thottingal 2020).

They are post-norm Transformers whose positions have the sines in one half of the dimensions, with one table
of embeddings and a bias on the logits. Two SentencePiece models segment, and `vocab.json` gives their pieces
ids. The decoder starts with the embedding of the padding piece, which is zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.convert.foreign import (
    NEVER_BIAS,
    ForeignConfig,
    ForeignFolder,
    ForeignModel,
    ForeignWeights,
    check_same,
    halves_order,
    options_from,
)
from mtkit.convert.opus_vocabulary import OpusVocabulary
from mtkit.convert.spm_rebuild import SPECIAL, Rebuilt
from mtkit.errors import InputError
from mtkit.model.positions import sinusoidal_positions
from mtkit.text.subwords import BOS, parse_subwords
from mtkit.text.tokenizer import Tokenizer

_ACTIVATIONS = {"swish": "silu", "silu": "silu", "relu": "relu", "gelu": "gelu"}
_SHARED = "model.shared.weight"
_COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")
_TABLE_ERROR = 1e-3
"""Largest difference of a stored table of positions, which may be in fp16."""


def read_marian_hub(folder: ForeignFolder, keep_vocabulary: bool) -> ForeignModel:
    """The model in a folder with config.json, vocab.json, source.spm, target.spm and weights.

    Args:
        folder: the files.
        keep_vocabulary: whether entries of vocab.json that the target's subword model does not have stay
            possible outputs.

    Raises:
        InputError: a file is missing, damaged, contradicts another one, or describes an unknown variant.
    """
    config = ForeignConfig(folder.path / "config.json", folder.object("config.json"))
    model = _options(config)
    vocab = _vocabulary(folder, config)
    source, target, notes = vocab.subwords(keep_vocabulary)
    joint = source == target
    with options_from(config.where):
        options = ModelConfig.model_validate_json(
            json.dumps(model | {"tie_embeddings": "all" if joint else "tgt"})
        )
    tgt = parse_subwords(target.model_bytes, folder.path / "target.spm")
    src = tgt if joint else parse_subwords(source.model_bytes, folder.path / "source.spm")
    where = folder.path / ("model.safetensors" if "model.safetensors" in folder else "pytorch_model.bin")
    weights = _weights(where, folder.tensors(), options, vocab, source, target)
    more = folder.object("tokenizer_config.json") if "tokenizer_config.json" in folder else {}
    languages = ForeignConfig(folder.path / "tokenizer_config.json", more)
    return ForeignModel(
        family="Marian, as in Hugging Face transformers",
        model=options,
        decode=_search(config, folder),
        tokenizer=Tokenizer(src, tgt),
        weights=weights,
        src_lang=languages.text("source_lang"),
        tgt_lang=languages.text("target_lang"),
        changes=notes,
    )


def _options(config: ForeignConfig) -> dict[str, Any]:
    """The options of the network but for the sharing of embeddings."""
    config.require("scale_embedding", False, True)
    config.require("tie_word_embeddings", True, True)
    config.require("share_encoder_decoder_embeddings", True, True)
    config.require("decoder_vocab_size", None, None, config.count("vocab_size"))
    heads, d_ff = config.count("encoder_attention_heads"), config.count("encoder_ffn_dim")
    config.require("decoder_attention_heads", None, heads)
    config.require("decoder_ffn_dim", None, d_ff)
    activation = config.require("activation_function", "gelu", *_ACTIVATIONS)
    dropout = config.values.get("dropout", 0.1)
    return {
        "d_model": config.count("d_model"),
        "d_ff": d_ff,
        "num_heads": heads,
        "num_encoder_layers": config.count("encoder_layers"),
        "num_decoder_layers": config.count("decoder_layers"),
        "dropout": dropout if isinstance(dropout, float) and 0 <= dropout < 1 else 0.1,
        "norm": "post",
        "activation": _ACTIVATIONS[activation],
        "output_bias": True,
    }


def _search(config: ForeignConfig, folder: ForeignFolder) -> dict[str, Any]:
    """The beam size that the model was published with."""
    values = config.values
    if "generation_config.json" in folder:
        values = folder.object("generation_config.json")
    beam = values.get("num_beams")
    return {"beam_size": beam} if type(beam) is int and 1 <= beam <= 256 else {}


def _vocabulary(folder: ForeignFolder, config: ForeignConfig) -> OpusVocabulary:
    """The ids in `vocab.json`, with the special ones of `config.json`."""
    pad, eos = config.count("pad_token_id"), config.count("eos_token_id")
    start = config.count("decoder_start_token_id", pad)
    where, size = folder.path / "vocab.json", config.count("vocab_size")
    return OpusVocabulary(folder, where, folder.object("vocab.json"), size, pad, eos, start)


def _weights(
    where: Path,
    tensors: dict[str, Tensor],
    model: ModelConfig,
    vocab: OpusVocabulary,
    source: Rebuilt,
    target: Rebuilt,
) -> dict[str, Tensor]:
    """The weights by mtkit's names, with rows and dimensions in mtkit's order."""
    d_model, order = model.d_model, halves_order(model.d_model)
    # 1. The table of embeddings, which older files hold several times.
    if _SHARED not in tensors and (name := next((n for n in _COPIES if n in tensors), None)):
        tensors[_SHARED] = tensors.pop(name)
    if _SHARED in tensors:
        check_same(where, tensors, _COPIES, tensors[_SHARED])
    for side in ("encoder", "decoder"):
        _check_positions(where, tensors.pop(f"model.{side}.embed_positions.weight", None), order)
    taken = ForeignWeights(where, tensors, order)
    table = taken.reordered(_SHARED, vocab.size, d_model)
    rows = vocab.rows(target.pieces)
    found = {"tgt_embedding.weight": table[rows]}
    if not model.architecture.shared_src:
        found["src_embedding.weight"] = table[vocab.rows(source.pieces)]
    # 2. The bias of the logits; transformers takes a missing one for zeros.
    name = "final_logits_bias"
    bias = taken.take(name, 1, vocab.size)[0] if name in tensors else torch.zeros(vocab.size)
    bias = bias[rows]
    if vocab.start in (vocab.pad, vocab.eos, vocab.unk):
        bias[BOS] = NEVER_BIAS  # a second row of the same piece
    for number, piece in enumerate(target.pieces[len(SPECIAL) :], start=len(SPECIAL)):
        if vocab.row(piece) is None:
            bias[number] = NEVER_BIAS
    found["output.bias"] = bias
    # 3. The layers.
    for side, count in (("encoder", model.num_encoder_layers), ("decoder", model.num_decoder_layers)):
        for index in range(count):
            found |= _layer(taken, model, f"model.{side}.layers.{index}", f"{side}.{index}")
    taken.check_used()
    return found


def _layer(taken: ForeignWeights, model: ModelConfig, source: str, name: str) -> dict[str, Tensor]:
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
        **_norm(taken, d_model, f"{source}.final_layer_norm", f"{name}.feed_forward_sum"),
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
        **_norm(taken, d_model, f"{source}_layer_norm", f"{name}_sum"),
    }


def _norm(taken: ForeignWeights, d_model: int, source: str, name: str) -> dict[str, Tensor]:
    return {
        f"{name}.norm.{part}": taken.reordered(f"{source}.{part}", d_model) for part in ("weight", "bias")
    }


def _check_positions(where: Path, table: Tensor | None, order: Tensor) -> None:
    """Checks that a stored table of positions is the one that mtkit computes."""
    if table is None:
        return
    own = sinusoidal_positions(len(table), len(order)) if table.dim() == 2 else table
    if table.shape != own.shape or not torch.allclose(
        table.float().index_select(1, order), own, rtol=0, atol=_TABLE_ERROR
    ):
        raise InputError(f"{where}: its positions are not the paper's.", "Such a model cannot be imported.")
