"""What a run has learned from: prepared data are not replaced by others under its checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from mtkit.config.changes import Change, compare
from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.data.prepare.parts import digest_of
from mtkit.disk.manifest import MANIFEST
from mtkit.disk.reading import read_object
from mtkit.errors import ConfigError, InputError
from mtkit.runs.exports import CONFIG
from mtkit.runs.layout import Trained

_REPORTED = ("data.test", "data.extra_valid")
"""Options of sets that are only reported."""

_OTHER = re.compile(
    r"(?!seed$|data\.|text\.|tokenizer\.|decode\.target_tag$).*|data\.(num_workers|root|max_dropped|mixing\b.*)"
    r"|data\.(train\.\d+|valid|extra_valid\..*|test\..*)\.(src|tgt|path)|tokenizer\.(path|max_unknown)"
)
"""Options that do not decide prepared data; the contents of files are compared instead of their names."""

_SHARD_FILES = ("ids.bin", "offsets.bin", "lengths.bin")


def fingerprint_of(folder: Path, shards: Sequence[str], texts: Sequence[str], tokenizer: str) -> str:
    """A hash that is equal for equal training and validation ids, validation texts and tokenizers.

    Args:
        folder: of the prepared data.
        shards: names of its shards that count.
        texts: names of its text files that count.
        tokenizer: fingerprint of the tokenizer.
    """
    found: list[Any] = [tokenizer]
    for name in shards:
        manifest = read_object(folder / name / MANIFEST)
        files = [manifest["files"][file]["sha256"] for file in _SHARD_FILES]
        found.append([manifest["dtype"], manifest["segmentations"], files])
    found += [(folder / name).read_bytes() for name in texts]
    return digest_of(*found)


def changes_of_data(
    config: Config, trained: Trained, old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    """What differs from the data that a run was trained on: in what it learns from, and in what is reported.

    Args:
        config: of the new data.
        trained: the newest checkpoint.
        old: the manifest of the data that it was trained on, if they are still there.
        new: the manifest of the new data, as far as it is known.
    """
    told = list(_changed_files(old, new)) if old else []
    told += [(change.key, change.values) for change in _changed_options(config, trained.folder)]
    learned = [line for key, line in told if not key.startswith(_REPORTED)]
    return learned, [line for key, line in told if key.startswith(_REPORTED)]


def _changed_files(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each option whose files differ between two manifests, and what differs."""
    before, after = _files(old), _files(new)
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key, []), after.get(key, [])
        if was and now and [sha for _, sha in was] == [sha for _, sha in now]:
            continue
        if not was or not now:
            yield key, f"{key} ({_names(was or now)}) {'is new' if now else 'is gone'}"
        elif _names(was) != _names(now):
            yield key, f"{key}: {_names(was)} → {_names(now)}"
        else:
            changed = [one for one, other in zip(was, now, strict=True) if one != other]
            yield key, f"{_names(changed)} ({key}) {'has' if len(changed) == 1 else 'have'} other content"


def _files(manifest: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """The name and the hash of each input file, by the option that names it (none before mtkit noted it)."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in manifest["inputs"]:
        if "of" in entry:
            found.setdefault(entry["of"], []).append((PurePath(entry["path"]).name, entry["sha256"]))
    return found


def _names(files: Sequence[tuple[str, str]]) -> str:
    names = [name for name, _ in files]
    return " + ".join(names) if len(names) <= 3 else f"{names[0]} … {names[-1]}"


def _changed_options(config: Config, checkpoint: Path) -> list[Change]:
    """The options that decide the data and differ from those of a checkpoint; none if they are unreadable."""
    try:
        changes = compare(load_config([checkpoint / CONFIG]).config, config)
    except (ConfigError, InputError):
        return []
    return deciding(changes)


def deciding(changes: Sequence[Change]) -> list[Change]:
    """The changes of options that decide prepared data."""
    return [change for change in changes if not _OTHER.fullmatch(change.key)]


def other_data(run: Path, told: Sequence[str]) -> InputError:
    """The error for a run whose checkpoints were trained on other data; `told` is what differs."""
    what = f" {'; '.join(told)}." if told else ""
    return InputError(
        f"{run}: was trained on other data or with another tokenizer.{what}",
        f"Choose another `run`, with train.init_from={run} to start from this model; or start over with "
        "--from-scratch. `mtkit prepare --replace-data` replaces the data of this run.",
    )
