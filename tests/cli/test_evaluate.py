from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import html5lib
import pytest
import sacrebleu
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from mtkit.evaluate.record import read_scores
from mtkit.metrics.surface import score_corpus
from mtkit.runs.layout import open_run
from mtkit.translate.open import open_translator
from mtkit.translate.translator import Translator
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


def results(done: Result) -> list[dict[str, Any]]:
    """The results in the JSON that was printed."""
    printed = json.loads(done.stdout)
    assert printed["version"] == 1
    found: list[dict[str, Any]] = printed["results"]
    return found


def test_each_test_set_is_translated_and_scored(run: Run, folder: Path) -> None:
    result = run("tiny.yaml", "--json", "--metrics", "TER,bleu")
    assert result.exit_code == 0, result.output
    found = results(result)
    hyps = list(open_translator(folder / "runs/tiny/model").translate(TINY_PAIRS))
    expected = score_corpus(hyps, list(TINY_PAIRS.values()), ["ter", "bleu"], "fr")
    assert [entry["test"] for entry in found] == ["short", "again"]
    for entry in found:
        assert entry["num_pairs"] == 2
        assert entry["scores"] == [asdict(score) for score in expected]
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
    assert [entry["leaked"] for entry in results(result)] == [2]
    other = run("tiny.yaml", "--test", "short", "--json")  # of which nothing is prepared
    assert "warning" not in other.stderr
    assert [entry["leaked"] for entry in results(other)] == [None]


def test_closer_looks(run: Run) -> None:
    result = run("tiny.yaml", "--test", "short", "--breakdown", "length", "--stress", "--contrast")
    assert result.exit_code == 0, result.output
    assert {"length", "stress", "contrast"} <= {*re.findall("^[a-z]+", result.stdout, re.MULTILINE)}
    found = json.loads(run("tiny.yaml", "--contrast", "--json").stdout)["looks"]
    assert [(look["test"], [each["by"] for each in look["breakdowns"]]) for look in found] == [
        ("short", ["contrast"]),
        ("again", ["contrast"]),
    ]


def test_terms_are_items(run: Run, folder: Path) -> None:
    (folder / "terms.tsv").write_text("cat\tchat\nmat\ttapis\nbird\toiseau\n")
    found = json.loads(
        run("tiny.yaml", "--test", "short", "--breakdown", "item", "--glossary", "terms.tsv", "--json").stdout
    )
    [look] = found["looks"]
    [bucket] = look["breakdowns"][0]["buckets"]
    [hyp, _] = (folder / "runs/tiny/evaluate/short.hyp.txt").read_text("utf-8").splitlines()
    words = set(hyp.split())
    assert (bucket["label"], bucket["size"]) == ("terms", 2)
    assert bucket["figures"][0]["values"] == [50 * len(words & {"chat", "tapis"})]


def test_the_page_has_all_tables_and_needs_nothing_else(run: Run, folder: Path) -> None:
    (folder / "ids").write_text("one\n<u>two</u>\n", "utf-8")
    (folder / "bad&.fr").write_text("le chat\n\n", "utf-8")
    options = ["--confidence", "--confidence-n", "20", "--documents", "ids"]
    closer = ["--breakdown", "length", "--contrast", "--html", "own.html"]
    done = run("tiny.yaml", "--test", "short", *options, *closer, "--json")
    assert done.exit_code == 0, done.output
    page = (folder / "own.html").read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(page)
    for title in ("Scores", "Closer looks", "short: by length", "short: by contrast", "Documents"):
        assert f">{title}</h" in page
    assert "Differences to the baseline" not in page
    assert "&lt;u&gt;two&lt;/u&gt;" in page
    for score in results(done)[0]["scores"]:
        assert f"{score['value']:.2f} ± {score['interval']['margin']:.2f}</td>" in page
        assert score["signature"] in page
    files = ["--hyp", "<a>=test.fr", "--hyp", "bad&.fr", "--ref", "test.fr", "--baseline", "<a>"]
    assert run(*files, "--html", "files.html.gz").exit_code == 0
    page = gzip.decompress((folder / "files.html.gz").read_bytes()).decode()
    html5lib.HTMLParser(strict=True).parse(page)
    assert "<h1>Evaluation of &lt;a&gt; and 1 more</h1>" in page
    assert "bad&amp;.fr: 1 of 2 translations are blank." in page
    assert "Compared with &lt;a&gt;" in page
    assert not re.search("<script|<link|<img|https?:|test set", page)
    for given in (["--html", "test.fr"], ["--segments", "test.fr"]):
        refused = run(*files, *given)
        assert (refused.exit_code, "would be overwritten" in refused.stderr) == (2, True)


