"""`translate --resume`: what an interrupted attempt had finished is kept, and used for the same job only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

from mtkit.cli import console
from mtkit.cli.commands import app
from mtkit.translate.call import Call, Encoded
from mtkit.translate.request import Translation
from tests.support.corpora import REPOSITORY
from tests.support.fakes import make_tiny_run

Run: TypeAlias = Callable[..., Result]

SLOWLY = """
import sys, time
from mtkit.disk import partial
from mtkit.cli.app import main
from mtkit.translate import call, windows
partial.SECONDS_BETWEEN_SAVES = 0
windows.FIRST_WINDOW = windows.WINDOW = 8
real = call.Call.translate
def slowly(self, window):
    time.sleep(0.02)
    return real(self, window)
call.Call.translate = slowly
main()
"""
WORDS = ("the", "cat", "sat", "on", "a", "dog", "ran", "mat")
LINES = [" ".join(WORDS[(i * k) % len(WORDS)] for k in range(1, 2 + i % 7)) for i in range(600)]
ARGS = ["-m", "runs/tiny", "-i", "in.txt", "-o", "out.txt", "--resume", "--no-guard", "--beam-size", "1"]
SAMPLED = ["--method", "sample", "--temperature", "2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    make_tiny_run(folder)
    (folder / "in.txt").write_text("\n".join(LINES), "utf-8")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(folder)
    for path in folder.glob("out.txt*"):
        path.unlink()
    return lambda *args: CliRunner().invoke(app, ["translate", *args])


def interrupted(folder: Path, number: int, *args: str) -> tuple[int, str]:
    """An attempt that gets a signal as soon as something is kept; gives the lines kept, and what it said."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, "translate", *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    before = kept(folder)
    while kept(folder) <= before and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 75), said
    return kept(folder), said


def kept(folder: Path) -> int:
    try:
        return int(json.loads((folder / "out.txt.partial.json").read_bytes())["lines"])
    except FileNotFoundError:
        return 0


@pytest.fixture
def stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An attempt that is interrupted after some lines."""

    def stopped(*args: str) -> Result:
        calls = 0
        real = Call.translate

        def interrupt(self: Call, window: Encoded) -> list[list[Translation]]:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise KeyboardInterrupt
            return real(self, window)

        with monkeypatch.context() as patch:
            patch.setattr(Call, "translate", interrupt)
            result = run(*args)
        assert result.exit_code == 75, result.output
        return result

    monkeypatch.setattr(console.state, "in_a_hurry", False)
    return stopped


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], SAMPLED], ids=["greedy", "sampled"])
def test_after_kills_and_stops_the_bytes_are_those_of_an_undisturbed_run(
    run: Run, folder: Path, flags: list[str]
) -> None:
    args = [*ARGS[:-2], *(flags or ARGS[-2:])]
    undisturbed = run(*[arg for arg in args if arg != "--resume"])
    assert undisturbed.exit_code == 0, undisturbed.output
    expected = (folder / "out.txt").read_bytes()
    (folder / "out.txt").unlink()
    lines = 0
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        before, (lines, said) = lines, interrupted(folder, number, *args)
        assert before < lines < len(LINES)
        assert not (folder / "out.txt").exists()
        if number != signal.SIGKILL:
            assert f"stopped; the translations of {lines:,} lines are kept in out.txt.partial." in said
            assert "Traceback" not in said
    result = run(*args)
    assert result.exit_code == 0, result.output
    assert f"out.txt.partial: resuming after {lines:,} lines." in result.stderr
    assert f"{len(LINES) - lines:,} lines in" in result.stderr
    assert (folder / "out.txt").read_bytes() == expected
    assert not list(folder.glob("out.txt.*"))


def test_another_input_model_or_search_is_refused(run: Run, stopped: Run, folder: Path) -> None:
    result = stopped(*ARGS)
    assert "stopped; the translations of 256 lines are kept in out.txt.partial." in result.stderr
    assert kept(folder) == 256
    text = (folder / "in.txt").read_bytes()
    (folder / "in.txt").write_bytes(text + b" and more")
    refused = run(*ARGS)
    assert refused.exit_code == 2
    assert "out.txt.partial: was started for another job: the input was in.txt" in refused.stderr
    (folder / "in.txt").write_bytes(text)
    for more, said in (
        (["--beam-size", "3"], "decode.beam_size was 1, now 3"),
        (["--scores"], "--scores was False, now True"),
        (["--on-error", "blank"], "--on-error was fail, now blank"),
        (["--on-unsure", "blank"], "--on-unsure was report, now blank"),
    ):
        refused = run(*ARGS, *more)
        assert refused.exit_code == 2
        assert said in refused.stderr
    other = run("-m", "runs/tiny", *ARGS)
    assert "the model was" in other.stderr
    assert run(*ARGS).exit_code == 0
    assert (folder / "out.txt").read_bytes().count(b"\n") == len(LINES) - 1


def test_it_needs_files_and_lines(run: Run, folder: Path) -> None:
    for args in (["-i", "in.txt", "--resume"], ["-o", "out.txt", "--resume"]):
        result = run(*args)
        assert result.exit_code == 2
        assert "Name them with -i and -o." in result.stderr
    result = run("-i", "in.txt", "-o", "out.txt", "--resume", "--format", "md")
    assert result.exit_code == 2
    assert "Leave out --resume." in result.stderr
    result = run("-i", "in.txt", "-o", "out.txt", "--resume", "--encoding", "cp500")
    assert result.exit_code == 2
    assert "--resume: not supported in cp500." in result.stderr


@pytest.mark.parametrize(
    "more",
    [["--format", "tsv", "--column", "en"], ["--format", "text", "--method", "sample", "--json"]],
)
def test_going_on_knows_the_first_line_and_the_numbers_of_lines(
    run: Run, stopped: Run, folder: Path, more: list[str]
) -> None:
    rows = "".join(f"{number}\t{line}\n" for number, line in enumerate(LINES))
    (folder / "in.tsv").write_text(f"id\ten\n{rows}", "utf-8")
    args = ["-m", "runs/tiny", "-i", "in.tsv", "-o", "out.txt", "--no-guard", *more]
    assert run(*args).exit_code == 0
    expected = (folder / "out.txt").read_bytes()
    (folder / "out.txt").unlink()
    stopped(*args, "--resume")
    result = run(*args, "--resume")
    assert result.exit_code == 0, result.output
    assert (folder / "out.txt").read_bytes() == expected


def test_a_pipe_is_refused_since_it_cannot_be_read_again(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    args = [str(tmp_path / "pipe") if arg == "in.txt" else arg for arg in ARGS]
    result = run(*args)
    assert result.exit_code == 3
    assert f"{tmp_path / 'pipe'}: cannot be read: it is a pipe, expected a file" in result.stderr
