"""Training on a CUDA device: mixed precision learns like fp32, and what is saved goes on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from mtkit.config.load import load_config
from mtkit.config.model import ModelConfig
from mtkit.data.feed.batch import collate
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import open_prepared
from mtkit.model.packing import Kernel, has_kernel, load_kernel
from mtkit.model.transformer import build_model
from mtkit.train.machine.distributed import World
from mtkit.train.machine.packed_batch import pack
from mtkit.train.setup import read_steps
from mtkit.train.trainer import Trainer
from tests.support.trainings import CONFIG, Run, go, go_until, same_weights

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


@pytest.mark.parametrize("packing", ["true", "false"])
@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_no_step_waits_for_the_device(tmp_path: Path, packing: str, method: str) -> None:
    options = ("train.precision=bf16", "train.log_every=1000", f"train.packing={packing}")
    trainer = make_trainer(tmp_path, DEVICE, f"train.optimizer.method={method}", *options)
    trainer.model.train()
    with closing(
        read_steps(trainer.config, trainer.table, None, trainer.updater, trainer.progress.cursor)
    ) as steps:
        trainer.updater(next(steps), 1, 1e-3)  # the optimizer's state is made
        torch.cuda.set_sync_debug_mode("error")
        try:
            for number in range(2, 6):
                trainer.window.add(trainer.updater(next(steps), number, 1e-3))
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("options", [{}, {"num_kv_heads": 2, "positions": "rope"}], ids=str)
def test_the_attention_kernel_gives_what_padding_gives(options: dict[str, object]) -> None:
    device, random = torch.device("cuda"), np.random.default_rng(0)
    config = ModelConfig.model_validate({"preset": "tiny", "dropout": 0.0, **options})
    if not has_kernel(device, torch.bfloat16, config.d_head):
        pytest.skip("this card has no such kernel")
    model = build_model(config, 60, 60, seed=1).to(device)
    lengths = random.integers(1, 90, (2, 40))
    batch = pack(collate(*([random.integers(4, 60, n) for n in side] for side in lengths))).to(device)

    def outcome(kernel: Kernel | None) -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            found = model.packed_features(batch.src, batch.tgt, kernel).float()
        total = (found * torch.linspace(-1, 1, found.numel(), device=device).view_as(found)).sum()
        weights = [weight for weight in model.parameters() if weight is not model.output.weight]
        grads = torch.autograd.grad(total, weights)
        return torch.cat([found.detach().flatten(), *(grad.flatten() for grad in grads)])

    expected, found = outcome(None), outcome(load_kernel())
    assert found.isfinite().all()
    # bf16 keeps 8 bits; errors of 2^-8 a product add up over the layers. Wrong sentences give about 1.
    assert (found - expected).norm() < 0.1 * expected.norm()


@pytest.mark.parametrize(
    "options",
    [("train.packing=false",), ("train.prefetch=0",), ("train.compile=true",)],
)
def test_each_way_of_computing_learns_alike(exact: Run, tmp_path: Path, options: tuple[str, ...]) -> None:
    found = go(tmp_path, DEVICE, "train.precision=bf16", *options)
    assert found.finished.loss == pytest.approx(exact.finished.loss, abs=0.1)