def test_a_table_for_people(run: Run) -> None:
    result = run("tiny.yaml", "--test", "again")
    assert result.exit_code == 0, result.output
    head, _, row, empty, *signatures = result.stdout.splitlines()
    assert head.split() == ["test", "set", "pairs", "BLEU", "chrF"]
    assert row.split()[:2] == ["again", "2"]
    assert empty == ""
    assert [line.split(": nrefs:1|")[0] for line in signatures] == ["bleu", "chrf"]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--hyp", "test.fr", "--ref", "test.fr", "--stress"], 2, "need a model"),
        (["tiny.yaml", "--breakdown", "domain"], 2, "the domain of the lines is not known"),
        (["tiny.yaml", "--test", "nosuch"], 2, "Choose from short, again"),
        (
            ["tiny.yaml", "--metrics", "bleu,blue"],
            2,
            "exact, length, ppl and accuracy",
        ),
        (["tiny.yaml", "-m", "bleu"], 2, "Write --metrics bleu"),
        (["tiny.yaml", "-m", "nowhere"], 3, "nowhere: there is no such run folder"),
        (["tiny.yaml", "--checkpoint", "first"], 2, "Choose best, last or a step."),
        (["tiny.yaml", "--checkpoint", "7"], 3, "There are best: none; checkpoints: none"),
        (["tiny.yaml", "run=elsewhere"], 3, "no trained model"),
        (["--hyp", "test.fr"], 2, "--ref"),
        (["--hyp", "test.fr", "--ref", "tiny.yaml"], 3, "has 2 lines, but tiny.yaml has"),
        (["--hyp", "empty", "--ref", "empty"], 3, "no lines"),
        (["--hyp", "missing", "--ref", "test.fr"], 3, "missing"),
        (["tiny.yaml", "--hyp", "test.fr"], 2, "Write {test} for the name of the test set"),
        (["tiny.yaml", "--hyp", "test.fr", "--hyp", "test.fr"], 2, "2 files are called test.fr"),
        (["tiny.yaml", "--hyp", "=test.fr"], 2, "expected FILE or NAME=FILE"),
        (["tiny.yaml", "--baseline", "runs/b"], 2, "Choose from runs/tiny"),
        (["tiny.yaml", "--baseline", "runs/tiny"], 2, "is the only system"),
        (["tiny.yaml", "--paired-bs"], 2, "need --baseline"),
        (["tiny.yaml", "--html", "runs"], 2, "runs: is a folder"),
        (["tiny.yaml", "--segments", "runs"], 2, "runs: is a folder"),
        (["tiny.yaml", "--glossary", "test.en"], 2, "Add --breakdown item"),
        (["tiny.yaml", "--glossary", "test.en", "--breakdown", "length"], 2, "Add --breakdown item"),
        (["tiny.yaml", "--glossary", "missing", "--breakdown", "item"], 3, "missing"),
        (["tiny.yaml", "--glossary", "empty", "--breakdown", "item"], 3, "there is no term in it"),
        (["tiny.yaml", "--src", "test.en"], 2, "need --hyp"),
        (["--hyp", "test.fr", "--ref", "test.fr", "--metrics", "ppl"], 2, "is a metric of models"),
        (["--hyp", "test.fr", "--ref", "test.fr", "--src", "tiny.yaml"], 3, "but tiny.yaml has"),
        (["tiny.yaml", "run=none", "--test", "short", "--hyp", "tiny.yaml"], 3, "short has 2 pairs"),
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
    result = run(
        "--hyp", "a=zh", "--hyp", "zh", "--ref", "zh", "--tgt-lang", "zh", "--metrics", "bleu", "--json"
    )
    assert result.exit_code == 0, result.output
    found = results(result)
    assert [(entry["system"], entry["test"]) for entry in found] == [("a", ""), ("zh", "")]
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
        (["bleu=0, ter=10000"], 0),
        (["bleu=0,ter=0"], 4),
        (["bleu"], 2),
        (["nonsense=3"], 2),
    ],
)
def test_bounds_of_quality(run: Run, bounds: list[str], code: int) -> None:
    options = [option for bound in bounds for option in ("--fail-under", bound)]
    result = run("tiny.yaml", "--metrics", "bleu,ter", *options)
    assert result.exit_code == code, result.output
    if code == 4:
        assert "is worse than" in result.stderr
        assert "nrefs:1" in result.stdout  # the scores are printed all the same


