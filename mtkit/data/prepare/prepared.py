"""Opens the data that `prepare` wrote, for training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtkit.config.schema import Config
from mtkit.config.sources import CutSource
from mtkit.data.clean.leaks import Leaks, read_leaks
from mtkit.data.prepare.clean_parts import SentenceCount
from mtkit.data.prepare.inputs import check_inputs, said, settings_of
from mtkit.data.prepare.ledger import Ledger
from mtkit.data.prepare.matches import MATCHES, Matches, open_matches
from mtkit.data.prepare.shards import Shard, open_shard
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_corpus
from mtkit.disk.manifest import MANIFEST, read_manifest
from mtkit.disk.reading import using
from mtkit.errors import InputError
from mtkit.runs.layout import DATA, inside
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

FORMAT = "mtkit-data"
VERSION = 6
"""Version of the folder's layout and of the treatment of text; another version is prepared again."""

_AGAIN = "Run `mtkit prepare --force`."


@dataclass(frozen=True, slots=True)
class ValidSet:
    """A validation set: ids, normalised sources, raw references and tags of each pair."""

    shard: Shard
    srcs: list[str]
    refs: list[str]
    tags: list[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Prepared data.

    Attributes:
        train: a shard for each training corpus.
        valid: the validation set that decides which model is best and when to stop.
        valid_srcs: the normalised source of each of its pairs.
        valid_refs: the reference of each as it was read, without white space at the ends.
        valid_tags: the tags of each.
        extra_valid: further sets by name; their scores are only reported.
        fingerprint: equal if the training shards, the validation set and the tokenizer are equal.
        sentences: of the sources of training pairs; None if an older mtkit prepared them.
        matches: of the training pairs; None without `data.memory`. Validation sources have theirs already.
    """

    train: tuple[Shard, ...]
    valid: Shard
    valid_srcs: list[str]
    valid_refs: list[str]
    valid_tags: list[tuple[str, ...]]
    extra_valid: dict[str, ValidSet]
    tokenizer: Tokenizer
    fingerprint: str
    sentences: SentenceCount | None = None
    matches: Matches | None = None

    @property
    def num_pairs(self) -> int:
        """The number of training pairs."""
        return sum(len(shard) for shard in self.train)


def is_prepared(config: Config) -> bool:
    """Whether `open_prepared` would succeed."""
    try:
        open_prepared(config)
    except InputError:
        return False
    return True


def has_settings(config: Config) -> bool:
    """Whether data were prepared with the options of this config; their files are not looked at."""
    try:
        return read_data_manifest(inside(config.run, DATA)).get("settings") == settings_of(config)
    except InputError:
        return False


def open_prepared(config: Config) -> Prepared:
    """The data that `prepare(config)` wrote.

    Missing input files only cause a warning, because prepared data can be moved without them.

    Raises:
        InputError: the data are missing, damaged, or were prepared from other options or files.
    """
    folder = inside(config.run, DATA)
    if not (folder / MANIFEST).exists():
        raise InputError(f"{folder}: no prepared data.", "Run `mtkit prepare`.")
    manifest = read_data_manifest(folder)
    if said(manifest.get("settings")) != said(settings_of(config)):
        raise InputError(f"{folder}: was prepared with other options.", "Run `mtkit prepare` again.")
    with using(folder / MANIFEST, _AGAIN):
        check_inputs(config, manifest.get("inputs", []))
        sentences = read_sentences(manifest)
    valid = _open_valid(folder, "valid")
    train = tuple(open_shard(folder / train_name(n)) for n in range(len(config.data.corpora)))
    tokenizer = load_tokenizer(folder, config.text)
    matches = None
    if config.data.memory:
        [separator] = tokenizer.match([])
        matches = open_matches(folder / MATCHES, separator, sum(map(len, train)))
    prepared = Prepared(
        train=train,
        valid=valid.shard,
        valid_srcs=valid.srcs,
        valid_refs=valid.refs,
        valid_tags=valid.tags,
        extra_valid={name: _open_valid(folder, f"valid.{name}") for name in config.data.extra_valid},
        tokenizer=tokenizer,
        fingerprint=str(manifest.get("fingerprint")),
        sentences=sentences,
        matches=matches,
    )
    shards = (*prepared.train, prepared.valid, *(extra.shard for extra in prepared.extra_valid.values()))
    if any(shard.meta.get("tokenizer") != prepared.tokenizer.fingerprint for shard in shards):
        raise InputError(f"{folder}: tokenizer and shards do not match.", _AGAIN)
    return prepared


def read_sentences(manifest: Mapping[str, Any]) -> SentenceCount | None:
    """The sentences per pair in the manifest of prepared data; None if an older mtkit wrote it."""
    found = manifest.get("sentences")
    if found is None:
        return None
    return SentenceCount(int(found["pairs"]), float(found["mean"]), float(found["several"]))


def _open_valid(folder: Path, name: str) -> ValidSet:
    found = ValidSet(open_shard(folder / name), *read_split(folder, name))
    if not len(found.shard) == len(found.srcs) == len(found.refs) == len(found.tags):
        raise InputError(f"{folder}: the texts and the shard of {name} do not match.", _AGAIN)
    return found


def verify_prepared(config: Config) -> int:
    """Compares each file of the prepared data with its recorded hash; returns the number of files.

    Raises:
        InputError: a file is missing or has changed.
    """
    open_prepared(config)
    manifest = read_manifest(inside(config.run, DATA), FORMAT, VERSION)
    return len(manifest["files"])


def read_test(config: Config, name: str) -> list[Pair]:
    """The pairs of a test set, from files or cut from the training pairs.

    Raises:
        InputError: the set cannot be read, or it is cut from training pairs and the data are not prepared.
    """
    source = config.data.test[name]
    if not isinstance(source, CutSource):
        return list(read_corpus(config.data, source))
    open_prepared(config)
    path = inside(config.run, DATA) / f"test.{name}.src.txt"
    lines = enumerate(zip(*read_split(path.parent, f"test.{name}"), strict=True), start=1)
    return [Pair(src, ref, f"{path}:{number}", tags) for number, (src, ref, tags) in lines]


def read_ledger(config: Config) -> Ledger:
    """The ledger of the prepared data of a run.

    Raises:
        InputError: there are no prepared data, or they are damaged.
    """
    folder = inside(config.run, DATA)
    manifest = read_data_manifest(folder)
    with using(folder / MANIFEST, _AGAIN):
        return Ledger.from_json(manifest["ledger"])


def leaks_of(config: Config, name: str) -> Leaks | None:
    """How much of a test set occurs in the training data; None without matching prepared data."""
    try:
        manifest = read_data_manifest(inside(config.run, DATA))
    except InputError:
        return None
    if said(manifest.get("settings")) != said(settings_of(config)):
        return None
    with using(inside(config.run, DATA) / MANIFEST, _AGAIN):
        found = read_leaks(manifest["leaks"])
        return next((leaks for leaks in found if leaks.name == f"test.{name}"), None)


# ---------------------------------------------------------------- the folder


def read_data_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the prepared data in `folder`.

    Raises:
        InputError: there is none, or it has another version.
    """
    return read_manifest(folder, FORMAT, VERSION, hashes=False)


def train_name(number: int) -> str:
    """The name of the shard of a training corpus, by its number."""
    return f"train-{number:03}"


def read_split(folder: Path, name: str) -> tuple[list[str], list[str], list[tuple[str, ...]]]:
    """The sources, references and tags of a held-out set."""
    srcs, refs, tags = (_read_texts(folder / f"{name}.{kind}.txt") for kind in ("src", "ref", "tags"))
    return srcs, refs, [tuple(line.split()) for line in tags]


def _read_texts(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}.", _AGAIN) from error
