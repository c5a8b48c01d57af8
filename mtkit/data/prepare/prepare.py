"""Prepares the corpora of a config for training: filtered, segmented, with hashes.

- `run/data`: manifest.json · tokenizer.model (or .src.model, .tgt.model) · train-000/ … · valid/ ·
  valid.src.txt · .ref.txt · .tags.txt · valid.NAME likewise · test.NAME.src.txt · .ref.txt · .tags.txt ·
  rejected.tsv.gz · report.* · matches.bin with `data.memory`
- `run/parts`: results of the stages, which an interrupted or changed run uses again
"""

from __future__ import annotations

import gzip
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from mtkit.config.schema import Config
from mtkit.config.sources import HuggingFaceSource, Source
from mtkit.cores import num_cores
from mtkit.data.clean.judging import named
from mtkit.data.clean.leaks import Leaks, read_leaks
from mtkit.data.prepare.clean_parts import SentenceCount
from mtkit.data.prepare.counting import count_dropped, count_sentences, stretches_of
from mtkit.data.prepare.encoding import REJECTED_HEAD, count_segmentations
from mtkit.data.prepare.identity import changes_of_data, fingerprint_of, other_data
from mtkit.data.prepare.inputs import held_out_sources, origins_of, record_inputs, settings_of
from mtkit.data.prepare.ledger import Ledger, LedgerRow
from mtkit.data.prepare.losses import check_losses, warn_of_blanks
from mtkit.data.prepare.matches import MATCHES
from mtkit.data.prepare.parts import clear_parts, read_part
from mtkit.data.prepare.prepared import (
    FORMAT,
    VERSION,
    open_prepared,
    read_data_manifest,
    read_sentences,
    train_name,
)
from mtkit.data.prepare.report import length_histograms, write_report
from mtkit.data.prepare.shards import Shard, write_shard_pieces
from mtkit.data.prepare.stages import EncodedPart, ReportProgress, Stages
from mtkit.data.prepare.stretches import LossyStretch, told
from mtkit.data.prepare.unknown import check_unknown
from mtkit.data.prepare.valid_shards import meta_of, write_valid_shards
from mtkit.data.prepare.workers import ALONE, Workers
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_corpus, source_files, source_name
from mtkit.disk.files import atomic_folder, new_file, new_text, recover
from mtkit.disk.lock import only_writer
from mtkit.disk.manifest import MANIFEST
from mtkit.disk.reading import using
from mtkit.errors import InputError, MtkitError, UsageError
from mtkit.runs.layout import DATA, PARTS, Trained, claim_in, find_trained, inside, open_run
from mtkit.text.form import TextForm
from mtkit.text.fuzzy import check_rapidfuzz
from mtkit.text.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_PAIRS_AT_ONCE = 4096
_STRETCHES_TOLD = 3
"""Misaligned stretches of each corpus in warnings; the report has all."""


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """The prepared data in numbers.

    Attributes:
        up_to_date: whether the data had been prepared before.
        src_tokens: source tokens of all training pairs, without BOS and EOS.
        tgt_tokens: target tokens, likewise.
        vocab_sizes: of source and target; equal if they share a model.
        matched_pairs: training pairs with a match; None without `data.memory`.
        sentences: of the sources of training pairs; None if an older mtkit prepared them.
    """

    folder: Path
    up_to_date: bool
    ledger: Ledger
    leaks: tuple[Leaks, ...]
    train_pairs: int
    src_tokens: int
    tgt_tokens: int
    valid_pairs: int
    vocab_sizes: tuple[int, int]
    sentences: SentenceCount | None
    matched_pairs: int | None = None


