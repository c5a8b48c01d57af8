"""Validates model.bin, CTranslate2's file of a model, against the options of the model.

CTranslate2 does not validate such a file, and reads and writes out of bounds where it is wrong. Therefore
every name, type, shape and value in it, except the numbers of the weights, must be what mtkit would
write for a model with these options. Does not use torch or numpy.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mtkit.config.architecture import aligning_layer, architecture_of, refusals
from mtkit.config.fixed import WAVE_BASE
from mtkit.errors import InputError

if TYPE_CHECKING:
    from mtkit.config.model import ModelConfig

TYPES = {"float32": "f", "int8": "b", "int16": "h", "int32": "i", "float16": "e", "bfloat16": "H"}
"""Format characters of `struct`, in the order of the type numbers in the file."""
STORED = {
    "float32": ("float32", "float32"),
    "float16": ("float16", "float16"),
    "bfloat16": ("bfloat16", "bfloat16"),
    "int16": ("int16", "float32"),
    "int8": ("int8", "float32"),
    "int8_float32": ("int8", "float32"),
    "int8_float16": ("int8", "float16"),
    "int8_bfloat16": ("int8", "bfloat16"),
}
"""The types of matrices and of all other weights, by quantization."""
ACTIVATIONS = {"relu": 0, "gelu": 3, "silu": 2, "swiglu": 2}
"""The numbers of CTranslate2's activations."""
KNOWN: Mapping[str, Collection[object] | None] = {
    "d_model": None,
    "d_ff": None,
    "num_heads": None,
    "num_kv_heads": None,
    "num_encoder_layers": None,
    "num_decoder_layers": None,
    "norm": ("pre", "post"),
    "norm_type": ("layernorm", "rmsnorm"),
    "norm_epsilon": None,
    "activation": tuple(ACTIVATIONS),
    "positions": ("sinusoidal", "learned", "rope"),
    "wavelengths": ("paper", "tensor2tensor"),
    "position_offset": None,
    "max_positions": None,
    "embedding_norm": (False, True),
    "decoder": ("attention",),
    "bias": ("all", "feed_forward", "none"),
    "tie_embeddings": ("all", "tgt", "none"),
    "start_embedding": ("trained", "zero"),
    "output_bias": (False, True),
}
"""The options of a model that CTranslate2 can express, with their values; see `refusals`."""
BINARY_VERSION, SPECIFICATION, REVISION = 6, "TransformerSpec", 7
_MAX_BYTES = (1 << 32) - 1
"""Most bytes of a variable: the file stores the size in 32 bits."""


class Variable(NamedTuple):
    """An expected variable.

    Attributes:
        type: one of `TYPES`.
        shape: of the array; empty for a single value.
        kind: variables of one kind may share their numbers.
        value: the required bytes; None for a weight, which may have any.
    """

    type: str
    shape: tuple[int, ...]
    kind: str
    value: bytes | None = None

    @property
    def num_bytes(self) -> int:
        """The size of its numbers in bytes."""
        return math.prod(self.shape) * struct.calcsize(f"<{TYPES[self.type]}")

    @property
    def head(self) -> bytes:
        """The bytes in the file between its name and its numbers."""
        number = [*TYPES].index(self.type)
        return struct.pack(f"<B{len(self.shape)}IBI", len(self.shape), *self.shape, number, self.num_bytes)


# ---------------------------------------------------------------- expecting


def expected_variables(
    model: ModelConfig,
    src_size: int,
    tgt_size: int,
    quantization: str,
    max_positions: int,
    aligns: bool = True,
) -> dict[str, Variable]:
    """The variables of an export of a model, by name.

    Args:
        model: the options of the model.
        src_size: size of the source vocabulary.
        tgt_size: size of the target vocabulary.
        quantization: how the weights are stored, one of `STORED`.
        max_positions: tokens of the longest sequence.
        aligns: whether the decoder names its aligning layer, as exports of older versions do not.

    Raises:
        ValueError: CTranslate2 does not support the model, or a variable is too large for the file.
    """
    if reasons := refusals(model, KNOWN):
        raise ValueError("; ".join(reasons))
    table = _Variables(model, quantization)
    table.encoder(src_size)
    table.decoder(tgt_size, aligns)
    if table.has.position_table:
        rows = max(max_positions, table.has.learned_positions)
        for side in ("encoder", "decoder"):
            table.weights(f"{side}/position_encodings/encodings", rows, model.d_model)
    for name, variable in table.variables.items():
        if variable.num_bytes > _MAX_BYTES:
            raise ValueError(f"{name} has {variable.num_bytes:,} bytes, at most {_MAX_BYTES:,} can be stored")
    return table.variables


