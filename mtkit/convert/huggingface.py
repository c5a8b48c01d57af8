"""Export to a folder that Hugging Face transformers loads, if one of its architectures is equivalent.

Post-norm models become MarianMTModel (Junczys-Dowmunt et al. 2018), pre-norm models
PegasusForConditionalGeneration (Zhang et al. 2020), which has the norms before the blocks and at both ends.
Both have the sines of positions in one half of the dimensions and the cosines in the other, so all dimensions
are reordered.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtkit import __version__
from mtkit.config.architecture import refusals
from mtkit.config.load import load_config
from mtkit.config.model import ModelConfig
from mtkit.config.schema import Config
from mtkit.convert.weights import Array, Weights, load_weights
from mtkit.disk.files import new_file
from mtkit.disk.manifest import read_manifest
from mtkit.errors import UsageError
from mtkit.model.checkpoint import FORMAT as MODEL_FORMAT
from mtkit.model.checkpoint import VERSION as MODEL_VERSION
from mtkit.model.positions import sinusoidal_positions
from mtkit.model.tensors import write_tensors
from mtkit.runs.exports import CONFIG, HUGGINGFACE
from mtkit.text.languages import language_of
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

FORMAT, VERSION = HUGGINGFACE, 1
MAX_POSITIONS = 1024
MAX_TOKENS = 512
_FAMILIES = {"post": ("marian", "MarianMTModel"), "pre": ("pegasus", "PegasusForConditionalGeneration")}
"""Model type and class for each value of `model.norm`."""


def known(config: ModelConfig) -> dict[str, Collection[object] | None]:
    """The options and values that these classes can express; see `refusals`."""
    return {
        "d_model": None,
        "d_ff": None,
        "num_heads": None,
        "num_kv_heads": (None, config.num_heads),
        "num_encoder_layers": None,
        "num_decoder_layers": None,
        "norm": tuple(_FAMILIES),
        "norm_type": ("layernorm",),
        "norm_epsilon": (1e-5,),
        "activation": ("relu", "gelu", "silu"),
        "positions": ("sinusoidal",),
        "wavelengths": ("paper",),
        "position_offset": (0,),
        "max_positions": None,
        "embedding_norm": (False,),
        "decoder": ("attention",),
        "bias": ("all", "feed_forward", "none"),
        "tie_embeddings": ("all",),
        "start_embedding": ("trained",),
        "output_bias": (False, True),
    }


def write_huggingface(model: Path, new: Path) -> None:
    """Writes the model in the folder `model` into the empty folder `new`.

    Raises:
        UsageError: transformers cannot express the model; the message lists all reasons.
        InputError: there is no complete model in `model`.
    """
    manifest = read_manifest(model, MODEL_FORMAT, MODEL_VERSION)
    config = load_config([model / CONFIG]).config
    tokenizer = load_tokenizer(model, config.text)
    if reasons := refusals(config.model, known(config.model)) + tokenizer.refusals_elsewhere(
        config.data.language_tags(config.data.tgt_lang), config.decode.target_tag
    ):
        raise UsageError(f"export to huggingface: {'; '.join(reasons)}.", "Export to ctranslate2 instead.")
    weights = load_weights(model)
    state = dict(_HuggingFaceWeights(weights, config.model).state())
    weights.check_all_used("export to huggingface")
    with new_file(new / "model.safetensors") as file:
        write_tensors(file, {name: torch.from_numpy(array) for name, array in state.items()})
    subwords = tokenizer.tgt
    pieces = subwords.pieces(range(subwords.size))
    files: dict[str, Any] = {
        "config.json": _model_config(config.model, subwords.size),
        "generation_config.json": _generation_config(config),
        "vocab.json": {piece: number for number, piece in enumerate(pieces)},
        "tokenizer_config.json": _tokenizer_config(config, pieces),
    }
    for name, values in files.items():
        _write(new / name, (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())
    for name in ("source.spm", "target.spm"):
        _write(new / name, subwords.model_bytes)
    _write(new / "README.md", model_card(config, manifest.get("step"), weights.num_parameters).encode())


def scores_in_transformers(
    folder: Path, src_ids: Sequence[Sequence[int]], tgt_ids: Sequence[Sequence[int]]
) -> list[tuple[float, ...]]:
    """Log-probabilities of each target's tokens and of its end, computed by transformers from `folder`."""
    from transformers import AutoModelForSeq2SeqLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    scores = []
    with torch.inference_mode():
        for src, tgt in zip(src_ids, tgt_ids, strict=True):
            given = torch.tensor([[Tokenizer.BOS, *tgt]])
            logits = model(input_ids=torch.tensor([[*src, Tokenizer.EOS]]), decoder_input_ids=given).logits
            wanted = torch.tensor([*tgt, Tokenizer.EOS])[:, None]
            scores.append(tuple(logits[0].log_softmax(-1).gather(1, wanted).flatten().tolist()))
    return scores


