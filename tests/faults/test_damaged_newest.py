"""A checkpoint that is damaged costs the steps since the one before it: no good one is deleted for it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mtkit.config.load import load_config
from mtkit.data.prepare.prepared import open_prepared
from mtkit.disk.manifest import manifest_bytes, sha256
from mtkit.errors import InputError
from mtkit.model.checkpoint import newest_checkpoint, step_folder, step_folders, step_of
from mtkit.train.trainer import train
from mtkit.train.watch.monitor import Event, Saved, Started
from tests.support.faults.bench import Bench


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def trained(bench: Bench) -> Path:
    """A run that was killed when its checkpoints of steps 3, 6 and 9 stood, and the last two were kept."""
    run = bench.make("damaged")
    go(bench, run, until=9)
    assert steps_of(run) == [6, 9]
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run", copy_function=shutil.copy2))


def go(bench: Bench, run: Path, *options: str, until: int = 99) -> list[str]:
    """Trains until a checkpoint of step `until` is written, or to the end; the notes at its beginning."""
    notes: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            notes.extend(event.notes)
        if isinstance(event, Saved) and event.step >= until:
            raise KilledError

    config = load_config([bench.folder / "c.yaml"], [f"run={run}", *options]).config
    try:
        train(config, open_prepared(config), listen)
    except KilledError:
        return notes
    assert until == 99
    return notes


def steps_of(run: Path, parent: str = "checkpoints") -> list[int]:
    return [step_of(folder) for folder in step_folders(run / parent)]


def tree(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def needed(checkpoint: Path) -> set[int]:
    return {step for _, step in json.loads((checkpoint / "progress.json").read_bytes())["best"]}


def remove(path: Path) -> None:
    path.unlink()


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def deep(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


def honest(damage: Callable[[Path], object]) -> Callable[[Path], None]:
    """The same damage by somebody who writes the manifest anew."""

    def change(path: Path) -> None:
        damage(path)
        manifest = path.with_name("manifest.json")
        values = json.loads(manifest.read_bytes())
        values["files"][path.name] = {"size": path.stat().st_size, "sha256": sha256(path)}
        del values["digest"]
        manifest.write_bytes(manifest_bytes(values))

    return change


DAMAGES = {
    "removed": (remove, "progress.json"),
    "zeros": (zeros, "progress.json"),
    "pipe": (pipe, "progress.json"),
    "flipped": (flip, "train.safetensors"),
    "no-manifest": (remove, "manifest.json"),
    "deep": (honest(deep), "progress.json"),
    "another-step": (
        honest(lambda path: path.write_bytes(path.read_bytes().replace(b'"step": 9', b'"step": 3', 1))),
        "progress.json",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_no_good_checkpoint_is_deleted_for_a_damaged_one(
    name: str, bench: Bench, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage, file = DAMAGES[name]
    bad, good = step_folder(run / "checkpoints", 9), step_folder(run / "checkpoints", 6)
    damage(bad / file)
    before, kept = tree(bad), tree(good)
    notes = go(bench, run, "train.save_every=2", until=8)
    assert "resuming from step 6" in notes
    assert str(bad) in notes[0]
    assert tree(bad) == before
    assert tree(good) == kept
    assert steps_of(run) == [6, 8, 9]  # two good ones, and the other
    assert newest_checkpoint(run)[0] == step_folder(run / "checkpoints", 8)
    assert needed(good) <= set(steps_of(run, "best"))
    told = [
        record.getMessage()
        for record in caplog.records
        if "This checkpoint is ignored" in record.getMessage()
    ]
    assert len(told) == 1
    assert str(bad) in told[0]
    go(bench, run, "train.save_every=2", until=12)
    assert steps_of(run) == [9, 10, 12]
    assert tree(bad) == before


def test_a_damaged_checkpoint_whose_step_comes_again_is_healed(bench: Bench, run: Path) -> None:
    remove(step_folder(run / "checkpoints", 9) / "progress.json")
    go(bench, run, until=9)
    assert newest_checkpoint(run) == (step_folder(run / "checkpoints", 9), [])
    assert steps_of(run) == [6, 9]


def test_with_no_good_checkpoint_what_is_written_anew_survives(bench: Bench, run: Path) -> None:
    bad = step_folders(run / "checkpoints")
    for folder in bad:
        flip(folder / "train.safetensors")
    before = [tree(folder) for folder in bad]
    go(bench, run, "train.save_every=2", "train.validate_every=2", until=4)
    assert steps_of(run) == [2, 4, 6, 9]
    assert {2, 4} <= set(steps_of(run, "best"))
    assert [tree(folder) for folder in bad] == before
    notes = go(bench, run, "train.save_every=5", "train.validate_every=2", until=5)
    assert "resuming from step 4" in notes
    assert steps_of(run) == [4, 5, 6, 9]
    go(bench, run, "train.save_every=5", "train.validate_every=2")
    assert steps_of(run) == [6, 9, 10, 12]
    assert any("resuming from step 12" in note for note in go(bench, run, "train.validate_every=2"))


def test_an_older_checkpoint_that_is_damaged_is_not_counted(bench: Bench, run: Path) -> None:
    flip(step_folder(run / "checkpoints", 6) / "train.safetensors")
    go(bench, run, "train.save_every=2", until=10)
    assert steps_of(run) == [6, 9, 10]


@pytest.mark.parametrize(
    ("there", "instead", "named"),
    [
        (b"exp_avg.", b"exp_avh.", "is missing"),
        (b"[16,16]", b"[8,32] ", r"is \[8, 32\]"),
        (b"F32", b"QQQ", "QQQ"),
    ],
)
def test_a_state_that_does_not_fit_ends_in_one_line(
    there: bytes, instead: bytes, named: str, bench: Bench, run: Path
) -> None:
    change = honest(lambda path: path.write_bytes(path.read_bytes().replace(there, instead, 1)))
    change(step_folder(run / "checkpoints", 9) / "train.safetensors")
    before = {folder: tree(folder) for folder in step_folders(run / "checkpoints")}
    with pytest.raises(InputError, match=named):
        go(bench, run)
    assert {folder: tree(folder) for folder in step_folders(run / "checkpoints")} == before


def test_folders_of_somebody_else_are_neither_counted_nor_deleted(bench: Bench, run: Path) -> None:
    for step in (1, 2, 3):
        foreign = step_folder(run / "checkpoints", step)
        foreign.mkdir()
        (foreign / "thesis.txt").write_text("mine")
    go(bench, run, until=12)
    assert steps_of(run) == [1, 2, 3, 9, 12]
    assert (step_folder(run / "checkpoints", 2) / "thesis.txt").read_text() == "mine"
