"""Reads Marian's own models (Junczys-Dowmunt et al. 2018), such as the students of Bergamot, and OPUS-MT.

They are post-norm Transformers whose positions have the sines in one half of the dimensions, and the
wavelengths of tensor2tensor. The decoder starts with zero, and sees its own tokens by attention or by an
SSRU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtkit.config.model import ModelConfig
from mtkit.config.strict_yaml import Problem, compose
from mtkit.convert.foreign import (
    NEVER_BIAS,
    ForeignConfig,
    ForeignFolder,
    ForeignModel,
    ForeignWeights,
    halves_order,
    options_from,
)
from mtkit.convert.marian_file import (
    CONFIG,
    TABLES,
    is_marian,
    is_shortlist,
    read_marian_file,
    read_marian_shortlist,
)
from mtkit.convert.marian_vocabulary import read_vocabularies
from mtkit.errors import InputError
from mtkit.model.shortlist import Shortlist

_ACTIVATIONS = {"relu": "relu", "swish": "silu", "gelu": "gelu"}
_EPSILON = 1e-6
"""Of Marian's layer normalisation, `layerNormalization` in src/graph/expression_operators.h."""
_MOST_YAML = 1 << 16
"""Most bytes of a file of decoding options."""
_EXACT: dict[str, tuple[object, ...]] = {
    "type": ("transformer",),
    "transformer-preprocess": ("",),
    "transformer-postprocess": ("dan", "an"),
    "transformer-postprocess-top": ("",),
    "transformer-ffn-depth": (2,),
    "transformer-train-position-embeddings": (False,),
    "transformer-tied-layers": ([],),
    "transformer-no-projection": (False,),
    "right-left": (False,),
    "lemma-dim-emb": (0,),
    "input-types": ([], ["sequence"], ["sequence", "sequence"]),
}
"""Options with the values that mtkit's network has, the first of which is the default."""


def find_marian(folder: ForeignFolder) -> str | None:
    """The name of the file with a model of Marian; None if there is none.

    Raises:
        InputError: there are several.
    """
    files = sorted(path for path in folder.path.iterdir() if path.is_file())
    found = [path.name for path in files if path.suffix in (".bin", ".npz") and is_marian(path)]
    if len(found) > 1:
        raise InputError(f"{folder.path}: has several models: {', '.join(found)[:200]}.", "Leave one there.")
    return found[0] if found else None


def read_marian(folder: ForeignFolder, name: str, keep_vocabulary: bool) -> ForeignModel:
    """The model in a file of Marian, with the SentencePiece models beside it.

    Args:
        folder: the files.
        name: of the file with the weights.
        keep_vocabulary: whether all pieces stay possible outputs, although there is a shortlist.

    Raises:
        InputError: a file is missing, damaged, contradicts another one, or describes an unknown variant.
    """
    path = folder.path / name
    content = read_marian_file(folder.file(name))
    config = ForeignConfig(Path(f"{path}: {CONFIG}"), content.options)
    decoding = _decoding(folder)
    vocabularies = read_vocabularies(folder, decoding, config, keep_vocabulary)
    tied = "all" if TABLES[0] in content.tensors and vocabularies.is_joint else "tgt"
    with options_from(path):
        model = ModelConfig.model_validate_json(json.dumps(_options(config) | {"tie_embeddings": tied}))
    rows = vocabularies.src_rows, vocabularies.tgt_rows
    weights = _Weights(path, content.tensors, model, vocabularies.shares_ids).all(*rows)
    notes = vocabularies.notes
    shortlist = None if keep_vocabulary else _shortlist(folder, *rows)
    if shortlist is not None:
        notes.append("translations consist of the pieces in its shortlist; --keep-vocabulary allows all")
    kind = "an SSRU" if model.architecture.recurrent else "attention"
    return ForeignModel(
        family=f"Marian, with {kind} in the decoder",
        model=model,
        decode=_search(decoding),
        tokenizer=vocabularies.tokenizer(),
        weights=weights,
        changes=notes,
        shortlist=shortlist,
    )


def _options(config: ForeignConfig) -> dict[str, Any]:
    """The options of the network but for the sharing of embeddings."""
    for name, allowed in _EXACT.items():
        config.require(name, allowed[0], *allowed)
    activation = config.require("transformer-ffn-activation", "swish", *_ACTIVATIONS)
    past = config.require("transformer-decoder-autoreg", "self-attention", "self-attention", "rnn")
    if past == "rnn":
        config.require("dec-cell", None, "ssru")
    d_ff = config.count("transformer-dim-ffn")
    config.require("transformer-decoder-dim-ffn", 0, 0, d_ff)
    return {
        "d_model": config.count("dim-emb"),
        "d_ff": d_ff,
        "num_heads": config.count("transformer-heads"),
        "num_encoder_layers": config.count("enc-depth"),
        "num_decoder_layers": config.count("dec-depth"),
        "dropout": 0.0,  # the files do not say; students are trained without, and do not bear any
        "norm": "post",
        "norm_epsilon": _EPSILON,
        "activation": _ACTIVATIONS[activation],
        "wavelengths": "tensor2tensor",
        "decoder": "ssru" if past == "rnn" else "attention",
        "start_embedding": "zero",
        "output_bias": True,
    }


