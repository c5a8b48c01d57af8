from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.layout import claim_in, open_run
from mtkit.train.watch.monitor import Event, Finished, Recorder, Saved, scalars
from tests.support.corpora import REPOSITORY
from tests.support.recorded import SAMPLE, FakeWandb, logged, validated


@pytest.fixture(autouse=True)
def _run_folder(tmp_path: Path) -> None:
    open_run(tmp_path)


def lines(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def record(run: Path, step: int, *events: Event, tensorboard: bool = False) -> None:
    recorder = Recorder(run, step, tensorboard)
    for event in events:
        recorder(event)
    recorder.close()


def test_each_event_with_numbers_is_a_line(tmp_path: Path) -> None:
    record(tmp_path, 0, logged(50), validated(100), Saved(100, tmp_path))
    first, second = lines(tmp_path)
    assert first["step"] == 50
    assert first["train/loss"] == 2.0
    assert first["train/tokens_per_s"] == 4000.0
    assert second == {"step": 100, "seconds": 13.0, "valid/loss": 1.5, "valid/bleu": 31.0, "valid/chrf": 55.0}


def test_lines_after_the_checkpoint_are_removed(tmp_path: Path) -> None:
    record(tmp_path, 0, logged(50), logged(100), logged(150))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 1')  # cut off by a kill
    record(tmp_path, 100, logged(150, loss=1.0))
    assert [(line["step"], line["train/loss"]) for line in lines(tmp_path)] == [
        (50, 2.0),
        (100, 2.0),
        (150, 1.0),
    ]


def test_final_scores_have_names_of_their_own(tmp_path: Path) -> None:
    finished = Finished(9, tmp_path, "the end", 3, 1.2, {"bleu": 40.0, "chrf": 60.0}, 99.0)
    assert scalars(finished) == {"final/loss": 1.2, "final/bleu": 40.0, "final/chrf": 60.0}


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    record(tmp_path, 0, logged(50), validated(100), tensorboard=True)
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert {"train/loss", "train/tokens_per_s", "valid/bleu", "valid/chrf"} <= set(found.Tags()["scalars"])
    (bleu,) = found.Scalars("valid/bleu")
    assert (bleu.step, bleu.value) == (100, 31.0)
    (events_file,) = (tmp_path / "tensorboard").glob("events*.mtkit")
    assert SAMPLE.hyp.encode() not in events_file.read_bytes()  # texts stay out of files


def test_weights_and_biases_get_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    for step in (0, 50):  # the run, and its resumption
        recorder = Recorder(tmp_path, step, tensorboard=False, wandb="our-project")
        recorder(logged(step + 50))
        recorder.close()
    recorder = Recorder(tmp_path, 100, tensorboard=False)
    recorder(logged(150))
    recorder.close()
    assert wandb.told == [{"step": line["step"], **scalars(logged(0))} for line in lines(tmp_path)[:2]]
    assert [begun["project"] for begun in wandb.begun] == ["our-project"] * 2
    assert len({begun["id"] for begun in wandb.begun}) == 1
    assert wandb.finished == 2


def test_weights_and_biases_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"pip install wandb"):
        Recorder(tmp_path, 0, tensorboard=False, wandb="ours")
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb("api_key not\nconfigured"))
    with pytest.raises(MtkitError, match=r"train\.wandb: api_key not configured Run `wandb login`"):
        Recorder(tmp_path, 0, tensorboard=False, wandb="ours")


def test_weights_and_biases_whose_service_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb("no\nloopback", OSError))
    with pytest.raises(
        MtkitError, match=r"train\.wandb: cannot start: OSError: no loopback\. Update"
    ) as caught:
        Recorder(tmp_path, 0, tensorboard=False, wandb="ours")
    assert caught.value.exit_code == 1
    wandb = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    recorder = Recorder(tmp_path, 0, tensorboard=False, wandb="ours")
    wandb.is_gone = True
    for step in (50, 100):
        recorder(logged(step))
    recorder.close()
    assert len(lines(tmp_path)) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "train.wandb: connection lost (ConnectionResetError: the service is gone). "
        "Training continues without it."
    ]


