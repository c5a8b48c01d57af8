"""Small models in Marian's own files, with random weights, and a plain computation of what they predict."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.foreign import EN, FR, pieces, train_spm

Array = NDArray[Any]
D_MODEL, D_FF, HEADS, ENCODER, DECODER = 16, 24, 4, 2, 2
IDS = {"eos_id": 0, "unk_id": 1, "bos_id": -1}
"""Of special pieces, as Marian trains vocabularies."""
OPTIONS = """\
type: transformer
dim-emb: 16
dim-vocabs:
  - {rows}
  - {rows}
enc-depth: 2
dec-depth: 2
transformer-heads: 4
transformer-dim-ffn: 24
transformer-ffn-depth: 2
transformer-ffn-activation: {activation}
transformer-decoder-autoreg: {past}
dec-cell: ssru
transformer-preprocess: ""
transformer-postprocess: dan
transformer-postprocess-emb: d
transformer-postprocess-top: ""
transformer-tied-layers: []
tied-embeddings-all: {shared}
input-types: []
version: v1.12.0 of a test
"""


def weights(rows: int, past: str, shared: bool, seed: int = 1) -> dict[str, Array]:
    """Random weights by Marian's names."""
    draw = np.random.default_rng(seed)
    found: dict[str, Array] = {}

    def matrix(name: str, inputs: int, outputs: int, scale: float = 0.3) -> None:
        found[name] = draw.normal(0, scale, (inputs, outputs)).astype("f4")

    def norm(name: str) -> None:
        found[f"{name}_ln_scale"] = draw.normal(1, 0.2, (1, D_MODEL)).astype("f4")
        found[f"{name}_ln_bias"] = draw.normal(0, 0.2, (1, D_MODEL)).astype("f4")

    def attention(name: str) -> None:
        for letter in "qkvo":
            matrix(f"{name}_W{letter}", D_MODEL, D_MODEL)
            matrix(f"{name}_b{letter}", 1, D_MODEL)
        norm(f"{name}_Wo")

    def feed_forward(name: str) -> None:
        matrix(f"{name}_W1", D_MODEL, D_FF)
        matrix(f"{name}_b1", 1, D_FF)
        matrix(f"{name}_W2", D_FF, D_MODEL)
        matrix(f"{name}_b2", 1, D_MODEL)
        norm(f"{name}_ffn")

    for table in ["Wemb"] if shared else ["encoder_Wemb", "decoder_Wemb"]:
        matrix(table, rows, D_MODEL)
    matrix("decoder_ff_logit_out_b", 1, rows)
    for layer in range(1, ENCODER + 1):
        attention(f"encoder_l{layer}_self")
        feed_forward(f"encoder_l{layer}_ffn")
    for layer in range(1, DECODER + 1):
        if past == "rnn":
            matrix(f"decoder_l{layer}_rnn_W", D_MODEL, D_MODEL)
            matrix(f"decoder_l{layer}_rnn_Wf", D_MODEL, D_MODEL)
            matrix(f"decoder_l{layer}_rnn_bf", 1, D_MODEL)
            norm(f"decoder_l{layer}_rnn_ffn")
        else:
            attention(f"decoder_l{layer}_self")
        attention(f"decoder_l{layer}_context")
        feed_forward(f"decoder_l{layer}_ffn")
    return found


def rounded(found: dict[str, Array]) -> dict[str, tuple[Array, float]]:
    """The matrices in 8 bits with their multipliers, as marian-conv rounds them."""
    matrices = {name: array for name, array in found.items() if min(array.shape) > 1}
    scales = {name: float(np.float32(127 / np.abs(array).max())) for name, array in matrices.items()}
    return {
        name: (np.rint(array * scales[name]).astype("i1"), scales[name]) for name, array in matrices.items()
    }


