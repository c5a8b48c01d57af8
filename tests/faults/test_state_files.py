"""Whatever stands in a file where mtkit keeps what it knows: it is read or refused in a line, never a bug."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtkit.config.load import load_config
from mtkit.config.stored import decode_options
from mtkit.data.prepare.align import read_aligner
from mtkit.data.prepare.inspect import find_tokenizer
from mtkit.data.prepare.prepare import prepare
from mtkit.data.prepare.prepared import leaks_of, open_prepared, verify_prepared
from mtkit.disk.lock import holder_of
from mtkit.disk.manifest import manifest_bytes, sha256
from mtkit.disk.partial import partial_file
from mtkit.engine.threads import Layout, machine_key, recall, remember
from mtkit.errors import MtkitError
from mtkit.model.checkpoint import load_model
from mtkit.runs.exports import export_of
from mtkit.runs.find import read_model
from mtkit.train.machine.distributed import World
from mtkit.train.settle import settle_run
from mtkit.train.store import Store
from mtkit.train.watch.curves import read_panels
from mtkit.train.watch.monitor import Recorder
from tests.support.faults.bench import CONFIG
from tests.support.recorded import FakeWandb

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 0.5, 1e308, float("nan"), float("inf"), 10**30, -(10**30), 1 << 62),
    *("", "x", "\0", "\ud800", "../../x", "1", "a" * 5000, [], [[]], [None] * 9, [1, 2], ["a", "b"]),
    *({}, {"a": 1}, {"": {}}, [{}], [[1, 2]], {"path": 5}, {"step": "x"}),
)
RAW = (b"", b"\0" * 300, b"\xff\xfe", b"{", b"null", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"1e999")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all that a training leaves while it goes on, and a cache."""
    from mtkit.train.trainer import train

    folder = tmp_path_factory.mktemp("state")
    (folder / "c.yaml").write_text(CONFIG.replace("max_steps: 12", "max_steps: 6"), "utf-8")
    config = load_config([folder / "c.yaml"], ["train.guided_alignment=0.1"]).config
    prepare(config)
    train(config, open_prepared(config), lambda event: None)
    parts = folder / "run" / "parts"
    assert list(parts.rglob("done.json"))
    auto = load_config([folder / "c.yaml"], ["model={preset: auto}", "train={preset: auto}"]).config
    settle_run(auto, open_prepared(config), World())
    (folder / "run" / "wandb-run.txt").write_text("0123abcd\n")
    (folder / "run" / ".train.holder").write_text("process 1\n")
    with contextlib.suppress(KeyboardInterrupt), partial_file(folder / "out", {"job": 1}) as file:
        file.add(2, b"one\ntwo\n")
        raise KeyboardInterrupt
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        decode_options({"beam_size": 3})
        remember(machine_key("m", 2), Layout(1, 1))
    return folder


@dataclass(frozen=True)
class Case:
    """A file by its pattern, and all that reads it."""

    pattern: str
    uses: tuple[Callable[[Path], object], ...]
    seal: Callable[[Path, dict[str, Any]], bytes] | None = None
    cost: int = 1


def config_of(folder: Path, *options: str) -> Any:
    return load_config([folder / "c.yaml"], ["train.guided_alignment=0.1", *options]).config


def prepared_again(folder: Path) -> None:
    config = config_of(folder)
    prepare(config)
    open_prepared(config)


def prepared_anew(folder: Path) -> None:
    data = folder / "run" / "data"
    kept = data.rename(folder / "data")
    try:
        prepare(config_of(folder))
    finally:
        if data.exists():
            shutil.rmtree(data)
        kept.rename(data)


def gone_on(folder: Path) -> None:
    config = config_of(folder)
    store = Store(config, open_prepared(config))
    store.newest()
    for newer in (6, 3):
        store.remove_old(newer)


def settled(folder: Path) -> None:
    config = load_config([folder / "c.yaml"], ["model={preset: auto}", "train={preset: auto}"]).config
    settle_run(config, open_prepared(config_of(folder)), World())


