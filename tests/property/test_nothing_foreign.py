"""What mtkit did not make stays as it was, whatever stands in and around the paths that a command gets."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mtkit.cli.commands import app

CONFIG = """\
run: {run}
data:
  root: {root}
  max_dropped: 1
  src_lang: en
  tgt_lang: fr
  train: [{{reader: tsv, path: t.tsv}}]
  valid: {{reader: tsv, path: v.tsv}}
  test: {{short: {{reader: tsv, path: v.tsv}}}}
tokenizer: {{vocab_size: 60, model_type: bpe}}
model: {{preset: tiny, d_model: 16, d_ff: 32, num_encoder_layers: 1, num_decoder_layers: 1}}
train:
  max_steps: 4
  batch_tokens: 60
  validate_every: 2
  save_every: 2
  keep_last: 1
  keep_best: 1
  tensorboard: false
decode: {{beam_size: 1}}
export: {{to: []}}
"""
LONE = ("metrics.jsonl", "auto.json", ".data.lock", ".train.lock", ".train.holder", ".mtkit", "notes.txt")
FOLDERS = (
    "data",
    "parts",
    "checkpoints",
    "best",
    "model",
    "export",
    "evaluate",
    "tensorboard",
    "align",
    "mine",
)
INNER = (
    "manifest.json",
    ".mtkit",
    "notes.txt",
    "step-00000002",
    "step-00000004",
    "raw",
    "done.json",
    "000000.npz",
    "short.hyp.txt",
    "ctranslate2",
    f".tmp-data-{'ab' * 16}",
    f".tmp-step-00000002-old-{'cd' * 16}",
    f".tmp-short.hyp.txt-{'0f' * 15}",
    "clean-" + "0" * 31,
    "events.out.tfevents.1700000000.host",
)
MARK = b'{"format": "mtkit-mark", "version": 1, "id": "not an id", "kind": "mtkit-data"}\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpora, and with the run of a training in it."""
    folder = tmp_path_factory.mktemp("template")
    pairs = [
        (f"the {a} saw a {b}", f"le {a} a vu un {b}")
        for a in ["cat", "dog", "cow", "pig"]
        for b in ["axe", "bus", "car", "den", "elk"]
    ]
    for name, some in (("t.tsv", pairs), ("v.tsv", pairs[::7])):
        (folder / name).write_text("".join(f"{src}\t{tgt}\n" for src, tgt in some), "utf-8")
    (folder / "in.txt").write_text("the cat saw a bus\n\nthe dog\n", "utf-8")
    (folder / "config.yaml").write_text(CONFIG.format(run="run", root="."), "utf-8")
    result = CliRunner().invoke(app, ["train", str(folder / "config.yaml")])
    assert result.exit_code == 0, result.output
    return folder


@dataclass
class World:
    """A folder full of somebody's things, with a run of mtkit among them or not."""

    folder: Path
    rng: random.Random
    foreign: dict[Path, str] = field(default_factory=dict)

    def plant(self, path: Path, depth: int = 0) -> None:
        """Puts something of somebody's at `path`, if nothing is there."""
        if os.path.lexists(path) or not path.parent.is_dir() or path.parent.is_symlink():
            return
        kind = self.rng.choice(("file", "file", "folder", "folder", "link", "pipe", "empty"))
        if kind == "folder" and depth < 2:
            path.mkdir()
            for name in self.rng.sample(INNER, self.rng.randint(1, 4)):
                self.plant(path / name, depth + 1)
        elif kind == "link":
            path.symlink_to(
                self.rng.choice((self.folder / "outside", self.folder / "outside" / "a", Path("gone")))
            )
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "empty":
            path.mkdir()
        else:
            content = MARK if path.name == ".mtkit" else self.rng.randbytes(self.rng.choice((0, 1, 300)))
            path.write_bytes(content)
        self.foreign[path] = ""

    def remember(self) -> None:
        for path in [*self.foreign, *self.folder.joinpath("outside").rglob("*"), self.folder / "t.tsv"]:
            self.foreign[path] = what(path)

    def changed(self, but: Path | None) -> list[Path]:
        """What is not as it was; `but` is a file that the command was told to write."""
        return [path for path, before in self.foreign.items() if path != but and what(path) != before]


def what(path: Path) -> str:
    """Kind, rights and content of what stands at a path."""
    if not os.path.lexists(path):
        return "gone"
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link {path.readlink()}"
    if stat.S_ISREG(mode):
        return f"file {mode:o} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"{mode:o}"


