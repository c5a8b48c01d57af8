"""From the corpora of a config to a folder that training reads: filtered, tokenised, verifiable.

    run/data/  manifest.json · tokenizer.model · train-000/ … · valid/ · valid.src.txt · valid.ref.txt

Text streams through it: what grows with the corpora is the hashes that find duplicates, and the disk.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import filelock

from mtkit.config.schema import Config, Filter, Source
from mtkit.data.filters import build_filters, build_token_filters, named
from mtkit.data.inputs import check_inputs, fingerprint_of, record_inputs, settings_of
from mtkit.data.pair import Pair
from mtkit.data.readers import read_pairs, source_name
from mtkit.data.shards import Shard, batches, open_shard, write_shard
from mtkit.errors import InputError, MtkitError
from mtkit.files import atomic_folder, read_manifest
from mtkit.text.normalize import normalize
from mtkit.text.tokenizer import Tokenizer, default_coverage, load_tokenizer, train_tokenizer

logger = logging.getLogger(__name__)

FORMAT = "mtkit-data"
VERSION = 1
"""Of the folder's layout and of what is done to text; a folder of another version is made anew."""

_PAIRS_AT_ONCE = 4096

Progress = Callable[[str, int, int | None], None]
"""Called now and then with what is being done, how many pairs are done, and of how many (None: not known)."""


