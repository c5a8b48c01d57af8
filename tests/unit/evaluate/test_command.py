from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.errors import MtkitError, UsageError
from mtkit.evaluate.command import MetricCommand, metric_commands

LENGTHS = """
import json, sys
for line in sys.stdin:
    pair = json.loads(line)
    print(len(pair["hyp"]) - len(pair["ref"]) + len(pair["src"]) / 1000 + 100 * len(pair.get("refs", [])))
"""


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def command(code: str, timeout: float = 60) -> MetricCommand:
    return MetricCommand("own", python(code), timeout)


def test_each_translation_goes_out_with_its_source_and_references() -> None:
    found = command(LENGTHS).scores(["a\u2028b", "éé\tx"], [["a", "éé"], ["", ""]], ["12", "1234"])
    assert found == pytest.approx([202.002, 202.004])
    assert command(LENGTHS).scores(["ab"], [["a"]], None) == [1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('no model')", "failed with exit code 1: no model"),
        ("print(1)", "1 line came back for 2 translations"),
        ("print(1); print(2); print(3)", "3 lines came back for 2 translations"),
        ("print(1); print('bad')", "line 2 of its answer is 'bad', not a number"),
        ("print(1); print('nan')", "line 2 of its answer is 'nan', not a number"),
    ],
)
def test_wrong_answers_are_refused(code: str, message: str) -> None:
    with pytest.raises(MtkitError, match=message) as caught:
        command(code).scores(["a", "b"], [["a", "b"]], None)
    assert caught.value.exit_code == 1


def test_a_program_that_never_answers_is_stopped() -> None:
    with pytest.raises(MtkitError, match=r"no answer after 0\.3 s"):
        command("import time; time.sleep(60)", 0.3).scores(["a"], [["a"]], None)


def test_a_program_that_is_not_there_is_a_mistake_of_the_command_line() -> None:
    with pytest.raises(UsageError, match="cannot be started"):
        MetricCommand("own", "./nowhere", 1).scores(["a"], [["a"]], None)


@pytest.mark.parametrize(
    "text", ["comet", "=x", "comet=", "bleu=x", "ppl=x", "a b=x", "comet='x", "comet:=x", "comet:up=x"]
)
def test_arguments_that_name_no_command(text: str) -> None:
    with pytest.raises(UsageError, match="--metric-command"):
        metric_commands([text], 1)
    with pytest.raises(UsageError, match="there is a metric of that name"):
        metric_commands(["comet=x", "comet=y"], 1)


def test_it_stands_beside_the_other_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"ref": "abc\nd\n", "same": "abc\nd\n", "long": "abcde\nd\n"}.items():
        Path(name).write_text(text, "utf-8")
    files = ["--hyp", "same", "--hyp", "long", "--ref", "ref", "--metrics", "chrf", "--confidence"]
    own = ["--metric-command", f"own={python(LENGTHS)}", "--baseline", "same", "--segments", "out.jsonl"]
    args = ["evaluate", *files, *own, "--fail-under", "chrf=1"]
    done = CliRunner().invoke(app, [*args, "--json"])
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    scores = [result["scores"][1] for result in printed["results"]]
    assert [(score["metric"], score["value"]) for score in scores] == [("own", 0), ("own", 1)]
    assert scores[1]["signature"].startswith("nrefs:1|bs:1000|seed:12345|command:")
    assert [each["difference"] for each in printed["comparisons"] if each["metric"] == "own"] == [1]
    rows = [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]
    assert [row["scores"]["own"] for row in rows] == [0, 0, 2, 0]
    table = CliRunner().invoke(app, args)
    assert table.exit_code == 0, table.output
    assert table.stdout.splitlines()[0].split() == ["system", "pairs", "chrF", "own"]


@pytest.mark.parametrize(("bound", "code"), [("own=1.5", 4), ("own=0.5", 0), ("OWN=1", 2), ("own=nan", 2)])
@pytest.mark.parametrize("better", ["", ":higher", ":lower"])
def test_bounds_know_which_numbers_are_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, better: str, bound: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("a b\n", "utf-8")
    own = ["--metric-command", f"own{better}={python('print(1)')}", "--fail-under", bound]
    done = CliRunner().invoke(app, ["evaluate", "--hyp", "a", "--ref", "a", "--metrics", "exact", *own])
    assert done.exit_code == ({4: 0, 0: 4}.get(code, code) if better == ":lower" else code), done.output
