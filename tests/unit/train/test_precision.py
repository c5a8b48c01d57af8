from __future__ import annotations

import pytest
import torch

from mtkit.engine.native import autocast
from mtkit.errors import UsageError
from mtkit.train.machine.precision import gpu_dtype, training_dtype

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({}, torch.float32),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
    ],
)
def test_a_cpu_without_bf16_instructions_falls_back_to_fp32(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert training_dtype("auto", CPU) == expected
    assert training_dtype("bf16", CPU) == torch.bfloat16  # asked for by name, it is done, if slowly
    assert training_dtype("fp32", CPU) == torch.float32


@pytest.mark.parametrize(
    ("has_bf16", "capability", "expected"),
    [
        (True, (9, 0), torch.bfloat16),
        (True, (8, 0), torch.bfloat16),
        (False, (7, 5), torch.float16),  # T4
        (False, (7, 0), torch.float16),  # V100
        (False, (6, 1), torch.float32),  # GTX 1080, slow in fp16
    ],
)
def test_a_gpu_trains_in_the_fastest_type_that_it_has(
    monkeypatch: pytest.MonkeyPatch, has_bf16: bool, capability: tuple[int, int], expected: torch.dtype
) -> None:
    asked = []

    def is_supported(including_emulation: bool) -> bool:
        asked.append(including_emulation)
        return has_bf16

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert training_dtype("auto", torch.device("cuda")) == expected == gpu_dtype(has_bf16, capability)
    assert asked == [False]


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(UsageError, match="fp16 requires a CUDA device"):
        training_dtype("fp16", CPU)


def test_products_are_made_in_that_type() -> None:
    a = torch.ones(2, 2)
    for dtype in (torch.float32, torch.bfloat16):
        with autocast(dtype, CPU):
            assert (a @ a).dtype == dtype
