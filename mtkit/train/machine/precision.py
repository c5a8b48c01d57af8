"""The number type of training."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, assert_never

import torch

from mtkit.errors import UsageError


def training_dtype(precision: Literal["fp32", "bf16", "fp16", "auto"], device: torch.device) -> torch.dtype:
    """The type of matrix products; weights, sums and the optimizer are always fp32.

    Raises:
        UsageError: fp16 is requested without CUDA.
    """
    match precision:
        case "fp32":
            return torch.float32
        case "bf16":
            return torch.bfloat16
        case "fp16":
            if device.type != "cuda":
                raise UsageError("train.precision = fp16 requires a CUDA device.", "Use bf16, fp32 or auto.")
            return torch.float16
        case "auto":
            return torch.bfloat16 if _has_bf16(device) else torch.float32
        case _:
            assert_never(precision)


def _has_bf16(device: torch.device) -> bool:
    """Whether the hardware supports bf16 products without emulation."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def autocast(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[object]:
    """Within the block torch computes matrix products in `dtype`."""
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
