"""Training notices damaged data by their hashes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from mtkit.config.schema import Config
from mtkit.data.prepare import verify
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.verify import verified
from mtkit.disk.manifest import read_manifest
from mtkit.errors import InputError
from tests.support.preparations import make, sentences

DAMAGED = r"data/train-000/ids.bin: its content has changed.* Run `mtkit prepare --force`\."


def prepared(folder: Path) -> Config:
    config = make(folder, sentences(50))
    prepare(config)
    return config


def damage(path: Path) -> None:
    """Other content of the same size, as after a fault of the disk."""
    path.write_bytes(b"\7\0" * (path.stat().st_size // 2))


def test_damage_is_noticed_before_the_first_step(tmp_path: Path) -> None:
    data = prepared(tmp_path).run / "data"
    with verified(data) as check:
        check()
    damage(data / "train-000" / "ids.bin")
    with pytest.raises(InputError, match=DAMAGED), verified(data):
        raise AssertionError("training has started")


def test_large_data_are_compared_beside_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "AT_ONCE", 0)
    go_on, compare = threading.Event(), read_manifest

    def slowly(*args: object, **options: object) -> object:
        go_on.wait(60)
        return compare(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(verify, "read_manifest", slowly)
    data = prepared(tmp_path).run / "data"
    damage(data / "train-000" / "ids.bin")
    made: list[int] = []

    def train() -> None:
        with verified(data) as check:
            for step in range(1_000_000):
                check()
                made.append(step)
                if step == 3:
                    go_on.set()

    with pytest.raises(InputError, match=DAMAGED):
        train()
    assert len(made) > 3


def test_files_that_training_does_not_read_do_not_stop_it(tmp_path: Path) -> None:
    data = prepared(tmp_path).run / "data"
    (data / "rejected.tsv.gz").write_bytes(b"\0" * (data / "rejected.tsv.gz").stat().st_size)
    with verified(data) as check:
        check()