def prepare(
    config: Config,
    progress: ReportProgress | None = None,
    *,
    force: bool = False,
    replace_data: bool = False,
    locked: bool = False,
) -> PrepareReport:
    """Writes `inside(config.run, DATA)`, unless it is up to date.

    An interrupted call leaves the old folder or none, and the next call resumes. A second process waits for
    the first.

    Args:
        config: of the run.
        progress: called with the progress of the work.
        force: prepare again even if the data are up to date.
        replace_data: replace data that checkpoints of the run were trained on by others.
        locked: the caller has locked the run folder, see `only_writer`.

    Raises:
        InputError: a corpus cannot be read, no training pair is left, or checkpoints of the run were trained
            on other data. The old data are left as they were.
        MtkitError: the folder cannot be written, or another process is training in it.
    """
    folder, parts = inside(config.run, DATA), inside(config.run, PARTS)
    _check_apart(config)
    open_run(config.run)
    with _only_one(folder):
        if not force:
            try:
                open_prepared(config)
                return _report(folder, read_data_manifest(folder), up_to_date=True)
            except InputError as error:
                logger.debug("preparing: %s", error)
        recover(config.run, folder.name)
        if not locked:
            with only_writer(config.run):
                pass  # so that a refusal does not come after hours of work
        if config.data.memory:
            check_rapidfuzz("data.memory")
        inputs = record_inputs(config)
        manifest = {"format": FORMAT, "version": VERSION, "settings": settings_of(config), "inputs": inputs}
        trained, old = None if replace_data else find_trained(config.run), _manifest_in(folder)
        learned, reported = _changes(config, trained, old, manifest)
        if learned:
            raise other_data(config.run, learned + reported)
        if force:
            clear_parts(parts)
        before = set(parts.glob("*"))
        with ExitStack() as held, atomic_folder(folder, manifest, private=config.private) as part:
            # Invalid values can only come from the results of an earlier call; without any, they are a bug.
            with using(parts, "Run `mtkit prepare --force`.") if before else nullcontext():
                entries, used = _prepare(config, inputs, part, progress or (lambda phase, done, total: None))
            manifest |= entries
            manifest["fingerprint"] = _fingerprint(config, part, entries["tokenizer"])
            if trained and manifest["fingerprint"] != trained.data:
                clear_parts(parts, before)
                told = [*reported, "with these, other pairs are left for training"] if reported else []
                raise other_data(config.run, told)
            if not locked:
                held.enter_context(only_writer(config.run))
        clear_parts(parts, used)
        if reported:
            logger.warning("%s: %s. The data to learn from are the same.", config.run, "; ".join(reported))
        return _report(folder, manifest, up_to_date=False)


def _manifest_in(folder: Path) -> dict[str, Any] | None:
    """The manifest of the prepared data in `folder`; None if there are none that this mtkit can read."""
    try:
        return read_data_manifest(folder)
    except InputError:
        return None


