"""Which folders are runs of mtkit, and what of them a training that begins anew may remove. Free of torch."""

from __future__ import annotations

import contextlib
from pathlib import Path

from mtkit.errors import UsageError
from mtkit.exported import EXPORTS
from mtkit.files import remove_tree

_MARKS = ("data/manifest.json", "model/manifest.json", "checkpoints", "best", "parts", "metrics.jsonl")
_LOCKS = (".data.lock", ".train.lock")
_TRAINED = (
    "checkpoints/step-????????",
    "checkpoints/.tmp-step-*",
    "best/step-????????",
    "best/.tmp-step-*",
    "metrics.jsonl",
    "auto.json",
    "tensorboard/events.out.tfevents.*",
)


def check_run(run: Path) -> None:
    """Nothing, if mtkit may write into this folder: it is new, empty, or a run already.

    Raises:
        UsageError: it holds other things.
    """
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run}: is a file, expected a folder.", "Choose another `run`.")
    held = sorted(path.name for path in run.iterdir()) if run.is_dir() else []
    foreign = [name for name in held if not name.startswith(".")]
    if foreign and not any((run / name).exists() for name in (*_MARKS, *_LOCKS)):
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise UsageError(
            f"{run}: is not a run folder of mtkit: it holds {', '.join(foreign[:3])}{more}.",
            "Choose a new or an empty folder as `run`.",
        )


def forget_training(run: Path) -> None:
    """Removes checkpoints, models with their export, and records; prepared data and all else stay."""
    for pattern in _TRAINED:
        for path in run.glob(pattern):
            remove_tree(path)
    for made in (run / "model", run / EXPORTS / "ctranslate2"):
        if (made / "manifest.json").is_file():
            remove_tree(made)
    for name in ("checkpoints", "best", "tensorboard"):
        with contextlib.suppress(OSError):  # something else is in it, or it is not there
            (run / name).rmdir()