# ---------------------------------------------------------------- several sets, models and references


def test_all_sets_are_read_before_the_first_is_translated(run: Run, folder: Path) -> None:
    (folder / "late.yaml").write_text(
        "data: {test: {late: {reader: plain, src: late.en, tgt: late.fr}, "
        "gone: {reader: tsv, path: gone.tsv}}}\n"
    )
    kept = folder / "runs/tiny/evaluate"
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*")}
    result = run("tiny.yaml", "late.yaml")
    assert result.exit_code == 3
    assert [line.partition(" there is no")[0] for line in result.stderr.splitlines()] == [
        f"error: data.test.late: {folder / 'late.en'}:",
        f"error: data.test.gone: {folder / 'gone.tsv'}:",
    ]
    assert {path: path.stat().st_mtime_ns for path in kept.glob("*")} == before


def test_a_result_is_printed_before_the_next_set_is_translated(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Translator.results

    def fail_at_the_second(self: Translator, *args: Any, **kwargs: Any) -> Any:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return real(self, *args, **kwargs)

    calls: list[int] = []
    monkeypatch.setattr(Translator, "results", fail_at_the_second)
    result = run("tiny.yaml")
    assert result.exit_code == 130
    assert result.stdout.splitlines()[-1].split()[:2] == ["short", "2"]


@pytest.fixture
def two_runs(folder: Path) -> list[str]:
    """A second config with a run of its own, whose model is a copy."""
    text = (folder / "tiny.yaml").read_text("utf-8")
    (folder / "other.yaml").write_text(text.replace("runs/tiny", "runs/other"), "utf-8")
    if not (folder / "runs/other").exists():
        open_run(folder / "runs/other")
        shutil.copytree(folder / "runs/tiny/model", folder / "runs/other/model")
    return ["tiny.yaml", "other.yaml"]


def test_each_run_is_scored_by_its_own_model(run: Run, folder: Path, two_runs: list[str]) -> None:
    by_config = run(*two_runs, "--test", "short", "--json")
    by_folder = run("runs/tiny", "runs/other/", "--test", "short", "--json")
    assert by_config.exit_code == by_folder.exit_code == 0, by_folder.output
    assert results(by_config) == results(by_folder)
    assert [entry["system"] for entry in results(by_config)] == ["runs/tiny", "runs/other"]
    assert (folder / "runs/other/evaluate/short.hyp.txt").exists()
    head, _, *rows = run(*two_runs).stdout.splitlines()
    assert head.split()[:4] == ["system", "test", "set", "pairs"]
    assert [row.split()[:2] for row in rows[:4]] == [
        [system, test] for system in ("runs/tiny", "runs/other") for test in ("short", "again")
    ]
    assert [line.split(":")[0] for line in rows[4:]] == ["", "bleu", "chrf"]


def test_another_model_can_be_named(run: Run, folder: Path, two_runs: list[str]) -> None:
    result = run("tiny.yaml", "data.test.again=null", "-m", "runs/other", "--json")
    assert result.exit_code == 0, result.output
    [entry] = results(result)
    assert Path(entry["hyps"]) == folder / "runs/other/evaluate/short.hyp.txt"
    alone = run("-m", "runs/other", "--test", "short", "--json")
    assert [found["scores"] for found in results(alone)] == [entry["scores"]]


def test_files_and_several_models_stand_in_one_table(run: Run, folder: Path, two_runs: list[str]) -> None:
    (folder / "out").mkdir(exist_ok=True)
    for test in ("short", "again"):
        shutil.copy(folder / "test.fr", folder / f"out/{test}.fr")
    models = ["-m", "runs/tiny", "-m", "runs/other/model"]
    done = run("tiny.yaml", *models, "--hyp", "human=out/{test}.fr", "--json")
    assert done.exit_code == 0, done.output
    found = {(entry["system"], entry["test"]): entry for entry in results(done)}
    systems = ["runs/tiny", "runs/other/model", "human"]
    assert list(found) == [(system, test) for system in systems for test in ("short", "again")]
    assert all(entry["scores"][0]["value"] == pytest.approx(100) for entry in list(found.values())[4:])
    for test in ("short", "again"):
        assert found["runs/tiny", test]["scores"] == found["runs/other/model", test]["scores"]


def test_files_alone_are_scored_on_a_set_of_a_config_without_a_model(run: Run) -> None:
    done = run("tiny.yaml", "run=runs/none", "--test", "short", "--hyp", "test.fr", "--json")
    assert done.exit_code == 0, done.output
    assert [(entry["system"], entry["test"]) for entry in results(done)] == [("test.fr", "short")]


def test_systems_are_compared_with_a_baseline(run: Run, folder: Path) -> None:
    (folder / "bad.fr").write_text("le chat\nchien\n")
    files = ["--hyp", "good=test.fr", "--hyp", "bad.fr", "--ref", "test.fr"]
    options = [*files, "--baseline", "good", "--confidence", "--metrics", "chrf"]
    table = run(*options)
    assert table.exit_code == 0, table.output
    lines = table.stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("bad.fr")] == [
        ["bad.fr", "2", *lines[3].split()[2:]],
        ["bad.fr", "chrF", *lines[10].split()[2:]],
    ]
    assert "±" in lines[2]
    assert "compared with good; p below 0.05 is significant" in lines
    printed = json.loads(run(*options, "--paired-ar", "--paired-ar-n", "9", "--json").stdout)
    [comparison] = printed["comparisons"]
    scores = [entry["scores"][0] for entry in printed["results"]]
    assert comparison["difference"] == pytest.approx(scores[1]["value"] - scores[0]["value"])
    assert list(comparison["p_values"]) == ["ar"]
    assert "|ar:9|seed:12345|" in comparison["signatures"]["ar"]
    assert [list(score["interval"]) for score in scores] == [["mean", "margin"]] * 2


