"""Export to CTranslate2: the same weights in another layout.

A model that CTranslate2 cannot express is refused with all reasons at once. A written folder gets its name
only after its translations have been compared with those of the native engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtkit import __version__
from mtkit.config.architecture import aligning_layer, refusals
from mtkit.config.export import AskedQuantization, Quantization, attempts
from mtkit.config.fixed import WAVE_BASE
from mtkit.config.load import dump_config
from mtkit.config.model import ModelConfig
from mtkit.convert.parity import SAMPLE, Parity, Say, compare, sample_sources
from mtkit.convert.weights import Array, Weights, load_weights
from mtkit.disk.files import atomic_folder, new_file, scratch_folder, write_text
from mtkit.disk.manifest import read_listed, read_manifest
from mtkit.engine.ct2 import CTranslate2Engine
from mtkit.engine.native import NativeEngine
from mtkit.errors import UsageError
from mtkit.model.checkpoint import FORMAT as MODEL_FORMAT
from mtkit.model.checkpoint import VERSION as MODEL_VERSION
from mtkit.model.checkpoint import LoadedModel, load_model
from mtkit.model.positions import sinusoidal_positions
from mtkit.runs.exports import (
    CONFIDENCE,
    CONFIG,
    FORMAT,
    LEXICON,
    VERSION,
    WEIGHTS,
    check_files,
    own_files,
    own_texts,
)
from mtkit.runs.model_bin import ACTIVATIONS, KNOWN, expected_variables
from mtkit.runs.training import KEY
from mtkit.runs.word_table import MAX_BYTES
from mtkit.text.tokenizer import Tokenizer

MAX_POSITIONS = 2048
"""Length of the table of positions: a translation may be several times as long as a source of 512 tokens."""


def write_ctranslate2(
    model: Path, output: Path, quantization: AskedQuantization, say: Say, sample: int = SAMPLE
) -> None:
    """Writes the model in the folder `model` in CTranslate2's format, whole and checked or not at all.

    If the weights are rounded, a temporary export in full precision is checked as well, because rounding
    could hide an error in the layout. With `auto`, the weights stay in full precision if rounding them makes
    too many translations worse.

    Args:
        model: a model folder.
        output: the folder to write; an existing one is replaced.
        quantization: number format of the weights.
        say: is told the result of each check.
        sample: number of sentences to compare with the native engine.

    Raises:
        UsageError: CTranslate2 cannot express the model; the message lists all reasons.
        InputError: there is no complete model in `model`.
        GateError: the export differs too much from the native engine.
    """
    manifest, loaded = read_manifest(model, MODEL_FORMAT, MODEL_VERSION), load_model(model)
    native = NativeEngine(loaded.model, "cpu", "fp32", tokenizer=loaded.tokenizer)
    srcs, kind = sample_sources(loaded.config, loaded.tokenizer, sample)

    def save(folder: Path, stored: Quantization) -> Parity:
        spec = build_spec(loaded.config.model, load_weights(model), loaded.tokenizer)
        spec.validate()
        spec.optimize(None if stored == "float32" else stored)
        spec.save(str(folder))
        sizes = loaded.tokenizer.src.size, loaded.tokenizer.tgt.size
        variables = expected_variables(loaded.config.model, *sizes, stored, MAX_POSITIONS)
        texts = own_texts(loaded.tokenizer, loaded.config.model.norm_epsilon)
        check_files(folder, own_files(folder), texts, variables)
        exported = CTranslate2Engine(folder, loaded.tokenizer, MAX_POSITIONS)
        parity = compare(native, exported, srcs, loaded.config.decode.plain_beam())
        say(
            f"{stored}: {parity.same} of {parity.sentences} {kind} are identical to full precision; scores "
            f"differ by {parity.differences.mean:.2g} on average; worse translations: {parity.worse}"
        )
        checked[stored] = parity.values()
        return parity

    tried = attempts(quantization)
    checked: dict[str, object] = {"sources": kind}
    about = _about(manifest, loaded) | {"checked": checked}
    with atomic_folder(output, about) as new:
        if tried[0] != "float32":
            with scratch_folder(new) as exact:
                save(exact, "float32").require(exact=True)
        for stored in tried:
            about["quantization"] = stored
            parity = save(new, stored)
            if parity.is_close:
                break
        parity.require(exact=stored == "float32")
        if stored != tried[0]:
            say(f"{tried[0]} makes too many translations worse, so the weights are stored as {stored}")
        loaded.tokenizer.save(new)
        write_text(new / CONFIG, dump_config(loaded.config))
        if LEXICON in manifest["files"]:
            with new_file(new / LEXICON) as file:
                file.write(read_listed(model, manifest, LEXICON, MAX_BYTES))
        if loaded.confidence is not None:
            write_text(new / CONFIDENCE, loaded.confidence.decode())
    if loaded.shortlist is not None:
        say("the shortlist of the model is left out: the export chooses among all pieces")


def _about(manifest: dict[str, Any], loaded: LoadedModel) -> dict[str, Any]:
    """The manifest of an export, but for its number format; `manifest` is the model's."""
    import ctranslate2

    config = loaded.config
    return {
        "format": FORMAT,
        "version": VERSION,
        "mtkit": __version__,
        "ctranslate2": ctranslate2.__version__,
        "source": manifest["files"][WEIGHTS]["sha256"],
        "step": manifest.get("step"),
        "tokenizer": loaded.tokenizer.fingerprint,
        "max_positions": MAX_POSITIONS,
        "aligns": True,
        "src_lang": config.data.src_lang,
        "tgt_lang": config.data.tgt_lang,
        "tags": config.data.language_tags(config.data.tgt_lang),
        "min_match": config.data.min_match,
        "reads_terms": config.data.terms is not None,
        "sentences_per_pair": loaded.sentences_per_pair,
        KEY: loaded.training.values() if loaded.training else None,
        "model": config.model.model_dump(mode="json"),
        "decode": config.decode.applicable(),
        "text": config.text.model_dump(mode="json"),
    }