def _decoding(folder: ForeignFolder) -> dict[str, Any]:
    """The options of decoding, in the only small YAML file that names vocabularies; empty without one."""
    found: dict[str, Any] = {}
    for path in sorted(folder.path.iterdir()):
        if path.suffix not in (".yml", ".yaml") or not path.is_file() or path.stat().st_size > _MOST_YAML:
            continue
        problems: list[Problem] = []
        tree = compose(path.read_bytes().decode("utf-8", "replace"), str(path), problems)
        values = tree.plain() if tree is not None and not problems else None
        if isinstance(values, dict) and isinstance(values.get("vocabs"), list):
            if found:
                return {}
            folder.file(path.name)
            found = values
    return found


def _search(decoding: dict[str, Any]) -> dict[str, Any]:
    """The options of the search that the model was published with."""
    found: dict[str, Any] = {}
    beam, penalty = decoding.get("beam-size"), decoding.get("normalize")
    if type(beam) is int and 1 <= beam <= 256:
        found["beam_size"] = beam
    if isinstance(penalty, int | float) and 0 <= penalty <= 2:
        found["length_penalty"] = float(penalty)
    return found


def _shortlist(folder: ForeignFolder, src_rows: Tensor, tgt_rows: Tensor) -> Shortlist | None:
    """The shortlist in a folder in mtkit's ids, if there is one.

    Raises:
        InputError: there are several, or it is damaged.
    """
    files = sorted(path for path in folder.path.glob("*.bin") if path.is_file())
    found = [path.name for path in files if is_shortlist(path)]
    if not found:
        return None
    if len(found) > 1:
        raise InputError(
            f"{folder.path}: has several shortlists: {', '.join(found)[:200]}.", "Leave one there."
        )
    src_size, tgt_size = (int(rows.max()) + 1 for rows in (src_rows, tgt_rows))
    path = folder.file(found[0])
    first, offsets, ids = read_marian_shortlist(path, src_size, tgt_size)
    own = torch.full((tgt_size,), -1)
    own[tgt_rows[tgt_rows >= 0]] = torch.arange(len(tgt_rows))[tgt_rows >= 0]
    always = own[:first]
    # Each source piece in mtkit's order, with the target pieces that mtkit has.
    lists = [
        own[ids[offsets[row] : offsets[row + 1]].long()] if row >= 0 else own[:0] for row in src_rows.tolist()
    ]
    lists = [found[found >= 0] for found in lists]
    ends = torch.tensor([0, *map(len, lists)]).cumsum(0)
    return Shortlist(always[always >= 0].int(), ends, torch.cat(lists).int())


