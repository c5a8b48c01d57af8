"""The closer looks that are kept in a run folder, `RUN/evaluate/looks.json`. Does not use torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtkit.disk.reading import using
from mtkit.evaluate.buckets import Breakdown, Bucket
from mtkit.evaluate.closer import Look
from mtkit.evaluate.evaluate import Evaluated
from mtkit.evaluate.figures import Figure
from mtkit.evaluate.record import keep_entries, read_entries
from mtkit.evaluate.systems import Job, place_of
from mtkit.runs.find import Found
from mtkit.runs.layout import EVALUATE, LOOKS, inside

VERSION = 1
_ANEW = "Delete it; `mtkit evaluate --breakdown all` writes it again."


def hyps_digest(hyps: Sequence[str]) -> str:
    """A digest of translations, by which looks are dropped that are about others."""
    return hashlib.sha256("\n".join(hyps).encode("utf-8", "surrogatepass")).hexdigest()


def keep_looks(jobs: Sequence[Job], results: Sequence[Evaluated], looks: Sequence[Look]) -> None:
    """Adds the tables of models to those in their run folders; one of the same kind is replaced.

    Args:
        jobs: the systems.
        results: of all jobs, in their order; those that missed a bound of regression are not kept.
        looks: of the same results.
    """
    own = [job for job in jobs for _ in job.sets]
    for job, result, look in zip(own, results, looks, strict=True):
        if not isinstance(job.system, Found) or result.regressions:
            continue
        home, model = place_of(job.system, job.config)
        digest = hyps_digest(result.texts.hyps)
        fresh = [
            {"model": model, "test": look.test, "hyps": digest} | asdict(table) for table in look.breakdowns
        ]
        keep_entries(home, LOOKS, "looks", VERSION, fresh, _ANEW, _identity)


def read_looks(run: Path, model: str, test: str, hyps: Sequence[str]) -> list[Breakdown]:
    """The tables that were kept about these translations.

    Args:
        run: the run folder.
        model: the folder of the model, relative to the run.
        test: name of the test set.
        hyps: its translations by the model.

    Raises:
        InputError: the file cannot be read.
    """
    wanted = (model, test, hyps_digest(hyps))
    with using(inside(run, EVALUATE, LOOKS), _ANEW):
        return [
            _breakdown(entry)
            for entry in _read(run)
            if (entry["model"], entry["test"], entry["hyps"]) == wanted
        ]


def _read(run: Path) -> list[dict[str, Any]]:
    return read_entries(run, LOOKS, "looks", VERSION, _ANEW)


def _identity(entry: Mapping[str, Any]) -> tuple[object, ...]:
    return entry.get("model"), entry.get("test"), entry.get("by")


def _breakdown(entry: Mapping[str, Any]) -> Breakdown:
    buckets = (
        Bucket(str(each["label"]), int(each["size"]), tuple(map(_figure, each["figures"])))
        for each in entry["buckets"]
    )
    return Breakdown(entry["by"], entry["unit"], tuple(buckets))


def _figure(values: Mapping[str, Any]) -> Figure:
    return Figure(
        str(values["title"]),
        bool(values["higher_is_better"]),
        tuple(map(float, values["values"])),
        tuple(values["p_values"]),
        tuple(values["adjusted"]),
    )