def recorded(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "wandb", FakeWandb())
        Recorder(folder / "run", 4, tensorboard=False, wandb="ours").close()


def plotted(folder: Path) -> None:
    from mtkit.cli.chart import chart
    from mtkit.train.watch.curves import x_unit

    for axis in ("steps", "time"):
        panels = read_panels([folder / "run"], axis)
        for panel in panels:
            chart(panel, 80, 12, *x_unit(panels, axis))


def resumed(folder: Path) -> None:
    with partial_file(folder / "out", {"job": 1}) as file:
        file.add(1, b"three\n")


def leaked(folder: Path) -> None:
    leaks_of(config_of(folder), "x")


def verified(folder: Path) -> None:
    verify_prepared(config_of(folder))


def aligned(folder: Path) -> None:
    made = next((folder / "run").glob("*align*/"))
    aligner = read_aligner(made, open_prepared(config_of(folder)).fingerprint)
    aligner.agreement(np.array([[5, 6, 149]]), np.array([[7, 149]]))


def cached(folder: Path) -> None:
    assert decode_options({"beam_size": 3}).beam_size == 3
    recall(machine_key("m", 2), 2)
    remember(machine_key("m", 2), Layout(1, 1))
    assert recall(machine_key("m", 2), 2) in (None, Layout(1, 1))  # none, where there is a folder instead


def sealed(path: Path, values: dict[str, Any]) -> bytes:
    """A manifest with an honest digest."""
    return manifest_bytes({key: value for key, value in values.items() if key != "digest"})


def listed(path: Path, values: dict[str, Any]) -> bytes:
    """A file whose manifest tells its hash honestly."""
    content = json.dumps(values).encode()
    path.write_bytes(content)
    manifest = path.with_name("manifest.json")
    found = json.loads(manifest.read_bytes())
    found["files"][path.name] = {"size": len(content), "sha256": sha256(path)}
    manifest.write_bytes(sealed(manifest, found))
    return content


MODEL = (lambda folder: load_model(folder / "run" / "model"),)
FOUND = (
    lambda folder: read_model(folder / "run", load_model),
    lambda folder: export_of(folder / "run" / "model"),
    lambda folder: find_tokenizer(folder / "run" / "data"),
)
CASES = {
    "data": Case(
        "run/data/manifest.json", (prepared_again, leaked, lambda f: verify_prepared(config_of(f))), sealed, 9
    ),
    "shard": Case("run/data/train-000/manifest.json", (lambda f: open_prepared(config_of(f)),), sealed),
    "model": Case("run/model/manifest.json", (*MODEL, *FOUND), sealed),
    "checkpoint": Case("run/checkpoints/step-00000006/manifest.json", (gone_on,), sealed),
    "progress": Case("run/checkpoints/step-00000006/progress.json", (gone_on,), listed),
    "older progress": Case("run/checkpoints/step-00000003/progress.json", (gone_on,), listed),
    "alignment": Case("run/*align*/manifest.json", (aligned,), sealed),
    "auto": Case("run/auto.json", (settled,)),
    "metrics": Case("run/metrics.jsonl", (plotted, recorded)),
    "wandb": Case("run/wandb-run.txt", (recorded,)),
    "holder": Case("run/.train.holder", (lambda folder: holder_of(folder / "run"),)),
    "partial": Case("out.partial.json", (resumed,), sealed),
    "done": Case("run/parts/**/done.json", (prepared_anew,), None, 12),
    "options": Case("cache/mtkit/options/*.json", (cached,)),
    "threads": Case("cache/mtkit/threads.json", (cached,)),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, member in inner for place in places(member, (*path, key)))]


def changed(values: Any, rng: random.Random) -> Any:
    """Another value in one place, or nothing."""
    values = copy.deepcopy(values)
    for _ in range(rng.choice((1, 1, 3))):
        *outer, last = rng.choice(places(values)[1:] or [(None,)])
        if last is None:
            return rng.choice(VALUES)
        owner = values
        for step in outer:
            owner = owner[step]
        if rng.random() < 0.2:
            del owner[last]
        else:
            owner[last] = rng.choice(VALUES)
    return values