def _chosen(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table; zero for a negative number."""
    found = table[rows.clamp(min=0)]
    found[rows < 0] = 0
    return found


class _Weights:
    """Takes Marian's weights by mtkit's names, with rows and dimensions in mtkit's order."""

    def __init__(self, where: Path, tensors: dict[str, Tensor], model: ModelConfig, shares_ids: bool) -> None:
        kept = {n: t for n, t in tensors.items() if not n.endswith("_QuantMultA")}  # scales of activations
        self.model, self.d_model, self.d_ff = model, model.d_model, model.d_ff
        self.order, self.shares_ids = halves_order(model.d_model), shares_ids
        self.taken = ForeignWeights(where, kept, self.order)

    def all(self, src_rows: Tensor, tgt_rows: Tensor) -> dict[str, Tensor]:
        """Every weight; the arguments are those of `_rows`."""
        model, (shared, src, tgt) = self.model, TABLES
        if model.architecture.shared_src:
            found = {"tgt_embedding.weight": self._table(shared, tgt_rows)}
        elif self.shares_ids:  # one table, of which each side has the rows of its own pieces
            table = self._table(
                shared, torch.arange(self._height(shared, 0, torch.cat((src_rows, tgt_rows))))
            )
            found = {
                "src_embedding.weight": _chosen(table, src_rows),
                "tgt_embedding.weight": _chosen(table, tgt_rows),
            }
        else:
            found = {
                "src_embedding.weight": self._table(src, src_rows),
                "tgt_embedding.weight": self._table(tgt, tgt_rows),
            }
        found["output.bias"] = self._output_bias(tgt_rows)
        for index in range(model.num_encoder_layers):
            source, name = f"encoder_l{index + 1}", f"encoder.{index}"
            found |= self._attention(f"{source}_self", f"{name}.attention")
            found |= self._feed_forward(f"{source}_ffn", f"{name}.feed_forward")
        for index in range(model.num_decoder_layers):
            source, name = f"decoder_l{index + 1}", f"decoder.{index}"
            if model.architecture.recurrent:
                found |= self._recurrence(f"{source}_rnn", f"{name}.ssru")
            else:
                found |= self._attention(f"{source}_self", f"{name}.attention")
            found |= self._attention(f"{source}_context", f"{name}.cross_attention")
            found |= self._feed_forward(f"{source}_ffn", f"{name}.feed_forward")
        self.taken.check_used()
        return found

    def _table(self, name: str, rows: Tensor) -> Tensor:
        """A table of embeddings; zero where Marian has no row."""
        return _chosen(self.taken.reordered(name, self._height(name, 0, rows), self.d_model), rows)

    def _output_bias(self, rows: Tensor) -> Tensor:
        """The bias of the logits, with which those outputs that Marian does not have are never chosen."""
        name = "decoder_ff_logit_out_b"
        bias = torch.zeros(len(rows))
        if name in self.taken.tensors:
            bias = self.taken.take(name, 1, self._height(name, 1, rows))[0][rows.clamp(min=0)]
        return torch.where(rows < 0, NEVER_BIAS, bias)

    def _height(self, name: str, dim: int, rows: Tensor) -> int:
        """The size of a dimension that has an entry for each piece, and perhaps more."""
        tensor, needed = self.taken.tensors.get(name), int(rows.max()) + 1
        return needed if tensor is None or tensor.dim() != 2 else max(needed, tensor.shape[dim])

    def _attention(self, source: str, name: str) -> dict[str, Tensor]:
        """An attention and the norm after its residual sum."""
        weight = {n: self._weight(f"{source}_W{n}", self.d_model, self.d_model, reads=True) for n in "qkv"}
        bias = {n: self.taken.take(f"{source}_b{n}", 1, self.d_model)[0] for n in "qkv"}
        return {
            f"{name}.q_proj.weight": weight["q"],
            f"{name}.q_proj.bias": bias["q"],
            f"{name}.kv_proj.weight": torch.cat((weight["k"], weight["v"])),
            f"{name}.kv_proj.bias": torch.cat((bias["k"], bias["v"])),
            f"{name}.out_proj.weight": self._weight(f"{source}_Wo", self.d_model, self.d_model, writes=True),
            f"{name}.out_proj.bias": self._vector(f"{source}_bo"),
            **self._norm(f"{source}_Wo", f"{name}_sum"),
        }

    def _feed_forward(self, source: str, name: str) -> dict[str, Tensor]:
        return {
            f"{name}.inner.weight": self._weight(f"{source}_W1", self.d_model, self.d_ff, reads=True),
            f"{name}.inner.bias": self.taken.take(f"{source}_b1", 1, self.d_ff)[0],
            f"{name}.outer.weight": self._weight(f"{source}_W2", self.d_ff, self.d_model, writes=True),
            f"{name}.outer.bias": self._vector(f"{source}_b2"),
            **self._norm(f"{source}_ffn", f"{name}_sum"),
        }

    def _recurrence(self, source: str, name: str) -> dict[str, Tensor]:
        sizes = self.d_model, self.d_model
        return {
            f"{name}.forget_proj.weight": self._weight(f"{source}_Wf", *sizes, reads=True, writes=True),
            f"{name}.forget_proj.bias": self._vector(f"{source}_bf"),
            f"{name}.value_proj.weight": self._weight(f"{source}_W", *sizes, reads=True, writes=True),
            **self._norm(f"{source}_ffn", f"{name}_sum"),
        }

    def _weight(
        self, name: str, inputs: int, outputs: int, reads: bool = False, writes: bool = False
    ) -> Tensor:
        """The matrix of a linear map, [outputs, inputs].

        `reads` and `writes` tell whether inputs and outputs are dimensions of the residual stream, which
        mtkit has in another order.
        """
        matrix = self.taken.take(name, inputs, outputs).T
        matrix = matrix.index_select(1, self.order) if reads else matrix
        return (matrix.index_select(0, self.order) if writes else matrix).contiguous()

    def _vector(self, name: str) -> Tensor:
        """A vector in the residual stream, [d_model]."""
        return self.taken.reordered(name, 1, self.d_model)[0]

    def _norm(self, source: str, name: str) -> dict[str, Tensor]:
        return {
            f"{name}.norm.weight": self._vector(f"{source}_ln_scale"),
            f"{name}.norm.bias": self._vector(f"{source}_ln_bias"),
        }
