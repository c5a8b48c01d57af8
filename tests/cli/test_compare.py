"""`mtkit compare`: files, runs, its page and its JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import html5lib
import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from tests.support.fakes import make_tiny_run

Run: TypeAlias = Callable[..., Result]
REFS = ["Un homme dort.", "Deux chiens <courent>.", "Elle a 3 chats.", "Il pleut."]
HYPS = ["Un homme dort.", "Deux chiens <marchent>.", "Elle a 4 chats.", ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    make_tiny_run(folder)
    for name, lines in {"ref": REFS, "a": REFS, "b": HYPS, "src": ["x"] * 4, "short": REFS[:3]}.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    return lambda *args: CliRunner().invoke(app, ["compare", *args])


FILES = ("a", "b", "--ref", "ref", "--paired-ar-n", "50")


def test_changed_words_stand_in_brackets_in_a_pipe(run: Run) -> None:
    result = run(*FILES, "--src", "src")
    assert result.exit_code == 0, result.output
    assert "3 of 4 lines changed: 3 lost in sentence chrF, 0 gained." in result.stdout
    assert "  a          Elle a [-3-] chats." in result.stdout
    assert "  b          Elle a {+4+} chats." in result.stdout
    assert "\x1b" not in result.stdout
    assert "line 4: chrF 100.0 → 0.0 (-100.0)" in result.stdout
    assert "line " not in run(*FILES, "--show", "0").stdout


def test_json_has_a_version_and_all_lines(run: Run) -> None:
    [found] = json.loads(run(*FILES, "--json", "--show", "0").stdout)
    assert (found["format"], found["version"], found["systems"]) == ("mtkit-comparison", 1, ["a", "b"])
    assert found["test"] == {"method": "paired-ar", "trials": 50, "seed": "12345"}
    assert [figure["title"] for figure in found["figures"]] == ["BLEU", "chrF"]
    [change] = found["changes"]
    assert change["lines"][0]["number"] == 4
    assert all(line["change"] == line["scores"][1] - line["scores"][0] for line in change["lines"])


def test_the_page_needs_nothing_else_and_escapes_text(run: Run, folder: Path) -> None:
    assert run(*FILES, "--html", "page.html").exit_code == 0
    page = (folder / "page.html").read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<marchent>" not in page
    assert "&lt;<ins>marchent</ins>&gt;" in page
    assert not any(sign in page for sign in ("http:", "https:", "<script", "src=", "url("))


def test_runs_are_compared_by_what_evaluate_stored(run: Run, folder: Path) -> None:
    assert CliRunner().invoke(app, ["evaluate", "tiny.yaml"]).exit_code == 0
    shutil.copytree("runs/tiny", "runs/other")
    (folder / "runs/other/evaluate/short.hyp.txt").write_text("autre\nchose\n", "utf-8")
    found = json.loads(run("runs/tiny", "runs/other", "--json", "--paired-ar-n", "20").stdout)
    assert [each["name"] for each in found] == ["short", "again"]
    assert found[0]["systems"] == ["runs/tiny", "runs/other"]
    assert [len(each["changes"][0]["lines"]) for each in found] == [2, 0]
    assert {line["hyps"][1] for line in found[0]["changes"][0]["lines"]} == {"autre", "chose"}
    assert found[1]["figures"][0]["p_values"] == [None, 1.0]
    (folder / "runs/other/evaluate/scores.json").unlink()
    missing = run("runs/tiny", "runs/other")
    assert missing.exit_code == 3
    assert "runs/other: there are no translations of the test set short" in missing.stderr


def test_buckets(run: Run, folder: Path) -> None:
    (folder / "docs").write_text("one\none\ntwo\ntwo\n", "utf-8")
    [found] = json.loads(run(*FILES, "--documents", "docs", "--json").stdout)
    assert {each["by"]: [bucket["label"] for bucket in each["buckets"]] for each in found["breakdowns"]} == {
        "item": ["numbers"],
        "length": ["1–4", "5–9"],
        "document": ["one", "two"],
    }
    shown = run(*FILES, "--documents", "docs", "--breakdown", "document").stdout
    assert "document  lines" in shown
    assert "numbers" not in shown
    assert json.loads(run(*FILES, "--breakdown", "none", "--json").stdout)[0]["breakdowns"] == []


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["a"], 2, "at least two"),
        (["a", "a", "--ref", "ref"], 2, "different systems"),
        (["a", "b"], 2, "--ref"),
        (["a", "b", "--ref", "ref", "--metrics", "blue"], 2, "Choose from bleu, chrf"),
        (["a", "short", "--ref", "ref"], 3, "short: has 3 lines, but ref has 4"),
        (["a", "none", "--ref", "ref"], 3, "none"),
        (["runs/tiny", "b", "--ref", "ref"], 2, "cannot be combined"),
        (["a", "b", "--ref", "ref", "--paired-bs", "--paired-ar"], 2, "only one of them"),
        (["a", "b", "--ref", "ref", "--breakdown", "exposure"], 2, "needs a run"),
        (["a", "b", "--ref", "ref", "--breakdown", "size"], 2, "Choose from item, length"),
        (["a", "b", "--ref", "ref", "--domains", "short"], 3, "short: has 3 lines"),
        (["runs/tiny", "gone"], 3, "gone: there is no such file or folder"),
        (["a", "b", "--ref", "ref", "--html", "ref"], 2, "ref: is also"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, args: list[str], code: int, message: str) -> None:
    result = run(*args)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_equal_scores_have_no_p_value(run: Run, folder: Path) -> None:
    for name, line in {
        "one": "a b c x\na b c d\n",
        "other": "a b c d\na b c x\n",
        "both": "a b c d\n" * 2,
    }.items():
        (folder / name).write_text(line, "utf-8")
    shown = run("one", "other", "--ref", "both", "--breakdown", "none").stdout
    assert [row.split()[2:4] for row in shown.splitlines() if row.startswith("other")] == [["+0.00", "="]]
    evaluated = CliRunner().invoke(
        app, ["evaluate", "--hyp", "one", "--hyp", "other", "--ref", "both", "--baseline", "one"]
    )
    rows = [line.split() for line in evaluated.stdout.splitlines() if line.startswith("other")]
    assert ["other", "BLEU", "+0.00", "=", "="] in rows
