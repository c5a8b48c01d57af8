"""A model as CTranslate2 stores it: the same numbers in another layout, option for option.

What CTranslate2 cannot express is refused with all reasons at once. Knows no engine: whoever calls
`write_ctranslate2` hands in the check that the folder has to pass before it gets its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtkit import __version__
from mtkit.config.architecture import refusals
from mtkit.config.export import Quantization
from mtkit.config.fixed import NORM_EPSILON, WAVE_BASE
from mtkit.config.load import dump_config, load_config
from mtkit.config.model import ModelConfig
from mtkit.convert.weights import Array, Weights, load_weights
from mtkit.disk.files import atomic_folder, scratch_folder, write_text
from mtkit.disk.manifest import read_manifest
from mtkit.errors import UsageError
from mtkit.model.checkpoint import FORMAT as MODEL_FORMAT
from mtkit.model.checkpoint import VERSION as MODEL_VERSION
from mtkit.model.positions import sinusoidal_positions
from mtkit.runs.exports import (
    CONFIG,
    FORMAT,
    VERSION,
    WEIGHTS,
    check_files,
    own_files,
    own_texts,
    read_sentences_per_pair,
)
from mtkit.runs.model_bin import ACTIVATIONS, KNOWN, expected_variables
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

MAX_POSITIONS = 2048
"""Length of the table of positions; a translation may be some times as long as its source of 512 tokens."""

Check = Callable[[Path, Quantization], dict[str, Any]]
"""Tries a written folder; raises if it is not good, else gives what the manifest shall say of that."""


def write_ctranslate2(model: Path, output: Path, quantization: Quantization, check: Check) -> dict[str, Any]:
    """Writes the model in the folder `model` as CTranslate2 reads it, whole and checked or not at all.

    Args:
        model: a model folder.
        output: the folder to write; one that is there is replaced.
        quantization: how the weights are stored.
        check: is called with the written folder before it becomes `output`; if the weights are to lose
            digits, first with one of all digits, in which a wrong mapping cannot hide.

    Returns:
        What `check` gave.

    Raises:
        UsageError: CTranslate2 cannot express the model; all reasons are told.
        InputError: there is no whole model in `model`.
    """
    import ctranslate2

    manifest = read_manifest(model, MODEL_FORMAT, MODEL_VERSION)
    config = load_config([model / CONFIG]).config
    tokenizer = load_tokenizer(model, config.text)
    about: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "mtkit": __version__,
        "ctranslate2": ctranslate2.__version__,
        "quantization": quantization,
        "source": manifest["files"][WEIGHTS]["sha256"],
        "step": manifest.get("step"),
        "tokenizer": tokenizer.fingerprint,
        "max_positions": MAX_POSITIONS,
        "src_lang": config.data.src_lang,
        "tgt_lang": config.data.tgt_lang,
        "tags": config.data.language_tags(config.data.tgt_lang),
        "sentences_per_pair": read_sentences_per_pair(model, manifest),
        "model": config.model.model_dump(mode="json"),
        "decode": config.decode.model_dump(mode="json"),
        "text": config.text.model_dump(mode="json"),
    }

    def save(folder: Path, stored: Quantization) -> dict[str, Any]:
        spec = build_spec(config.model, load_weights(model), tokenizer)
        spec.validate()
        spec.optimize(None if stored == "float32" else stored)
        spec.save(str(folder))
        sizes = tokenizer.src.size, tokenizer.tgt.size
        variables = expected_variables(config.model, *sizes, stored, MAX_POSITIONS)
        check_files(folder, own_files(folder), own_texts(tokenizer), variables)
        return check(folder, stored)

    with atomic_folder(output, about) as new:
        if quantization != "float32":
            with scratch_folder(new) as exact:
                save(exact, "float32")
        about["checked"] = save(new, quantization)
        tokenizer.save(new)
        write_text(new / CONFIG, dump_config(config))
    return dict(about["checked"])


def build_spec(config: ModelConfig, weights: Weights, tokenizer: Tokenizer) -> Any:
    """CTranslate2's description of the model, with its weights.

    Raises:
        UsageError: CTranslate2 cannot express it; all reasons are told.
    """
    if reasons := refusals(config, KNOWN):
        raise UsageError(f"export to ctranslate2: {'; '.join(reasons)}.", "Translate with the native engine.")
    from ctranslate2.specs import common_spec, transformer_spec

    has = config.architecture
    shared: dict[str, Any] = {
        "num_heads": config.num_heads,
        "num_heads_kv": config.kv_heads if config.kv_heads != config.num_heads else None,
        "pre_norm": has.pre_norm,
        "rms_norm": not has.norm_bias,
        "activation": common_spec.Activation(ACTIVATIONS[config.activation]),
        "ffn_glu": has.gated,
    }
    if has.rotary:
        # All dimensions turn, those in one half with those in the other.
        shared |= {"rotary_dim": 0, "rotary_interleave": False, "rotary_base": WAVE_BASE}
    encoder = transformer_spec.TransformerEncoderSpec(config.num_encoder_layers, **shared)
    decoder = transformer_spec.TransformerDecoderSpec(config.num_decoder_layers, **shared)
    if not has.position_table:
        del encoder.position_encodings  # which it has all the same
    spec = transformer_spec.TransformerSpec(encoder, decoder)
    _Ct2Weights(weights, config).fill(encoder, decoder)
    weights.check_all_taken("export to ctranslate2")
    pieces = tokenizer.tgt.pieces(range(tokenizer.tgt.size))
    spec.register_source_vocabulary(tokenizer.src.pieces(range(tokenizer.src.size)))
    spec.register_target_vocabulary(pieces)
    spec.config.unk_token = pieces[Tokenizer.UNK]
    spec.config.bos_token = spec.config.decoder_start_token = pieces[Tokenizer.BOS]
    spec.config.eos_token = pieces[Tokenizer.EOS]
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = NORM_EPSILON
    return spec


class _Ct2Weights:
    """Puts each weight where CTranslate2 looks for it."""

    def __init__(self, weights: Weights, config: ModelConfig) -> None:
        self.weights = weights
        self.config = config
        self.has = config.architecture

    def fill(self, encoder: Any, decoder: Any) -> None:
        """All weights of both sides."""
        tgt, src, output = "tgt_embedding.weight", "src_embedding.weight", "output.weight"
        encoder.embeddings[0].weight = self.weights(src if src in self.weights else tgt)
        decoder.embeddings.weight = self.weights(tgt)
        decoder.projection.weight = self.weights(output if output in self.weights else tgt)
        for side, name in ((encoder, "encoder"), (decoder, "decoder")):
            if self.has.position_table:
                side.position_encodings.encodings = self._positions(name)
            if self.has.pre_norm:
                self._norm(side.layer_norm, f"{name}_norm")
            for index, layer in enumerate(side.layer):
                self._layer(layer, f"{name}.{index}")

    def _positions(self, side: str) -> Array:
        # Explicit, since CTranslate2's own table has the sines in one half and the cosines in the other.
        if not self.has.learned_positions:
            return sinusoidal_positions(MAX_POSITIONS, self.config.d_model).numpy()
        table = self.weights("src_positions.table" if side == "encoder" else "tgt_positions.table")
        beyond = np.broadcast_to(table[-1], (max(0, MAX_POSITIONS - len(table)), table.shape[1]))
        return np.concatenate((table, beyond))

    def _layer(self, layer: Any, name: str) -> None:
        self._self_attention(layer.self_attention, f"{name}.attention")
        self._norm(layer.self_attention.layer_norm, f"{name}.attention_sum.norm")
        if hasattr(layer, "attention"):
            self._cross_attention(layer.attention, f"{name}.cross_attention")
            self._norm(layer.attention.layer_norm, f"{name}.cross_attention_sum.norm")
        self._feed_forward(layer.ffn, f"{name}.feed_forward")
        self._norm(layer.ffn.layer_norm, f"{name}.feed_forward_sum.norm")

    def _self_attention(self, spec: Any, name: str) -> None:
        self._linear(spec.linear[0], f"{name}.q_proj", f"{name}.kv_proj")
        self._linear(spec.linear[1], f"{name}.out_proj")

    def _cross_attention(self, spec: Any, name: str) -> None:
        self._linear(spec.linear[0], f"{name}.q_proj")
        self._linear(spec.linear[1], f"{name}.kv_proj")
        self._linear(spec.linear[2], f"{name}.out_proj")

    def _feed_forward(self, spec: Any, name: str) -> None:
        self._linear(spec.linear_0, f"{name}.inner")
        self._linear(spec.linear_1, f"{name}.outer")
        if self.has.gated:
            both = spec.linear_0
            both.weight, spec.linear_0_noact.weight = np.split(both.weight, 2)
            if self.has.feed_forward_bias:
                both.bias, spec.linear_0_noact.bias = np.split(both.bias, 2)

    def _linear(self, spec: Any, *names: str) -> None:
        """One product for those called `names`, side by side on the output axis."""
        spec.weight = np.concatenate([self.weights(f"{name}.weight") for name in names])
        if f"{names[0]}.bias" in self.weights:
            spec.bias = np.concatenate([self.weights(f"{name}.bias") for name in names])

    def _norm(self, spec: Any, name: str) -> None:
        spec.gamma = self.weights(f"{name}.weight")
        if self.has.norm_bias:
            spec.beta = self.weights(f"{name}.bias")
