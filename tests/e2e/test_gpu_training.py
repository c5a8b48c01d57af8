"""Training on a CUDA device: mixed precision learns like fp32, and what is saved goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtkit.config.load import load_config
from mtkit.data.prepare import open_prepared, prepare
from mtkit.train.distributed import World
from mtkit.train.trainer import Trainer
from tests.e2e.test_training import CONFIG, Run, go, go_until, same_weights

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


def make_trainer(folder: Path, *overrides: str) -> Trainer:
    path = folder / "c.yaml"
    path.write_text(CONFIG, "utf-8")
    config = load_config([path], [f"run={folder / 'run'}", *overrides]).config
    prepare(config)
    return Trainer(config, open_prepared(config), lambda event: None, lambda: False, World())


def test_no_step_waits_for_the_device(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, DEVICE, "train.precision=bf16", "train.log_every=1000")
    trainer.model.train()
    steps = trainer._steps()
    trainer.updater(next(steps), 1, 1e-3)  # the optimizer's state is made
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(2, 6):
            trainer.updater(next(steps), number, 1e-3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
