"""What the command line does for people: completion, help, questions, and a look at the machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from tests.support.commands import MTKIT, mtkit
from tests.support.corpora import REPOSITORY
from tests.support.fakes import make_tiny_run
from tests.support.terminals import session

# ---------------------------------------------------------------- completion


def completed(*words: str, folder: Path) -> list[str]:
    """What bash would offer for the last of the words, which it splits at equals signs."""
    split = [part for word in words for part in word.replace("=", "\n=\n").strip("\n").split("\n")]
    environment = {
        "_MTKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(["mtkit", *split]),
        "COMP_CWORD": str(len(split)),
    }
    return mtkit(cwd=folder, env=environment).stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("tr",), ["train", "translate"]),
        (("train", "--dr"), ["--dry-run"]),
        (("config", "pre"), ["presets"]),
        (("translate", "--engine", "n"), ["native"]),
        (("train", "tokenizer.vocab_"), ["tokenizer.vocab_size="]),
        (("train", "toke"), ["tokenizer."]),
        (("train", "model.preset=paper-"), ["paper-base", "paper-big"]),
        (("train", "train.tensorboard="), ["true", "false"]),
        (("train", "a"), ["a.yaml", "a-folder/"]),
        (("translate", "-i", ""), []),  # the shell offers files
        (("help", "tok"), ["tokenize"]),
    ],
)
def test_bash_is_told_what_may_follow(words: tuple[str, ...], offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    (tmp_path / "a.txt").touch()
    (tmp_path / "a-folder").mkdir()
    assert sorted(completed(*words, folder=tmp_path)) == sorted(offered)


@pytest.mark.parametrize(
    ("shell", "typed", "offered"),
    [
        ("zsh", "mtkit translate --engine=n", ["--engine=native"]),
        ("fish", "mtkit translate --engine=n", ["--engine=native"]),
        ("powershell", "mtkit translate --engine=n", ["--engine=native"]),
        ("zsh", "mtkit translate --method d", ["diverse_beam"]),  # its choices come from the config
        ("zsh", "mtkit train model.preset=paper-", ["model.preset=paper-base", "model.preset=paper-big"]),
    ],
)
def test_other_shells_are_told_whole_words(
    shell: str, typed: str, offered: list[str], tmp_path: Path
) -> None:
    environment = {
        "_MTKIT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": typed.rsplit(maxsplit=1)[-1],
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    told = mtkit(cwd=tmp_path, env=environment).stdout.splitlines()
    separator = {"zsh": ":", "fish": "\t", "powershell": ":::"}[shell]
    values = [line.split(separator)[0] for line in told]
    assert values == offered


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
def test_zsh_accepts_its_script(tmp_path: Path) -> None:
    script = CliRunner().invoke(app, ["--show-completion", "zsh"]).stdout
    (tmp_path / "_mtkit").write_text(script)
    done = subprocess.run(
        ["zsh", "-n", tmp_path / "_mtkit"], capture_output=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_each_shell_has_a_script(shell: str) -> None:
    result = CliRunner().invoke(app, ["--show-completion", shell])
    assert result.exit_code == 0
    assert "_MTKIT_COMPLETE" in result.stdout


def test_bash_runs_its_script(tmp_path: Path) -> None:
    script = CliRunner().invoke(app, ["--show-completion", "bash"]).stdout
    program = tmp_path / "mtkit"
    program.write_text(f'#!/bin/sh\nexec {MTKIT[0]} -m mtkit "$@"\n')
    program.chmod(0o755)
    asked = (
        'COMP_WORDS=(mtkit train model.preset = t) COMP_CWORD=4; _mtkit_completion mtkit; echo "$COMPREPLY"'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", f"compopt() {{ :; }}\n{script}\n{asked}"],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "tiny\n", done.stderr


# ---------------------------------------------------------------- help


def test_the_program_without_arguments_is_short_and_its_result() -> None:
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) <= 24
    assert result.stdout.index("init") < result.stdout.index("prepare")


def test_help_is_a_command_too() -> None:
    for names in ([], ["train"], ["config", "show"]):
        by_command = CliRunner().invoke(app, ["help", *names], prog_name="mtkit")
        by_option = CliRunner().invoke(app, [*names, "--help"], prog_name="mtkit")
        assert by_command.stdout == by_option.stdout
        assert by_command.exit_code == 0


def test_help_shows_no_types_of_python() -> None:
    folder = Path(__file__).with_name("golden") / "help"
    for path in folder.iterdir():
        text = path.read_text("utf-8")
        for leak in ("<", "list[", "Path", "x>=", "{", "]]"):
            shown = text.replace("< ", "").replace('{"source', "").replace("{test}", "")
            assert leak not in shown, (path.name, leak)


# ---------------------------------------------------------------- the machine


def test_the_doctor_finds_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtkit.cli import doctor

    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    monkeypatch.setattr("mtkit.cores.cpu_quota", lambda *_: 0.5)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for part in ("quota 0.5 cores", "Raise the CPU limit", "OMP_NUM_THREADS is not a number", "GB available"):
        assert part in result.stdout
    assert result.stdout.count("problem: ") >= 2
    monkeypatch.setattr(doctor, "_version", lambda name: None)
    assert "torch is missing" in CliRunner().invoke(app, ["doctor"]).stdout


# ---------------------------------------------------------------- questions


def test_a_model_is_not_deleted_unless_the_person_says_so(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    config = "runs/tiny/model/config.yaml"
    settings = ["env", "COLUMNS=200", f"PYTHONPATH={REPOSITORY}", "TERM=dumb"]
    command = [*settings, *MTKIT, "train", config, "run=runs/tiny", "--from-scratch"]
    shown, code = session(tmp_path, command, [(b"[y/N] ", b"n\n")])
    assert code == 2
    assert "warning: runs/tiny/model and the checkpoints and exports of runs/tiny will be deleted." in shown
    assert "error: runs/tiny: nothing was deleted." in shown
    assert sorted(tmp_path.rglob("*")) == before


def test_tokenize_finds_the_model_as_translate_does(tmp_path: Path) -> None:
    make_tiny_run(tmp_path)
    named = mtkit("tokenize", "-m", "runs/tiny", cwd=tmp_path, input="the cat\n")
    found = mtkit("tokenize", cwd=tmp_path, input="the cat\n")
    assert found.stdout == named.stdout != ""
    assert found.stderr == "model: runs/tiny (of ./tiny.yaml)\n"
    back = mtkit("detokenize", cwd=tmp_path, input=found.stdout)
    assert back.stdout == "the cat\n"
