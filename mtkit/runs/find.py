"""Finds the model that a command means, even if none is named. Does not use torch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mtkit.disk.reading import ordinary_file, read_object, unlinked, using
from mtkit.errors import ConfigError, InputError, UsageError
from mtkit.runs.exports import EXPORTS, WEIGHTS, is_export
from mtkit.runs.layout import BEST, CHECKPOINTS, PROGRESS

if TYPE_CHECKING:
    from mtkit.config.schema import Config

VARIABLE = "MTKIT_MODEL"
HINT = "Train one with `mtkit train`, or name one with -m."

Loaded = TypeVar("Loaded")


@dataclass(frozen=True, slots=True)
class Found:
    """A model and why it was chosen.

    Attributes:
        folder: the model folder.
        run: the run folder that it belongs to, or `folder` itself if that was named.
        reason: why it was chosen, for the user; empty if it was named.
    """

    folder: Path
    run: Path
    reason: str = ""

    def __str__(self) -> str:
        here = Path.cwd()
        shown = self.run.relative_to(here) if self.run.is_relative_to(here) else self.run
        return f"{shown} ({self.reason})" if self.reason else str(shown)


def model_folder(path: Path) -> Path | None:
    """The model at `path`: the folder itself or, in a run, the final, last best or last model.

    An export to CTranslate2 is a model too; in a run it is used only if there is no other.

    Raises:
        InputError: the path to it inside the run contains a link.
    """
    if is_export(path):
        return path
    for place in (".", "model", "best/step-*", "checkpoints/step-*"):
        if found := sorted(path.glob(f"{place}/{WEIGHTS}")):
            return unlinked(path, found[-1].parent)
    export = path / EXPORTS / "ctranslate2"
    return unlinked(path, export) if is_export(export) else None


def trained_model(path: Path, hint: str = HINT) -> Path:
    """The model at `path`, as by `model_folder`; `InputError` with this hint if there is none.

    Looks again if training replaced models in the meantime.
    """
    while True:
        before = _manifests(path)
        if (folder := model_folder(path)) is not None:
            return folder
        if _manifests(path) == before:
            raise InputError(f"{path}: there is no trained model in it.", hint)


def checkpoint_of(run: Path, which: str) -> Path:
    """The model folder of one of the checkpoints of a run.

    Args:
        run: the run folder.
        which: best, last, or the number of a step.

    Raises:
        InputError: there is no such checkpoint.
        UsageError: `which` is something else.
    """
    kept = {parent: _steps(run / parent) for parent in (BEST, CHECKPOINTS)}
    match which:
        case "last":
            step = max(kept[CHECKPOINTS], default=None)
        case "best":
            step = _best_step(run, kept[CHECKPOINTS])
        case _ if which.isdecimal():
            step = int(which)
        case _:
            raise UsageError(f"--checkpoint {which}: unknown value.", "Choose best, last or a step.")
    for parent in (CHECKPOINTS, BEST) if which == "last" else (BEST, CHECKPOINTS):
        if step in kept[parent]:
            return unlinked(run, kept[parent][step])
    there = "; ".join(f"{name}: {', '.join(map(str, steps)) or 'none'}" for name, steps in kept.items())
    raise InputError(f"{run}: there is no checkpoint {which}.", f"There are {there}.")


def _steps(parent: Path) -> dict[int, Path]:
    """The model folders under `parent` by step."""
    found = {path.parent.name: path.parent for path in sorted(parent.glob(f"step-*/{WEIGHTS}"))}
    return {int(name[5:]): path for name, path in found.items() if name[5:].isdecimal()}


def _best_step(run: Path, checkpoints: Mapping[int, Path]) -> int | None:
    """The step of the best model, as the newest checkpoint knows it."""
    if not checkpoints:
        return None
    path = checkpoints[max(checkpoints)] / PROGRESS
    try:
        with using(path, "Name a step instead."):
            return int(read_object(path)["best"][0][1])
    except FileNotFoundError:
        return None


def config_of(folder: Path, overrides: Sequence[str] = ()) -> Config:
    """The config of a model folder; read first of all its files, and only if it is an ordinary file.

    Raises:
        InputError: the file is a link or a pipe.
        ConfigError: the file cannot be read, or it or `overrides` are invalid.
    """
    from mtkit.config.load import load_config

    path = folder / "config.yaml"
    with contextlib.suppress(OSError):  # the loader reports why it cannot be read
        ordinary_file(path)
    return load_config([path], overrides).config


def languages_of(folder: Path) -> tuple[str, str]:
    """The source and the target language of a model folder; empty for an export alone, without its config."""
    if is_export(folder):
        return "", ""
    data = config_of(folder).data
    return data.src_lang, data.tgt_lang


def read_model(path: Path, load: Callable[[Path], Loaded]) -> Loaded:
    """`load(folder)` for the model at `path`; repeated if training replaced it in the meantime.

    Raises:
        InputError: there is no model, or it cannot be used.
    """
    while True:
        before = _manifests(path)
        try:
            return load(trained_model(path))
        except (InputError, ConfigError, FileNotFoundError):  # any of its files may be gone
            if _manifests(path) == before:
                raise


def _manifests(path: Path) -> list[tuple[str, int]]:
    """The manifests under `path`, each with its inode number, which changes when it is replaced."""
    found = []
    for place in (".", "model", "best/step-*", "checkpoints/step-*"):
        for manifest in path.glob(f"{place}/manifest.json"):
            with contextlib.suppress(OSError):
                found.append((str(manifest), manifest.stat().st_ino))
    return sorted(found)


def find_model(named: Path | None = None) -> Found:
    """The model to use: the named one, else from $MTKIT_MODEL, the config here, or the newest run.

    Args:
        named: a run folder, a model folder or a config file.

    Raises:
        InputError: there is no model, or none at the named place.
        ConfigError: the named config, or ./mtkit.yaml, is invalid.
    """
    if named is not None:
        return _named(named)
    if value := os.environ.get(VARIABLE):
        return _named(Path(value), f"${VARIABLE}")
    for run, reason in _runs_here():
        if folder := model_folder(run):
            return Found(folder, run, reason)
    raise InputError(
        f"no model: neither -m nor ${VARIABLE} is set, and there is no trained run of a config in this "
        "folder or under ./runs.",
        HINT,
    )


def find_run() -> Path:
    """The run of the config here or, without one, the newest run with a model; it may not be trained yet.

    Raises:
        InputError: there is neither.
        ConfigError: ./mtkit.yaml is invalid.
    """
    for run, _ in _runs_here():
        return run
    raise InputError(
        "no run: there is no mtkit.yaml in this folder, and no trained run under ./runs.", "Name one."
    )


def _named(path: Path, reason: str = "") -> Found:
    if not path.exists():
        raise InputError(f"{path}: there is no such run folder, model folder or config file.", HINT)
    run = _run_of(path) if path.is_file() else path.resolve()
    return Found(trained_model(run), run, reason)


def _runs_here() -> Iterator[tuple[Path, str]]:
    """Candidate runs in the current folder, the most likely first."""
    here = Path.cwd()
    config = here / "mtkit.yaml"
    if config.is_file():
        yield _run_of(config), f"of ./{config.name}"
    else:
        configs = list(_loadable(here))
        if len(configs) == 1:
            yield configs[0][1], f"of ./{configs[0][0].name}"
    trained = [(folder.stat().st_mtime, run) for run in here.glob("runs/*") if (folder := model_folder(run))]
    for _, run in sorted(trained, reverse=True):
        yield run, "newest under ./runs"


def _loadable(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The valid configs in `folder`, with their runs."""
    for path in sorted(filter(Path.is_file, folder.glob("*.yaml"))):  # reading a pipe could block
        try:
            yield path, _run_of(path)
        except ConfigError:
            continue


def _run_of(config: Path) -> Path:
    # Imported here: a model named directly needs no config, and the import is half of the start-up time.
    from mtkit.config.load import load_config

    return load_config([config]).config.run
