from __future__ import annotations

import os
from pathlib import Path

import pytest

from mtkit.errors import ConfigError, InputError
from mtkit.runs.find import find_model, model_folder

CONFIG = """\
run: {run}
data:
  src_lang: en
  tgt_lang: fr
  train: [{{reader: phrasebook}}]
  valid: {{reader: phrasebook, split: valid}}
"""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MTKIT_MODEL", raising=False)


def trained(run: str, place: str = "model", age: int = 0) -> Path:
    """A run folder with an (empty) model, made `age` seconds ago."""
    folder = Path(run, place)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    os.utime(folder, (1e9 - age, 1e9 - age))
    return folder


def config(name: str, run: str) -> Path:
    path = Path(name)
    path.write_text(CONFIG.format(run=run))
    return path


def test_a_named_run_model_folder_or_config() -> None:
    folder = trained("runs/a").absolute()
    for named in (Path("runs/a"), Path("runs/a/model"), config("x.yaml", "runs/a"), folder):
        assert find_model(named).folder == folder
    assert str(find_model(Path("x.yaml"))) == "runs/a"


def test_the_finished_model_goes_before_the_best_and_the_best_before_the_last() -> None:
    last = trained("r", "checkpoints/step-00000300")
    assert model_folder(Path("r")) == last
    trained("r", "best/step-00000100")
    best = trained("r", "best/step-00000200")
    assert model_folder(Path("r")) == best
    finished = trained("r", "model")
    assert model_folder(Path("r")) == finished


def test_the_variable_then_the_config_here_then_the_newest_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trained("runs/old", age=100)
    trained("runs/new", age=50)
    trained("runs/older", age=200)
    Path("runs/untrained").mkdir()
    assert str(find_model()) == "runs/new (newest under ./runs)"
    config("only.yaml", "runs/old")
    Path("other.yaml").write_text("steps: [build, test]\n")
    assert str(find_model()) == "runs/old (of ./only.yaml)"
    config("second.yaml", "runs/new")
    assert str(find_model()) == "runs/new (newest under ./runs)"
    config("mtkit.yaml", "runs/older")
    assert str(find_model()) == "runs/older (of ./mtkit.yaml)"
    monkeypatch.setenv("MTKIT_MODEL", "runs/new")
    assert str(find_model()) == "runs/new ($MTKIT_MODEL)"
    assert str(find_model(Path("runs/old"))) == "runs/old"


def test_an_untrained_config_here_gives_way_to_a_trained_run() -> None:
    config("mtkit.yaml", "runs/later")
    trained("runs/now")
    assert str(find_model()) == "runs/now (newest under ./runs)"


def test_none_says_what_to_do() -> None:
    with pytest.raises(InputError, match="no model") as caught:
        find_model()
    assert "mtkit train" in caught.value.hint


def test_a_named_one_that_is_not_there_or_not_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    trained("runs/other")
    with pytest.raises(InputError, match="no such"):
        find_model(Path("nowhere"))
    with pytest.raises(InputError, match="no trained model"):
        find_model(config("x.yaml", "runs/later"))
    monkeypatch.setenv("MTKIT_MODEL", "nowhere")
    with pytest.raises(InputError, match=r"nowhere.*no such"):
        find_model()


def test_a_broken_config_that_was_meant_is_reported() -> None:
    trained("runs/a")
    Path("mtkit.yaml").write_text("rum: runs/a\n")
    with pytest.raises(ConfigError, match=r"mtkit\.yaml"):
        find_model()
