"""Reads M2M-100, NLLB and mBART-50 as Hugging Face transformers writes them.

They are pre-norm Transformers of fairseq with many languages (Fan et al. 2021, NLLB Team 2022, Tang et al.
2020). A source begins with the token of its language. The decoder starts with the end of sentence, and then
reads the token of the target language. Positions begin with 2, and mBART normalises the embeddings.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.convert.fairseq_vocabulary import IDS, SPM, FairseqVocabulary, Family
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
    read_norm,
    read_options,
    read_output_bias,
    read_search,
    read_table,
    untie,
)
from mtkit.text.subwords import parse_subwords
from mtkit.text.tokenizer import Tokenizer

FAIRSEQ = ("m2m_100", "mbart")
"""Values of `model_type` that this module reads."""
_OFFSET = 2
"""Position of the first token."""


def read_fairseq_hub(
    folder: ForeignFolder, src_lang: str | None, tgt_lang: str | None, keep_vocabulary: bool
) -> ForeignModel:
    """The model in a folder with config.json, a SentencePiece model, ids and weights.

    Args:
        folder: the files.
        src_lang: language of sources; None for the one in tokenizer_config.json.
        tgt_lang: of translations.
        keep_vocabulary: whether entries of vocab.json that the subword model does not have stay possible
            outputs.

    Raises:
        InputError: a file is missing, damaged, contradicts another one, or describes an unknown variant.
        UsageError: a language is not known.
    """
    config = ForeignConfig(folder.path / "config.json", folder.object("config.json"))
    more = folder.object("tokenizer_config.json") if "tokenizer_config.json" in folder else {}
    words = ForeignConfig(folder.path / "tokenizer_config.json", more)
    words.require("language_codes", "m2m100", "m2m100")
    family = _family(folder, config)
    with options_from(config.where):
        model = ModelConfig.model_validate_json(json.dumps(_options(config, family)))
    vocabulary = FairseqVocabulary(folder, family, config)
    src = vocabulary.language("--src-lang", src_lang, words.text("src_lang"))
    tgt = vocabulary.language("--tgt-lang", tgt_lang, words.text("tgt_lang"))
    rebuilt, notes = vocabulary.subwords(keep_vocabulary)
    weights = _weights(folder.weights, folder.tensors(), model, vocabulary, rebuilt.pieces)
    count = len(vocabulary.languages)
    notes.append(f"its {count} languages are tags: --tag {tgt} --tag 2{src} translates from {tgt} to {src}")
    return ForeignModel(
        family=f"{family}, as in Hugging Face transformers",
        model=model,
        decode=read_search(config, folder) | {"tags": [src], "target_tag": tgt},
        tokenizer=Tokenizer(parse_subwords(rebuilt.model_bytes, folder.path / SPM)),
        weights=weights,
        src_lang=src,
        tgt_lang=tgt,
        changes=notes,
    )


def _family(folder: ForeignFolder, config: ForeignConfig) -> Family:
    if config.values.get("model_type") == "mbart":
        return "mBART-50"
    return "M2M-100" if IDS in folder else "NLLB"


def _options(config: ForeignConfig, family: Family) -> dict[str, Any]:
    """The options of the network."""
    shared = read_options(config, "gelu" if family == "mBART-50" else "relu")
    if family != "mBART-50":
        return shared | {"norm": "pre", "wavelengths": "tensor2tensor", "position_offset": _OFFSET}
    learned = {"positions": "learned", "max_positions": config.count("max_position_embeddings")}
    return shared | learned | {"norm": "pre", "embedding_norm": True}


def _weights(
    where: Path,
    tensors: dict[str, Tensor],
    model: ModelConfig,
    vocabulary: FairseqVocabulary,
    pieces: tuple[str, ...],
) -> dict[str, Tensor]:
    """The weights by mtkit's names, with rows and dimensions in mtkit's order."""
    d_model, has = model.d_model, model.architecture
    order = torch.arange(d_model) if has.learned_positions else halves_order(d_model)
    untie(where, tensors)
    taken = ForeignWeights(where, tensors, order)
    found = {
        "tgt_embedding.weight": read_table(taken, vocabulary, d_model)[vocabulary.rows(pieces)],
        "output.bias": read_output_bias(taken, vocabulary, pieces),
    }
    for side, short in (("encoder", "src"), ("decoder", "tgt")):
        source = f"model.{side}"
        if has.learned_positions:
            table = taken.take(f"{source}.embed_positions.weight", has.learned_positions + _OFFSET, d_model)
            found[f"{short}_positions.table"] = table[_OFFSET:].clone()
        else:
            table_of_old = tensors.pop(f"{source}.embed_positions.weights", None)
            check_positions(where, table_of_old, order, has.wave_gap, _OFFSET)
        if has.embedding_norm:
            found |= read_norm(taken, d_model, f"{source}.layernorm_embedding", f"{short}_embedding_norm")
        found |= read_norm(taken, d_model, f"{source}.layer_norm", f"{side}_norm")
        count = model.num_encoder_layers if side == "encoder" else model.num_decoder_layers
        for index in range(count):
            found |= read_layer(taken, model, f"{source}.layers.{index}", f"{side}.{index}")
    taken.check_used()
    return found