def build(folder: Path, template: Path, rng: random.Random) -> World:
    world = World(folder, rng)
    if rng.random() < 0.6:
        shutil.copytree(template, folder)
    else:
        folder.mkdir()
        for name in ("t.tsv", "v.tsv", "in.txt"):
            shutil.copy(template / name, folder)
    (folder / "outside" / "b").mkdir(parents=True)
    for name in ("a", "b/step-00000002", "data"):
        (folder / "outside" / name).write_text("precious", "utf-8")
    run = folder / rng.choice(("run", "run", "run", "other", "outside", "."))
    if rng.random() < 0.1 and not (folder / "linked").exists():
        (folder / "linked").symlink_to(folder / "outside")
        run = folder / "linked"
    (folder / "config.yaml").write_text(CONFIG.format(run=run, root=folder), "utf-8")
    if rng.random() < 0.5:
        run.mkdir(exist_ok=True)
    places = [folder, run, *(run / name for name in FOLDERS), *(run / "checkpoints").glob("step-*")]
    for _ in range(rng.randint(1, 8)):
        place = rng.choice(places)
        world.plant(place / rng.choice((*LONE, *FOLDERS) if place in (folder, run) else INNER))
    return world


def commands(world: World) -> Iterator[tuple[list[str], Path | None]]:
    """Commands at random, each with the file that it is told to write."""
    folder, rng = world.folder, world.rng
    config = str(folder / "config.yaml")
    targets = [folder / name for name in (*LONE, *FOLDERS, "new", "run", "outside", "in.txt")]
    targets += [*world.foreign, folder / "run" / "model"]
    target = rng.choice(targets)
    model = ["-m", str(folder / "run")]
    source = ["-i", str(folder / "in.txt")]
    export = ["export", str(folder / "run"), "--sample", "1", "--to"]
    translate = ["translate", *model, *source, "-o"]
    text = str(folder / "in.txt")
    every: list[tuple[list[str], Path | None]] = [
        (["prepare", config], None),
        (["prepare", config, "--force"], None),
        (["train", config], None),
        (["train", config, "--from-scratch"], None),
        (["train", config, "train.tensorboard=true"], None),
        (["evaluate", config], None),
        ([*export, "ctranslate2", "-o", str(target)], None),
        ([*export, "huggingface", "-o", str(target)], None),
        ([*export, "argos", "-o", f"{target}.argosmodel"], None),
        ([*export, rng.choice(("ctranslate2", "huggingface", "argos"))], None),
        ([*translate, str(target)], target),
        ([*translate, str(target), "--resume"], target),
        ([*translate, str(folder / "out.txt"), "--resume"], None),
        (["config", "schema", "--write", str(target)], target),
        (["init", str(target)], None),
        (["plot", str(folder / "run")], None),
        (["plot", str(folder / "run"), "-o", f"{target}.svg"], None),
        (["data", "verify", config], None),
        (["score", *model, text, text], None),
        (["tokenize", *model, "-i", text], None),
    ]
    yield from rng.sample(every, 2)


def try_one(seed: int, folder: Path, template: Path) -> None:
    world = build(folder, template, random.Random(seed))
    for name in ("out.txt.partial", "out.txt.partial.json"):
        if world.rng.random() < 0.2:
            world.plant(folder / name)
    world.remember()
    with ExitStack() as stack:
        for path in world.foreign:  # so that a command that writes into one need not wait for a reader
            if path.is_fifo() and not path.is_symlink():
                pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
                stack.callback(os.close, pipe)
        for argv, written in commands(world):
            result = CliRunner().invoke(app, argv)
            assert result.exit_code in (0, 1, 2, 3), (seed, argv, result.output, result.exc_info)
            told = None
            if written is not None and written.is_file():  # replacing that one file was asked for
                told = Path(os.path.realpath(written))
                world.foreign.pop(told, None)
            changed = world.changed(told)
            assert not changed, (seed, argv, result.exit_code, result.output, changed)


@pytest.mark.parametrize("first", range(4))
def test_what_mtkit_did_not_make_stays(first: int, template: Path, tmp_path: Path) -> None:
    for seed in range(first, 60, 4):
        try_one(seed, tmp_path / str(seed), template)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(20))
def test_what_mtkit_did_not_make_stays_in_a_thousand_trees(
    first: int, template: Path, tmp_path: Path
) -> None:
    for seed in range(1000 + first, 2000, 20):
        try_one(seed, tmp_path / str(seed), template)
        shutil.rmtree(tmp_path / str(seed))