class _HuggingFaceWeights:
    """Gives each weight the name and the order of dimensions that transformers expects."""

    def __init__(self, weights: Weights, config: ModelConfig) -> None:
        self.weights = weights
        self.config = config
        dims = np.arange(config.d_model)
        self.order = np.concatenate((dims[0::2], dims[1::2]))

    def state(self) -> Iterator[tuple[str, Array]]:
        """All tensors that transformers loads, by name, without those that are tied to others."""
        yield "model.shared.weight", self.weights("tgt_embedding.weight")[:, self.order]
        if self.config.output_bias:
            yield "final_logits_bias", self.weights("output.bias")[None]
        for side, count in (
            ("encoder", self.config.num_encoder_layers),
            ("decoder", self.config.num_decoder_layers),
        ):
            if self.config.architecture.pre_norm:
                yield from self._norm(f"model.{side}.layer_norm", f"{side}_norm")
                # Transformers computes this table, but warns if it is missing from a Pegasus model.
                table = sinusoidal_positions(MAX_POSITIONS, self.config.d_model).numpy()
                yield f"model.{side}.embed_positions.weight", table[:, self.order]
            for index in range(count):
                yield from self._layer(f"model.{side}.layers.{index}", f"{side}.{index}", side == "decoder")

    def _layer(self, target: str, name: str, decoder: bool) -> Iterator[tuple[str, Array]]:
        yield from self._attention(f"{target}.self_attn", f"{name}.attention")
        yield from self._norm(f"{target}.self_attn_layer_norm", f"{name}.attention_sum.norm")
        if decoder:
            yield from self._attention(f"{target}.encoder_attn", f"{name}.cross_attention")
            yield from self._norm(f"{target}.encoder_attn_layer_norm", f"{name}.cross_attention_sum.norm")
        inner, inner_bias = self._linear(f"{name}.feed_forward.inner")
        outer, outer_bias = self._linear(f"{name}.feed_forward.outer")
        yield f"{target}.fc1.weight", inner[:, self.order]
        yield f"{target}.fc1.bias", inner_bias
        yield f"{target}.fc2.weight", outer[self.order]
        yield f"{target}.fc2.bias", outer_bias[self.order]
        yield from self._norm(f"{target}.final_layer_norm", f"{name}.feed_forward_sum.norm")

    def _attention(self, target: str, name: str) -> Iterator[tuple[str, Array]]:
        q, q_bias = self._linear(f"{name}.q_proj")
        kv, kv_bias = self._linear(f"{name}.kv_proj")
        (k, v), (k_bias, v_bias) = np.split(kv, 2), np.split(kv_bias, 2)
        for letter, weight, bias in (("q", q, q_bias), ("k", k, k_bias), ("v", v, v_bias)):
            yield f"{target}.{letter}_proj.weight", weight[:, self.order]
            yield f"{target}.{letter}_proj.bias", bias
        out, out_bias = self._linear(f"{name}.out_proj")
        yield f"{target}.out_proj.weight", out[self.order]
        yield f"{target}.out_proj.bias", out_bias[self.order]

    def _linear(self, name: str) -> tuple[Array, Array]:
        """A matrix and its bias; zeros if there is no bias."""
        weight = self.weights(f"{name}.weight")
        bias = f"{name}.bias"
        return weight, self.weights(bias) if bias in self.weights else np.zeros(len(weight), np.float32)

    def _norm(self, target: str, name: str) -> Iterator[tuple[str, Array]]:
        yield f"{target}.weight", self.weights(f"{name}.weight")[self.order]
        yield f"{target}.bias", self.weights(f"{name}.bias")[self.order]