def test_segments_are_written_with_their_scores(run: Run, folder: Path) -> None:
    (folder / "bad.fr").write_text("le chat\nun\tchien\n")
    files = ["--hyp", "good=test.fr", "--hyp", "bad=bad.fr", "--ref", "test.fr", "--ref", "bad.fr"]
    for name in ("out.tsv", "out.jsonl.gz"):
        done = run(*files, "--src", "test.en", "--metrics", "exact,bleu", "--segments", name)
        assert done.exit_code == 0, done.output
    with (folder / "out.tsv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with gzip.open(folder / "out.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    sources, refs = list(TINY_PAIRS), list(TINY_PAIRS.values())
    assert [(row["system"], row["line"], row["src"]) for row in rows] == [
        (system, line, sources[line - 1]) for system in ("good", "bad") for line in (1, 2)
    ]
    assert rows[3]["refs"] == [refs[1], "un\tchien"]
    assert [row["scores"]["exact"] for row in rows] == [100] * 4
    assert rows[2]["scores"]["bleu"] == sacrebleu.sentence_bleu("le chat", [refs[0], "le chat"]).score
    assert table[3] == {
        "system": "bad", "test": "", "line": "2", "src": sources[1], "ref": refs[1], "ref2": "un chien",
        "hyp": "un chien", "exact": "100.0000", "bleu": f"{rows[3]['scores']['bleu']:.4f}",
    }  # fmt: skip
    of_set = run("tiny.yaml", "--test", "short", "--segments", "set.jsonl")
    assert of_set.exit_code == 0, of_set.output
    [row, _] = [json.loads(line) for line in (folder / "set.jsonl").read_text("utf-8").splitlines()]
    assert (row["test"], row["src"], row["refs"]) == ("short", sources[0], [refs[0]])


def test_each_document_is_scored_alone(run: Run, folder: Path) -> None:
    lines = {"d.ref": ["a b c d e"] * 4, "d.hyp": ["a b c d e", "a b x d e", "a b c d", "x b c d e"]}
    for name, texts in {**lines, "ids": ["one", "two", "one", "two"]}.items():
        (folder / name).write_text("".join(f"{text}\n" for text in texts))
    args = ["--hyp", "d.hyp", "--ref", "d.ref", "--documents", "ids", "--metrics", "ter,chrf"]
    printed = json.loads(run(*args, "--json").stdout)
    assert [(each["document"], each["num_pairs"]) for each in printed["documents"]] == [
        ("one", 2),
        ("two", 2),
    ]
    for first, each in enumerate(printed["documents"]):
        hyps, refs = lines["d.hyp"][first::2], lines["d.ref"][first::2]
        expected = (sacrebleu.corpus_ter(hyps, [refs]).score, sacrebleu.corpus_chrf(hyps, [refs]).score)
        assert (each["scores"]["ter"], each["scores"]["chrf"]) == pytest.approx(expected)
    assert [line.split()[1:3] for line in run(*args).stdout.splitlines()[-2:]] == [["one", "2"], ["two", "2"]]
    wrong = run("tiny.yaml", "--test", "short", "--documents", "ids")
    assert (wrong.exit_code, "has 4 lines, but short has 2" in wrong.stderr) == (3, True)


def test_any_checkpoint_can_be_scored(run: Run, folder: Path) -> None:
    home = folder / "runs/tiny"
    for place, step in (("checkpoints", 4), ("checkpoints", 8), ("best", 4), ("best", 6)):
        if not (home / f"{place}/step-{step:08}").exists():
            shutil.copytree(home / "model", home / f"{place}/step-{step:08}")
    progress = home / "checkpoints/step-00000008/progress.json"
    progress.write_text(json.dumps({"best": [[[2.5, -1.0], 4], [[2.0, -1.0], 6]]}))
    for named, place in (
        ("best", "best.step-00000004"),
        ("last", "checkpoints.step-00000008"),
        ("6", "best.step-00000006"),
        ("8", "checkpoints.step-00000008"),
    ):
        result = run("tiny.yaml", "--checkpoint", named, "--test", "short", "--json")
        assert result.exit_code == 0, result.output
        [entry] = results(result)
        assert Path(entry["hyps"]).name == f"short.{place}.hyp.txt"
    kept = {entry["model"] for entry in read_scores(home)}
    assert {"best/step-00000004", "best/step-00000006", "checkpoints/step-00000008"} <= kept


def test_scores_are_kept_in_the_run_folder(run: Run, folder: Path) -> None:
    for _ in range(2):
        result = run("tiny.yaml", "--json")
    [first, second] = [entry for entry in read_scores(folder / "runs/tiny") if entry["model"] == "model"]
    found = results(result)
    assert [first["test"], second["test"]] == ["short", "again"]
    assert [first["scores"], second["scores"]] == [entry["scores"] for entry in found]
    assert (first["hyps"], first["search"]) == ("short.hyp.txt", {"beam_size": 2})
    assert first["engine"].startswith("PyTorch")


@pytest.fixture
def kept(folder: Path, run: Run) -> Path:
    """The scores of a run of its own, as its first evaluation stored them."""
    home = folder / "runs/gate"
    if not home.exists():
        open_run(home)
        shutil.copytree(folder / "runs/tiny/model", home / "model")
    assert run("runs/gate", "--metrics", "chrf,ter").exit_code == 0
    return home / "evaluate/scores.json"


@pytest.mark.parametrize(
    ("metric", "change", "allowed", "code"),
    [
        ("chrf", 0.0, "0", 0),
        ("chrf", 2.0, "2.5", 0),
        ("chrf", 2.0, "1.5", 4),
        ("chrf", -9.0, "0", 0),
        ("ter", 2.0, "1.5", 0),  # lower is better
        ("ter", -2.0, "1.5", 4),
    ],
)
def test_scores_may_not_be_worse_than_stored_ones(
    run: Run, kept: Path, metric: str, change: float, allowed: str, code: int
) -> None:
    values = json.loads(kept.read_text("utf-8"))
    for entry in values["scores"]:
        for score in entry["scores"]:
            score["value"] += change * (score["metric"] == metric)
    kept.write_text(json.dumps(values), "utf-8")
    options = ["--metrics", "chrf,ter", "--confidence", "--confidence-n", "9", "--regress-by", allowed]
    result = run("runs/gate", *options)
    assert result.exit_code == code, result.output
    assert ("is worse than the stored" in result.stderr) == (code == 4)
    assert (json.loads(kept.read_text("utf-8")) == values) == (code == 4)  # else a second try would pass


@pytest.mark.parametrize(("name", "change", "code"), [("ppl", -1.0, 4), ("ppl", 1.0, 0), ("own", 1.0, 4)])
def test_any_metric_may_not_be_worse_than_stored(
    run: Run, kept: Path, name: str, change: float, code: int
) -> None:
    own = f"own={sys.executable} -c 'print(1); print(2)'"
    options = ["--test", "short", "--metrics", "ppl,exact", "--metric-command", own]
    assert run("runs/gate", *options).exit_code == 0
    values = json.loads(kept.read_text("utf-8"))
    for entry in values["scores"]:
        for score in entry["scores"]:
            score["value"] += change * (score["metric"] == name)
    kept.write_text(json.dumps(values), "utf-8")
    result = run("runs/gate", *options, "--regress-by", "0.5")
    assert result.exit_code == code, result.output


def test_scores_that_cannot_be_compared_are_named(run: Run, kept: Path) -> None:
    kept.write_text(kept.read_text("utf-8").replace("tok:tercom", "tok:other"), "utf-8")
    result = run("runs/gate", "--metrics", "bleu,ter", "--regress-by", "0", "--test", "short")
    assert result.exit_code == 0
    assert "short: bleu is not stored yet, so it is not compared" in " ".join(result.stderr.split())
    assert "short: ter was stored with another signature" in " ".join(result.stderr.split())
    kept.unlink()
    first = run("runs/gate", "--regress-by", "0", "--test", "short")
    assert first.exit_code == 0
    assert "keeps no scores yet" in " ".join(first.stderr.split())
    assert run("--hyp", "test.fr", "--ref", "test.fr", "--regress-by", "0").exit_code == 2


REFERENCES = ("A cat was sitting.", "The cat sat.")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_several_references_are_all_used(run: Run, folder: Path, order: tuple[int, int]) -> None:
    (folder / "hyp").write_text("The cat sat.\n")
    refs = []
    for number in order:
        (folder / f"ref{number}").write_text(f"{REFERENCES[number]}\n")
        refs += ["--ref", f"ref{number}"]
    result = run("--hyp", "hyp", *refs, "--metrics", "chrf,bleu", "--json")
    chrf, bleu = results(result)[0]["scores"]
    assert chrf["value"] == pytest.approx(100)
    assert all("nrefs:2" in score["signature"] for score in (chrf, bleu))


def test_a_test_set_may_have_several_references(run: Run, folder: Path) -> None:
    (folder / "more.fr").write_text("\n".join(["x"] * len(TINY_PAIRS)) + "\n")
    sets = ["data.test={both: {reader: plain, src: test.en, tgt: [test.fr, more.fr]}}", "--test", "both"]
    result = run("tiny.yaml", *sets, "--json")
    assert result.exit_code == 0, result.output
    [entry] = results(result)
    hyps = Path(entry["hyps"]).read_text("utf-8").splitlines()
    refs = [list(TINY_PAIRS.values()), ["x"] * len(TINY_PAIRS)]
    assert entry["scores"][0]["value"] == pytest.approx(sacrebleu.corpus_bleu(hyps, refs).score)
    assert "nrefs:2" in entry["scores"][0]["signature"]
    (folder / "more.fr").write_text("x\n")
    short = run("tiny.yaml", *sets)
    assert (short.exit_code, "has 2 lines, but" in short.stderr) == (3, True)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("refs.csv", "{reader: csv, path: refs.csv, src_column: en, tgt_column: [fr, other]}"),
        ("refs.jsonl", "{reader: jsonl, path: refs.jsonl, src_field: en, tgt_field: [fr, other]}"),
    ],
)
def test_references_may_be_columns_or_fields(run: Run, folder: Path, name: str, source: str) -> None:
    rows = [{"en": src, "fr": tgt, "other": f"x {tgt}"} for src, tgt in TINY_PAIRS.items()]
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        if name.endswith("csv"):
            table = csv.DictWriter(file, ["en", "fr", "other"])
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    result = run("tiny.yaml", f"data.test={{both: {source}}}", "--test", "both", "--json")
    assert result.exit_code == 0, result.output
    [entry] = results(result)
    hyps = Path(entry["hyps"]).read_text("utf-8").splitlines()
    refs = [[row[key] for row in rows] for key in ("fr", "other")]
    expected = [sacrebleu.corpus_bleu(hyps, refs).score, sacrebleu.corpus_chrf(hyps, refs).score]
    assert [score["value"] for score in entry["scores"]] == pytest.approx(expected)
    assert all("nrefs:2" in score["signature"] for score in entry["scores"])