def _changes(
    config: Config, trained: Trained | None, old: dict[str, Any] | None, new: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """What is known to differ from the data of the checkpoints, see `changes_of_data`."""
    if trained is None:
        return [], []
    return changes_of_data(
        config, trained, old if old and old.get("fingerprint") == trained.data else None, new
    )


def _fingerprint(config: Config, part: Path, tokenizer: str) -> str:
    shards = [train_name(number) for number in range(len(config.data.corpora))]
    texts = [f"valid.{kind}.txt" for kind in ("src", "ref", "tags")]
    matches = [MATCHES] if config.data.memory else []
    return fingerprint_of(part, [*shards, "valid"], [*texts, *matches], tokenizer)


def _check_apart(config: Config) -> None:
    """Refuses a run folder that contains a corpus, or lies inside a corpus that is a folder."""
    run = Path(os.path.realpath(config.run))
    sources = (*config.data.train, *held_out_sources(config).values())
    for path in (path for source in sources for path in (*source_files(source), *_folders(source))):
        corpus = Path(os.path.realpath(path))
        if corpus.is_relative_to(run):
            raise UsageError(
                f"{run}: the corpus {corpus} is inside this folder.", "Choose another folder as `run`."
            )
        if corpus.is_dir() and run.is_relative_to(corpus):
            raise UsageError(f"{run}: is inside the corpus {corpus}.", "Choose a `run` outside the corpus.")


def _folders(source: Source) -> Iterator[Path]:
    """The folder of a source that is a local data set."""
    if isinstance(source, HuggingFaceSource) and source.path:
        yield source.path


# ---------------------------------------------------------------- the work


def _prepare(
    config: Config, inputs: list[dict[str, Any]], part: Path, progress: ReportProgress
) -> tuple[dict[str, Any], set[Path]]:
    """Fills the folder `part`; returns entries for its manifest, and the results of stages that it used."""
    # 1. Held-out pairs that come from files.
    held_out = {
        name: list(_read(config, source, progress)) for name, source in held_out_sources(config).items()
    }
    valid_names = ["valid", *(f"valid.{name}" for name in config.data.extra_valid)]
    for name in valid_names:
        if held_out.get(name) == []:
            raise InputError(f"data.{name}: {source_name(held_out_sources(config)[name])} has no pairs.")
    for name, pairs in held_out.items():
        warn_of_blanks(name, pairs)
    form = TextForm(config.text)
    normalized = (_normalized(pair, form, name) for name, pairs in held_out.items() for pair in pairs)
    # 2. The stages; held-out sets are written as soon as they are known.
    with Workers(config.data.num_workers or num_cores(), ALONE) as workers:
        corpora, mono = (origins_of(sources, inputs) for sources in (config.data.corpora, config.data.mono))
        stages = Stages(config, corpora, mono, normalized, inside(config.run, PARTS), progress, workers)
        cleaned = stages.clean()
        fates = stages.decide(cleaned)
        rows = count_dropped(stages.names, stages.reasons, stages.repairs, cleaned, fates)
        check_losses(config.data, rows)
        for number, row in enumerate(rows):
            row.stretches = stretches_of(cleaned, fates, named(config.data.filters), number)
            for line in told(row.stretches, _STRETCHES_TOLD):
                logger.warning("%s.", line)
        for name, pairs in stages.cut_pairs(cleaned, fates).items():
            _write_split(part, name, pairs, form)
        for name in valid_names:
            if name in held_out:
                _write_split(part, name, held_out[name], form)
        tokenizer, models = stages.tokenizer(cleaned, fates)
        tokenizer.save(part)
        encoded = stages.encode(cleaned, fates, tokenizer, models)
    # 3. The folder: shards, dropped pairs and report.
    ledger = _ledger(stages, encoded, [row.stretches for row in rows])
    check_losses(config.data, ledger.rows)
    check_unknown(ledger, config.tokenizer)
    shards = _write_shards(part, config, stages.names, encoded, tokenizer)
    valid = write_valid_shards(config, part, shards, tokenizer, progress)
    _write_rejected(part / "rejected.tsv.gz", encoded)
    leaks = stages.count_leaks(cleaned, fates)
    src_langs = [src_lang for src_lang, _ in stages.languages]
    sentences = count_sentences(cleaned, fates, src_langs, config.seed)
    languages = (config.data.src_lang, config.data.tgt_lang)
    histograms = length_histograms((shard.lengths for shard in shards), *languages)
    write_report(part, "–".join(languages), ledger, histograms, leaks, sentences)
    entries = {
        "tokenizer": tokenizer.fingerprint,
        "vocab_sizes": [tokenizer.src.size, tokenizer.tgt.size],
        "train_pairs": sum(len(shard) for shard in shards),
        "src_tokens": sum(int(shard.lengths[:, 0].sum()) for shard in shards),
        "tgt_tokens": sum(int(shard.lengths[:, 1].sum()) for shard in shards),
        "valid_pairs": valid.pairs,
        "matched_pairs": valid.matched,
        "sentences": asdict(sentences),
        "ledger": ledger.to_json(),
        "leaks": [asdict(found) for found in leaks],
    }
    return entries, stages.used | valid.used


def _write_shards(
    part: Path, config: Config, names: Sequence[str], encoded: Sequence[EncodedPart], tokenizer: Tokenizer
) -> list[Shard]:
    """Writes a shard for each training corpus, one segmentation of all its pairs after the other."""
    num_segmentations = count_segmentations(config.tokenizer.sampling, config.data.terms)
    return [
        write_shard_pieces(
            part / train_name(number),
            (
                read_part(piece.path, f"ids{segmentation}", f"lengths{segmentation}")
                for segmentation in range(num_segmentations)
                for piece in encoded
                if piece.source == number
            ),
            meta_of(tokenizer, name) | ({"terms": True} if config.data.terms else {}),
            num_segmentations,
        )
        for number, name in enumerate(names)
    ]


def _ledger(
    stages: Stages, encoded: Sequence[EncodedPart], stretches: Sequence[list[LossyStretch]]
) -> Ledger:
    none = dict.fromkeys(stages.reasons, 0)
    corpora = zip(stages.names, stages.repairs, stretches, strict=True)
    rows = [
        LedgerRow(name, dropped=dict(none), repairs=dict(repairs), stretches=some)
        for name, repairs, some in corpora
    ]
    for piece in encoded:
        rows[piece.source].add(piece.row)
    return Ledger(rows)


def _read(config: Config, source: Source, progress: ReportProgress) -> Iterator[Pair]:
    """The raw pairs of a validation or test corpus; reports progress."""
    phase, done = f"reading {source_name(source)}", 0
    for done, pair in enumerate(read_corpus(config.data, source), start=1):
        if done % _PAIRS_AT_ONCE == 0:
            progress(phase, done, None)
        yield pair
    progress(phase, done, done)


def _write_split(part: Path, name: str, pairs: Iterable[Pair], form: TextForm) -> None:
    """Writes the normalised source, the raw reference and the tags of each pair."""
    with (
        new_text(part / f"{name}.src.txt") as srcs,
        new_text(part / f"{name}.ref.txt") as refs,
        new_text(part / f"{name}.tags.txt") as tags,
    ):
        for pair in pairs:
            srcs.write(f"{form.normalize(pair.src)}\n")
            refs.write(f"{pair.tgt.strip()}\n")
            tags.write(f"{' '.join(pair.tags)}\n")


def _write_rejected(path: Path, encoded: Iterable[EncodedPart]) -> None:
    """Writes every pair that is in no training shard; concatenated gzip members are a gzip file."""
    with new_file(path) as file:
        file.write(gzip.compress(("\t".join(REJECTED_HEAD) + "\n").encode(), mtime=0))
        for piece in encoded:
            file.write(read_part(piece.path, "rejected")[0].tobytes())


def _normalized(pair: Pair, form: TextForm, name: str) -> Pair:
    refs = tuple(map(form.normalize, pair.refs))
    return replace(pair, src=form.normalize(pair.src), tgt=form.normalize(pair.tgt), origin=name, refs=refs)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Holds a lock on `folder`, after waiting for other processes; failures to write name the folder."""
    try:
        claim_in(folder.parent, f".{folder.name}.lock")
        lock = filelock.FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            logger.warning("%s: waiting for another process that is preparing the data.", folder)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()
    except OSError as error:
        raise MtkitError(f"{folder}: cannot be written: {error.strerror or error}.") from error


def _report(folder: Path, manifest: dict[str, Any], *, up_to_date: bool) -> PrepareReport:
    with using(folder / MANIFEST, "Run `mtkit prepare --force`."):
        counts = {
            name: int(manifest[name]) for name in ("train_pairs", "src_tokens", "tgt_tokens", "valid_pairs")
        }
        src_size, tgt_size = map(int, manifest["vocab_sizes"])
        ledger = Ledger.from_json(manifest["ledger"])
        leaks = tuple(read_leaks(manifest["leaks"]))
        sentences = read_sentences(manifest)
        found = manifest.get("matched_pairs")
        matched = None if found is None else int(found)
    return PrepareReport(
        folder,
        up_to_date,
        ledger,
        leaks,
        vocab_sizes=(src_size, tgt_size),
        sentences=sentences,
        matched_pairs=matched,
        **counts,
    )
