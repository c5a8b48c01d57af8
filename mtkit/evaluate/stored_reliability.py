"""How well confidence agrees with quality, as kept in `RUN/evaluate/reliability.json`. Does not use torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtkit.disk.manifest import MANIFEST
from mtkit.disk.reading import read_object, using
from mtkit.evaluate.confidence_quality import ConfidenceQuality, ReliabilityBin
from mtkit.evaluate.record import keep_entries, read_entries, results_folder
from mtkit.runs.layout import EVALUATE, RELIABILITY, inside

VERSION = 1
_ANEW = "Delete it; `mtkit confidence check` writes it again."
_FIGURES = ("worst_auroc", "spearman", "spearman_mean")


def keep_reliability(run: Path, model: str, found: Mapping[str, ConfidenceQuality], *, private: bool) -> None:
    """Keeps the figures of a model; those of the same model and test set are replaced.

    Args:
        run: the run folder.
        model: the folder of the model, relative to the run.
        found: figures by test set.
        private: whether others must not read the files.
    """
    results_folder(run, private=private)
    digest = _digest(run / model)
    entries = [
        {"model": model, "digest": digest, "test": test} | asdict(quality) for test, quality in found.items()
    ]
    keep_entries(run, RELIABILITY, "tests", VERSION, entries, _ANEW, _identity)


def read_reliability(run: Path, model: str) -> dict[str, ConfidenceQuality]:
    """The figures that were kept of this very model, by test set.

    Raises:
        InputError: the file cannot be read.
    """
    entries = read_entries(run, RELIABILITY, "tests", VERSION, _ANEW)
    with using(inside(run, EVALUATE, RELIABILITY), _ANEW):
        return {
            str(entry["test"]): _quality(entry)
            for entry in entries
            if (entry["model"], entry["digest"]) == (model, _digest(run / model))
        }


def _digest(folder: Path) -> str:
    """The digest of a model folder, which changes when its confidence is fitted again."""
    return str(read_object(folder / MANIFEST)["digest"])


def _identity(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return entry.get("model"), entry.get("test")


def _quality(entry: Mapping[str, Any]) -> ConfidenceQuality:
    bins = tuple(
        ReliabilityBin(
            float(each["low"]),
            float(each["high"]),
            int(each["count"]),
            float(each["confidence"]),
            float(each["quality"]),
        )
        for each in entry["bins"]
    )
    figures = (None if entry[name] is None else float(entry[name]) for name in _FIGURES)
    return ConfidenceQuality(int(entry["count"]), bins, float(entry["calibration_error"]), *figures)