def test_references_from_a_pipe_serve_all_translations(folder: Path) -> None:
    command = f"{sys.executable} -m mtkit evaluate --hyp test.fr --hyp b=test.fr --ref <(cat test.fr) --json"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, check=True)
    assert [entry["scores"][0]["value"] for entry in json.loads(done.stdout)["results"]] == [
        pytest.approx(100)
    ] * 2


def test_blank_texts_are_counted(run: Run, folder: Path) -> None:
    (folder / "some").write_text("a\n \n\nb\n")
    (folder / "none").write_text("\n\n\n\n")
    (folder / "full").write_text("a\nb\nc\n\n")
    result = run("--hyp", "some", "--hyp", "none", "--ref", "full")
    assert result.exit_code == 0
    assert "warning: some: 2 of 4 translations are blank." in result.stderr
    assert "warning: none: all 4 translations are blank." in result.stderr
    assert "warning: some: 1 of 4 references are blank" in result.stderr


# ---------------------------------------------------------------- the form of papers


def test_a_form_is_printed_and_kept_with_its_signature(run: Run, folder: Path) -> None:
    sacremoses = pytest.importorskip("sacremoses")
    form = f"moses-lc|lang:fr|sacremoses:{sacremoses.__version__}"
    raw = run("tiny.yaml", "--test", "short", "--json")
    hyps = Path(results(raw)[0]["hyps"])
    before = hyps.read_bytes()
    table = run("tiny.yaml", "--test", "short", "evaluate.form=moses-lc")
    assert table.exit_code == 0, table.output
    assert table.stdout.split("\n")[0].split() == ["test", "set", "pairs", "BLEU", "moses-lc", "chrF"]
    bleu, of_form, chrf = table.stdout.splitlines()[-3:]
    assert bleu.startswith("bleu: nrefs:1|case:mixed|eff:no|tok:none|smooth:none|version:")
    assert (of_form, chrf[:6]) == (f"bleu, form: {form}", "chrf: ")
    found = results(run("tiny.yaml", "--test", "short", "--form", "MOSES-LC", "--json"))
    assert [score["form"] for score in found[0]["scores"]] == [form, None]
    assert hyps.read_bytes() == before
    kept = [e for e in read_scores(folder / "runs/tiny") if (e["model"], e["test"]) == ("model", "short")]
    assert sorted(e["scores"][0]["form"] or "" for e in kept) == ["", form]  # neither replaces the other
    assert form in CliRunner().invoke(app, ["show", "runs/tiny"]).stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["tiny.yaml", "--form", "lc"], "raw and moses-lc"),
        (["tiny.yaml", "--form", "moses-lc", "--metrics", "chrf"], "Add bleu to --metrics"),
        (["tiny.yaml", "evaluate={form: moses-lc, metrics: [ter]}"], "has no effect without bleu"),
        (
            ["tiny.yaml", "--form", "moses-lc", "data.tgt_lang=tr", "-m", "nowhere"],
            "not know the language tr",
        ),
        (["--hyp", "missing", "--ref", "test.fr", "--form", "moses-lc"], "Give it with --tgt-lang"),
    ],
)
def test_a_form_that_cannot_be_is_refused(run: Run, args: list[str], message: str) -> None:
    pytest.importorskip("sacremoses")
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("args", [["tiny.yaml", "-m", "nowhere"], ["--hyp", "missing", "--ref", "missing"]])
def test_a_form_without_its_package_is_refused_before_any_work(
    run: Run, args: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    result = run(*args, "--form", "moses-lc")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Install it: pip install sacremoses" in result.stderr
