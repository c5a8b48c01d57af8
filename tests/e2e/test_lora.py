"""A training with LoRA: its adapter, on its model, is the model that it ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.errors import InputError
from mtkit.model.adapter import add_adapters
from mtkit.model.checkpoint import load_model, load_weights
from mtkit.train.watch.monitor import Started
from tests.support.trainings import Run, go, go_until, same_weights


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("base"))


def lora(base: Run) -> tuple[str, ...]:
    there = base.config.run / "model"
    return (
        f"train.init_from={there}",
        f"tokenizer.path={there / 'tokenizer.model'}",
        "train.lora={rank: 4}",
        "train.optimizer={method: adamw, lr: 0.01, warmup_steps: 2}",
    )


@pytest.fixture(scope="module")
def adapted(base: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("adapted"), *lora(base))


def test_it_learns_and_changes_only_matrices_of_layers(base: Run, adapted: Run) -> None:
    assert adapted.finished.loss < adapted.finished.start[""]["loss"]
    before, after = load_weights(base.config.run / "model"), load_weights(adapted.config.run / "model")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(after[name].dim() == 2 and name.startswith(("encoder.", "decoder.")) for name in changed)
    assert all(int(torch.linalg.matrix_rank(after[name] - before[name], tol=1e-4)) <= 4 for name in changed)
    (started,) = (event for event in adapted.events if isinstance(event, Started))
    assert any(note.startswith("LoRA: ") and "are trained" in note for note in started.notes)


def test_the_adapter_makes_the_base_into_the_final_model(base: Run, adapted: Run) -> None:
    folder = adapted.config.run / "adapter"
    loaded = load_model(base.config.run / "model")
    add_adapters(loaded.model, loaded.folder, [(adapted.config.run, 0.25), (folder, 0.75)])
    after = load_weights(adapted.config.run / "model")
    for name, weight in loaded.model.named_parameters():
        torch.testing.assert_close(weight.detach(), after[name], rtol=1e-4, atol=1e-5)
    # As another library reads it, by the formula.
    options = json.loads((folder / "adapter_config.json").read_text())
    tensors = load_file(folder / "adapter_model.safetensors")
    layer = options["target_modules"][0]
    a, b = (tensors[f"base_model.model.{layer}.lora_{one}.weight"] for one in "AB")
    before = load_weights(base.config.run / "model")[f"{layer}.weight"]
    scale = options["lora_alpha"] / options["r"]
    torch.testing.assert_close(before + scale * b @ a, after[f"{layer}.weight"], rtol=1e-4, atol=1e-5)


def test_another_model_refuses_it(adapted: Run) -> None:
    loaded = load_model(adapted.config.run / "model")
    with pytest.raises(InputError, match="was trained on another model than"):
        add_adapters(loaded.model, loaded.folder, [(adapted.config.run, 1.0)])


def test_stopped_and_resumed_it_ends_with_the_same_bits(base: Run, adapted: Run, tmp_path: Path) -> None:
    go_until(tmp_path, 13, *lora(base))
    again = go(tmp_path, *lora(base))
    assert same_weights(again.finished.folder, adapted.finished.folder)


def test_the_shell_adds_adapters(base: Run, adapted: Run) -> None:
    text = "Where is the station?\nThe red car is new.\n"

    def translated(*args: str) -> str:
        result = CliRunner().invoke(app, ["translate", "--engine", "native", *args], input=text)
        assert result.exit_code == 0, result.output
        return result.stdout

    model, run = str(base.config.run), str(adapted.config.run)
    assert translated("-m", model, "--adapter", run) == translated("-m", run)
    assert translated("-m", model, "--adapter", f"{run}=0") == translated("-m", model)
    result = CliRunner().invoke(app, ["translate", "-m", model, "--adapter", "nowhere=0.5"], input=text)
    assert (result.exit_code, "--adapter nowhere=0.5: there is no such folder" in result.stderr) == (2, True)
    result = CliRunner().invoke(app, ["translate", "-m", run, "--adapter", run], input=text)
    assert result.exit_code == 3
    result = CliRunner().invoke(app, ["translate", "-m", model, "--adapter", f"{run}=nan"], input=text)
    assert (result.exit_code, "its weight nan is no finite number" in result.stderr) == (2, True)
