"""A run whose config leaves the settings to mtkit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.config.load import load_config
from mtkit.config.model import SHAPE

CONFIG = """\
run: run
data:
  src_lang: en
  tgt_lang: fr
  train: [{reader: phrasebook, pairs: 300}]
  valid: {reader: phrasebook, split: valid, pairs: 20}
  filters: []
tokenizer: {vocab_size: auto}
model: {preset: auto, d_model: 32, d_ff: 32, num_heads: 2, num_encoder_layers: 1, num_decoder_layers: 1}
train: {preset: auto, max_steps: 4, validate_every: 2, tensorboard: false, precision: fp32}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", "auto.yaml", *arguments])


def test_choices_are_told_kept_and_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auto.yaml").write_text(CONFIG, "utf-8")
    first = run()
    assert first.exit_code == 0, first.output
    told = first.stderr
    assert "model.dropout 0.3, attention_dropout 0.1 (fewer pairs need more dropout: 300 pairs)" in told
    assert "model.d_model" not in told
    trained = load_config([Path("run/model/config.yaml")]).config
    assert (trained.model.dropout, trained.model.d_model, trained.train.batch_tokens) == (0.3, 32, 1024)

    kept = Path("run/auto.json")
    choices = json.loads(kept.read_text("utf-8"))
    next(choice for choice in choices["choices"] if choice["key"] == "train.save_every")["value"] = 3
    kept.write_text(json.dumps(choices), "utf-8")
    assert run("train.max_steps=6").exit_code == 0
    assert load_config([Path("run/model/config.yaml")]).config.train.save_every == 3

    kept.write_text('{"version": 1, "choices": [{}]}', "utf-8")
    damaged = run("train.max_steps=8")
    assert damaged.exit_code == 3
    assert "auto.json: is damaged. Delete it to let auto choose again." in " ".join(damaged.stderr.split())


def test_a_model_that_is_auto_takes_the_shape_of_the_initial_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auto.yaml").write_text(CONFIG, "utf-8")
    odd = ("model.positions=learned", "model.d_model=30", "model.num_heads=2", "model.norm=post")
    assert run(*odd, "train.max_steps=2").exit_code == 0
    data, _, rest = CONFIG.replace("run: run", "run: two").partition("model:")
    Path("two.yaml").write_text(f"{data}model: auto\n{rest.partition(chr(10))[2]}", "utf-8")
    origin = ("train.init_from=run", "tokenizer.path=run/model/tokenizer.model")
    found = CliRunner().invoke(app, ["train", "two.yaml", *origin])
    assert found.exit_code == 0, found.output
    first, second = (load_config([Path(name) / "model/config.yaml"]).config.model for name in ("run", "two"))
    assert {name: getattr(second, name) for name in SHAPE} == {name: getattr(first, name) for name in SHAPE}
    assert "(as in the model of train.init_from)" in " ".join(found.stderr.split())
    assert CliRunner().invoke(app, ["train", "two.yaml", *origin, "--dry-run"]).exit_code == 0


def test_a_limit_of_time_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("auto.yaml").write_text(CONFIG, "utf-8")
    assert run("train.max_time=1s", "train.max_steps=1").exit_code == 0
    choices = {
        choice["key"]: choice for choice in json.loads(Path("run/auto.json").read_text("utf-8"))["choices"]
    }
    assert "epochs in the available time" in choices["model.d_model"]["reason"]
    assert choices["model.d_model"]["value"] == 128