def _model_config(config: ModelConfig, vocab_size: int) -> dict[str, Any]:
    model_type, name = _FAMILIES[config.norm]
    return {
        "architectures": [name],
        "model_type": model_type,
        "vocab_size": vocab_size,
        "d_model": config.d_model,
        "encoder_layers": config.num_encoder_layers,
        "decoder_layers": config.num_decoder_layers,
        "encoder_attention_heads": config.num_heads,
        "decoder_attention_heads": config.num_heads,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "activation_function": config.activation,
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "activation_dropout": config.activation_dropout,
        "max_position_embeddings": MAX_POSITIONS,
        "scale_embedding": True,
        "tie_word_embeddings": True,
        "share_encoder_decoder_embeddings": True,
        "is_encoder_decoder": True,
        "pad_token_id": Tokenizer.PAD,
        "bos_token_id": Tokenizer.BOS,
        "eos_token_id": Tokenizer.EOS,
        "decoder_start_token_id": Tokenizer.BOS,
        "forced_eos_token_id": None,
        "dtype": "float32",
    }


def _generation_config(config: Config) -> dict[str, Any]:
    return {
        "num_beams": config.decode.beam_size,
        "length_penalty": config.decode.length_penalty,
        "max_length": MAX_TOKENS,
        "suppress_tokens": [Tokenizer.PAD, Tokenizer.UNK, Tokenizer.BOS],
        "pad_token_id": Tokenizer.PAD,
        "bos_token_id": Tokenizer.BOS,
        "eos_token_id": Tokenizer.EOS,
        "decoder_start_token_id": Tokenizer.BOS,
    }


def _tokenizer_config(config: Config, pieces: list[str]) -> dict[str, Any]:
    return {
        "tokenizer_class": "MarianTokenizer",
        "source_lang": config.data.src_lang,
        "target_lang": config.data.tgt_lang,
        "pad_token": pieces[Tokenizer.PAD],
        "unk_token": pieces[Tokenizer.UNK],
        "bos_token": pieces[Tokenizer.BOS],
        "eos_token": pieces[Tokenizer.EOS],
        "model_max_length": MAX_TOKENS,
        "separate_vocabs": False,
    }


def model_card(config: Config, step: int | None, num_parameters: int) -> str:
    """The README.md of the folder, in the form of Hugging Face's model cards."""
    src, tgt, model = config.data.src_lang, config.data.tgt_lang, config.model
    size = f"{num_parameters:,} parameters, {model.num_encoder_layers} + {model.num_decoder_layers} layers"
    steps = f" for {step:,} steps" if step else ""
    return f"""---
language: [{language_of(src).code}, {language_of(tgt).code}]
library_name: transformers
pipeline_tag: translation
tags: [translation, mtkit]
---

# {src} → {tgt}

A Transformer of {size} of width {model.d_model}, trained by mtkit {__version__}{steps}.

```python
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

folder = "."  # where this file lies
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSeq2SeqLM.from_pretrained(folder)
batch = tokenizer(["A sentence to translate."], return_tensors="pt", padding=True)
print(tokenizer.batch_decode(model.generate(**batch), skip_special_tokens=True))
```

The model expects one sentence at a time, in Unicode form NFC, of at most {MAX_TOKENS} tokens. Its
translations can be wrong, especially for text unlike its training data. Have a person check important ones.
"""


def _write(path: Path, content: bytes) -> None:
    with new_file(path) as file:
        file.write(content)
