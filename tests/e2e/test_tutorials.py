"""The tutorials, typed line by line in an empty folder with a small corpus and a small model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.corpora import REPOSITORY

TINY = (
    "train.max_steps=4 train.validate_every=2 train.save_every=2 train.precision=fp32 "
    "train.tensorboard=false model.d_model=32 model.d_ff=32 "
    "model.num_encoder_layers=1 model.num_decoder_layers=1"
)  # fmt: skip
SMALLER = {"samples memory": "samples memory 500", "samples paper": "samples paper 500"}
WRAPPER = f"""#!/bin/sh
if [ "$1" = train ]; then set -- "$@" {TINY}; fi
exec {sys.executable} -W error -m mtkit "$@"
"""


class Typed(NamedTuple):
    """A command of a page, and the lines that the page shows as its output."""

    command: str
    shown: list[str]


def page(name: str) -> str:
    return (REPOSITORY / "docs" / f"tutorial-{name}.md").read_text("utf-8")


def typed(text: str) -> list[Typed]:
    """The commands in the blocks of a page, in order."""
    found: list[Typed] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(Typed(line[2:], []))
            else:
                found[-1].shown.append(line)
    return found


def files(text: str) -> dict[str, str]:
    """The blocks whose first line is a comment with a file name."""
    blocks = re.findall(r"^```\w+\n(# (\S+\.\w+)\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    return {name: content for content, name in blocks}


def head(line: str) -> str:
    """What stays of a line if the numbers, the times and the sentences in it are others."""
    return " ".join(re.split(r"[\d…→─]|: ", line)[0].split())[:20]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / "mtkit").symlink_to(REPOSITORY)
    (home / "bin" / "mtkit").write_text(WRAPPER)
    (home / "bin" / "mtkit").chmod(0o755)
    scripts = Path(sys.executable).parent
    changed = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{scripts}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "TERM": "dumb",
        "COLUMNS": "120",
        "OMP_NUM_THREADS": "1",
    }
    return os.environ | changed


@pytest.mark.parametrize("name", ["memory", pytest.param("paper", marks=pytest.mark.slow), "service"])
def test_a_tutorial_can_be_typed(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / name
    folder.mkdir()
    text = page(name)
    for file, content in files(text).items():
        (folder / file).write_text(content, "utf-8")
    commands = [step for step in typed(text) if not step.command.startswith(("docker", "pip", "sudo"))]
    assert len(commands) >= 5
    for step in commands:
        command = step.command
        for long, short in SMALLER.items():
            command = command.replace(long, short)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        heads = {head(line) for line in (done.stdout + done.stderr).splitlines()}
        # The verdict on a model that has learned something has a line more.
        said = [line for line in step.shown if head(line) and not line.startswith("Twice the data")]
        other = [line for line in said if head(line) not in heads]
        if re.match("grep|python client|.*mtkit translate", command):  # sentences of the model
            assert len(other) <= len(done.stdout.splitlines()), f"{command}\n{done.stdout}\n{done.stderr}"
        else:
            assert other == [], f"{command}\n{done.stdout}\n{done.stderr}"
