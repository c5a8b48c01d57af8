"""The model card in a run folder: who writes it, what is in it, and whose file is left alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.evaluate.model_card import plain, write_card
from mtkit.evaluate.record import read_scores
from mtkit.runs.layout import open_run
from tests.support.fakes import make_tiny_run
from tests.support.trainings import CONFIG


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_tiny_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs/tiny"


def invoke(*args: str) -> str:
    done = CliRunner().invoke(app, [*args])
    assert done.exit_code == 0, done.output
    return done.output


def front(run: Path) -> dict[str, Any]:
    _, head, _ = (run / "README.md").read_text("utf-8").split("---\n", 2)
    found: dict[str, Any] = yaml.safe_load(head)
    return found


def test_evaluate_writes_the_scores_that_it_stores(run: Path) -> None:
    invoke("evaluate", "tiny.yaml", "card.license=cc-by-4.0", "card.datasets=[a/b]")
    card = front(run)
    assert (card["license"], card["datasets"]) == ("cc-by-4.0", ["a/b"])
    assert (card["language"], card["pipeline_tag"]) == (["en", "fr"], "translation")
    (model,) = card["model-index"]
    found = {
        (result["dataset"]["name"], metric["name"].lower()): metric["value"]
        for result in model["results"]
        for metric in result["metrics"]
    }
    stored = {
        (entry["test"], score["metric"]): round(score["value"], 2)
        for entry in read_scores(run)
        for score in entry["scores"]
    }
    assert found == stored
    assert str(run) not in (run / "README.md").read_text("utf-8")


def test_the_hub_accepts_the_head(run: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    invoke("evaluate", "tiny.yaml")
    data = hub.ModelCard.load(run / "README.md").data
    assert data.model_name == "tiny"
    assert {result.metric_type for result in data.eval_results} == {"sacrebleu", "chrf"}


@pytest.mark.parametrize("edited", ["mine", "{}more", "{}\n", "{0}{0}"])
def test_a_file_of_the_user_stays(run: Path, edited: str) -> None:
    assert write_card(run)
    path = run / "README.md"
    text = edited.format(path.read_text("utf-8"))
    path.write_text(text, "utf-8")
    assert not write_card(run)
    assert path.read_text("utf-8") == text
    assert "was not written by mtkit or was edited" in invoke("evaluate", "tiny.yaml", "--test", "short")
    assert path.read_text("utf-8") == text


def test_a_file_from_before_stays_and_stops_nothing(run: Path) -> None:
    (run / "README.md").write_text("mine", "utf-8")
    invoke("evaluate", "tiny.yaml", "--test", "short")
    assert (run / "README.md").read_text("utf-8") == "mine"


def test_a_link_stays(run: Path, tmp_path: Path) -> None:
    assert write_card(run)
    (run / "README.md").rename(tmp_path / "elsewhere.md")
    (run / "README.md").symlink_to(tmp_path / "elsewhere.md")
    assert not write_card(run)
    assert (run / "README.md").is_symlink()


def test_without_a_model_there_is_no_card(tmp_path: Path) -> None:
    open_run(tmp_path / "run")
    assert not write_card(tmp_path / "run")
    assert not (tmp_path / "run/README.md").exists()


def test_training_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG, "utf-8")
    invoke("train", "c.yaml", "train.max_steps=2", "export.to=[]", "card.license=mit")
    card = front(tmp_path / "run")
    assert card["license"] == "mit"
    assert "model-index" not in card
    assert "Not measured." in (tmp_path / "run/README.md").read_text("utf-8")


def test_an_invalid_license(run: Path) -> None:
    done = CliRunner().invoke(app, ["config", "check", "tiny.yaml", "card.license=My Licence"])
    assert done.exit_code == 2
    assert "card.license = 'My Licence' is no id of a licence" in done.output


def test_markdown_in_names_is_escaped() -> None:
    assert plain("a|b<c>`d`\n") == "a\\|b\\<c\\>\\`d\\`\\\\u000a"
