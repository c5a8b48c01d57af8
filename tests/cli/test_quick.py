"""The arguments of `translate` and `serve` mean the same whether typer reads them or not."""

from __future__ import annotations

import functools
import inspect
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mtkit.cli.commands import for_typer
from mtkit.cli.failures import report
from mtkit.cli.quick import parse
from mtkit.cli.serve import serve
from mtkit.cli.translate import translate
from mtkit.errors import MtkitError
from tests.support.corpora import REPOSITORY
from tests.support.fakes import export_unchecked, make_tiny_run

Command = Callable[..., None]
PLAIN: tuple[list[str], ...] = (
    ["-m", "runs/a", "--model", "b"],
    ["--input", "-", "-o", "out.txt"],
    ["--beam-size", "4", "--length-penalty=0.6", "--top-p", "1"],
    ["--scores", "--no-guard", "--n-best", "3"],
    ["--tag", "2fr", "--tag", "domain:legal", "--target-prefix", "Le chat "],
    [],
)
SERVED: tuple[list[str], ...] = (
    ["-m", "runs/a", "--model", "b", "--port", "0", "--workers", "4", "--threads=2"],
    ["--host", "0.0.0.0", "--api-keys", "keys.txt", "--rate", "0", "--allow-host", "a", "--allow-host", "b"],
    ["--check", "--open", "--cors", "https://example.org", "--engine", "native"],
    [],
)
NOT_SERVED = (["keys", "add", "alice"], ["--no-open"], ["--port", "-1"], ["--workers", "0"], ["--check=1"])
ODD = (
    ["--help"],
    ["-h"],
    ["-mruns/a"],
    ["words"],
    ["--"],
    ["--beam-size"],
    ["--beam-size", "four"],
    ["--beam-size", "-1"],
    ["--n-best", "0"],
    ["--scores=1"],
    ["--guard", "--no-guard"],
    ["--unheard-of", "1"],
    ["--input", ""],
    ["--input", "-x"],
)


def read_by_typer(args: list[str], command: Command = translate) -> dict[str, Any] | None:
    """What typer gives to the command; None if it refuses."""
    found: dict[str, Any] = {}

    @functools.wraps(command)
    def record(**given: Any) -> None:
        found.update(given)

    app = typer.Typer(add_completion=False)
    app.command()(for_typer(record))
    return found if CliRunner().invoke(app, args).exit_code == 0 else None


def read_quickly(args: list[str], command: Command = translate) -> dict[str, Any] | None:
    found = parse(command, args)
    if found is None:
        return None
    defaults = {name: each.default for name, each in inspect.signature(command).parameters.items()}
    return {**defaults, **found}


@pytest.mark.parametrize("args", PLAIN, ids=" ".join)
def test_plain_arguments_are_read_as_typer_reads_them(args: list[str]) -> None:
    found = read_quickly(args)
    assert found is not None
    assert found == read_by_typer(args)


@pytest.mark.parametrize("args", SERVED, ids=" ".join)
def test_so_are_those_of_a_server(args: list[str]) -> None:
    found = read_quickly(args, serve)
    assert found is not None
    assert found == read_by_typer(args, serve)


@pytest.mark.parametrize("args", NOT_SERVED, ids=" ".join)
def test_commands_below_and_mistakes_are_left_to_typer(args: list[str]) -> None:
    assert parse(serve, args) is None


@pytest.mark.parametrize("args", ODD, ids=" ".join)
def test_anything_else_is_left_to_typer(args: list[str]) -> None:
    assert parse(translate, args) is None


names = [f"--{name.replace('_', '-')}" for name in inspect.signature(translate).parameters]
words = st.sampled_from([*names, "-m", "-i", "--no-guard", "--tag", "--banned=x", "--no-repeat-ngram-size"])
values = st.sampled_from(
    ["1", "0", "007", "2.5", "1e3", "+1", "-1", " 1", "1_0", "x", "-", "--", "", "a b", "é"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(words, values, st.tuples(words, values).map("=".join)), max_size=6))
def test_whatever_is_read_quickly_typer_would_read_alike(args: list[str]) -> None:
    found = read_quickly(args)
    if found is not None:
        assert found == read_by_typer(args)


def test_the_second_translation_imports_neither_typer_nor_pydantic(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    model = tmp_path / "runs" / "tiny" / "model"
    export_unchecked(model, tmp_path / "export", "int8")
    code = (
        "import sys; sys.argv[1:] = ['-q', 'translate', '-m', 'export', '--beam-size', '3'];"
        "from mtkit.cli.app import main; main();"
        "heavy = {'typer', 'pydantic', 'torch', 'numpy', 'rich', 'yaml', 'asyncio'};"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, input="a b\n", capture_output=True,
            text=True, check=True,
        )  # fmt: skip
        said.append(done.stdout.split("\n"))
    (first, loaded, _), (again, none, _) = said
    assert loaded == "pydantic"  # which has checked the options of the export, once
    assert none == ""
    assert first == again != ""


def test_a_failure_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtkit.cli import app

    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "argv", ["mtkit", "translate", "-m", "nowhere"])
    with pytest.raises(SystemExit) as stop:
        app.main()
    assert stop.value.code == 3
    assert said.getvalue().startswith("error: nowhere: there is no such run folder")
    assert report(MtkitError("x.")) == 1
