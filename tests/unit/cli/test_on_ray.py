"""`--on ray`: what is refused before a cluster is started."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app
from mtkit.cli.train import StopSignals
from mtkit.translate.divided import FilePart, parts_begun
from tests.support.fakes import make_tiny_run


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray")
    make_tiny_run(folder)
    (folder / "in.txt").write_text("the cat\n")
    return folder


TRAIN = ("train", "tiny.yaml")
TRANSLATE = ("translate", "-m", "runs/tiny", "-i", "in.txt", "-o", "out.txt")
SERVE = ("serve", "-m", "runs/tiny")
ON = ("--on", "ray")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((*TRAIN, "--on", "sun"), "--on sun: unknown value. The only one is ray."),
        ((*TRAIN, "--workers", "2"), "--workers: needs --on ray."),
        ((*TRAIN, "--max-restarts", "0"), "--max-restarts: needs --on ray."),
        ((*TRAIN, *ON, "--dry-run"), "--dry-run and --on ray: exclude each other."),
        (
            (*TRAIN, *ON),
            "--on ray: needs ray, which is not installed. Install it: pip install 'ray[serve,train]'.",
        ),
        ((*TRANSLATE, "--workers", "2"), "--workers: needs --on ray."),
        ((*TRANSLATE, *ON, "--part", "1/2"), "--on ray: divides the input, resumes and joins by itself."),
        ((*TRANSLATE, *ON, "--resume"), "--on ray: divides the input, resumes and joins by itself."),
        ((*TRANSLATE, *ON, "-i", "tiny.yaml"), "--on ray: needs a single input file."),
        (
            (*TRANSLATE, *ON),
            "--on ray: needs ray, which is not installed. Install it: pip install 'ray[serve,train]'.",
        ),
        (
            (*SERVE, *ON),
            "--on ray: needs ray, which is not installed. Install it: pip install 'ray[serve,train]'.",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    args: tuple[str, ...], said: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("mtkit.cluster.find_spec", lambda name: None)
    done = CliRunner().invoke(app, args)
    assert (done.exit_code, "ray" in sys.modules) == (2, False)
    assert done.stderr.startswith(f"error: {said}")
    assert sorted(path.name for path in folder.iterdir()) == [
        "in.txt",
        "runs",
        "test.en",
        "test.fr",
        "tiny.yaml",
    ]


def test_restarts_and_starting_over_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    done = CliRunner().invoke(app, [*TRAIN, "--from-scratch"])
    assert done.exit_code == 2
    assert "each restart by torchrun would delete the checkpoints again" in done.stderr


def test_strangers_may_not_reach_the_proxy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("mtkit.cluster.find_spec", lambda name: name)
    done = CliRunner().invoke(app, [*SERVE, *ON, "--host", "0.0.0.0", "--open"])
    assert done.exit_code == 2
    assert "Ray's proxy has no limits for strangers" in done.stderr


def test_a_request_to_stop_is_as_good_as_a_signal() -> None:
    stop = StopSignals()
    assert not stop.received()
    stop.request()
    assert stop.received()
    assert stop.asked()


def test_an_earlier_attempt_says_into_how_many_parts_the_input_was_divided(tmp_path: Path) -> None:
    target = tmp_path / "out[1].txt"
    assert parts_begun(target) is None
    target.write_text("")
    (tmp_path / "out[1].txt.part-x-of-9").write_text("")
    (tmp_path / "out1.txt.part-1-of-9").write_text("")
    assert parts_begun(target) is None
    FilePart(3, 8).output(target).with_suffix(".partial").write_text("")
    for number in (1, 2):
        FilePart(number, 12).output(target).write_text("")
        FilePart(number, 12).record(target).write_text("")
    assert parts_begun(target) == 12