@dataclass(slots=True)
class LedgerRow:
    """What became of one corpus: `read` is `kept` plus the sum of `dropped`.

    Attributes:
        source: name of the corpus.
        dropped: pairs by the filter that dropped them, in the order of the filters.
    """

    source: str
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    kept: int = 0


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What `prepare` did, or had done before.

    Attributes:
        up_to_date: nothing had to be done.
        src_tokens: of all training pairs, without BOS and EOS; `tgt_tokens` likewise.
    """

    folder: Path
    up_to_date: bool
    ledger: tuple[LedgerRow, ...]
    train_pairs: int
    src_tokens: int
    tgt_tokens: int
    valid_pairs: int
    vocab_size: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """What training reads.

    Attributes:
        valid_srcs: normalised source of each validation pair.
        valid_refs: its reference as it stands in the file, but for white space at its ends.
        fingerprint: equal if the options, the input files and the tokenizer were equal.
    """

    train: tuple[Shard, ...]
    valid: Shard
    valid_srcs: list[str]
    valid_refs: list[str]
    tokenizer: Tokenizer
    fingerprint: str


def prepare(config: Config, progress: Progress | None = None, *, force: bool = False) -> PrepareReport:
    """Write `config.run / "data"`, unless it is there and nothing that it depends on has changed.

    An interrupted call leaves the old folder or none. A second process waits for the first.

    Raises:
        InputError: a corpus cannot be read, or nothing of the training data is left.
        MtkitError: the folder cannot be written.
    """
    folder = config.run / "data"
    with _only_one(folder):
        if not force:
            try:
                open_prepared(config)
                return _report(folder, _manifest(folder), up_to_date=True)
            except InputError as error:
                logger.debug("preparing, since %s", error)
        for left_behind in config.run.glob(f".tmp-{folder.name}-*"):
            shutil.rmtree(left_behind)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "settings": settings_of(config),
            "inputs": record_inputs(config),
        }
        with atomic_folder(folder, manifest) as part:
            manifest |= _Work(config, part, progress or (lambda phase, done, total: None)).run()
            manifest["fingerprint"] = fingerprint_of(manifest)
        return _report(folder, manifest, up_to_date=False)


def is_prepared(config: Config) -> bool:
    """Whether `open_prepared` would succeed."""
    try:
        open_prepared(config)
    except InputError:
        return False
    return True


def open_prepared(config: Config) -> Prepared:
    """The data that `prepare(config)` wrote.

    Input files that are no longer there are let pass with a warning: the folder can travel without them.

    Raises:
        InputError: there are none, they were made from other options or files, or they are damaged.
    """
    folder = config.run / "data"
    if not (folder / "manifest.json").exists():
        raise InputError(f"{folder}: there are no prepared data.", "Run mtkit prepare.")
    manifest = _manifest(folder)
    if manifest.get("settings") != settings_of(config):
        raise InputError(f"{folder}: was made from other options.", "Run mtkit prepare again.")
    check_inputs(config, manifest.get("inputs", []))
    prepared = Prepared(
        train=tuple(open_shard(folder / _train_name(n)) for n in range(len(config.data.train))),
        valid=open_shard(folder / "valid"),
        valid_srcs=_read_texts(folder / "valid.src.txt"),
        valid_refs=_read_texts(folder / "valid.ref.txt"),
        tokenizer=load_tokenizer(folder / "tokenizer.model"),
        fingerprint=str(manifest.get("fingerprint")),
    )
    shards = (*prepared.train, prepared.valid)
    if any(shard.meta.get("tokenizer") != prepared.tokenizer.fingerprint for shard in shards):
        raise InputError(
            f"{folder}: tokenizer and shards do not belong together.", "Run mtkit prepare --force."
        )
    if not len(prepared.valid) == len(prepared.valid_srcs) == len(prepared.valid_refs):
        raise InputError(f"{folder}: validation text and shard do not agree.", "Run mtkit prepare --force.")
    return prepared


# ---------------------------------------------------------------- the work


class _Work:
    """One run of prepare into the folder `part`."""

    def __init__(self, config: Config, part: Path, progress: Progress) -> None:
        self.config = config
        self.data = config.data
        self.part = part
        self.progress = progress
        self.ledger = [LedgerRow(source_name(source)) for source in self.data.train]

    def run(self) -> dict[str, Any]:
        """Do it all; what the manifest tells of it."""
        self._write_valid_texts()
        verdicts = build_filters(self.data.filters, self._held_out())
        for row, source, path in zip(self.ledger, self.data.train, self._text_files(), strict=True):
            _write_texts(path, (f"{pair.src}\t{pair.tgt}" for pair in self._kept(row, source, verdicts)))
        self._check_anything_left()
        tokenizer = self._train_tokenizer()
        shards = [self._write_train_shard(n, tokenizer) for n in range(len(self.ledger))]
        self._check_anything_left()
        valid = self._write_valid_shard(tokenizer)
        return {
            "tokenizer": tokenizer.fingerprint,
            "vocab_size": tokenizer.size,
            "train_pairs": sum(len(shard) for shard in shards),
            "src_tokens": sum(int(shard.lengths[:, 0].sum()) for shard in shards),
            "tgt_tokens": sum(int(shard.lengths[:, 1].sum()) for shard in shards),
            "valid_pairs": len(valid),
            "ledger": [asdict(row) for row in self.ledger],
        }

    def _text_files(self) -> list[Path]:
        return [self.part / f"{_train_name(n)}.tsv" for n in range(len(self.ledger))]

    def _read(self, source: Source) -> Iterator[Pair]:
        """The raw pairs of `source`, with progress."""
        phase = f"reading {source_name(source)}"
        done = 0
        for done, pair in enumerate(read_pairs(source, self.data.src_lang, self.data.tgt_lang), start=1):
            if done % _PAIRS_AT_ONCE == 0:
                self.progress(phase, done, None)
            yield pair
        self.progress(phase, done, done)

    def _write_valid_texts(self) -> None:
        pairs = list(self._read(self.data.valid))
        if not pairs:
            raise InputError(f"data.valid: {source_name(self.data.valid)} has no pairs.")
        _write_texts(self.part / "valid.src.txt", (normalize(pair.src) for pair in pairs))
        _write_texts(self.part / "valid.ref.txt", (pair.tgt.strip() for pair in pairs))

    def _held_out(self) -> Iterator[Pair]:
        for source in (self.data.valid, *self.data.test.values()):
            yield from map(_normalized, self._read(source))

    def _kept(
        self, row: LedgerRow, source: Source, verdicts: dict[str, Callable[[Pair], bool]]
    ) -> Iterator[Pair]:
        """The normalised pairs that every filter of text keeps, counted in `row`."""
        row.dropped = dict.fromkeys(named(self.data.filters), 0)
        for pair in map(_normalized, self._read(source)):
            row.read += 1
            for name, keeps in verdicts.items():
                if not keeps(pair):
                    row.dropped[name] += 1
                    break
            else:
                row.kept += 1
                yield pair

    def _train_tokenizer(self) -> Tokenizer:
        kept = sum(row.kept for row in self.ledger)
        wanted = min(kept, self.config.tokenizer.sample_pairs)
        self.progress("training the tokenizer", 0, wanted)
        rng = random.Random(f"{self.config.seed} tokenizer sample")
        pairs = (pair for path in self._text_files() for pair in _read_pair_texts(path))
        sample = _sample(pairs, kept, wanted, rng)
        coverage = default_coverage(self.data.src_lang, self.data.tgt_lang)
        texts = (side for pair in sample for side in pair)
        tokenizer = train_tokenizer(texts, self.config.tokenizer, coverage)
        self.progress("training the tokenizer", wanted, wanted)
        tokenizer.save(self.part / "tokenizer.model")
        return tokenizer

    def _write_train_shard(self, number: int, tokenizer: Tokenizer) -> Shard:
        row, path = self.ledger[number], self._text_files()[number]
        verdicts = build_token_filters(self.data.filters)
        encoded = self._encoded(f"encoding {row.source}", _read_pair_texts(path), row.kept, tokenizer)

        def kept() -> Iterator[tuple[list[int], list[int]]]:
            for src, tgt in encoded:
                for name, keeps in verdicts.items():
                    if not keeps(len(src), len(tgt)):
                        row.dropped[name] += 1
                        row.kept -= 1
                        break
                else:
                    yield src, tgt

        shard = write_shard(self.part / _train_name(number), kept(), self._meta(tokenizer, row.source))
        path.unlink()
        return shard

    def _write_valid_shard(self, tokenizer: Tokenizer) -> Shard:
        srcs, refs = (_read_texts(self.part / f"valid.{side}.txt") for side in ("src", "ref"))
        pairs = zip(srcs, map(normalize, refs), strict=True)
        encoded = self._encoded("encoding the validation set", pairs, len(srcs), tokenizer)
        return write_shard(self.part / "valid", encoded, self._meta(tokenizer, source_name(self.data.valid)))

    def _encoded(
        self, phase: str, pairs: Iterable[tuple[str, str]], total: int, tokenizer: Tokenizer
    ) -> Iterator[tuple[list[int], list[int]]]:
        done = 0
        for batch in batches(pairs, _PAIRS_AT_ONCE):
            srcs, tgts = zip(*batch, strict=True)
            yield from zip(tokenizer.encode(srcs), tokenizer.encode(tgts), strict=True)
            done += len(batch)
            self.progress(phase, done, total)

    def _meta(self, tokenizer: Tokenizer, source: str) -> dict[str, Any]:
        return {"tokenizer": tokenizer.fingerprint, "vocab_size": tokenizer.size, "source": source}

    def _check_anything_left(self) -> None:
        if any(row.kept for row in self.ledger):
            return
        read = sum(row.read for row in self.ledger)
        if not read:
            raise InputError("data.train: the training corpora have no pairs.")
        dropped = {name: sum(row.dropped[name] for row in self.ledger) for name in self.ledger[0].dropped}
        reasons = ", ".join(f"{name} dropped {count:,}" for name, count in dropped.items() if count)
        worst = max(dropped, key=dropped.__getitem__)
        raise InputError(
            f"data.train: nothing is left of {read:,} pairs: {reasons}.",
            _advice(worst, named(self.data.filters)[worst]),
        )


def _advice(name: str, options: Filter) -> str:
    bounds = ", ".join(f"{key} = {value}" for key, value in options.model_dump(exclude={"filter"}).items())
    return f"Look at the corpora, or change {name}{f' ({bounds})' if bounds else ''} in data.filters."


def _normalized(pair: Pair) -> Pair:
    return Pair(normalize(pair.src), normalize(pair.tgt), pair.origin, pair.tags)


def _sample(
    items: Iterable[tuple[str, str]], total: int, wanted: int, rng: random.Random
) -> Iterator[tuple[str, str]]:
    """`wanted` of `total` items, in order and each subset equally likely (Knuth's algorithm S)."""
    for seen, item in enumerate(items):
        if rng.random() * (total - seen) < wanted:
            wanted -= 1
            yield item


def _train_name(number: int) -> str:
    return f"train-{number:03}"


def _write_texts(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{line}\n" for line in lines)


def _read_pair_texts(path: Path) -> Iterator[tuple[str, str]]:
    """The normalised pairs of a file that `_kept` filled; normalised text has no tab."""
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            src, tgt = line[:-1].split("\t")
            yield src, tgt


def _read_texts(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode().split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}.", "Run mtkit prepare --force.") from error


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Work on `folder` while no other process prepares it; a failure to write says where."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            logger.warning("%s: waiting for another process that prepares it.", folder)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise MtkitError(f"{folder}: cannot be written: {error.strerror or error}.") from error


def _manifest(folder: Path) -> dict[str, Any]:
    return read_manifest(folder, FORMAT, VERSION, hashes=False)


def _report(folder: Path, manifest: dict[str, Any], *, up_to_date: bool) -> PrepareReport:
    counts = {
        name: manifest[name]
        for name in ("train_pairs", "src_tokens", "tgt_tokens", "valid_pairs", "vocab_size")
    }
    ledger = tuple(LedgerRow(**row) for row in manifest["ledger"])
    return PrepareReport(folder, up_to_date, ledger, **counts)
