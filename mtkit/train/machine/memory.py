"""Estimates the memory that training needs, and recognises that it ran out. Free of torch.

The formulas count what autograd keeps of each block until its backward pass. Short-lived tensors are small in
comparison. `mtkit train --dry-run` shows the estimates next to measurements.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from mtkit.config.model import ModelConfig
from mtkit.config.train import TrainConfig

_FP32 = 4
_NO_MEMORY = re.compile(
    "CUDA out of memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|DefaultCPUAllocator"
)
"""In the errors of torch's allocators, of CUDA itself, and of its library for matrix products."""


@dataclass(frozen=True, slots=True)
class ComputeMode:
    """The number type and attention of a step.

    Attributes:
        num_bytes: bytes per number in matrix products: 2 (bf16, fp16) or 4.
        keeps_scores: whether attention keeps its weights for all pairs of positions, as in bf16 on a CPU.
        pads_attention: whether attention is computed with padding.
    """

    num_bytes: int
    keeps_scores: bool
    pads_attention: bool = True


def state_bytes(num_parameters: int, num_in_layers: int, options: TrainConfig) -> dict[str, int]:
    """Bytes that stay in memory for the whole run, by name. All numbers are fp32.

    Args:
        num_parameters: parameters of the model.
        num_in_layers: parameters in matrices of layers.
        options: of the run.
    """
    needs = options.optimizer.needs
    moments = needs.layer_moments * num_in_layers + needs.other_moments * (num_parameters - num_in_layers)
    found = {
        "weights": _FP32 * num_parameters,
        "gradients": _FP32 * num_parameters,
        "optimizer": _FP32 * moments,
    }
    return found | ({"moving average": _FP32 * num_parameters} if options.ema else {})


@dataclass(frozen=True, slots=True)
class BatchSide:
    """The size of the sources or targets of a batch.

    Attributes:
        positions: number of computed positions, including padding if there is any.
        rows: number of sentences.
        length: length of the longest sentence.
    """

    positions: int
    rows: int
    length: int

    @property
    def attended(self) -> int:
        """The number of positions with padding."""
        return self.rows * self.length


def activation_bytes(
    model: ModelConfig,
    num_parameters: int,
    tgt_vocab_size: int,
    mode: ComputeMode,
    src: BatchSide,
    tgt: BatchSide,
) -> int:
    """Bytes that are kept between the forward and the backward pass of a batch.

    They do not include logits, because the loss is computed in chunks that keep its gradient instead. For
    what attention needs besides, see `scratch_bytes`.
    """
    d_model = model.d_model
    encoder = _attention(model, mode, src, src) + _feed_forward(model, mode, src.positions)
    recurrent = model.architecture.recurrent
    decoder = _recurrence(model, mode, tgt.positions) if recurrent else _attention(model, mode, tgt, tgt)
    decoder += _attention(model, mode, tgt, src) + _feed_forward(model, mode, tgt.positions)
    embedded = (src.positions + tgt.positions) * d_model * (_FP32 + _mask(model.dropout))
    # Features without padding, their gradient, and the gradient of the output matrix.
    loss = tgt.positions * d_model * (_FP32 + mode.num_bytes) + _FP32 * tgt_vocab_size * d_model
    casts = mode.num_bytes * num_parameters if mode.num_bytes < _FP32 else 0
    return model.num_encoder_layers * encoder + model.num_decoder_layers * decoder + embedded + loss + casts


def scratch_bytes(model: ModelConfig, mode: ComputeMode, tgt: BatchSide) -> int:
    """Bytes that attention takes in addition when the backward pass begins, with the targets.

    Without padding, FlashAttention (mha_varlen_bwd) adds up the gradient of the queries in fp32,
    [positions + 128 · rows, num_heads, d_head], with d_head rounded up, and one more number for each head.
    """
    if mode.pads_attention:
        return 0
    multiple = 32 if model.d_head <= 128 else 64
    d_head = -(-model.d_head // multiple) * multiple
    return _FP32 * (tgt.positions + 128 * tgt.rows) * model.num_heads * (d_head + 1)


def _attention(model: ModelConfig, mode: ComputeMode, queries: BatchSide, keys: BatchSide) -> int:
    """Bytes of the norm, projections, attention and residual sum of one block."""
    size, d_model = mode.num_bytes, model.d_model
    seeing, seen = queries.positions, keys.positions
    if mode.pads_attention:
        seeing, seen = queries.attended, keys.attended
    # The norm keeps its input. The products keep its output, each with its own copy in half precision.
    inputs = _FP32 * queries.positions * d_model
    if size < _FP32:
        inputs += size * d_model * (queries.positions + keys.positions)
    else:
        inputs += size * d_model * queries.positions
    # Products in fp32 keep copies of queries, keys and values in place of those in half precision.
    stored = _FP32 if mode.keeps_scores else size
    projected = stored * (seeing * d_model + 2 * seen * model.kv_heads * model.d_head)
    gathered = size * (seeing + queries.positions) * d_model  # output of the heads, and concatenated
    kept = inputs + projected + gathered + _mask(model.dropout) * queries.positions * d_model
    weights = seeing * model.num_heads * keys.length
    if mode.keeps_scores:
        kept += _FP32 * weights + seeing * keys.length  # and the mask of all heads
    if model.attention_dropout:
        kept += weights * (2 * _FP32 if mode.keeps_scores else _FP32 + size + 1)
    return kept


def _recurrence(model: ModelConfig, mode: ComputeMode, positions: int) -> int:
    """Bytes of the norm, recurrent unit and residual sum of one block."""
    # The gate f, 1 - f, values, cells and output are fp32.
    return positions * model.d_model * (_FP32 + mode.num_bytes + _mask(model.dropout) + 5 * _FP32)


def _feed_forward(model: ModelConfig, mode: ComputeMode, positions: int) -> int:
    """Bytes of the norm, feed-forward and residual sum of one block."""
    size = mode.num_bytes
    inner = _kept_inside(model) * size * model.d_ff
    if model.activation_dropout:
        inner += (1 + size) * model.d_ff
    return positions * (model.d_model * (_FP32 + size + _mask(model.dropout)) + inner)


def _kept_inside(model: ModelConfig) -> int:
    """Numbers that are kept for each inner unit; relu computes its gradient from its output alone."""
    match model.activation:
        case "relu":
            return 1
        case "gelu" | "silu":
            return 2
        case "swiglu":
            return 4
        case _:
            assert_never(model.activation)


def _mask(dropout: float) -> int:
    """Bytes per element of a dropout mask."""
    return 1 if dropout else 0


# ---------------------------------------------------------------- of this machine


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed on a GPU or on the CPU."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
    )


def available_bytes() -> int:
    """Memory that is available without swapping, on this machine and in this container."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError, IndexError):
        (line,) = (line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:"))
        found.append(1024 * int(line.split()[1]))
    with suppress(OSError, ValueError):  # "max" where the container has no limit
        limit, used = (int(_lines(f"/sys/fs/cgroup/memory.{name}")[0]) for name in ("max", "current"))
        found.append(max(0, limit - used))
    return min(found)


def resident_bytes() -> tuple[int, int]:
    """The resident memory of this process: now, and its peak since `forget_peak`."""
    values = {}
    for line in _lines("/proc/self/status"):
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            values[name] = 1024 * int(value.split()[0])
    return values["VmRSS"], values["VmHWM"]


def forget_peak() -> None:
    """Resets the peak of `resident_bytes`."""
    Path("/proc/self/clear_refs").write_text("5")


def _lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()