def binary(found: dict[str, Array], options: str, integers: bool = False) -> bytes:
    """The content of a `.bin` file, in float32 or intgemm8."""
    small = rounded(found) if integers else {}
    items: list[tuple[str, int, tuple[int, ...], bytes]] = []
    for name, array in found.items():
        if name in small:
            whole, scale = small[name]
            laid = whole if name.endswith("Wemb") else whole.T
            data = laid.tobytes() + struct.pack("<f", scale)
            items.append((name, 0x4101, array.shape, data))
            items.append((f"{name}_QuantMultA", 0x404, (1, 1), struct.pack("<f", 9.0)))
        else:
            items.append((name, 0x404, array.shape, array.astype("<f4").tobytes()))
    text = options.encode() + b"\0"
    items.append(("special:model.yml", 0x101, (len(text),), text))
    padded = [data + bytes(-len(data) % 256) for *_, data in items]
    heads = b"".join(
        struct.pack("<4Q", len(name) + 1, kind, len(shape), len(data))
        for (name, kind, shape, _), data in zip(items, padded, strict=True)
    )
    names = b"".join(name.encode() + b"\0" for name, *_ in items)
    shapes = b"".join(struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in items)
    head = struct.pack("<2Q", 1, len(items)) + heads + names + shapes
    gap = -(len(head) + 8) % 256
    return head + struct.pack("<Q", gap) + bytes(gap) + b"".join(padded)


