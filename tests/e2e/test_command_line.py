"""The whole way from the command line: init, train, evaluate, translate."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import mtkit

SMALL = [
    "data.train.0.pairs=400",
    "data.valid.pairs=60",
    "data.test.phrasebook.pairs=20",
    "tokenizer.vocab_size=300",
    "model.d_model=32",
    "model.d_ff=64",
    "model.num_encoder_layers=1",
    "model.num_decoder_layers=1",
    "train.max_steps=12",
    "train.precision=fp32",  # so that every machine trains the same model, which exports are compared with
    "train.batch_tokens=300",
    "train.validate_every=6",
    "train.log_every=3",
    "train.tensorboard=false",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    assert mtkit("init", cwd=folder).returncode == 0
    trained = mtkit("train", *SMALL, cwd=folder)
    assert trained.returncode == 0, trained.stderr
    assert "valid: loss" in trained.stderr
    assert "Next: mtkit evaluate" in trained.stderr
    return folder


def test_training_prepared_first(folder: Path) -> None:
    again = mtkit("prepare", *SMALL, cwd=folder)
    assert again.returncode == 0
    assert "up to date" in again.stdout


def test_translate_without_arguments(folder: Path) -> None:
    done = mtkit("translate", cwd=folder, input="Where is the station?\n\nI would like a coffee.\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 3
    assert done.stdout.split("\n")[1] == ""
    assert "of ./mtkit.yaml" in done.stderr


def test_a_training_ends_with_confidence(folder: Path) -> None:
    lines = "Where is the station?\nI would like a coffee.\n"
    shown = []
    for engine in ("native", "ctranslate2"):
        done = mtkit("translate", "--confidence", "--engine", engine, cwd=folder, input=lines)
        assert done.returncode == 0, done.stderr
        shown += [float(line.rpartition("\t")[2]) for line in done.stdout.splitlines()]
    assert len(shown) == 4
    assert all(0 <= one <= 1 for one in shown)
    again = mtkit("confidence", "fit", "--engine", "native", cwd=folder)  # from the run's validation pairs
    assert again.returncode == 0, again.stderr
    assert "model: confidence fitted to 120 translations" in again.stderr
    assert mtkit("translate", "--confidence", cwd=folder, input=lines).returncode == 0


def test_evaluate_for_machines(folder: Path) -> None:
    done = mtkit("evaluate", "--json", "--metrics", "bleu,ter", *SMALL, cwd=folder)
    assert done.returncode == 0, done.stderr
    text = json.dumps(json.loads(done.stdout))
    assert "nrefs:1" in text
    assert "TER" in text.upper()


def test_the_same_command_again_has_nothing_to_do(folder: Path) -> None:
    again = mtkit("train", *SMALL, cwd=folder)
    assert again.returncode == 0, again.stderr
    assert "resuming from step 12" in again.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_live_view_on_a_terminal(folder: Path) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    command = [sys.executable, "-m", "mtkit", "train", *SMALL, "train.max_steps=30"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux reports the end of a pseudo-terminal as an error
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    for part_of_view in ("target tokens/s", "left", "gradient norm", "reference", "BLEU"):
        assert part_of_view in text


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(n, marks=pytest.mark.slow) for n in (signal.SIGINT, signal.SIGUSR1))],
)
def test_a_signal_saves_and_the_same_command_goes_on(folder: Path, number: int) -> None:
    args = ["train", *SMALL, f"run=runs/stopped-{number}", "train.max_steps=100000"]
    command = [sys.executable, "-m", "mtkit", *args]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stderr is not None
    for line in process.stderr:
        if "valid: loss" in line:
            break
    process.send_signal(number)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 75
    stopped = re.search(r"stopped after saving step ([\d,]+)", rest)
    assert stopped, rest
    again = mtkit(*args, f"train.max_steps={stopped[1].replace(',', '')}", cwd=folder)
    assert again.returncode == 0
    assert f"resuming from step {stopped[1]}" in again.stderr
