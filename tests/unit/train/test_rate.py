"""The speed of matrix products, on which the choices of `auto` rest."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mtkit.train.machine import flops
from mtkit.train.machine.distributed import World
from mtkit.train.settle import speed_up

CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Products:
    """A stand-in for the products of matrices of 1,024, and for the clock, which they move on.

    Each takes 10 ms, but the first one 2 s, as where libraries load their kernels only then.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.made = 0

    def __call__(self, a: Tensor, b: Tensor, times: int) -> None:
        assert a.shape == b.shape == (1024, 1024)
        for _ in range(times):
            self.now += 0.01 if self.made else 2.0
            self.made += 1

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Products:
    found = Products()
    monkeypatch.setattr(flops, "_multiply", found)
    monkeypatch.setattr(flops, "time", found)
    return found


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_the_first_product_does_not_count(products: Products, seconds: float) -> None:
    assert flops.matrix_rate(CPU, torch.float32, seconds) == pytest.approx(2 * 1024**3 / 0.01)


def test_there_are_three_rounds_at_least(products: Products) -> None:
    flops.matrix_rate(CPU, torch.float32, seconds=0.0)
    assert products.made == 2 + 3


@pytest.mark.parametrize(
    ("device", "size", "local_size", "threads", "expected"),
    [
        (CPU, 1, 1, 8, 1.0),
        (CPU, 4, 4, 2, 4.0),
        (CPU, 4, 4, 8, 1.0),  # each measured with all cores, which they have to share
        (CPU, 4, 2, 8, 2.0),  # the same on two machines
        (GPU, 8, 8, 8, 8.0),
    ],
)
def test_ranks_add_up(
    device: torch.device, size: int, local_size: int, threads: int, expected: float
) -> None:
    assert speed_up(device, World(0, size, 0, local_size), threads, cores=8) == expected
