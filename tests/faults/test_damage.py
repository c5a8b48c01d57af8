"""Damage is always noticed: the newest good checkpoint is used, and the message names the bad file."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from mtkit.errors import InputError
from mtkit.model.checkpoint import load_model, load_train_state, newest_checkpoint
from tests.support.faults.figures import trial
from tests.support.faults.shim import watched
from tests.support.faults.trials import save

DAMAGE = "damage is always noticed"
FILES = (
    "manifest.json",
    "model.safetensors",
    "train.safetensors",
    "tokenizer.model",
    "config.yaml",
    "progress.json",
)
TRIALS = 200


@pytest.fixture(scope="module")
def run(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two checkpoints."""
    run = tmp_path_factory.mktemp("run")
    with watched():
        for step in (1, 2):
            save(str(model), str(run), step)
    return run


def cut(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])


def flip(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def swap(path: Path, rng: random.Random) -> None:
    """Two blocks change places."""
    content = path.read_bytes()
    size = max(1, len(content) // 16)
    first, second = sorted(rng.sample(range(len(content) // size), 2))
    a, b = first * size, second * size
    path.write_bytes(
        content[:a]
        + content[b : b + size]
        + content[a + size : b]
        + content[a : a + size]
        + content[b + size :]
    )


def zero(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = rng.randrange(len(content))
    size = min(rng.choice((1, 16, 512, 4096)), len(content) - start)
    content[start : start + size] = bytes(size)
    path.write_bytes(content)


def grow(path: Path, rng: random.Random) -> None:
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.choice((1, 100))))


def older(path: Path, _: random.Random) -> None:
    """The same file of the other checkpoint."""
    shutil.copyfile(path.parent.parent / "step-00000001" / path.name, path)


def remove(path: Path, _: random.Random) -> None:
    path.unlink()


def link(path: Path, _: random.Random) -> None:
    """The same content, but somewhere else."""
    path.rename(path.parents[2] / "elsewhere")
    path.symlink_to(path.parents[2] / "elsewhere")


def pipe(path: Path, _: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def future(path: Path, _: random.Random) -> None:
    """A version that only a later mtkit can read."""
    manifest = path.parent / "manifest.json"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"version": 2', '"version": 3'), "utf-8")


DAMAGES = (cut, cut, flip, flip, flip, flip, swap, zero, zero, grow, older, remove, link, pipe, future)


def test_damaged_checkpoints_are_passed_over(run: Path, tmp_path: Path) -> None:
    rng = random.Random(5)
    done = 0
    while done < TRIALS:
        damage, name = rng.choice(DAMAGES), rng.choice(FILES)
        copy = tmp_path / str(done)
        shutil.copytree(run, copy)
        bad = copy / "checkpoints" / "step-00000002"
        before = {path.name: path.read_bytes() for path in bad.iterdir()}
        damage(bad / name, rng)
        if damage not in (link, pipe) and {path.name: path.read_bytes() for path in bad.iterdir()} == before:
            shutil.rmtree(copy)
            continue  # zeros in the place of zeros, a block in its own place, the same file in both
        # The older manifest is whole, but not that of the other files.
        named = "manifest.json" if damage is future else "" if (damage, name) == (older, FILES[0]) else name
        found, reasons = newest_checkpoint(copy)
        refused = []
        for load in (load_model, load_train_state):
            try:
                load(bad)
            except InputError as error:
                refused.append(str(error))
        trial(
            DAMAGE,
            struck=True,
            kept=found == copy / "checkpoints" / "step-00000001"
            and len(refused) == 2
            and all(str(bad) in said and named in said for said in (*reasons, *refused)),
            detail=(damage.__name__, name, found, reasons, refused),
        )
        done += 1
