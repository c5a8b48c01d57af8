"""Positions of tokens: tables that are added to embeddings, or rotations of queries and keys."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mtkit.config.fixed import WAVE_BASE

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of the angles of some positions, each [length, d_head / 2]."""

TABLE_ROWS = 1024
"""Positions that a computed table has from the start."""


def sinusoidal_positions(length: int, d_model: int, wave_gap: int = 0, offset: int = 0) -> Tensor:
    """The table PE(pos, 2i) = sin(pos / 10000^(i/n)), PE(pos, 2i+1) = cos(same), [length, d_model].

    Vaswani et al. 2017, section 3.5, where n is d_model/2. Subtracting a `wave_gap` of 1 from it gives the
    wavelengths of tensor2tensor (`get_timing_signal_1d`) and Marian; their longest is 2π·10000. Row 0 is
    pos = `offset`, which is 2 in fairseq (`make_positions`: its padding has the id 1, and counts from there).
    """
    angles = _angles(offset + length, d_model, wave_gap)[offset:]
    table = torch.empty(length, d_model, dtype=torch.float64)
    table[:, 0::2] = angles.sin()
    table[:, 1::2] = angles.cos()
    return table.float()


def _angles(length: int, width: int, wave_gap: int = 0) -> Tensor:
    """The angles pos / 10000^(i/n) in fp64, with n = width/2 - wave_gap, [length, width / 2]."""
    slope = -math.log(WAVE_BASE) / (width - 2 * wave_gap)
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * slope)
    return torch.arange(length, dtype=torch.float64)[:, None] * rate


class SinusoidalPositions(nn.Module):
    """The table of `sinusoidal_positions`, which grows when longer sequences arrive."""

    def __init__(self, d_model: int, wave_gap: int = 0, offset: int = 0) -> None:
        super().__init__()
        self.wave_gap, self.offset = wave_gap, offset
        self.table: Tensor
        table = sinusoidal_positions(TABLE_ROWS, d_model, wave_gap, offset)
        self.register_buffer("table", table, persistent=False)

    def reserve(self, length: int) -> None:
        """Extends the table, unless it has `length` positions."""
        if length > self.table.shape[0]:
            with torch.inference_mode(False):  # training may read it after a long translation
                d_model = self.table.shape[1]
                table = sinusoidal_positions(2 * length, d_model, self.wave_gap, self.offset)
                self.table = table.to(self.table)

    def forward(self, start: int, length: int) -> Tensor:
        """Positions from `start`, [length, d_model]."""
        self.reserve(start + length)
        return self.table[start : start + length]


class LearnedPositions(nn.Module):
    """A trained table (Gehring et al. 2017); positions beyond its end share its last row."""

    def __init__(self, length: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(length, d_model))

    def forward(self, start: int, length: int) -> Tensor:
        """Positions from `start`, [length, d_model]."""
        end, last = start + length, self.table.shape[0] - 1
        if end <= last + 1:
            return self.table[start:end]
        return self.table[torch.arange(start, end, device=self.table.device).clamp(max=last)]


class RotaryPositions(nn.Module):
    """The angles by which RoPE rotates queries and keys (Su et al. 2021)."""

    def __init__(self, d_head: int) -> None:
        super().__init__()
        self.d_head = d_head
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("cos", torch.empty(0), persistent=False)
        self.register_buffer("sin", torch.empty(0), persistent=False)
        self._fill(TABLE_ROWS)

    def _fill(self, length: int) -> None:
        angles = _angles(length, self.d_head)
        self.cos, self.sin = angles.cos().to(self.cos), angles.sin().to(self.sin)

    def reserve(self, length: int) -> None:
        """Extends the tables, unless they have `length` positions."""
        if length > self.cos.shape[0]:
            with torch.inference_mode(False):  # training may read it after a long translation
                self._fill(2 * length)

    def forward(self, start: int, length: int) -> Rotation:
        """The rotation of the positions from `start`."""
        self.reserve(start + length)
        return self.cos[start : start + length], self.sin[start : start + length]


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Rotates each pair of dimensions of `x` [..., length, d_head] by the angle of its position.

    Computed in fp32; the result has the type of `x`. A pair is (i, i + d_head/2) as in GPT-NeoX, not (2i,
    2i+1) as in the paper, which differs only in the order of dimensions and is cheaper.
    """
    cos, sin = rotation
    first, second = x.chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(x.dtype)


AbsolutePositions = SinusoidalPositions | LearnedPositions
