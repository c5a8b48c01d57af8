"""The simpler simple recurrent unit, with which a decoder sees its own tokens without attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtkit.config.model import ModelConfig
from mtkit.model.packing import Spans


class Ssru(nn.Module):
    """SSRU (Kim et al. 2019, section 3.1), as Marian computes it.

    f_t = σ(W_f·x_t + b_f), c_t = f_t ⊙ c_(t-1) + (1 - f_t) ⊙ W·x_t, with c_0 = 0; the output is relu(c_t).
    Cells are fp32, also where matrix products are not: a gate near 1 is used once for each later token.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d_model = config.d_model
        self.forget_proj = nn.Linear(d_model, d_model, bias=config.architecture.attention_bias)
        self.value_proj = nn.Linear(d_model, d_model, bias=False)

    def _gated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both f and (1 - f) ⊙ W·x for each position of `x` [..., d_model]."""
        forget = self.forget_proj(x).float().sigmoid()
        return forget, (1 - forget) * self.value_proj(x).float()

    def forward(self, x: Tensor, own: Spans | None = None) -> Tensor:
        """The output for all positions of `x` [batch, length, d_model], in the same shape.

        Packed sentences pass their `Spans`; each begins with an empty cell.
        """
        forget, fresh = self._gated(x)
        longest = x.shape[1]
        if own is not None:
            forget = forget * (own.queries.positions != 0)[:, None]
            longest = own.queries.max_len
        return self.output(carry(forget, fresh, longest))

    def cell(self, x: Tensor, before: Tensor) -> Tensor:
        """The cells after one more position `x` [sentences, width, d_model], in the same shape."""
        forget, fresh = self._gated(x)
        return forget * before + fresh

    @staticmethod
    def output(cells: Tensor) -> Tensor:
        """What the unit shows of its cells."""
        return F.relu(cells)


def carry(forget: Tensor, fresh: Tensor, longest: int) -> Tensor:
    """c_t = forget_t ⊙ c_(t-1) + fresh_t along the second axis of [batch, length, width].

    Args:
        forget: gates.
        fresh: what each position adds.
        longest: most positions over which anything is carried.
    """
    cells = _Carry.apply(forget, fresh, longest)  # type: ignore[no-untyped-call]
    assert isinstance(cells, Tensor)
    return cells


class _Carry(torch.autograd.Function):
    """Keeps gates and cells alone for the backward pass, whose recurrence is the same one from the end."""

    @staticmethod
    def forward(ctx: Any, forget: Tensor, fresh: Tensor, longest: int) -> Tensor:
        cells = _scan(forget, fresh, longest)
        ctx.save_for_backward(forget, cells)
        ctx.longest = longest
        return cells

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        forget, cells = ctx.saved_tensors
        following = F.pad(forget[:, 1:], (0, 0, 0, 1))  # of position t, the gate of t + 1
        grad = _scan(following.flip(1), grads[0].flip(1), ctx.longest).flip(1)
        return grad * _shifted(cells, 1), grad, None


def _scan(forget: Tensor, fresh: Tensor, longest: int) -> Tensor:
    """See `carry`. In each round, positions reach twice as far back (Hillis and Steele 1986)."""
    reach, length = 1, forget.shape[1]
    while reach < min(longest, length):
        fresh = fresh + forget * _shifted(fresh, reach)
        forget = forget * _shifted(forget, reach)
        reach *= 2
    return fresh


def _shifted(x: Tensor, by: int) -> Tensor:
    """`x` [batch, length, width] some positions later, after zeros."""
    return F.pad(x[:, :-by], (0, 0, by, 0))
