"""`mtkit confidence`, and confidence in `mtkit translate`."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import html5lib
import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.disk.manifest import read_manifest
from mtkit.runs.exports import CONFIDENCE
from mtkit.runs.find import Found
from mtkit.translate.input import Input
from mtkit.translate.job import job
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from tests.support.fakes import export_unchecked, make_tiny_run

Run: TypeAlias = Callable[..., Result]

LINES = "the cat sat\n\na dog ran on the mat\n"
WORDS = ["the", "cat", "sat", "on", "mat", "a", "dog", "ran"]


def texts(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(2, 7))) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with confidence, its export with the same, and what they are fitted to."""
    folder = tmp_path_factory.mktemp("confidence")
    make_tiny_run(folder)
    model, export = folder / "runs" / "tiny" / "model", folder / "runs" / "tiny" / "export" / "ctranslate2"
    export_unchecked(model, export, "float32")
    (folder / "some.en").write_text("".join(f"{text}\n" for text in texts(60, 1)), "utf-8")
    (folder / "some.fr").write_text("".join(f"{text}\n" for text in texts(60, 2)), "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)

    def invoke(*args: str, stdin: str = LINES) -> Result:
        return CliRunner().invoke(app, list(args), input=stdin)

    return invoke


@pytest.fixture
def fitted(run: Run) -> None:
    result = run("confidence", "fit", "--src", "some.en", "--ref", "some.fr")
    assert result.exit_code == 0, result.output
    assert result.stderr.count("confidence fitted to 120 translations") == 2


@pytest.mark.usefixtures("fitted")
def test_a_model_and_its_export_have_the_same_confidence(folder: Path) -> None:
    run = folder / "runs" / "tiny"
    model = run / "model"
    export = run / "export" / "ctranslate2"
    assert CONFIDENCE in read_manifest(model, "mtkit-model", 2)["files"]
    assert CONFIDENCE in read_manifest(export, "mtkit-ctranslate2", 1)["files"]
    assert (model / CONFIDENCE).read_bytes() == (export / CONFIDENCE).read_bytes()
    again = folder / "again"
    export_unchecked(model, again, "float32")  # a new export takes it over
    assert (again / CONFIDENCE).read_bytes() == (model / CONFIDENCE).read_bytes()


@pytest.mark.usefixtures("fitted")
def test_both_engines_show_about_the_same(run: Run) -> None:
    shown = {}
    for engine in ("native", "ctranslate2"):
        result = run("translate", "--engine", engine, "--confidence", "--token-scores")
        assert result.exit_code == 0, result.output
        rows = [line.split("\t") for line in result.stdout[:-1].split("\n")]
        assert [len(row) for row in rows] == [3, 3, 3]
        assert rows[1] == ["", "", "1.0000"]
        shown[engine] = [float(row[2]) for row in rows]
        assert all(0 <= one <= 1 for one in shown[engine])
    # CTranslate2 leaves special pieces out of the softmax.
    assert shown["native"] == pytest.approx(shown["ctranslate2"], abs=0.05)


@pytest.mark.usefixtures("fitted")
def test_json_has_confidence_and_probabilities_of_tokens(run: Run) -> None:
    result = run("translate", "--json", "--confidence", "--token-scores", "--n-best", "2")
    for line in result.stdout.splitlines():
        for one in json.loads(line)["hypotheses"]:
            assert 0 <= one["confidence"] <= 1
            assert len(one["token_confidences"]) == len(one["token_scores"])
            assert all(0 <= probability <= 1 for probability in one["token_confidences"])


@pytest.mark.usefixtures("fitted")
def test_unsure_lines_are_noted_counted_and_replaced(run: Run) -> None:
    plain = run("translate").stdout
    report = run("translate", "--min-confidence", "1")
    assert (report.exit_code, report.stdout) == (0, plain)
    assert "standard input:1: the translation has a confidence of 0." in report.stderr
    assert "2 below the minimum confidence\n" in report.stderr
    assert run("translate", "--min-confidence", "1", "--on-unsure", "blank").stdout == "\n\n\n"
    assert run("translate", "--min-confidence", "1", "--on-unsure", "source").stdout == LINES
    assert "below" not in run("translate", "--min-confidence", "0").stderr


@pytest.mark.usefixtures("fitted")
def test_texts_of_a_document_are_replaced_too(run: Run, folder: Path) -> None:
    (folder / "page.md").write_text("# the cat\n\na **dog** ran\n", "utf-8")
    args = ["translate", "-i", "page.md", "-o", "out.md", "--min-confidence", "1", "--on-unsure", "source"]
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert (folder / "out.md").read_text("utf-8") == "# the cat\n\na **dog** ran\n"
    assert "2 below the minimum confidence\n" in result.stderr
    refused = run("translate", "-i", "page.md", "-o", "out.md", "--confidence")
    assert refused.exit_code == 2
    assert "has no room for --confidence" in refused.stderr


def test_what_is_shown_and_replaced_belongs_to_a_job(folder: Path) -> None:
    """A translation that is resumed must not change in the middle."""
    (folder / "in.txt").write_text(LINES, "utf-8")
    model = folder / "runs" / "tiny" / "model"
    translator = open_translator(model, engine="native")
    jobs = [
        job(translator, Input(folder / "in.txt"), request, [Found(model, model.parent)])
        for request in (
            Request(),
            Request(confidence=True),
            Request(min_confidence=0.4),
            Request(min_confidence=0.5),
            Request(min_confidence=0.5, on_unsure="blank"),
        )
    ]
    assert all(first != second for first, second in combinations(jobs, 2))


@pytest.mark.usefixtures("fitted")
@pytest.mark.parametrize(
    "args", [["--min-confidence", "2"], ["--min-confidence", "0.5", "--on-unsure", "drop"]]
)
def test_wrong_values_are_refused(run: Run, args: list[str]) -> None:
    assert run("translate", *args).exit_code == 2


@pytest.mark.usefixtures("fitted")
def test_check_shows_how_good_it_is(run: Run) -> None:
    overrides = ["data.test={some: {reader: plain, src: some.en, tgt: some.fr}}"]
    result = run("confidence", "check", "tiny.yaml", *overrides)
    assert result.exit_code == 0, result.output
    assert "ECE" in result.stdout
    as_json = json.loads(run("confidence", "check", "tiny.yaml", "--json", *overrides).stdout)
    assert as_json["meaning"] == "chrf"
    some = as_json["tests"]["some"]
    assert some["count"] == sum(one["count"] for one in some["bins"]) == 60
    assert f"{some['calibration_error']:.3f}" in result.stdout


@pytest.mark.usefixtures("fitted")
def test_what_was_checked_is_in_the_report_until_it_is_fitted_again(run: Run, folder: Path) -> None:
    overrides = ["data.test={some: {reader: plain, src: some.en, tgt: some.fr}}"]
    checked = json.loads(run("confidence", "check", "tiny.yaml", "--json", *overrides).stdout)["tests"]
    assert json.loads(run("report", "runs/tiny", "--json").stdout)["reliability"] == checked
    page = folder / "page.html"
    assert run("report", "runs/tiny", "-o", str(page)).exit_code == 0
    shown = page.read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(shown)
    [section] = re.findall("<h2>Confidence</h2>.*?</svg>", shown, re.DOTALL)
    assert section.count("<circle") == len(checked["some"]["bins"])
    assert f"{checked['some']['calibration_error']:.3f}" in section
    assert run("confidence", "fit", "--src", "some.fr", "--ref", "some.en").exit_code == 0
    facts = json.loads(run("report", "runs/tiny", "--json").stdout)
    assert not facts["reliability"]
    assert "mtkit confidence check" in facts["notes"]["reliability"]


@pytest.mark.usefixtures("fitted")
def test_damaged_figures_do_not_stop_the_report(run: Run, folder: Path) -> None:
    overrides = ["data.test={some: {reader: plain, src: some.en, tgt: some.fr}}"]
    assert run("confidence", "check", "tiny.yaml", *overrides).exit_code == 0
    path = folder / "runs/tiny/evaluate/reliability.json"
    path.write_text(path.read_text("utf-8").replace('"count"', '"number"'), "utf-8")
    done = run("report", "runs/tiny", "--json")
    assert done.exit_code == 0
    assert "reliability.json" in json.loads(done.stdout)["notes"]["reliability"]
    done = run("confidence", "check", "tiny.yaml", *overrides)
    assert done.exit_code == 0, done.output


def test_a_model_is_fitted_to_human_scores(run: Run, folder: Path) -> None:
    rng = random.Random(0)
    pairs = zip(texts(60, 3), texts(60, 4), strict=True)
    rows = [f"{src}\t{tgt}\t{rng.randint(20, 80)}\n" for src, tgt in pairs]
    (folder / "scores.tsv").write_text("".join(rows), "utf-8")
    args = ["confidence", "fit", "runs/tiny", "--labels", "scores.tsv"]
    result = run(*args, "--worst", "0", "--best", "100")
    assert result.exit_code == 0, result.output
    kept = json.loads((folder / "runs" / "tiny" / "model" / CONFIDENCE).read_text("utf-8"))
    assert kept["meaning"] == "labels"
    assert all(0.2 <= value <= 0.8 for _, value in kept["knots"])
    outside = run(*args, "--worst", "50")
    assert outside.exit_code == 3
    assert "is not between 50 and" in outside.stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--labels", "few.tsv"], 3, "few.tsv: 1 translations with a score, expected 50 or more"),
        (["--labels", "few.tsv", "--src", "some.en", "--ref", "some.fr"], 2, "excludes --src and --ref"),
        (["--src", "some.en"], 2, "need each other"),
        (["--worst", "1"], 2, "need --labels"),
        (["--labels", "few.tsv", "--worst", "1", "--best", "0"], 2, "is not below"),
        (["--src", "test.en", "--ref", "test.fr"], 3, "2 validation pairs, expected 50 or more"),
        (["--src", "some.en", "--ref", "test.fr"], 3, "2 lines, but some.en has 60"),
        ([], 3, "its validation pairs are not there"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    run: Run, folder: Path, args: list[str], code: int, said: str
) -> None:
    (folder / "few.tsv").write_text("a\tb\t1\n", "utf-8")
    result = run("confidence", "fit", *args)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_model_without_confidence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_tiny_run(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["translate", "--confidence"], input=LINES)
    assert result.exit_code == 3
    assert "mtkit confidence fit" in result.stderr
