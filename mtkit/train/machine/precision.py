"""The number type of training."""

from __future__ import annotations

import torch

from mtkit.engine.interface import Precision
from mtkit.engine.native import inference_dtype
from mtkit.errors import UsageError


def training_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The type of matrix products; weights, sums and the optimizer are always fp32.

    Unlike in inference, auto is bf16 also on a CPU with bf16 instructions, and fp16 on some GPUs.

    Raises:
        UsageError: fp16 is requested without CUDA.
    """
    if device.type == "cuda":
        if precision == "auto":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            return gpu_dtype(has_bf16, torch.cuda.get_device_capability(device))
    elif precision == "fp16":
        raise UsageError("train.precision = fp16 requires a CUDA device.", "Use bf16, fp32 or auto.")
    elif precision == "auto" and has_bf16_instructions():
        return torch.bfloat16
    return inference_dtype(precision, device)


def gpu_dtype(has_bf16: bool, capability: tuple[int, int]) -> torch.dtype:
    """The fastest type that a GPU can train with.

    Compute capability 7 (V100, T4) has matrix units for fp16 only; its loss is scaled to stay in range.

    Args:
        has_bf16: whether the GPU supports bf16 without emulation.
        capability: its compute capability, major and minor.
    """
    if has_bf16:
        return torch.bfloat16
    return torch.float16 if capability[0] == 7 else torch.float32


def has_bf16_instructions() -> bool:
    """Whether the processor multiplies matrices of bf16 faster than those of fp32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
