"""`mtkit train --dry-run` foretells what a run really takes, and leaves no trace."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mtkit.cli.train_plan import show_plan
from mtkit.config.load import load_config
from mtkit.config.model import num_parameters
from mtkit.config.schema import Config
from mtkit.config.train import SimCutConfig
from mtkit.data.feed.loader import Cursor, PairTable, StepData, Steps
from mtkit.data.feed.prefetch import prefetch
from mtkit.data.prepare.prepared import open_prepared
from mtkit.errors import MtkitError
from mtkit.model.checkpoint import step_folders
from mtkit.train import plan, setup
from mtkit.train.machine.distributed import World
from mtkit.train.plan import plan_run, stand_in
from mtkit.train.setup import build_updater, fit_micro_batch, kept_bytes, largest_batch, plan_steps
from tests.support.corpora import REPOSITORY
from tests.support.trainings import CONFIG, Run, go

RECIPES = sorted((REPOSITORY / "configs").glob("*.yaml"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("run"), "train.keep_last=2", "train.max_steps=12")


def tree(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def test_it_foretells_the_run_and_leaves_no_trace(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PROBE_STEPS", 3)
    before = tree(run.config.run)
    found = plan_run(run.config, open_prepared(run.config), World())
    assert tree(run.config.run) == before
    assert found.num_parameters == num_parameters(run.config.model, found.vocab_size, found.vocab_size)
    assert found.steps == 12
    assert found.seconds > 0
    assert found.probe[0] == 3
    folders = step_folders(run.config.run / "checkpoints")
    # Headers and the counts of updates are small beside the tensors of even so small a model.
    assert on_disk(folders[0]) == pytest.approx(found.disk["while writing"], rel=0.15)
    assert sum(map(on_disk, folders)) == pytest.approx(found.disk["checkpoints (newest 2)"], rel=0.15)
    assert on_disk(run.finished.folder) == pytest.approx(found.disk["final model"], rel=0.15)
    show_plan(found)
    shown = capsys.readouterr().out
    assert f"{found.num_parameters:,} parameters, vocabulary {found.vocab_size:,}" in shown
    assert "time   0:0" in shown


@pytest.mark.parametrize("depth", [0, 2])
def test_the_probe_makes_its_batches_as_the_run_does(
    run: Run, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PROBE_STEPS", 2)
    made_ahead = []

    def watched(steps: Steps, cursor: Cursor, depth: int) -> Iterator[StepData]:
        made_ahead.append(depth)
        return prefetch(steps, cursor, depth)

    monkeypatch.setattr(setup, "prefetch", watched)
    options = run.config.train.model_copy(update={"prefetch": depth})
    config = run.config.model_copy(update={"train": options})
    assert plan_run(config, None, World()).probe[0] == 2  # from files that last as long as the plan
    assert made_ahead == [depth] * bool(depth)
    assert not multiprocessing.active_children()


def sized(recipe: Path, tmp_path: Path) -> Config:
    """The recipe with its full model, and small steps so that a test can make some."""
    overrides = ["train.batch_tokens=200", "train.micro_batch_tokens=null", f"run={tmp_path / 'run'}"]
    return load_config([recipe], overrides).config


def marks(recipe: Path) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow] if "paper-base" in recipe.read_text("utf-8") else []


@pytest.mark.parametrize("recipe", [pytest.param(path, id=path.stem, marks=marks(path)) for path in RECIPES])
def test_each_recipe_at_full_size(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "PROBE_STEPS", 1)
    config = sized(recipe, tmp_path)
    found = plan_run(config, None, World())
    wanted = config.tokenizer.vocab_size
    vocab_size = 8_000 if wanted == "auto" else wanted  # without data, nothing can be chosen
    assert found.num_parameters == num_parameters(config.model, vocab_size, vocab_size)
    assert found.num_pairs is None
    assert 0 < found.steps < float("inf")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def table(run: Run) -> PairTable:
    return PairTable(open_prepared(run.config).train)


@pytest.mark.parametrize("micro", [None, 100])
def test_the_largest_batch_is_the_largest(run: Run, table: PairTable, micro: int | None) -> None:
    updater = build_updater(run.config, 300, 300, World())
    planned = plan_steps(table, run.config)
    found = largest_batch(table, planned, updater, micro)
    tokens = [int((table.lengths[step] + 1).sum()) for step in planned.steps]
    batch = table.batch(found.pairs)
    assert batch.src_ids.shape == (len(found.pairs), found.src_len)
    assert batch.tgt_in.shape == (len(found.pairs), found.tgt_len)
    if micro is None:
        assert int((table.lengths[found.pairs] + 1).sum()) > 0.9 * max(
            tokens
        )  # padding in attention counts too
    else:
        assert batch.num_tgt_tokens <= micro


@pytest.mark.parametrize("option", [{"r_drop": 5.0}, {"simcut": SimCutConfig(alpha=3.0)}], ids=str)
def test_r_drop_and_simcut_take_the_memory_of_two_passes(
    run: Run, table: PairTable, option: dict[str, object]
) -> None:
    needed = []
    for update in ({}, option):
        train = run.config.train.model_copy(update=update)
        config = run.config.model_copy(update={"train": train})
        updater = build_updater(config, 300, 300, World())
        needed.append(largest_batch(table, plan_steps(table, config), updater, None).activations)
    assert 1.8 < needed[1] / needed[0] <= 2


def test_micro_batches_are_fitted_to_the_memory(
    run: Run, table: PairTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    updater = build_updater(run.config, 300, 300, World())
    planned = plan_steps(table, run.config)
    state = sum(kept_bytes(updater).values())
    whole = largest_batch(table, planned, updater, None).activations

    def fitted(memory: float) -> int:
        monkeypatch.setattr(setup, "available_bytes", lambda: memory)
        return fit_micro_batch(table, planned, updater)

    share = setup._CPU_SHARE
    assert fitted((state + whole) / share + 1) == run.config.train.batch_tokens
    sizes = [fitted((state + whole * part) / share) for part in (0.9, 0.6, 0.35)]
    assert run.config.train.batch_tokens > sizes[0] >= sizes[1] > sizes[2] >= 16
    for part, size in zip((0.9, 0.6, 0.35), sizes, strict=True):
        assert largest_batch(table, planned, updater, size).activations <= whole * part
    with pytest.raises(MtkitError, match="no micro-batch fits in the memory of cpu"):
        fitted(state / share)


def test_auto_is_kept_when_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "available_bytes", lambda: 4_000_000)
    auto = "train.micro_batch_tokens=auto"
    first = go(tmp_path, auto, "train.max_steps=6")
    monkeypatch.setattr(setup, "available_bytes", lambda: pytest.fail("asked again"))
    go(tmp_path, auto, "train.max_steps=8")
    assert first.finished.step == 6


def test_the_stand_in_has_usual_and_longest_lengths(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(CONFIG, "utf-8")
    config = load_config([tmp_path / "c.yaml"], ["tokenizer.vocab_size=5000"]).config
    lengths = stand_in(tmp_path / "shards", config).lengths
    assert 20 <= np.median(lengths) <= 30
    assert lengths.max() == 256
    assert lengths.min() >= 1
