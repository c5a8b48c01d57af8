"""The number type of training."""

from __future__ import annotations

import torch

from mtkit.engine.interface import Precision
from mtkit.engine.native import inference_dtype
from mtkit.errors import UsageError


def training_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of matrix products; weights, sums and the optimizer are always fp32.

    Unlike in inference, auto is bf16 also on a CPU with bf16 instructions.

    Raises:
        UsageError: fp16 is requested without CUDA.
    """
    if device.type != "cuda":
        if precision == "fp16":
            raise UsageError("train.precision = fp16 requires a CUDA device.", "Use bf16, fp32 or auto.")
        capabilities = torch.cpu.get_capabilities()
        if precision == "auto" and (capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")):
            return torch.bfloat16
    return inference_dtype(precision, device)
