"""The names inside a run folder, and which of its files mtkit may replace or remove. Does not use torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mtkit.disk.files import fault_of_name, marked_folder, remove_empty, remove_own_file, remove_own_folder
from mtkit.disk.lock import HOLDER, LOCK
from mtkit.disk.marks import check_marked, check_own, claim, described, read_mark, release
from mtkit.disk.reading import read_object
from mtkit.errors import InputError, UsageError
from mtkit.runs.exports import EXPORTS, FORMAT

DATA, PARTS, CHECKPOINTS, BEST, MODEL = "data", "parts", "checkpoints", "best", "model"
EVALUATE, TENSORBOARD, ALIGN, ADAPTER = "evaluate", "tensorboard", "align", "adapter"
METRICS_FILE, AUTO, WANDB_RUN = "metrics.jsonl", "auto.json", "wandb-run.txt"
SCORES, LOOKS, RELIABILITY = "scores.json", "looks.json", "reliability.json"
"""In `EVALUATE`."""
REPORT, CARD = "report.html", "README.md"
"""Pages for people. A user may have a file of this name, so they are checked only when they are written."""
LOG, PROGRESS = "train.log", "progress.json"
"""`PROGRESS` is in each checkpoint."""
ORIGIN = "origin.json"
"""In the folder of an imported model."""
DATA_LOCK, ALIGN_LOCK = ".data.lock", ".align.lock"

KIND = "mtkit-run"
ADAPTER_FORMAT = "mtkit-adapter"
TRANSLATIONS, CURVES = "mtkit-translations", "mtkit-tensorboard"
_ADVICE = "Choose a new or an empty folder as `run`, or one that mtkit made, with the .mtkit in it."
_WHOLE = {
    DATA: "mtkit-data",
    MODEL: "mtkit-model",
    ALIGN: "mtkit-alignment",
    ADAPTER: ADAPTER_FORMAT,
    f"{EXPORTS}/ctranslate2": FORMAT,
}
"""Folders that mtkit writes whole, with their kind."""
_MARKED = {PARTS: "mtkit-parts", EVALUATE: TRANSLATIONS, TENSORBOARD: CURVES}
"""Folders in which mtkit writes single files, with their kind."""
_STEPS = (CHECKPOINTS, BEST)
"""Folders of model folders, `step-00000100`."""
_FILES = (METRICS_FILE, LOG, AUTO, WANDB_RUN, DATA_LOCK, LOCK, HOLDER, ALIGN_LOCK)
"""Single files that mtkit writes in the run folder itself."""
_STEP = re.compile(r"step-\d{8,}")
EVENTS_SUFFIX = ".mtkit"
"""The suffix of TensorBoard's files that mtkit wrote."""


def inside(run: Path, *names: str) -> Path:
    """The path of a file in a run folder.

    Args:
        run: the folder.
        names: names of folders and, last, of the file.

    Raises:
        UsageError: a name is invalid, or would lead out of the folder.
    """
    for name in names:
        if fault := fault_of_name(name):
            raise UsageError(f"{run}: the name {name[:40]!r} {fault}.", "Choose another name.")
    return run.joinpath(*names)


def open_run(run: Path) -> None:
    """Creates a run folder, or checks that mtkit made it and everything in it that mtkit would replace.

    Raises:
        UsageError: the folder, or something in it that mtkit would replace, was not made by mtkit.
    """
    check_run(run)
    marked_folder(_real(run), KIND, ignore_hidden=True)


def check_run(run: Path) -> None:
    """Raises the errors of `open_run`, but writes nothing."""
    run = _real(run)
    check_marked(run, KIND, _ADVICE, ignore_hidden=True)
    mark = read_mark(run)
    if mark is None:
        return
    for name in (*_STEPS, EXPORTS):
        path = run / name
        if os.path.lexists(path) and (path.is_symlink() or not path.is_dir()):
            raise UsageError(f"{described(path, str(path))}: expected a folder.", "Move it elsewhere.")
    for name, kind in _WHOLE.items():
        check_own(run / name, kind)
    for name, kind in _MARKED.items():
        check_marked(run / name, kind)
    for folder in _step_folders(run):
        check_marked(folder, "mtkit-model")
    for name in _FILES:
        if os.path.lexists(run / name) and name not in mark.names:
            raise UsageError(f"{run / name}: was not written by mtkit.", "Move it elsewhere.")


def claim_in(run: Path, *names: str) -> None:
    """Records single files that are about to be written in the run folder; see `marks.claim`."""
    claim(_real(run), *names)


def _real(run: Path) -> Path:
    """The run folder itself, because the user may name it by a link."""
    return Path(os.path.realpath(run))


def _step_folders(run: Path) -> Iterator[Path]:
    for parent in _STEPS:
        if (run / parent).is_dir():
            yield from (path for path in sorted((run / parent).iterdir()) if _STEP.fullmatch(path.name))


@dataclass(frozen=True, slots=True)
class Trained:
    """The newest checkpoint of a run, and the fingerprint of the data that it was trained on."""

    folder: Path
    data: str


def find_trained(run: Path) -> Trained | None:
    """The newest checkpoint whose progress can be read; None if there is none."""
    folders = (folder for folder in _step_folders(_real(run)) if folder.parent.name == CHECKPOINTS)
    for folder in sorted(folders, key=lambda folder: int(folder.name.rpartition("-")[2]), reverse=True):
        try:
            return Trained(folder, str(read_object(folder / PROGRESS).get("data")))
        except (OSError, InputError):
            continue
    return None


def forget_training(run: Path) -> None:
    """Removes checkpoints, models with their export, and metrics; keeps prepared data and everything else.

    Raises:
        UsageError: one of them contains files that mtkit did not write; nothing is removed.
    """
    run = _real(run)
    whole = {inside(run, name): _WHOLE[name] for name in (MODEL, ADAPTER)}
    whole[run / EXPORTS / "ctranslate2"] = FORMAT
    whole |= dict.fromkeys(_step_folders(run), "mtkit-model")
    for folder, kind in whole.items():
        check_own(folder, kind)
    for folder, kind in whole.items():
        remove_own_folder(folder, kind)
    mark = read_mark(run)
    for name in (METRICS_FILE, LOG, AUTO):
        if mark and name in mark.names:
            remove_own_file(run / name)
            release(run, name)
    events = inside(run, TENSORBOARD)
    if read_mark(events):
        for path in events.glob(f"events.out.tfevents.*{EVENTS_SUFFIX}"):
            remove_own_file(path)
    for name in (*_STEPS, TENSORBOARD):
        remove_empty(run / name)
