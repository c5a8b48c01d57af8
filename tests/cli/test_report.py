"""`mtkit report`: the page, its JSON, and what it says of a run that is not finished."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import html5lib
import pytest
import sacrebleu
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.runs.layout import METRICS_FILE, claim_in, open_run
from tests.support.browser import browser, find_browser
from tests.support.fakes import TINY_PAIRS, make_tiny_run
from tests.support.recorded import make_run


def invoke(*args: str) -> Result:
    return CliRunner().invoke(app, [*args])


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run with curves, scores and closer looks, in which some text is hostile and long."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_tiny_run(folder)
        claim_in(folder / "runs/tiny", METRICS_FILE)
        make_run(folder / "runs/tiny", [4.0, 3.0, 2.0])
        done = invoke("evaluate", "tiny.yaml", "--breakdown", "length", "--contrast")
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def here(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(evaluated)
    return evaluated


def facts(name: str) -> dict[str, Any]:
    done = invoke("report", name, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["format"], found["version"]) == ("mtkit-run-report", 1)
    return found


def test_the_page_is_whole_and_valid(here: Path) -> None:
    done = invoke("report", "runs/tiny")
    assert (done.exit_code, done.stdout) == (0, "")
    page = (here / "runs/tiny/report.html").read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<script" not in page
    assert "<h3>short: by length</h3>" in page
    assert "<h3>short: by contrast</h3>" in page
    assert page.count("<polyline") >= 2
    assert (here / "runs/tiny/report.html").stat().st_mode & 0o077 == 0
    assert invoke("report", "tiny.yaml", "-o", "mine.html").exit_code == 0
    assert (here / "mine.html").read_text("utf-8") == page


def test_scores_have_the_intervals_of_sacrebleu(here: Path) -> None:
    test = next(test for test in facts("runs/tiny")["tests"] if test["test"] == "short")
    hyps = (here / "runs/tiny/evaluate/short.hyp.txt").read_text("utf-8").splitlines()
    metric = sacrebleu.BLEU(effective_order=False)
    refs = list(TINY_PAIRS.values())[: len(hyps)]
    score = metric.corpus_score(hyps, [refs], n_bootstrap=1000)
    found = next(score for score in test["scores"] if score["metric"] == "bleu")
    assert found["value"] == pytest.approx(score.score)
    assert found["margin"] == pytest.approx(score._ci)
    assert "bs:1000" in found["signature"]


def test_looks_of_other_translations_are_not_shown(here: Path) -> None:
    before = next(test for test in facts("runs/tiny")["tests"] if test["test"] == "short")
    assert [table["by"] for table in before["breakdowns"]] == ["length", "contrast"]
    path = here / "runs/tiny/evaluate/looks.json"
    kept = path.read_text("utf-8")
    path.write_text(kept.replace('"hyps": "', '"hyps": "0'), "utf-8")
    after = next(test for test in facts("runs/tiny")["tests"] if test["test"] == "short")
    path.write_text(kept, "utf-8")
    assert after["breakdowns"] == []
    assert after["worst"] == before["worst"]


def test_changed_translations_are_noticed(here: Path) -> None:
    path = here / "runs/tiny/evaluate/short.hyp.txt"
    kept = path.read_text("utf-8")
    path.write_text("\n".join("something else" for _ in kept.splitlines()) + "\n", "utf-8")
    test = next(test for test in facts("runs/tiny")["tests"] if test["test"] == "short")
    path.write_text(kept, "utf-8")
    assert "have changed. Run `mtkit evaluate` again." in test["note"]
    assert not test["worst"]


def test_a_run_without_anything(tmp_path: Path) -> None:
    open_run(tmp_path / "run")
    done = invoke("report", str(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    page = (tmp_path / "run/report.html").read_text("utf-8")
    for command in ("prepare CONFIG", "train CONFIG", "evaluate CONFIG"):
        assert f"`mtkit {command}`" in page


def test_what_is_refused(tmp_path: Path, here: Path) -> None:
    done = invoke("report", str(tmp_path))
    assert (done.exit_code, "is not a run folder" in done.output) == (2, True)
    done = invoke("report", "runs/tiny", "--json", "-o", "x.html")
    assert (done.exit_code, "Leave one of them out" in done.output) == (2, True)
    open_run(tmp_path / "run")
    (tmp_path / "run/report.html").write_text("mine", "utf-8")
    done = invoke("report", str(tmp_path / "run"))
    assert (done.exit_code, "was not written by mtkit" in done.output) == (2, True)
    assert (tmp_path / "run/report.html").read_text("utf-8") == "mine"


@pytest.mark.skipif(find_browser() is None, reason="needs Chromium")
def test_in_a_real_browser(here: Path, tmp_path: Path) -> None:
    assert invoke("report", "runs/tiny").exit_code == 0
    page = here / "runs/tiny/report.html"
    with browser(tmp_path) as tab:
        for width, dark, media in ((390, False, ""), (1280, True, ""), (800, False, "print")):
            tab.open(page, width, dark=dark, media=media)
            assert tab.value("document.documentElement.scrollWidth") <= width
            assert tab.value("getComputedStyle(document.body).backgroundColor") == (
                "rgb(18, 24, 30)" if dark else "rgb(255, 255, 255)"
            )
        assert tab.complaints == []
        assert set(tab.requests) == {page.absolute().as_uri()}
