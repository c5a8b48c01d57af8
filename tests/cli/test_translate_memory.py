"""`translate --memory`: from the command line, into every output, and as a part of a job."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

import mtkit
from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.disk.manifest import MANIFEST, manifest_bytes
from mtkit.evaluate.record import read_scores
from mtkit.translate.call import Call
from tests.support.fakes import export_unchecked, make_tiny_run

Run: TypeAlias = Callable[..., Result]

ENTRIES = "the cat sat on the mat\tLE CHAT\na dog ran\tUN\u00a0CHIEN\n"
ENTRIES_BY_SOURCE = {"the cat sat on the mat": "le chat", "a dog ran": "un chien a couru"}
LINES = "the cat  sat on the mat\nthe Cat sat on the mat\n\na dog ran\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory")
    make_tiny_run(folder)
    (folder / "in.txt").write_text(LINES, "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    (folder / "m.tsv").write_text(ENTRIES, "utf-8")

    def run(*args: str, text: str | None = None) -> Result:
        return CliRunner().invoke(app, ["translate", "-m", "runs/tiny", "--no-guard", *args], input=text)

    return run


def test_lines_are_from_the_memory_and_counted(run: Run) -> None:
    plain = run(text=LINES)
    result = run("--memory", "m.tsv", text=LINES)
    assert result.exit_code == 0, result.output
    found = result.stdout.split("\n")
    assert (found[0], found[2], found[3]) == ("LE CHAT", "", "UN\u00a0CHIEN")
    assert found[1] == plain.stdout.split("\n")[1]
    assert "memory: 2 entries" in result.stderr
    assert ", 2 from the memory, by PyTorch" in result.stderr.splitlines()[-1]
    assert "from the memory" not in plain.stderr


def test_they_are_marked_in_json_and_sure(run: Run) -> None:
    result = run("--memory", "m.tsv", "--json", "--n-best", "2", "--alignment", text=LINES)
    shown = [json.loads(line)["hypotheses"] for line in result.stdout.splitlines()]
    assert shown[0] == [{"text": "LE CHAT", "score": 0.0, "alignment": [], "origin": "memory"}]
    assert not any("origin" in one for one in [*shown[1], *shown[2]])


def test_sentences_of_a_line_are_counted_apart(run: Run) -> None:
    line = "A dog ran. The cat sat on the mat.\n"
    Path("s.tsv").write_text("A dog ran.\tUN CHIEN.\n", "utf-8")
    result = run("--memory", "s.tsv", "--split", "always", "--json", text=line)
    (best,) = json.loads(result.stdout)["hypotheses"]
    assert best["parts"][0] == {"source": "A dog ran.", "text": "UN CHIEN.", "origin": "memory"}
    assert best["text"].startswith("UN CHIEN. ")
    assert "origin" not in best["parts"][1]
    assert ", 0 and 1 in part from the memory, by" in result.stderr


def test_the_last_of_several_files_counts(run: Run) -> None:
    Path("own.tmx").write_text(
        '<tmx version="1.4"><header srclang="en"/><body><tu><tuv xml:lang="en"><seg>a dog ran</seg></tuv>'
        '<tuv xml:lang="fr"><seg>MON CHIEN</seg></tuv></tu></body></tmx>',
        "utf-8",
    )
    result = run("--memory", "m.tsv", "--memory", "own.tmx", text=LINES)
    assert result.stdout.split("\n")[3] == "MON CHIEN"
    assert "which counts: 1." in result.stderr


def test_files_of_a_folder_share_it(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# a dog ran\n\nthe cat sat on the mat\n", "utf-8")
    (tmp_path / "docs" / "b.txt").write_text("a dog ran\n", "utf-8")
    result = run("--memory", "m.tsv", "-i", str(tmp_path / "docs"), "-o", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "a.md").read_text("utf-8") == "# UN\u00a0CHIEN\n\nLE CHAT\n"
    assert ", 3 from the memory; by" in result.stderr.splitlines()[-1]


def test_a_changed_memory_is_another_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["-i", "in.txt", "-o", "out.txt", "--resume", "--memory", "m.tsv"]
    monkeypatch.setattr(console.state, "in_a_hurry", False)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Call, "translate", interrupt)
        assert run(*args).exit_code == 75
    Path("out.txt.partial").touch()
    Path("m.tsv").write_text(ENTRIES.replace("LE", "MON"), "utf-8")
    for changed in (args, args[:-2]):
        result = run(*changed)
        assert result.exit_code == 2, result.output
        assert "--memory was" in result.stderr
    Path("m.tsv").write_text(ENTRIES, "utf-8")
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert Path("out.txt").read_text("utf-8").startswith("LE CHAT\n")


def test_mistakes_are_named(run: Run) -> None:
    for args, code, message in (
        (["--memory", "no.tmx"], 3, "no.tmx: there is no such file."),
        (["--memory", "in.txt"], 3, "in.txt: is plain, and a translation memory is one of"),
        (["--memory", "m.tsv", "-i", "in.txt", "-o", "m.tsv"], 2, "m.tsv: is also the memory"),
        (["--memory", "m.tsv", "--target-prefix", "cat"], 2, "--target-prefix: translations from a memory"),
    ):
        result = run(*args, text=LINES)
        assert result.exit_code == code, result.output
        assert message in result.stderr


def test_from_python(run: Run) -> None:
    model = mtkit.load("runs/tiny")
    lines = ["the cat sat on the mat", "the cat"]
    plain = model.translate(lines[1], guard=False)
    known = model.read_memory("m.tsv")
    for memory in (known, "m.tsv", [Path("m.tsv")], {lines[0]: "LE CHAT"}):
        assert model.translate(lines, memory=memory, guard=False) == ["LE CHAT", plain]
    found = model.translate(lines, memory=known, details=True, confidence=False)
    assert [one.origin for one in found] == ["memory", "model"]
    assert (found[0].score, found[0].token_scores) == (0.0, ())


# ---------------------------------------------------------------- with a model that was trained for it


@pytest.fixture(scope="module")
def fuzzy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzzy")
    make_tiny_run(folder, "data.memory={}")
    (folder / "m.tsv").write_text(ENTRIES, "utf-8")
    (folder / "in.txt").write_text(LINES, "utf-8")
    return folder


def test_fuzzy_matches_are_given_counted_and_part_of_a_job(
    fuzzy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(fuzzy)
    args = ["translate", "-m", "runs/tiny", "--no-guard", "--json", "--memory", "m.tsv"]
    text = LINES.replace("Cat", "dog")
    result = CliRunner().invoke(app, args, input=text)
    assert result.exit_code == 0, result.output
    assert ", 2 from the memory, 1 with a fuzzy match, by PyTorch" in result.stderr.splitlines()[-1]
    shown = [json.loads(line)["hypotheses"][0] for line in result.stdout.splitlines()]
    assert [one.get("origin") for one in shown] == ["memory", "fuzzy", None, "memory"]
    assert shown[1]["match"] == {"score": 0.8333, "source": "the cat sat on the mat", "text": "LE CHAT"}
    exact = CliRunner().invoke(app, [*args, "--min-match", "1"], input=text)
    assert "fuzzy" not in exact.output
    refused = CliRunner().invoke(app, ["translate", "-m", "runs/tiny", "--min-match", "0.6"], input=LINES)
    assert refused.exit_code == 2
    assert "--min-match 0.6: needs --memory." in refused.stderr


def test_an_export_reads_the_same_matches(fuzzy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fuzzy)
    lines = ["the dog sat on the mat", "a cat ran", "a dog", "on the tapis", "a dog ran"]
    native = mtkit.load("runs/tiny", engine="native")
    export_unchecked(Path("runs/tiny/model"), Path("runs/tiny/export/ctranslate2"), "float32")
    exported = mtkit.load("runs/tiny", engine="ctranslate2")
    for memory in (None, ENTRIES_BY_SOURCE):
        options: dict[str, Any] = {"memory": memory, "guard": False, "beam_size": 1}
        expected, found = (model.translate(lines, details=True, **options) for model in (native, exported))
        assert [one.text for one in found] == [one.text for one in expected]
        assert [one.match for one in found] == [one.match for one in expected]
        assert any(one.match for one in found) == (memory is not None)
    plain, fuzzy_ones = (
        [one.text for one in native.translate(lines, memory=memory, guard=False, details=True)]
        for memory in (None, ENTRIES_BY_SOURCE)
    )
    assert plain[0] != fuzzy_ones[0]
    with pytest.raises(mtkit.MtkitError, match="needs a memory"):
        native("a", min_match=0.7)
    copy = Path(shutil.copytree("runs/tiny/export/ctranslate2", "copy"))
    values = json.loads((copy / MANIFEST).read_bytes())
    del values["digest"]
    for wrong in (2.0, "0.5", True):
        (copy / MANIFEST).write_bytes(manifest_bytes(values | {"min_match": wrong}))
        with pytest.raises(mtkit.MtkitError, match="min_match = "):
            mtkit.load(copy)


def test_evaluate_scores_with_a_memory(fuzzy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fuzzy)
    Path("exact.tsv").write_text("the cat sat on the mat\tle chat est sur le tapis\n", "utf-8")
    args = ["evaluate", "tiny.yaml", "data.memory={}", "--test", "short", "--json"]
    plain = CliRunner().invoke(app, args)
    found = CliRunner().invoke(app, [*args, "--memory", "exact.tsv"])
    assert found.exit_code == 0, found.output
    [result] = json.loads(found.stdout)["results"]
    hyps = Path(result["hyps"])
    assert hyps.name == "short.memory.hyp.txt"
    assert hyps.read_text("utf-8").splitlines()[0] == "le chat est sur le tapis"
    [other] = json.loads(plain.stdout)["results"]
    assert result["scores"] != other["scores"]
    assert [entry["scores"] for entry in read_scores(Path("runs/tiny"))] == [other["scores"]]
    for wrong, said in (
        (["--memory", "none.tsv"], "there is no such file"),
        (["--memory", "train", "--memory", "exact.tsv"], "--memory train: excludes files"),
        (["--memory", "train"], "the training pairs are not there"),
        (["--memory", "exact.tsv", "--regress-by", "1"], "excludes --regress-by"),
    ):
        refused = CliRunner().invoke(app, [*args, *wrong])
        assert refused.exit_code in (2, 3)
        assert said in refused.stderr
