from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.metrics.surface import score_corpus
from mtkit.translate.open import open_translator
from tests.support.fakes import TINY_PAIRS, make_tiny_run

Run: TypeAlias = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    make_tiny_run(folder)
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)

    def invoke(*args: str) -> Result:
        return CliRunner().invoke(app, ["evaluate", *args])

    return invoke


def test_each_test_set_is_translated_and_scored(run: Run, folder: Path) -> None:
    result = run("tiny.yaml", "--json", "-m", "ter", "-m", "bleu")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    hyps = list(open_translator(folder / "runs/tiny/model").translate(TINY_PAIRS))
    expected = score_corpus(hyps, list(TINY_PAIRS.values()), ["ter", "bleu"], "fr")
    assert [entry["test"] for entry in found] == ["short", "again"]
    for entry in found:
        assert entry["num_pairs"] == 2
        assert entry["scores"] == [
            {"metric": score.metric, "value": score.value, "signature": score.signature} for score in expected
        ]
        assert Path(entry["hyps"]).read_text("utf-8") == "".join(f"{hyp}\n" for hyp in hyps)


def test_it_warns_of_test_sentences_in_the_training_data(run: Run) -> None:
    leaking = [
        "data.train=[{reader: plain, src: test.en, tgt: test.fr}]",
        "data.filters=[{filter: empty}]",
        "data.valid.pairs=50",
    ]
    prepared = CliRunner().invoke(app, ["prepare", "tiny.yaml", *leaking])
    assert prepared.exit_code == 0, prepared.output
    result = run("tiny.yaml", *leaking, "--test", "short", "--json")
    warning = "warning: short: 2 of 2 sentences are in the training data"
    assert warning in " ".join(result.stderr.split())
    assert [entry["leaked"] for entry in json.loads(result.stdout)] == [2]
    other = run("tiny.yaml", "--test", "short", "--json")  # of which nothing is prepared
    assert "Warning" not in other.stderr
    assert [entry["leaked"] for entry in json.loads(other.stdout)] == [None]


def test_a_table_for_people(run: Run) -> None:
    result = run("tiny.yaml", "--test", "again")
    assert result.exit_code == 0, result.output
    head, _, *rows = result.stdout.splitlines()
    assert head.split() == ["test", "set", "pairs", "metric", "score", "signature"]
    assert [row.split()[:3] for row in rows] == [["again", "2", "bleu"], ["again", "2", "chrf"]]
    assert all("version:" in row for row in rows)


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["tiny.yaml", "--test", "nosuch"], 2, "Choose from short, again"),
        (["tiny.yaml", "-m", "blue"], 2, "bleu, chrf and ter"),
        (["tiny.yaml", "run=elsewhere"], 3, "no trained model"),
        (["--hyp", "test.fr"], 2, "--ref"),
        (["--hyp", "test.fr", "--ref", "tiny.yaml"], 3, "has 2 lines, but tiny.yaml has"),
        (["--hyp", "empty", "--ref", "empty"], 3, "no lines"),
        (["--hyp", "missing", "--ref", "test.fr"], 3, "missing"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Run, folder: Path, args: list[str], code: int, message: str
) -> None:
    (folder / "empty").touch()
    result = run(*args)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_files_are_scored_without_a_model(run: Run, folder: Path) -> None:
    (folder / "zh").write_text("今天天气很好。\n", "utf-8")
    result = run("--hyp", "zh", "--hyp", "zh", "--ref", "zh", "--tgt-lang", "zh", "-m", "bleu", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [entry["test"] for entry in found] == ["zh", "zh"]
    [score] = found[0]["scores"]
    assert score["value"] == pytest.approx(100)
    assert "tok:zh" in score["signature"]


def test_files_are_scored_without_torch(folder: Path) -> None:
    code = (
        "import sys; from mtkit.cli.commands import app; "
        "app(['evaluate', '--hyp', 'test.fr', '--ref', 'test.fr'], standalone_mode=False); "
        "sys.exit('torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert b"100.00" in result.stdout


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (["bleu=0"], 0),
        (["bleu=100.1"], 4),
        (["ter=0"], 4),  # lower is better
        (["ter=10000", "bleu=0"], 0),
        (["chrf=100.1"], 4),  # computed since it is bounded
        (["bleu"], 2),
        (["nonsense=3"], 2),
    ],
)
def test_bounds_of_quality(run: Run, bounds: list[str], code: int) -> None:
    options = [option for bound in bounds for option in ("--fail-under", bound)]
    result = run("tiny.yaml", "-m", "bleu", "-m", "ter", *options)
    assert result.exit_code == code, result.output
    if code == 4:
        assert "is worse than" in result.stderr
        assert "nrefs:1" in result.stdout  # the scores are printed all the same