@pytest.mark.parametrize("content", [b"", b"../../x\n", b"\xff\xfe", b"a b"])
def test_an_id_that_is_none_is_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", FakeWandb())
    (tmp_path / "wandb-run.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"wandb-run\.txt: contains no run id"):
        Recorder(tmp_path, 0, tensorboard=False, wandb="ours")


@pytest.mark.filterwarnings("ignore")
def test_weights_and_biases_learn_nothing_of_the_machine(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    script = """
import sys
from pathlib import Path
from mtkit.train.watch.monitor import Recorder
from tests.support.recorded import logged, validated
recorder = Recorder(Path("ours"), 0, tensorboard=False, wandb="our-project")
print("said-on-stdout"), print("said-on-stderr", file=sys.stderr)
for event in (logged(50), validated(100)):
    recorder(event)
recorder.close()
"""
    (tmp_path / "ours").mkdir()
    environ = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script, "--said-in-argv"]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=120)
    (kept,) = (tmp_path / "ours" / "wandb").glob("offline-run-*")
    # The folder logs is its own record of itself, which stays here.
    files = [path for path in kept.rglob("*") if path.is_file() and "logs" not in path.parts]
    (sent,) = files
    content = sent.read_bytes()
    assert b"valid/bleu" in content
    for private in (
        "said-",
        str(tmp_path),
        sys.executable,
        platform.platform(),
        "sentencepiece",
        SAMPLE.src,
        SAMPLE.hyp,
        "memory",
    ):
        assert private.encode() not in content, private


def test_a_lost_record_costs_no_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder(tmp_path, 0, tensorboard=False)
    recorder(logged(3))
    metrics = str(tmp_path / "metrics.jsonl")
    (number,) = (fd.name for fd in Path("/proc/self/fd").iterdir() if os.path.realpath(fd) == metrics)
    with Path("/dev/full").open("wb") as full:
        os.dup2(full.fileno(), int(number))  # from now on the recorder's disk is full
    for _ in range(3):
        recorder(logged(3))
    recorder.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'metrics.jsonl'}: cannot be written: No space left on device. "
        "Training continues without it."
    ]
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").mkdir()
    record(tmp_path, 0, logged(3))
    assert "metrics.jsonl: cannot be written: is a link or not a regular file" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of its own thread
def test_tensorboard_that_cannot_write_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard")
    before = set(threading.enumerate())
    recorder = Recorder(tmp_path, 0, tensorboard=True)
    (events,) = (tmp_path / "tensorboard").glob("events*.mtkit")
    (tmp_path / "link").symlink_to("/dev/full")
    (tmp_path / "link").replace(events)  # in one go, since a thread of its own writes there
    for _ in range(50):  # more than it queues
        recorder(logged(3))
    recorder.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(60)  # or its failure would be blamed on a later test
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert re.search(r"tensorboard: cannot be written: .*\. Training continues without it\.", told[0])
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 50
    shutil.rmtree(tmp_path / "tensorboard")
    (tmp_path / "tensorboard").touch()
    with pytest.raises(UsageError, match="tensorboard: is a file"):
        open_run(tmp_path)


def test_the_end_is_recorded_once(tmp_path: Path) -> None:
    lines = [{"step": 4, "valid/loss": 1.0}, {"step": 4, "final/loss": 1.0}, {"step": 5, "train/loss": 1.0}]
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4, "tra'
    claim_in(tmp_path, "metrics.jsonl")
    (tmp_path / "metrics.jsonl").write_text(text, "utf-8")
    Recorder(tmp_path, 4, tensorboard=False).close()
    assert (tmp_path / "metrics.jsonl").read_text("utf-8") == json.dumps(lines[0]) + "\n"


def test_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    """All updates of a window may be skipped: then there is no mean."""
    record(tmp_path, 0, logged(50, loss=float("nan")))
    (line,) = lines(tmp_path)
    assert "train/loss" not in line
    assert line["train/lr"] == 1e-3
