"""Several processes train as one does, stop together and fail together."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtkit.model.checkpoint import load_weights, step_folders
from tests.support.corpora import REPOSITORY
from tests.support.elastic import last_step, named
from tests.support.ranks import free_port, run_ranks, start_ranks, wait
from tests.support.trainings import CONFIG, Run, go, metrics, same_weights

# Dropout would differ: each rank draws masks of its own for its rows.
SAME = ("model.dropout=0.0", "train.log_every=1", "train.micro_batch_tokens=90")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("alone"), *SAME)


def arguments(folder: Path, *overrides: str) -> list[str]:
    (folder / "c.yaml").write_text(CONFIG, "utf-8")
    return ["-m", "mtkit", "train", "c.yaml", f"run={folder / 'run'}", *SAME, *overrides]


def assert_alike(run: Path, alone: Run) -> None:
    """The same updates: the sums differ by the order in which they are added, no more."""
    for ours, theirs in zip(metrics(run), metrics(alone.config.run), strict=True):
        assert ours.keys() == theirs.keys()
        for name in ("train/loss", "train/grad_norm", "valid/loss", "final/loss"):
            if name in ours:
                assert ours[name] == pytest.approx(theirs[name], abs=1e-4), (name, ours["step"])


def test_two_processes_train_as_one(tmp_path: Path, alone: Run) -> None:
    # Each of them with a worker that makes its batches, unlike the one.
    main, other = run_ranks(2, arguments(tmp_path, "train.prefetch=2"), tmp_path)
    assert (main.returncode, other.returncode) == (0, 0), main.stderr + other.stderr
    assert "after 24 steps" in main.stderr
    assert (other.stdout, other.stderr) == ("", "")  # only rank 0 speaks
    assert_alike(tmp_path / "run", alone)
    assert [folder.name for folder in step_folders(tmp_path / "run" / "checkpoints")] == [
        folder.name for folder in step_folders(alone.config.run / "checkpoints")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("packing", "average"),
    [
        ("false", "train.ema=0.9"),
        ("true", "train.ema=0.9"),
        ("false", "train.optimizer.method=schedule_free"),
    ],
)
def test_a_model_in_shares_trains_as_a_whole_one_and_goes_on(
    tmp_path: Path, packing: str, average: str
) -> None:
    (tmp_path / "whole").mkdir()
    for steps in (12, 24):
        packed = f"train.packing={packing}"
        options = (average, "train.optimizer.schedule=constant", f"train.max_steps={steps}", packed)
        whole = go(tmp_path / "whole", *SAME, *options)
        done = run_ranks(2, arguments(tmp_path, *options, "train.parallel=fsdp"), tmp_path)
        assert [rank.returncode for rank in done] == [0, 0], done[0].stderr + done[1].stderr
    assert_alike(tmp_path / "run", whole)
    # Not the weights: those of a bias that changes nothing (of the keys) are noise that Adam makes large.
    assert {name: weight.shape for name, weight in load_weights(tmp_path / "run" / "model").items()} == {
        name: weight.shape for name, weight in load_weights(whole.finished.folder).items()
    }


@pytest.mark.slow
def test_four_processes_under_torchrun_train_as_one(tmp_path: Path, alone: Run) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"]
    done = subprocess.run(
        [*command, *arguments(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_alike(tmp_path / "run", alone)


def until(process: subprocess.Popen[str], sign: str) -> None:
    """Reads what a process says until it says `sign`."""
    assert process.stderr is not None
    for line in process.stderr:
        if sign in line:
            return
    raise AssertionError(f"never said {sign!r}")


@pytest.mark.slow
def test_a_signal_to_one_stops_all_and_the_run_goes_on(tmp_path: Path, alone: Run) -> None:
    (tmp_path / "whole").mkdir()
    endless = ("train.max_steps=100000", "train.save_every=100000", "train.optimizer.schedule=constant")
    started = start_ranks(2, arguments(tmp_path, *endless), tmp_path)
    until(started[0], "step 8  valid")
    started[1].send_signal(signal.SIGTERM)
    main, other = (wait(process) for process in started)
    assert (main.returncode, other.returncode) == (75, 75), main.stderr + other.stderr
    assert other.stderr == ""
    found = re.search(r"stopped after saving step ([\d,]+)", main.stderr)
    assert found
    step = int(found[1].replace(",", ""))
    more = ("train.optimizer.schedule=constant", f"train.max_steps={step + 4}", "train.save_every=100000")
    resumed = run_ranks(2, arguments(tmp_path, *more), tmp_path)
    straight = run_ranks(2, arguments(tmp_path / "whole", *more), tmp_path / "whole")
    assert [done.returncode for done in (*resumed, *straight)] == [0] * 4
    last = [step_folders(folder / "run" / "checkpoints")[-1] for folder in (tmp_path, tmp_path / "whole")]
    assert last[0].name == last[1].name
    assert same_weights(*last)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_all_with_one_message(tmp_path: Path, victim: int) -> None:
    started = start_ranks(3, arguments(tmp_path, "train.max_steps=100000", "train.save_every=4"), tmp_path)
    until(started[0], "step 8  valid")
    started[victim].kill()
    begin = time.monotonic()
    done = [wait(process) for process in started]
    assert time.monotonic() - begin < 60
    assert done[victim].returncode == -signal.SIGKILL
    assert {rank.returncode for rank in done} == {-signal.SIGKILL, 75}
    said = [rank.stderr for rank in done if "ended unexpectedly" in rank.stderr]
    assert len(said) == 1
    assert "Traceback" not in "".join(rank.stderr for rank in done)
    assert step_folders(tmp_path / "run" / "checkpoints")


@pytest.mark.slow
def test_what_is_wrong_with_the_config_is_said_once(tmp_path: Path) -> None:
    done = run_ranks(2, arguments(tmp_path, "train.optimizer.lrr=1"), tmp_path)
    assert [rank.returncode for rank in done] == [2, 2]
    assert sum("unknown option" in rank.stderr for rank in done) == 1
    assert [rank.stdout for rank in done] == ["", ""]


# ---------------------------------------------------------------- torchrun starts a world again


def torchrun(folder: Path, *args: str) -> subprocess.Popen[str]:
    """An agent of torchrun, whose ranks train in `folder`, in a process group of its own."""
    command = [sys.executable, "-m", "torch.distributed.run", "--max-restarts", "2", *args]
    return subprocess.Popen(
        [*command, *arguments(folder)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


RANK = "-m mtkit train"


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_world_that_lost_a_rank_is_started_again_and_ends_with_the_same_weights(
    tmp_path: Path, victim: int
) -> None:
    (tmp_path / "whole").mkdir()
    run = tmp_path / "run"
    process = torchrun(tmp_path, "--standalone", "--nproc-per-node", "2")
    while last_step(run) < 10:
        assert process.poll() is None
    lost = next(pid for pid in named(process.pid, RANK) if f"\0RANK={victim}\0" in environ_of(pid))
    os.kill(lost, signal.SIGKILL)
    _, told = process.communicate()
    assert process.returncode == 0, told
    assert told.count("another process of this run ended unexpectedly") == 1
    assert "resuming from step" in told
    straight = run_ranks(2, arguments(tmp_path / "whole"), tmp_path / "whole")
    assert [rank.returncode for rank in straight] == [0, 0]
    assert same_weights(run / "model", tmp_path / "whole" / "run" / "model")


@pytest.mark.slow
def test_the_machines_that_are_left_go_on_without_the_one_that_is_lost(tmp_path: Path, alone: Run) -> None:
    run = tmp_path / "run"
    elastic = ["--nnodes", "1:2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-id", "one"]
    elastic += ["--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-conf", "last_call_timeout=5"]
    first = torchrun(tmp_path, *elastic)
    second = torchrun(tmp_path, *elastic)
    while last_step(run) < 10:
        assert first.poll() is second.poll() is None
    assert len(named(first.pid, RANK)) == len(named(second.pid, RANK)) == 1
    os.killpg(second.pid, signal.SIGKILL)
    for pid in named(second.pid, RANK):
        os.kill(pid, signal.SIGKILL)
    second.communicate()
    _, told = first.communicate()
    assert first.returncode == 0, told
    assert "resuming from step" in told
    assert_alike(run, alone)


def environ_of(pid: int) -> str:
    return "\0" + Path(f"/proc/{pid}/environ").read_text("utf-8", "replace")