def strike(path: Path, case: Case, before: bytes, rng: random.Random) -> str:
    """Damages the file; what was done."""
    kind = rng.choice(("json", "json", "json", "json", "raw", "cut", "flip", "pipe", "folder", "link"))
    if kind == "json":
        lines = before.split(b"\n") if path.suffix == ".jsonl" else [before]
        number = rng.randrange(len(lines))
        try:
            values = json.loads(lines[number])
        except ValueError:
            values = {}
        values = changed(values, rng)
        try:
            seal = case.seal if isinstance(values, dict) and rng.random() < 0.8 else None
            lines[number] = seal(path, values) if seal else json.dumps(values).encode()
        except (UnicodeEncodeError, ValueError):  # which no file can hold
            lines[number] = json.dumps(values).encode()
        path.write_bytes(b"\n".join(lines))
        return f"{kind} {lines[number][:2000]!r}"
    if kind == "raw":
        path.write_bytes(rng.choice(RAW))
    elif kind == "cut":
        path.write_bytes(before[: rng.randrange(len(before))])
    elif kind == "flip":
        place = rng.randrange(len(before))
        path.write_bytes(
            before[:place] + bytes([before[place] ^ 1 << rng.randrange(8)]) + before[place + 1 :]
        )
    else:
        path.unlink()
        {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to("/dev/zero")}[kind](path)
    return kind


def trials(state: Path, folder: Path, name: str, number: int, seed: int) -> None:
    """So many damages to a file, each on a fresh copy of what its readers may change."""
    case, rng = CASES[name], random.Random(f"{name} {seed}")
    fresh = folder / "fresh"
    for turn in range(number):
        copied = Path(shutil.copytree(state, fresh, copy_function=shutil.copy2, symlinks=True))
        (copied / "c.yaml").touch()
        os.environ["XDG_CACHE_HOME"] = str(copied / "cache")
        (path, *_) = sorted(copied.glob(case.pattern))
        said = strike(path, case, path.read_bytes(), rng)
        for use in case.uses:
            try:
                use(copied)
            except (MtkitError, MemoryError):
                continue
            except Exception as error:
                raise AssertionError(f"{name}, turn {turn}, {said}: {error!r}") from error
        shutil.rmtree(copied)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    monkeypatch.setattr("mtkit.data.prepare.prepare.num_cores", lambda: 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_damaged_state_is_no_bug(name: str, state: Path, tmp_path: Path) -> None:
    trials(state, tmp_path, name, max(2, 10 // CASES[name].cost), 1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_damaged_parts_are_no_bug(number: int, state: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    for turn in range(number):
        copied = Path(shutil.copytree(state, tmp_path / str(turn), copy_function=shutil.copy2))
        path = rng.choice(sorted((copied / "run" / "parts").rglob("*.npz")))
        with np.load(path) as part:
            arrays = dict(part)
        name = rng.choice((*arrays, "summary", "summary"))
        if name == "summary":
            values = changed(json.loads(arrays[name].tobytes()), rng)
            arrays[name] = np.frombuffer(json.dumps(values).encode(), np.uint8)
        else:
            arrays[name] = rng.choice(
                (arrays[name][:-1], np.zeros(3, np.uint8), np.float64(2.0), np.full(9, 1 << 60))
            )
        for done in path.parent.glob("done.json"):
            done.unlink()
        np.savez(path, **arrays)
        try:
            prepared_anew(copied)
        except (MtkitError, MemoryError) as error:
            assert "a bug" not in str(error)  # noqa: PT017
        shutil.rmtree(copied)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_much_damaged_state_is_no_bug(name: str, state: Path, tmp_path: Path) -> None:
    trials(state, tmp_path, name, max(20, 300 // CASES[name].cost), 2)
