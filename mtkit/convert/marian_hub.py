"""Reads Marian models of Hugging Face transformers, such as OPUS-MT (Tiedemann and Thottingal 2020).

They are post-norm Transformers whose positions have the sines in one half of the dimensions, with one table
of embeddings and a bias on the logits. Two SentencePiece models segment, and `vocab.json` gives their pieces
ids. The decoder starts with the embedding of the padding piece, which is zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.convert.foreign import (
    ForeignConfig,
    ForeignFolder,
    ForeignModel,
    ForeignWeights,
    halves_order,
    options_from,
)
from mtkit.convert.hub_parts import (
    check_positions,
    read_layer,
    read_options,
    read_output_bias,
    read_search,
    read_table,
    untie,
)
from mtkit.convert.opus_vocabulary import OpusVocabulary
from mtkit.convert.spm_rebuild import Rebuilt
from mtkit.text.subwords import parse_subwords
from mtkit.text.tokenizer import Tokenizer


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
    weights = _weights(folder.weights, folder.tensors(), options, vocab, source, target)
    more = folder.object("tokenizer_config.json") if "tokenizer_config.json" in folder else {}
    languages = ForeignConfig(folder.path / "tokenizer_config.json", more)
    return ForeignModel(
        family="Marian, as in Hugging Face transformers",
        model=options,
        decode=read_search(config, folder),
        tokenizer=Tokenizer(src, tgt),
        weights=weights,
        src_lang=languages.text("source_lang"),
        tgt_lang=languages.text("target_lang"),
        changes=notes,
    )


def _options(config: ForeignConfig) -> dict[str, Any]:
    """The options of the network but for the sharing of embeddings."""
    config.require("share_encoder_decoder_embeddings", True, True)
    config.require("decoder_vocab_size", None, None, config.count("vocab_size"))
    return read_options(config, "gelu") | {"norm": "post"}


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
    untie(where, tensors)
    for side in ("encoder", "decoder"):
        check_positions(where, tensors.pop(f"model.{side}.embed_positions.weight", None), order)
    taken = ForeignWeights(where, tensors, order)
    table = read_table(taken, vocab, d_model)
    found = {"tgt_embedding.weight": table[vocab.rows(target.pieces)]}
    if not model.architecture.shared_src:
        found["src_embedding.weight"] = table[vocab.rows(source.pieces)]
    found["output.bias"] = read_output_bias(taken, vocab, target.pieces)
    for side, count in (("encoder", model.num_encoder_layers), ("decoder", model.num_decoder_layers)):
        for index in range(count):
            found |= read_layer(taken, model, f"model.{side}.layers.{index}", f"{side}.{index}")
    taken.check_used()
    return found