class _Variables:
    """Collects variables, one part of the network after the other."""

    def __init__(self, model: ModelConfig, quantization: str) -> None:
        self.variables: dict[str, Variable] = {}
        self.model = model
        self.has = architecture_of(model)
        self.matrices, self.others = STORED[quantization]
        self.kv_heads = model.num_kv_heads or model.num_heads
        self.d_kv = self.kv_heads * (model.d_model // model.num_heads)

    def encoder(self, vocab_size: int) -> None:
        self.matrix("encoder/embeddings_0/weight", vocab_size, self.model.d_model, "embeddings")
        self.options("encoder", embeddings_merge=0, multi_query_attention=0)
        self.side("encoder", self.model.num_encoder_layers)

    def decoder(self, vocab_size: int, aligns: bool) -> None:
        self.matrix("decoder/embeddings/weight", vocab_size, self.model.d_model, "embeddings")
        self.matrix("decoder/projection/weight", vocab_size, self.model.d_model, "embeddings")
        if self.has.output_bias:
            self.weights("decoder/projection/bias", vocab_size)
        self.options("decoder", alibi=0, alibi_use_positive_positions=0, scale_alibi=0)
        self.options("decoder", start_from_zero_embedding=self.has.zero_start)
        heads = self.model.num_heads if aligns else 1
        layer = aligning_layer(self.model.num_decoder_layers) if aligns else -1
        self.options("decoder", "int16", alignment_heads=heads, alignment_layer=layer)
        self.side("decoder", self.model.num_decoder_layers)

    def side(self, name: str, num_layers: int) -> None:
        self.options(name, "int16", num_heads=self.model.num_heads)
        self.options(name, activation=ACTIVATIONS[self.model.activation], pre_norm=self.has.pre_norm)
        self.options(name, scale_embeddings=1)
        if self.has.embedding_norm:
            self.norm(f"{name}/layernorm_embedding")
        if self.has.pre_norm:
            self.norm(f"{name}/layer_norm")
        for index in range(num_layers):
            layer = f"{name}/layer_{index}"
            self.self_attention(f"{layer}/self_attention")
            if name == "decoder":
                self.cross_attention(f"{layer}/attention")
            self.feed_forward(f"{layer}/ffn")

    def self_attention(self, name: str) -> None:
        d_model = self.model.d_model
        self.attention(name, d_model + 2 * self.d_kv, d_model)
        if self.has.rotary:
            self.options(name, "int32", rotary_dim=0)
            self.options(name, rotary_interleave=0)
            self.options(name, "float32", rotary_base=WAVE_BASE)

    def cross_attention(self, name: str) -> None:
        self.attention(name, self.model.d_model, 2 * self.d_kv, self.model.d_model)

    def attention(self, name: str, *widths: int) -> None:
        """Linear maps from d_model to each of `widths`."""
        for index, width in enumerate(widths):
            self.linear(f"{name}/linear_{index}", width, self.model.d_model, self.has.attention_bias)
        self.norm(f"{name}/layer_norm")
        if self.kv_heads != self.model.num_heads:
            self.options(name, "int32", num_heads_kv=self.kv_heads)

    def feed_forward(self, name: str) -> None:
        d_model, d_ff, bias = self.model.d_model, self.model.d_ff, self.has.feed_forward_bias
        self.linear(f"{name}/linear_0", d_ff, d_model, bias)
        self.linear(f"{name}/linear_1", d_model, d_ff, bias)
        if self.has.gated:
            self.linear(f"{name}/linear_0_noact", d_ff, d_model, bias)
        self.norm(f"{name}/layer_norm")

    def linear(self, name: str, rows: int, columns: int, bias: bool) -> None:
        self.matrix(f"{name}/weight", rows, columns)
        if bias:
            self.weights(f"{name}/bias", rows)

    def norm(self, name: str) -> None:
        self.weights(f"{name}/gamma", self.model.d_model)
        if self.has.norm_bias:
            self.weights(f"{name}/beta", self.model.d_model)

    def matrix(self, name: str, rows: int, columns: int, kind: str = "matrix") -> None:
        self.variables[name] = Variable(self.matrices, (rows, columns), kind)
        if self.matrices.startswith("int"):
            shape = (rows,) if self.matrices == "int8" else ()
            self.variables[f"{name}_scale"] = Variable("float32", shape, "scale")

    def weights(self, name: str, *shape: int) -> None:
        kind = "vector" if len(shape) == 1 else "positions"
        self.variables[name] = Variable(self.others, shape, kind)

    def options(self, scope: str, type_: str = "int8", **values: float) -> None:
        for name, value in values.items():
            content = struct.pack(f"<{TYPES[type_]}", value)
            self.variables[f"{scope}/{name}"] = Variable(type_, (), "option", content)


# ---------------------------------------------------------------- comparing


def most_bytes(expected: dict[str, Variable]) -> int:
    """The largest size of a file with these variables."""
    names = sum(4 * (len(name) + 16) for name in expected)  # as a variable or an alias, with its head
    return 256 + names + sum(variable.num_bytes for variable in expected.values())


def check_model_bin(content: bytes, expected: dict[str, Variable], where: Path) -> None:
    """Checks that a file contains these variables and nothing else.

    Args:
        content: of the file.
        expected: variables by name.
        where: path of the file, for messages.

    Raises:
        InputError: anything but the numbers of the weights differs.
    """
    try:
        _Comparison(content, expected).run()
    except ValueError as error:
        raise InputError(
            f"{where}: {error}.", "Do not trust it, or recreate it with `mtkit export`."
        ) from None


class _Comparison:
    """Reads through a file; raises ValueError at the first difference."""

    def __init__(self, content: bytes, expected: dict[str, Variable]) -> None:
        self.content, self.expected = content, expected
        self.place = 0
        self.found: set[str] = set()

    def run(self) -> None:
        # 1. The header.
        for what, wanted in (("binary version", BINARY_VERSION), ("specification", SPECIFICATION)):
            found = self.number() if isinstance(wanted, int) else self.name()
            self.same(what, found, wanted)
        self.same("revision", self.number(), REVISION)
        # 2. The variables.
        for _ in range(self.count("variables")):
            self.variable()
        # 3. Aliases: further names of variables that are stored once.
        held = frozenset(self.found)
        for _ in range(self.count("aliases")):
            self.alias(held)
        if self.place != len(self.content):
            raise ValueError(f"{len(self.content):,} bytes, expected {self.place:,}")
        if missing := self.expected.keys() - self.found:
            raise ValueError(f"{min(missing)} is missing")

    def variable(self) -> None:
        name = self.name()
        wanted = self.expected[self.new(name)]
        if (head := self.take(len(wanted.head))) != wanted.head:
            self.place -= len(head)
            raise ValueError(f"{name} is {self.head()}, expected {_shown(wanted.type, wanted.shape)}")
        if wanted.value is None:
            self.skip(wanted.num_bytes)
        elif (value := self.take(wanted.num_bytes)) != wanted.value:
            [found], [own] = (struct.unpack(f"<{TYPES[wanted.type]}", raw) for raw in (value, wanted.value))
            raise ValueError(f"{name} is {found}, expected {own}")

    def alias(self, held: frozenset[str]) -> None:
        name, target = self.new(self.name()), self.name()
        wanted = self.expected[name]
        if target not in held or wanted.kind in ("option", "scale"):
            raise ValueError(f"{name} stands for {target[:80]!r}, which it cannot")
        if self.expected[target][:3] != wanted[:3]:
            other = self.expected[target]
            raise ValueError(
                f"{name} stands for {target}, {_shown(other.type, other.shape)} of the kind {other.kind}, "
                f"expected {_shown(wanted.type, wanted.shape)} of the kind {wanted.kind}"
            )
        if (scale := f"{name}_scale") in self.expected:  # CTranslate2 uses the scale of the target
            self.new(scale)

    def new(self, name: str) -> str:
        """Checks that a name is expected and has not occurred before; returns it."""
        if name not in self.expected:
            raise ValueError(f"{name[:80]!r} is unknown in a model of these options")
        if name in self.found:
            raise ValueError(f"{name} is there twice")
        self.found.add(name)
        return name

    def count(self, what: str) -> int:
        if (found := self.number()) > len(self.expected):
            raise ValueError(f"{found:,} {what}, expected at most {len(self.expected):,}")
        return found

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def name(self) -> str:
        raw = self.take(int.from_bytes(self.take(2), "little"))
        if not raw.endswith(b"\0"):
            raise ValueError(f"a name without its end before byte {self.place:,}")
        return raw[:-1].decode("ascii", "backslashreplace")

    def head(self) -> str:
        """The type and shape that a variable claims to have."""
        [rank] = self.take(1)
        if rank > 8:
            return f"an array of {rank} dimensions"
        *shape, number, size = struct.unpack(f"<{rank}IBI", self.take(4 * rank + 5))
        type_ = [*TYPES][number] if number < len(TYPES) else f"of type {number}"
        return f"{_shown(type_, shape)} in {size:,} bytes"

    def take(self, size: int) -> bytes:
        self.skip(size)
        return self.content[self.place - size : self.place]

    def skip(self, size: int) -> None:
        if size > len(self.content) - self.place:
            raise ValueError(f"it ends at byte {len(self.content):,}, within what should stand there")
        self.place += size

    @staticmethod
    def same(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            raise ValueError(f"{what} {str(found)[:80]}, expected {wanted}")


def _shown(type_: str, shape: tuple[int, ...] | list[int]) -> str:
    return f"{type_} {list(shape)}" if shape else type_
