"""Training on a CUDA device: mixed precision learns like fp32, and what is saved goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.e2e.test_training import Run, go, go_until, same_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
DEVICE = "train.device=cuda"


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("exact"), DEVICE, "train.precision=fp32")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_like_fp32(exact: Run, tmp_path: Path, precision: str) -> None:
    half = go(tmp_path, DEVICE, f"train.precision={precision}")
    # 8 or 11 bits of precision against 24: the loss of 24 steps differs by hundredths, not tenths.
    assert half.finished.loss == pytest.approx(exact.finished.loss, abs=0.1)


def test_the_gpu_learns_like_the_cpu(exact: Run, tmp_path: Path) -> None:
    options = ("model.dropout=0.0", "train.precision=fp32")
    (tmp_path / "gpu").mkdir()
    (tmp_path / "cpu").mkdir()
    gpu = go(tmp_path / "gpu", DEVICE, *options)
    cpu = go(tmp_path / "cpu", "train.device=cpu", *options)
    assert gpu.finished.loss == pytest.approx(cpu.finished.loss, abs=0.02)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_killed_and_run_again_ends_the_same(tmp_path: Path, precision: str) -> None:
    options = (DEVICE, f"train.precision={precision}")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    straight = go(tmp_path / "a", *options)
    go_until(tmp_path / "b", 12, *options)
    assert same_weights(straight.finished.folder, go(tmp_path / "b", *options).finished.folder)