def build_spec(config: ModelConfig, weights: Weights, tokenizer: Tokenizer) -> Any:
    """CTranslate2's description of the model, with its weights.

    Raises:
        UsageError: CTranslate2 cannot express it; the message lists all reasons.
    """
    if reasons := refusals(config, KNOWN):
        raise UsageError(f"export to ctranslate2: {'; '.join(reasons)}.", "Translate with the native engine.")
    from ctranslate2.specs import common_spec, transformer_spec

    # 1. The layers.
    has = config.architecture
    shared: dict[str, Any] = {
        "num_heads": config.num_heads,
        "num_heads_kv": config.kv_heads if config.kv_heads != config.num_heads else None,
        "pre_norm": has.pre_norm,
        "rms_norm": not has.norm_bias,
        "activation": common_spec.Activation(ACTIVATIONS[config.activation]),
        "ffn_glu": has.gated,
        "layernorm_embedding": has.embedding_norm,
    }
    if has.rotary:
        # All dimensions are rotated, each paired with one of the other half.
        shared |= {"rotary_dim": 0, "rotary_interleave": False, "rotary_base": WAVE_BASE}
    encoder = transformer_spec.TransformerEncoderSpec(config.num_encoder_layers, **shared)
    decoder = transformer_spec.TransformerDecoderSpec(
        config.num_decoder_layers,
        alignment_layer=aligning_layer(config.num_decoder_layers),
        alignment_heads=config.num_heads,
        **shared,
    )
    decoder.start_from_zero_embedding = has.zero_start
    if not has.position_table:
        del encoder.position_encodings  # the specification always has one
    # 2. The weights.
    spec = transformer_spec.TransformerSpec(encoder, decoder)
    _Ct2Weights(weights, config).fill(encoder, decoder)
    weights.check_all_used("export to ctranslate2")
    # 3. The vocabularies and special pieces.
    pieces = tokenizer.tgt.pieces(range(tokenizer.tgt.size))
    spec.register_source_vocabulary(tokenizer.src.pieces(range(tokenizer.src.size)))
    spec.register_target_vocabulary(pieces)
    spec.config.unk_token = pieces[Tokenizer.UNK]
    spec.config.bos_token = spec.config.decoder_start_token = pieces[Tokenizer.BOS]
    spec.config.eos_token = pieces[Tokenizer.EOS]
    spec.config.add_source_eos = True
    spec.config.layer_norm_epsilon = config.norm_epsilon
    return spec


class _Ct2Weights:
    """Copies each weight to its place in CTranslate2's specification."""

    def __init__(self, weights: Weights, config: ModelConfig) -> None:
        self.weights = weights
        self.config = config
        self.has = config.architecture

    def fill(self, encoder: Any, decoder: Any) -> None:
        """Copies all weights."""
        tgt, src, output = "tgt_embedding.weight", "src_embedding.weight", "output.weight"
        encoder.embeddings[0].weight = self.weights(src if src in self.weights else tgt)
        decoder.embeddings.weight = self.weights(tgt)
        decoder.projection.weight = self.weights(output if output in self.weights else tgt)
        if self.has.output_bias:
            decoder.projection.bias = self.weights("output.bias")
        for side, name in ((encoder, "encoder"), (decoder, "decoder")):
            if self.has.embedding_norm:
                which = "src" if name == "encoder" else "tgt"
                self._norm(side.layernorm_embedding, f"{which}_embedding_norm")
            if self.has.position_table:
                side.position_encodings.encodings = self._positions(name)
            if self.has.pre_norm:
                self._norm(side.layer_norm, f"{name}_norm")
            for index, layer in enumerate(side.layer):
                self._layer(layer, f"{name}.{index}")

    def _positions(self, side: str) -> Array:
        # CTranslate2's own table has the sines in one half and the cosines in the other.
        if not self.has.learned_positions:
            gap, offset = self.has.wave_gap, self.config.position_offset
            return sinusoidal_positions(MAX_POSITIONS, self.config.d_model, gap, offset).numpy()
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
        """Concatenates the linear maps `names` along the output axis."""
        spec.weight = np.concatenate([self.weights(f"{name}.weight") for name in names])
        if f"{names[0]}.bias" in self.weights:
            spec.bias = np.concatenate([self.weights(f"{name}.bias") for name in names])

    def _norm(self, spec: Any, name: str) -> None:
        spec.gamma = self.weights(f"{name}.weight")
        if self.has.norm_bias:
            spec.beta = self.weights(f"{name}.bias")