def write_marian(
    folder: Path,
    form: str = "bin",
    past: str = "rnn",
    activation: str = "relu",
    separate: bool = False,
    opus: bool = False,
) -> dict[str, Array]:
    """A folder with a model and its vocabularies; returns the weights as Marian computes with them.

    Args:
        folder: to write.
        form: npz, bin or intgemm8.
        past: rnn or self-attention.
        activation: of the feed-forward layers.
        separate: whether there are two vocabularies.
        opus: whether they are those of OPUS-MT, `source.spm` and `target.spm` with a table of ids.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if opus:
        write_opus_vocabulary(folder)
    elif separate:
        source, target = train_spm(EN, 80, **IDS), train_spm(FR, 80, **IDS)
        (folder / "srcvocab.enfr.spm").write_bytes(source)
        (folder / "trgvocab.enfr.spm").write_bytes(target)
    else:
        (folder / "vocab.enfr.spm").write_bytes(train_spm([*EN, *FR], 120, **IDS))
    rows = 128
    found = weights(rows, past, not separate)
    options = OPTIONS.format(rows=rows, activation=activation, past=past, shared=str(not separate).lower())
    if form == "npz":
        arrays: dict[str, Any] = {**found, "special:model.yml": np.frombuffer(options.encode() + b"\0", "i1")}
        np.savez(folder / "model.npz", **arrays)
        return found
    content = binary(found, options, integers=form == "intgemm8")
    (folder / "model.enfr.bin").write_bytes(content)
    if form == "intgemm8":
        found |= {name: (whole / scale).astype("f4") for name, (whole, scale) in rounded(found).items()}
    return found


def write_opus_vocabulary(folder: Path) -> None:
    """Two SentencePiece models, and a table of ids as yaml-cpp writes it."""
    own = []
    for name, texts in (("source.spm", EN), ("target.spm", FR)):
        (folder / name).write_bytes(train_spm(texts, 60))
        own += pieces((folder / name).read_bytes())
    entries = dict.fromkeys(["</s>", "<unk>", *sorted({*own}), ">>fra<<"])
    lines = []
    for row, piece in enumerate(entries):
        quoted = not piece[-1].isalpha() or piece.startswith(">")
        lines.append(f"{json.dumps(piece) if quoted else piece}: {row}\n")
    (folder / "opus.spm32k-spm32k.vocab.yml").write_text("".join(lines), "utf-8")
    (folder / "decoder.yml").write_text(
        "models:\n  - m.npz\nvocabs:\n  - opus.spm32k-spm32k.vocab.yml\n  - opus.spm32k-spm32k.vocab.yml\n"
        "beam-size: 6\nnormalize: 0.6\nword-penalty: 0\n",
        "utf-8",
    )


def write_shortlist(folder: Path, first: int, lists: list[list[int]]) -> Path:
    """A binary shortlist: the `first` target pieces, and a list for each source piece."""
    offsets = np.cumsum([0, *map(len, lists)]).astype("<u8")
    ids = np.array([token for own in lists for token in own], "<u4")
    head = struct.pack("<6Q", 0xF11A48D5013417F5, 0, first, 50, len(offsets), len(ids))
    path = folder / "lex.50.50.enfr.s2t.bin"
    path.write_bytes(head + offsets.tobytes() + ids.tobytes())
    return path


# ---------------------------------------------------------------- what such a model predicts


class Plain:
    """Computes as src/models/transformer.h does, in fp64, one sentence at a time.

    Args:
        found: weights by Marian's names.
        past: rnn or self-attention.
        activation: of the feed-forward layers.
    """

    def __init__(self, found: dict[str, Array], past: str, activation: str) -> None:
        self.w = {name: array.astype("f8") for name, array in found.items()}
        self.past, self.activation = past, activation

    def log_probs(self, src: list[int], tgt: list[int]) -> Array:
        """Log-probabilities after each of no, the first, … tokens of `tgt`, [tgt_len + 1, rows]."""
        shared = "Wemb" in self.w
        table = self.w["Wemb" if shared else "encoder_Wemb"]
        x = table[src] * D_MODEL**0.5 + self.positions(len(src))
        for layer in range(1, ENCODER + 1):
            x = self.attention(x, x, f"encoder_l{layer}_self", causal=False)
            x = self.feed_forward(x, f"encoder_l{layer}_ffn")
        table = self.w["Wemb" if shared else "decoder_Wemb"]
        start = np.zeros((1, D_MODEL))
        y = np.concatenate((start, table[tgt])) * D_MODEL**0.5 + self.positions(len(tgt) + 1)
        for layer in range(1, DECODER + 1):
            name = f"decoder_l{layer}"
            y = (
                self.ssru(y, f"{name}_rnn")
                if self.past == "rnn"
                else self.attention(y, y, f"{name}_self", True)
            )
            y = self.attention(y, x, f"{name}_context", causal=False)
            y = self.feed_forward(y, f"{name}_ffn")
        logits = y @ table.T + self.w["decoder_ff_logit_out_b"]
        return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))

    def positions(self, length: int) -> Array:
        half = D_MODEL // 2
        rates = np.exp(np.arange(half) * -(np.log(10000.0) / (half - 1)))
        angles = np.arange(length)[:, None] * rates
        return np.concatenate((np.sin(angles), np.cos(angles)), axis=1)

    def norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        root = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-6)
        return np.asarray(centred / root * self.w[f"{name}_ln_scale"] + self.w[f"{name}_ln_bias"])

    def attention(self, x: Array, seen: Array, name: str, causal: bool) -> Array:
        q, k, v = (
            (given @ self.w[f"{name}_W{n}"] + self.w[f"{name}_b{n}"]).reshape(len(given), HEADS, -1)
            for given, n in ((x, "q"), (seen, "k"), (seen, "v"))
        )
        scores = np.einsum("qhd,khd->hqk", q, k) / (D_MODEL // HEADS) ** 0.5
        if causal:
            scores = np.where(np.tril(np.ones(scores.shape[1:])) > 0, scores, -np.inf)
        shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        mixed = np.einsum("hqk,khd->qhd", shares, v).reshape(len(x), -1)
        return self.norm(x + mixed @ self.w[f"{name}_Wo"] + self.w[f"{name}_bo"], f"{name}_Wo")

    def ssru(self, x: Array, name: str) -> Array:
        cell, outputs = np.zeros(D_MODEL), []
        for row in x:
            gate = 1 / (1 + np.exp(-(row @ self.w[f"{name}_Wf"] + self.w[f"{name}_bf"][0])))
            cell = gate * cell + (1 - gate) * (row @ self.w[f"{name}_W"])
            outputs.append(np.maximum(cell, 0))
        return self.norm(x + np.stack(outputs), f"{name}_ffn")

    def feed_forward(self, x: Array, name: str) -> Array:
        inner = x @ self.w[f"{name}_W1"] + self.w[f"{name}_b1"]
        inner = np.maximum(inner, 0) if self.activation == "relu" else inner / (1 + np.exp(-inner))
        return self.norm(x + inner @ self.w[f"{name}_W2"] + self.w[f"{name}_b2"], f"{name}_ffn")
