from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.disk.manifest import manifest_bytes
from mtkit.errors import UsageError
from mtkit.runs.exports import read_export
from mtkit.translate.open import open_translator
from mtkit.translate.request import Request
from tests.support.corpora import REPOSITORY
from tests.support.fakes import make_tiny_run

LINES = "the cat sat on the mat\n\na dog ran\n"
NO_TORCH = """
import sys
for slow in ("torch", "mtkit.config.schema", "mtkit.config.data", "yaml", "numpy", "asyncio"):
    sys.modules[slow] = None  # an import of it fails
sys.argv = ["mtkit", *sys.argv[1:]]
from mtkit.cli.app import main
main()
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its export, in all digits."""
    folder = tmp_path_factory.mktemp("export")
    make_tiny_run(folder)
    args = ["export", str(folder / "runs" / "tiny"), "--quantization", "float32", "--sample", "12"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 0, result.output
    assert " of 12 " in result.stderr
    return folder


def translate(
    folder: Path, *args: str, code: tuple[str, ...] = ("-m", "mtkit")
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code, "translate", *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        input=LINES,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_translate_uses_the_export_without_slow_imports_and_gives_the_same(exported: Path) -> None:
    fast = translate(exported, "-m", "runs/tiny", "--beam-size", "1", "--no-guard", code=("-c", NO_TORCH))
    assert fast.returncode == 0, fast.stderr
    assert "by CTranslate2, float32 on cpu" in fast.stderr
    native = translate(exported, "-m", "runs/tiny", "--beam-size", "1", "--no-guard", "--engine", "native")
    assert "by PyTorch, float32 on cpu" in native.stderr
    assert fast.stdout == native.stdout
    assert fast.stdout.count("\n") == 3


def test_a_job_that_may_be_resumed_knows_options_that_were_checked_before(exported: Path) -> None:
    (exported / "in.txt").write_text(LINES, "utf-8")
    args = ("-m", "runs/tiny", "-i", "in.txt", "-o", "out.txt", "--resume", "--no-guard")
    for _ in range(2):  # the second time they come from the cache
        done = translate(exported, *args)
        assert done.returncode == 0, done.stderr
        assert "by CTranslate2" in done.stderr
        assert (exported / "out.txt").read_text("utf-8").count("\n") == LINES.count("\n")


def test_an_export_needs_nothing_outside_it(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "runs" / "tiny" / "export" / "ctranslate2", tmp_path / "alone")
    done = translate(tmp_path, "-m", "alone", "--beam-size", "3", code=("-c", NO_TORCH))
    assert done.returncode == 0, done.stderr
    assert done.stdout == translate(exported, "-m", "runs/tiny", "--beam-size", "3").stdout
    assert translate(tmp_path, "-m", "alone", "--engine", "native").returncode == 2


def test_a_wrong_search_option_is_said_in_the_words_of_the_config(exported: Path) -> None:
    done = translate(exported, "-m", "runs/tiny", "--beam-size", "0")
    assert done.returncode == 2
    assert "decode.beam_size" in done.stderr


def test_without_an_export_the_native_engine_translates(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    assert "by PyTorch" in translate(tmp_path, "-m", "runs/tiny").stderr
    refused = translate(tmp_path, "-m", "runs/tiny", "--engine", "ctranslate2")
    assert refused.returncode == 3
    assert "mtkit export" in refused.stderr
    assert translate(tmp_path, "-m", "runs/tiny", "--engine", "marian").returncode == 2


def test_a_damaged_export_is_refused(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "runs", tmp_path / "runs")
    model = tmp_path / "runs" / "tiny" / "export" / "ctranslate2" / "model.bin"
    content = bytearray(model.read_bytes())
    content[-9] ^= 1
    model.write_bytes(content)
    done = translate(tmp_path, "-m", "runs/tiny")
    assert done.returncode == 3
    assert "model.bin: its content has changed since it was written" in done.stderr


def test_what_cannot_be_named(exported: Path) -> None:
    runner = CliRunner()
    run = str(exported / "runs" / "tiny")
    assert runner.invoke(app, ["export", run, "--to", "onnx"]).exit_code == 2
    assert runner.invoke(app, ["export", run, "--quantization", "int3"]).exit_code == 2
    assert (
        runner.invoke(app, ["export", run, "--to", "argos", "--to", "ctranslate2", "-o", "x"]).exit_code == 2
    )
    assert runner.invoke(app, ["export", str(exported / "nowhere")]).exit_code == 3
    assert read_export(exported / "runs" / "tiny" / "export" / "ctranslate2").quantization == "float32"


def test_hypotheses_scores_and_links_come_from_the_export_too(exported: Path) -> None:
    asked = ["--beam-size", "3", "--n-best", "3", "--token-scores", "--alignment", "--no-guard"]
    fast = translate(exported, "-m", "runs/tiny", *asked, code=("-c", NO_TORCH))
    assert "by CTranslate2, float32 on cpu" in fast.stderr
    native = translate(exported, "-m", "runs/tiny", *asked, "--engine", "native")
    ours, theirs = (
        [line.split(" ||| ") for line in done.stdout.splitlines() if not line.startswith("1 |||")]
        for done in (fast, native)
    )
    same = 0
    for number, text, score, tokens, links in ours:
        per_token = [float(one) for one in tokens.split()]
        assert float(score) == pytest.approx(sum(per_token) / len(per_token), abs=1e-3)
        for their_number, their_text, their_score, their_tokens, their_links in theirs:
            if (their_number, their_text, len(their_tokens.split())) == (number, text, len(per_token)):
                assert float(their_score) == pytest.approx(float(score), abs=1e-3)
                assert their_links == links
                same += 1
    assert len(ours) == len(theirs) == 6
    assert same >= 2


def test_an_export_refuses_at_each_call_what_it_cannot_do(exported: Path) -> None:
    translator = open_translator(exported / "runs/tiny/export/ctranslate2")
    for request, said in (
        (Request(search={"method": "sample"}), "decode.method = sample"),
        (Request(prefix="le"), "target prefixes"),
    ):
        with pytest.raises(UsageError, match=rf"CTranslate2, .* cannot do this: {said}\."):
            translator.results([], request)


def test_an_older_export_aligns_by_the_native_engine(exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported / "runs", tmp_path / "runs")
    model = tmp_path / "runs" / "tiny" / "model"
    export = tmp_path / "runs" / "tiny" / "export" / "ctranslate2"
    manifest = json.loads((export / "manifest.json").read_text("utf-8"))
    older = (export / "model.bin").read_bytes()
    for name, value in ((b"decoder/alignment_heads", 1), (b"decoder/alignment_layer", -1)):
        place = older.index(name) + len(name) + 1 + 6  # its type and size, then the value
        older = older[:place] + value.to_bytes(2, "little", signed=True) + older[place + 2 :]
    (export / "model.bin").write_bytes(older)
    del manifest["aligns"], manifest["digest"]
    manifest["files"]["model.bin"]["sha256"] = hashlib.sha256(older).hexdigest()
    (export / "manifest.json").write_bytes(manifest_bytes(manifest))
    assert open_translator(model).engine.name.startswith("CTranslate2")
    assert not open_translator(model).engine.aligns
    assert open_translator(model, Request(alignment=True)).engine.name.startswith("PyTorch")
