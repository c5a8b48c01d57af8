from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import MTKIT, mtkit
from tests.support.corpora import REPOSITORY
from tests.support.recorded import make_run
from tests.support.terminals import session


def test_in_the_terminal(tmp_path: Path) -> None:
    make_run(tmp_path / "one", [4.0, 3.0])
    done = mtkit("plot", "one", "--x", "time", cwd=tmp_path, env={"COLUMNS": "60"})
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 59
    assert [line.strip() for line in lines if "┤" not in line and "valid" in line] == [
        "b  one valid: 3.5",
        "a  one valid: 12",
        "b  one valid/news: 9",
    ]


def test_as_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    make_run(tmp_path / "one", [4.0, 3.0])
    done = mtkit("plot", "one", "-o", "c.svg", "-o", "c.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "c.svg: loss, BLEU\nc.png: loss, BLEU\n"
    assert (tmp_path / "c.svg").read_bytes().startswith(b"<?xml")
    assert not list(tmp_path.glob(".tmp*"))


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["other"], 3, "other: there is no such folder. Give the folder of a trained run.\n"),
        (["one", "ome"], 3, "ome: there is no such folder. Did you mean one?\n"),
        (["one", "no/ome"], 3, "no/ome: there is no such folder. Give the folder of a trained run.\n"),
        (
            ["one/metrics.jsonl", "one"],
            3,
            "one/metrics.jsonl: there is no such folder. Give the folder of a trained run.\n",
        ),
        (["one", "--metric", "blue"], 2, "--metric blue: was not measured. Choose from loss, bleu, lr.\n"),
        (["one", "-o", "c.gif"], 2, "c.gif: the name of an image must end in .png, .svg or .pdf.\n"),
    ],
)
def test_what_cannot_be_drawn(tmp_path: Path, args: list[str], code: int, said: str) -> None:
    make_run(tmp_path / "one", [4.0])
    done = mtkit("plot", *args, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (code, f"error: {said}")


@pytest.mark.parametrize("rows", [24, 80])
def test_charts_fit_the_rows_of_the_terminal(tmp_path: Path, rows: int) -> None:
    make_run(tmp_path / "one", [4.0, 3.0])
    settings = ["COLUMNS=80", f"LINES={rows}", "NO_COLOR=1", f"PYTHONPATH={REPOSITORY}"]
    shown, code = session(tmp_path, ["env", *settings, *MTKIT, "plot", "one"], [])
    assert code == 0
    assert len(shown.splitlines()) < rows
    assert "loss over steps" in shown
    assert "BLEU over steps" in shown
    one, code = session(tmp_path, ["env", *settings, *MTKIT, "plot", "one", "--metric", "bleu"], [])
    assert code == 0
    assert "loss" not in one


def test_many_runs_fit_a_small_terminal(tmp_path: Path) -> None:
    names = [f"run-with-a-name-that-is-long-{number}" for number in range(30)]
    for name in names:
        make_run(tmp_path / name, [4.0, 3.0])
    settings = ["COLUMNS=80", "LINES=24", "NO_COLOR=1", f"PYTHONPATH={REPOSITORY}"]
    shown, code = session(tmp_path, ["env", *settings, *MTKIT, "plot", *names, "--metric", "loss"], [])
    lines = shown.splitlines()
    assert code == 0
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert "more" in lines[-1]


def test_an_untrained_run_is_skipped(tmp_path: Path) -> None:
    make_run(tmp_path / "one", [4.0])
    (tmp_path / "two").mkdir()
    done = mtkit("plot", "one", "two", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        0,
        "warning: two: is skipped, because it has not been trained.\n",
    )
