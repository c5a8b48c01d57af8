"""`--on ray`: a cluster on this machine trains, translates and serves as the commands without it do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.commands import mtkit
from tests.support.corpora import REPOSITORY
from tests.support.elastic import kill_when, last_step, named
from tests.support.fakes import export_unchecked, make_tiny_run
from tests.support.ranks import run_ranks
from tests.support.servers import serving
from tests.support.trainings import CONFIG, same_weights

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray"),
]

MTKIT = [sys.executable, "-m", "mtkit"]  # Ray warns
ON_RAY = ("--on", "ray", "--workers", "2")
WORKER, PART_WORKER = "ray::RayTrainWorker", "ray::_PartWorker"
LAST = "checkpoints/step-00000024"


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    """`mtkit` with its stderr in a pipe."""
    return subprocess.Popen(
        [*MTKIT, *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


# ---------------------------------------------------------------- train


def arguments(folder: Path, *options: str) -> list[str]:
    (folder / "c.yaml").write_text(CONFIG, "utf-8")
    return ["train", "c.yaml", f"run={folder / 'run'}", "train.log_every=1", "export.to=[]", *options]


@pytest.fixture(scope="module", name="whole")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of two ranks without Ray."""
    folder = tmp_path_factory.mktemp("whole")
    done = run_ranks(2, ["-m", "mtkit", *arguments(folder)], folder)
    assert [rank.returncode for rank in done] == [0, 0], done[0].stderr
    return folder / "run"


def assert_same(run: Path, whole: Path) -> None:
    assert same_weights(run / "model", whole / "model")
    state = f"{LAST}/train.safetensors"
    assert (run / state).read_bytes() == (whole / state).read_bytes()


def test_two_workers_train_as_two_ranks_also_if_one_is_killed(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, *arguments(tmp_path), *ON_RAY)
    kill_when(process, lambda: last_step(run) >= 10, WORKER)
    out, told = process.communicate()
    assert process.returncode == 0, told
    assert "a worker was lost" in told
    assert "resuming from step" in told
    assert "after 24 steps" in told
    assert "raylet" not in out
    assert "Traceback" not in told
    assert_same(run, whole)


def test_a_signal_stops_all_workers_with_a_checkpoint_that_ranks_resume(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, *arguments(tmp_path), *ON_RAY)
    while last_step(run) < 4:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate()
    assert process.returncode == 75, told
    assert told.count("stopped after saving step") == 1
    done = run_ranks(2, ["-m", "mtkit", *arguments(tmp_path)], tmp_path)
    assert [rank.returncode for rank in done] == [0, 0], done[0].stderr
    assert_same(run, whole)


def test_a_failure_of_a_worker_is_said_once_and_keeps_its_exit_code(tmp_path: Path) -> None:
    process = start(tmp_path, *arguments(tmp_path, "train.precision=fp16"), *ON_RAY)
    _, told = process.communicate()
    assert process.returncode == 2, told
    assert told.count("requires a CUDA device") == 1


# ---------------------------------------------------------------- translate


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray")
    make_tiny_run(folder)
    export_unchecked(folder / "runs/tiny/model", folder / "runs/tiny/export/ctranslate2", "int8")
    lines = ["", "a dog ran\r", "the\u2028cat", *(f"the cat sat on mat {n}" for n in range(400))]
    (folder / "in.txt").write_bytes("\n".join(lines).encode())
    return folder


TRANSLATE = ("translate", "-m", "runs/tiny", "-i", "in.txt", "--beam-size", "1", "--json")


def test_parts_of_workers_give_the_bytes_of_one_run_also_if_one_is_killed(folder: Path) -> None:
    assert mtkit(*TRANSLATE, "-o", "one.txt", cwd=folder).returncode == 0
    process = start(folder, *TRANSLATE, "-o", "two.txt", *ON_RAY)
    kill_when(process, lambda: any(folder.glob("two.txt.part-*.partial")), PART_WORKER)
    out, told = process.communicate()
    assert process.returncode == 0, told
    assert (out, "joined from 8 parts" in told) == ("", True)
    assert (folder / "two.txt").read_bytes() == (folder / "one.txt").read_bytes()
    assert [path.name for path in folder.glob("two.txt*")] == ["two.txt"]


def test_a_part_that_fails_ends_the_command_with_its_exit_code(folder: Path) -> None:
    (folder / "bad.txt").write_bytes(b"the cat\n" * 20 + b"\xff\n")
    process = start(folder, *TRANSLATE[:3], "-i", "bad.txt", "-o", "out.txt", "--strict", *ON_RAY)
    _, told = process.communicate()
    alone = mtkit(*TRANSLATE[:3], "-i", "bad.txt", "-o", "alone.txt", "--strict", cwd=folder)
    assert (process.returncode, alone.returncode) == (3, 3), told
    (said,) = [line for line in told.splitlines() if "error:" in line]
    assert said.partition("error:")[2] == alone.stderr.partition("error:")[2].strip("\n")


# ---------------------------------------------------------------- serve


def test_replicas_answer_as_the_command_and_share_what_they_keep(folder: Path) -> None:
    asked = {"q": "the cat sat on the mat", "source": "en", "target": "fr"}
    alone = mtkit("-q", "translate", "-m", "runs/tiny", cwd=folder, input=f"{asked['q']}\n")
    options = ("-m", "runs/tiny", "--rate", "60", *ON_RAY)
    with serving(folder, *options, command=MTKIT) as server:
        assert len(named(server.process.pid, "ray::ServeReplica")) == 2
        answers = [server.post("/translate", asked) for _ in range(30)]
        known = [answer.json["translatedText"] for answer in answers if answer.status == 200]
        assert set(known) == {alone.stdout.rstrip("\n")}
        assert 10 <= len(known) < 25  # a bucket of 10 for both, not for each
        assert {answer.status for answer in answers} == {200, 429}
        assert server.call("GET", "/health", headers={"host": "evil.example"}).status == 421
    assert server.process.returncode == 0
