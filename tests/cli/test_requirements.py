"""Everything that would fail later is refused at once, by `config check` and before any work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli.commands import app
from tests.support.fakes import make_tiny_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("requirements")
    make_tiny_run(folder)
    return folder


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


NEW = "run=runs/new"
MISSING = (
    "data.test.short.src=late.en",
    "data.extra_valid={odd: {reader: tsv, path: test.en}}",
    "data.train+={reader: tsv, path: gone/*.tsv}",
    "data.train+={reader: csv, path: two.csv, tgt_column: German}",
    "tokenizer.path=no.model",
    "train.precision=fp16",
    "train.device=cpu",
    "train.init_from=nowhere",
)
KEYS = [
    "error: command line: data.train.1.path: ",
    "error: command line: data.train.2: ",
    "error: command line: data.extra_valid.odd: ",
    "error: command line: data.test.short.src: ",
    "error: command line: tokenizer.path: ",
    "error: command line: train.init_from: ",
    "error: command line: train.precision = fp16 ",
]


@pytest.mark.parametrize("command", [("config", "check"), ("train",)])
def test_all_that_is_missing_is_named_at_once(command: Sequence[str], folder: Path) -> None:
    (folder / "two.csv").write_text("English,French\na,b\n")
    result = run(*command, "tiny.yaml", NEW, *MISSING)
    assert result.exit_code == 3, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == len(KEYS)
    assert [key for key, line in zip(KEYS, lines, strict=True) if not line.startswith(key)] == []
    assert not (folder / "runs/new").exists()


def test_prepare_looks_at_the_data_alone(folder: Path) -> None:
    result = run("prepare", "tiny.yaml", NEW, *MISSING)
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 5)
    assert not (folder / "runs/new").exists()


def test_a_config_whose_inputs_are_there_is_fine() -> None:
    result = run("config", "check", "tiny.yaml", NEW, "train.init_from=runs/tiny", "data.test.again=null")
    assert result.exit_code == 0, result.output


def test_a_model_that_is_auto_takes_the_shape_of_the_initial_one(folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text("utf-8")
    kept, _, rest = text.partition("model:")
    (folder / "auto.yaml").write_text(f"{kept}model: auto\n{rest.partition(chr(10))[2]}", "utf-8")
    origin = ("train.init_from=runs/tiny", "tokenizer.path=runs/tiny/model/tokenizer.model")
    result = run("config", "check", "auto.yaml", NEW, *origin)
    assert result.exit_code == 0, result.output
    assert "model auto, " in result.stdout
    result = run("config", "check", "auto.yaml", NEW, *origin, "model.d_model=48")
    assert "differs in model.d_model = 48 (other model: " in result.stderr


@pytest.mark.parametrize("command", [("train",), ("prepare",), ("config", "check")])
def test_a_run_folder_in_place_of_a_config_names_its_config(command: Sequence[str]) -> None:
    result = run(*command, "runs/tiny")
    assert result.exit_code == 2
    assert "runs/tiny: is a folder, not a config." in result.stderr
    assert f"A copy of it is {Path('runs/tiny/model/config.yaml')}." in result.stderr


def test_a_place_in_the_file_is_named(folder: Path) -> None:
    (folder / "test.yaml").write_text("data:\n  test:\n    late: {reader: tsv, path: late.tsv}\n")
    result = run("config", "check", "tiny.yaml", "test.yaml")
    assert result.stderr.startswith(
        f"error: test.yaml:3: data.test.late.path: {folder / 'late.tsv'}: there is no such"
    )


def test_patterns_must_match_equally_many_files(folder: Path) -> None:
    for name in ("a.1.en", "a.2.en", "a.1.fr"):
        (folder / name).write_text("x\n")
    result = run("config", "check", "tiny.yaml", "data.train=[{reader: plain, src: a.*.en, tgt: a.*.fr}]")
    assert "matches 2 files, but" in result.stderr
