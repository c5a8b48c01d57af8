"""The scores that are kept in a run folder, `RUN/evaluate/scores.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtkit.disk.files import marked_folder, write_text
from mtkit.disk.marks import claim, read_mark
from mtkit.disk.reading import read_object, using
from mtkit.evaluate.evaluate import Evaluated
from mtkit.runs.layout import EVALUATE, KIND, SCORES, TRANSLATIONS, inside, open_run

VERSION = 1
_ANEW = "Delete it; `mtkit evaluate` writes it again."


def results_folder(run: Path, *, private: bool) -> Path:
    """The folder of a run for translations of test sets and their scores; created if necessary."""
    open_run(run)
    return marked_folder(inside(run, EVALUATE), TRANSLATIONS, private=private)


def is_run(path: Path) -> bool:
    """Whether the folder is a run folder of mtkit."""
    mark = read_mark(path)
    return mark is not None and mark.kind == KIND


def as_json(result: Evaluated) -> dict[str, object]:
    """The result in plain JSON values."""
    return {
        "system": result.system,
        "test": result.test,
        "hyps": str(result.hyps),
        "num_pairs": result.num_pairs,
        "scores": [asdict(score) for score in result.scores],
        "blank_hyps": result.blank_hyps,
        "blank_refs": result.blank_refs,
        "leaked": result.leaked,
    }


def read_scores(run: Path) -> list[dict[str, Any]]:
    """All scores that were kept in a run folder, one entry for each model and test set, oldest first.

    Raises:
        InputError: the file cannot be read.
    """
    return read_entries(run, SCORES, "scores", VERSION, _ANEW)


def read_entries(run: Path, name: str, member: str, version: int, hint: str) -> list[dict[str, Any]]:
    """The entries of a file of `evaluate` in a run folder; none if there is no such file.

    Args:
        run: the folder.
        name: of the file.
        member: of its object that lists them.
        version: that it must have.
        hint: what to do about a damaged one.

    Raises:
        InputError: the file cannot be read, or has another version.
    """
    path = inside(run, EVALUATE, name)
    try:
        values = read_object(path)
    except FileNotFoundError:
        return []
    with using(path, hint):
        if values["version"] != version:
            raise ValueError(f"version {values['version']}")
        return [dict(entry) for entry in values[member]]


def keep_entries(
    run: Path,
    name: str,
    member: str,
    version: int,
    entries: Sequence[Mapping[str, Any]],
    hint: str,
    identity: Callable[[Mapping[str, Any]], object],
) -> None:
    """Adds entries to a file in the `evaluate` folder of a run; those of the same identity are replaced.

    Args:
        run: a run folder with an `evaluate` folder.
        name: of the file.
        member: of its object that lists the entries.
        version: of the file.
        entries: to add.
        hint: what to do about a damaged file.
        identity: of an entry.

    Raises:
        InputError: the file is there, but cannot be read.
    """
    fresh = [identity(entry) for entry in entries]
    kept = [old for old in read_entries(run, name, member, version, hint) if identity(old) not in fresh]
    folder = inside(run, EVALUATE)
    claim(folder, name)
    text = json.dumps({"version": version, member: [*kept, *entries]}, indent=1, ensure_ascii=False)
    write_text(folder / name, text + "\n")


def stored_entry(run: Path, result: Evaluated, model: str) -> dict[str, Any] | None:
    """What a run folder keeps of the same model, test set and form; None if nothing."""
    wanted = _identity({"model": model} | as_json(result))
    return next((entry for entry in read_scores(run) if _identity(entry) == wanted), None)


def keep_score(run: Path, result: Evaluated, model: str, engine: str, search: Mapping[str, Any]) -> None:
    """Adds a result to those of a run folder; one of the same model, test set and form is replaced.

    Args:
        run: a run folder with an `evaluate` folder.
        result: of a test set.
        model: the folder of the model, relative to the run.
        engine: name of the engine.
        search: search options that differ from their defaults.
    """
    entry = {"model": model} | as_json(result) | {"hyps": result.hyps.name}
    del entry["system"]  # which is the run itself
    entry |= {"engine": engine, "search": dict(search)}
    keep_entries(run, SCORES, "scores", VERSION, [entry], _ANEW, _identity)


def _identity(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """The model, the test set and the name of the form of an entry."""
    forms = {form.partition("|")[0] for score in entry["scores"] if (form := score.get("form"))}
    return entry.get("model"), entry.get("test"), frozenset(forms)
