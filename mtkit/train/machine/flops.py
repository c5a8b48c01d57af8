"""Measures how fast this machine multiplies matrices, which limits the speed of training."""

from __future__ import annotations

import time

import torch
from torch import Tensor

_WARM_UP = 2
"""Products before the clock starts: the first ones load kernels and allocate memory."""
_ROUNDS = 3
"""Least number of timed rounds."""


def matrix_rate(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """FLOP/s of a large matrix product: the best of at least three rounds in about `seconds` seconds."""
    is_cuda = device.type == "cuda"
    size, repeats = (8192, 10) if is_cuda else (1024, 1)
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    _multiply(a, b, _WARM_UP)
    best, rounds, begin = 0.0, 0, time.perf_counter()
    while rounds < _ROUNDS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        _multiply(a, b, repeats)
        best = max(best, repeats * 2 * size**3 / (time.perf_counter() - start))
        rounds += 1
    return best


def _multiply(a: Tensor, b: Tensor, times: int) -> None:
    """Computes a · b several times, and waits for the device."""
    for _ in range(times):
        a @ b
    if a.device.type == "cuda":
        torch.cuda.synchronize(a.device)
