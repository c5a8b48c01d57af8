"""`mtkit show`, and the text log of a training."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.cli.config import summary
from mtkit.cli.train_log import text_log
from mtkit.config.load import load_config
from mtkit.errors import StoppedError
from mtkit.runs.layout import forget_training, open_run
from mtkit.train.watch.monitor import Event, Stepped
from tests.support.fakes import make_tiny_run
from tests.support.recorded import logged, make_run, validated


def show(*args: str) -> str:
    result = CliRunner().invoke(app, ["show", *args])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_tiny_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    return Path("runs/tiny")


def test_a_run_is_shown_with_what_it_lacks(run: Path) -> None:
    shown = show("runs/tiny")
    assert shown == show() == show("tiny.yaml")
    lines = shown.splitlines()
    assert lines[0] == "run       runs/tiny, finished"
    assert lines[1].startswith("settings  en → fr, ")
    size = sum(path.stat().st_size for path in (run / "model").iterdir())
    assert f"model {size / 1e3:,.1f} kB" in shown
    assert [line.rpartition(": ")[2] for line in lines if line.startswith("missing")] == [
        "`mtkit prepare CONFIG`",
        "`mtkit export runs/tiny --to ctranslate2`",
        "`mtkit evaluate CONFIG`",
    ]


def test_curve_and_scores(run: Path) -> None:
    make_run(run, [4.0, 3.0])
    (run / "evaluate").mkdir()
    entry = {"model": "model", "test": "news", "scores": [{"metric": "bleu", "value": 31.337}]}
    (run / "evaluate" / "scores.json").write_text(json.dumps({"version": 1, "scores": [entry]}))
    shown = show("runs/tiny")
    assert "loss      4.000 █▁ 3.000, step 150, 1:30" in shown
    assert "best      step 100: loss 3.500  BLEU 12.0" in shown
    assert re.search(r"^news +bleu +31\.34 +model$", shown, re.MULTILINE)
    assert "mtkit evaluate" not in shown


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ("loss", 300),
        ("bleu", 400),  # of equal ones that with the lower loss
        ("[chrf, loss]", 100),
        ("[bleu, chrf]", 200),  # chrF decides before the loss
        ("ter", 300),  # not in the file, so the loss decides
    ],
)
def test_the_best_validation_is_that_of_the_metric(run: Path, metrics: str, best: int) -> None:
    path = run / "model" / "config.yaml"
    text, count = re.subn(
        r"best_metric:(.*\n(  *- .*\n)*)", f"best_metric: {metrics}\n", path.read_text("utf-8")
    )
    assert count == 1
    path.write_text(text, "utf-8")
    values = [(2.0, 10.0, 50.0), (3.0, 12.0, 50.0), (1.0, 11.0, 40.0), (2.5, 12.0, 30.0)]
    lines = [
        {"step": 100 * n, "seconds": n, "valid/loss": loss, "valid/bleu": bleu, "valid/chrf": chrf}
        for n, (loss, bleu, chrf) in enumerate(values, start=1)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert f"best      step {best}: " in show(str(run))


@pytest.mark.parametrize("command", ["show", "report", "plot"])
def test_without_a_name_it_is_the_run_here(
    command: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(run, [4.0, 3.0])
    done = CliRunner().invoke(app, [command])
    assert done.exit_code == 0, done.output
    assert done.stdout == CliRunner().invoke(app, [command, "runs/tiny"]).stdout
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = CliRunner().invoke(app, [command])
    assert done.exit_code == 3
    assert "no run: there is no mtkit.yaml in this folder" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ("40", "40 seconds"),
        ("90s", "90 seconds"),
        ("2m", "2 minutes"),
        ("200", "3.3 minutes"),
        ("2d", "2,880 minutes"),
    ],
)
def test_the_limit_in_words(seconds: str, words: str, run: Path) -> None:
    config = load_config([Path("tiny.yaml")], ["train.max_steps=null", f"train.max_time={seconds}"]).config
    assert f"at most {words}, run" in summary(config)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    for name in (tmp_path, tmp_path / "none"):
        result = CliRunner().invoke(app, ["show", str(name)])
        assert result.exit_code == 2
        assert "is not a run folder" in result.stderr


# ---------------------------------------------------------------- the log


def test_the_log_has_what_was_told_and_how_it_ended(tmp_path: Path) -> None:
    open_run(tmp_path / "run")
    told: list[Event] = []

    def train() -> None:
        with text_log(tmp_path / "run", told.append) as listen:
            listen(Stepped(1, 0.1, 9.0, 100.0, 1.0, 0.1))
            listen(logged(50))
            listen(validated(100))
            logging.getLogger("mtkit.train").warning("a spike\x1b[31m")
            raise StoppedError("stopped after saving step 100.", "Run the same command to resume.")

    with pytest.raises(StoppedError):
        train()
    logging.getLogger("mtkit.train").warning("not of this run")
    lines = (tmp_path / "run" / "train.log").read_text("utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \S", line) for line in lines)
    assert [line.partition("  ")[2] for line in lines] == [
        "step 50  epoch 0.50  loss 2.000  lr 1.00e-03  4,000 tokens/s  10%, 1:52 left",
        "step 100  valid: loss 1.500  BLEU 31.0  chrF 55.0  (best so far)",
        "warning: a spike\\u001b[31m",
        "error: stopped after saving step 100. Run the same command to resume.",
    ]
    assert len(told) == 3
    forget_training(tmp_path / "run")
    assert not (tmp_path / "run" / "train.log").exists()


def test_a_log_that_cannot_be_written_ends_no_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_run(tmp_path / "run")
    monkeypatch.setattr(logging.getLogger("mtkit"), "propagate", True)
    told: list[Event] = []
    with text_log(tmp_path / "run", told.append) as listen:
        (tmp_path / "run" / "train.log").mkdir()
        listen(logged(50))
        listen(logged(100))
    assert len(told) == 2
    found = {id(record) for record in caplog.records if "train.log: cannot be written" in record.message}
    assert len(found) == 1
