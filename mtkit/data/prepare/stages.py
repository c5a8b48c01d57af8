"""The stages of prepare, each of which keeps its results: clean, decide, train the tokenizer, encode.

Results lie in `run/parts`, in files named after all that decides them, so that an interrupted run goes on and
a changed config redoes what it changes. Nothing but speed is lost if the folder is deleted.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece

from mtkit.config.auto import choose_vocab_size
from mtkit.config.data import TokenizerConfig
from mtkit.config.filters import DuplicateFilter, NearDuplicateFilter, OverlapFilter, TokensFilter
from mtkit.config.schema import Config
from mtkit.config.sources import CutSource
from mtkit.data.clean.dedup import Positions, repeated
from mtkit.data.clean.filters import named
from mtkit.data.clean.leaks import LeakGuard, Leaks, count_leaks
from mtkit.data.clean.splits import cut
from mtkit.data.prepare.clean_parts import (
    CleanPart,
    Fates,
    SentenceCount,
    folds_of,
    keys_of,
    num_kept,
    sampled,
    texts_of,
)
from mtkit.data.prepare.cleaning import KEPT, Chunk, CleanSpec, clean_chunk, read_held_out
from mtkit.data.prepare.encoding import EncodeSpec, EncodeTask, encode_part, read_row
from mtkit.data.prepare.inputs import count_pairs, given_models, tokenizer_settings
from mtkit.data.prepare.ledger import LedgerRow
from mtkit.data.prepare.mono import mono_texts
from mtkit.data.prepare.parts import DONE, clear_parts, digest_of, open_parts, read_part, read_summary
from mtkit.data.prepare.workers import Workers
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_corpus_blocks, source_name
from mtkit.data.read.repairs import Repairs
from mtkit.disk.files import PRIVATE, write_text
from mtkit.disk.reading import WRONG_VALUES, read_object
from mtkit.errors import InputError
from mtkit.text.form import TextForm
from mtkit.text.languages import warn_if_unknown
from mtkit.text.segment import sentences
from mtkit.text.subwords import check_pieces, default_coverage, has_many_characters, train_subwords
from mtkit.text.tokenizer import Tokenizer, read_tokenizer

VERSION = 4
"""Of what the stages do to text; parts of another version are not used."""

_PAIRS_COUNTED, _PARTS_COUNTED = 20_000, 64
"""Pairs whose sentences are counted, and about how many parts they come from."""
PAIRS_IN_PART = 16_384

ReportProgress = Callable[[str, int, int | None], None]
"""Takes what is being done, how much of it is done, and how much there is (None if unknown)."""


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part whose kept pairs are ids; `row` is what became of all its pairs."""

    path: Path
    source: int
    row: LedgerRow


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk of a corpus, and how many pairs the corpus is thought to have."""

    source: int
    chunk: Chunk
    total: int | None


class Stages:
    """The stages of one config, to be called in the order in which they stand here.

    Args:
        config: of the run.
        inputs: what decides the text of each training corpus: its options and hashes of its files.
        mono: likewise of each one-sided corpus.
        held_out: normalised validation and test pairs that come from files; their origin names the set.
        folder: for the results.
        progress: told how far each stage is.
        workers: to share the work.

    Attributes:
        names: of the corpora.
        reasons: names of the filters, and of the splits that are cut, by fate.
        totals: how many pairs each corpus is thought to have; None if that is not known before it is read.
        repairs: how often reading had to mend something, by kind, for each corpus.
    """

    def __init__(
        self,
        config: Config,
        inputs: Sequence[Any],
        mono: Sequence[Any],
        held_out: Iterable[Pair],
        folder: Path,
        progress: ReportProgress,
        workers: Workers,
    ) -> None:
        self.config, self.data = config, config.data
        self.folder, self.progress, self.workers = folder, progress, workers
        self._mono = list(mono)
        self.sources = self.data.corpora
        self.names = [source_name(source) for source in self.sources]
        splits = {"valid": self.data.valid} | {f"test.{name}": test for name, test in self.data.test.items()}
        self.cuts = {name: split.pairs for name, split in splits.items() if isinstance(split, CutSource)}
        self.reasons = (*named(self.data.filters), *(f"cut to {name}" for name in self.cuts))
        self.totals = [count_pairs(source) for source in self.sources]
        self.repairs: list[dict[str, int]] = [{} for _ in self.sources]
        self._found: list[dict[str, int]] = [{} for _ in self.sources]
        self.used: set[Path] = set()
        open_parts(folder)
        guarded, fold = self._write_held_out(held_out), bool(self.cuts)
        self.languages = [self.data.languages_of(source) for source in self.sources]
        warn_if_unknown(*(code for pair in self.languages for code in pair))
        self.tags = [self.data.tags_of(source) for source in self.sources]
        self._specs = [
            CleanSpec(self.data.filters, src_lang, tgt_lang, guarded, fold, config.text)
            for src_lang, tgt_lang in self.languages
        ]
        self._clean_folders = [
            self._used(folder / f"clean-{self._clean_digest(spec, source)}")
            for spec, source in zip(self._specs, inputs, strict=True)
        ]

    def _write_held_out(self, pairs: Iterable[Pair]) -> Path:
        text = "".join(f"{pair.origin}\t{pair.src}\t{pair.tgt}\n" for pair in pairs)
        path = self._used(self.folder / f"held-out-{digest_of(text.encode())}.tsv")
        if not path.exists():
            write_text(path, text, PRIVATE)
        return path

    def _clean_digest(self, spec: CleanSpec, source: Any) -> str:
        # Filters of tokens act later; their places are kept, since a fate is the index of a filter.
        filters = [
            options.filter if isinstance(options, TokensFilter) else options.model_dump(mode="json")
            for options in spec.filters
        ]
        text = [VERSION, unicodedata.unidata_version, PAIRS_IN_PART, spec.src_lang, spec.tgt_lang, spec.fold]
        form = [spec.text.unicode, spec.text.whitespace]
        return digest_of(text, form, source, filters, spec.held_out.name)

    def _used(self, path: Path) -> Path:
        self.used.add(path)
        return path

    # ------------------------------------------------------------ clean

    def clean(self) -> list[CleanPart]:
        """All pairs of the corpora, normalised, each with its fate so far; fills `repairs`."""
        read = [_read_done(folder) for folder in self._clean_folders]
        chunks = self._chunks([number for number, done in enumerate(read) if done is None])
        begun: deque[_Chunk] = deque()

        def tasks() -> Iterator[tuple[CleanSpec, Chunk]]:
            for chunk in chunks:
                begun.append(chunk)
                yield self._specs[chunk.source], chunk.chunk

        parts: list[list[dict[str, Any]]] = [done["parts"] if done else [] for done in read]
        pairs = [0] * len(parts)

        def finish(numbers: Iterable[int]) -> None:
            for number in numbers:
                if read[number] is None:
                    done = {"parts": parts[number], "repairs": self._found[number]}
                    write_text(self._clean_folders[number] / DONE, json.dumps(done), PRIVATE)
                    read[number] = done

        for summary in self.workers.map(clean_chunk, tasks()):
            chunk = begun.popleft()
            number = chunk.source
            finish(range(number))
            parts[number].append(summary)
            pairs[number] += summary["pairs"]
            self.progress(f"reading {self.names[number]}", pairs[number], chunk.total)
        finish(range(len(parts)))
        self.repairs = [done["repairs"] for done in read if done]
        return list(self._clean_parts(parts))

    def _chunks(self, numbers: Sequence[int]) -> Iterator[_Chunk]:
        """The chunks of these corpora; what an earlier run cleaned is read, but not sent to workers."""
        for number in numbers:
            repairs, read, total = Repairs(), 0, self.totals[number]
            blocks = read_corpus_blocks(self.data, self.sources[number], repairs, PAIRS_IN_PART)
            for index, block in enumerate(blocks):
                path = _clean_path(self._clean_folders[number], index)
                read += len(block)
                total = max(total, read) if total else None
                stored = read_summary(path)
                yield _Chunk(number, Chunk(path, None if stored else block, stored), total)
            repairs.log()
            self._found[number] = {
                kind: fault.count for kind, fault in (repairs.repaired | repairs.skipped).items()
            }

    def _clean_parts(self, found: Sequence[Sequence[dict[str, Any]]]) -> Iterator[CleanPart]:
        begin = 0
        for number, summaries in enumerate(found):
            for index, summary in enumerate(summaries):
                path = _clean_path(self._clean_folders[number], index)
                yield CleanPart(path, number, begin, **summary)
                begin += summary["pairs"]

    # ------------------------------------------------------------ decide

    def decide(self, parts: Sequence[CleanPart]) -> Fates:
        """The fate of every pair, once repetitions are found and the splits are cut; by position."""
        fates = np.concatenate([np.zeros(0, np.uint8), *(read_part(part.path, "fates")[0] for part in parts)])
        for index, options in enumerate(self.data.filters):
            if isinstance(options, DuplicateFilter | NearDuplicateFilter):
                total = sum(part.keys[str(index)] for part in parts)
                for positions in repeated(keys_of(parts, index), total, self.folder):
                    fates[positions] = np.minimum(fates[positions], index)
        if self.cuts and len(fates):
            splits = cut(lambda: folds_of(parts, fates), list(self.cuts.values()), self.config.seed)
            for number, split in enumerate(splits):
                fates[split] = len(self.data.filters) + number
        return fates

    def cut_pairs(self, parts: Sequence[CleanPart], fates: Fates) -> dict[str, list[Pair]]:
        """The pairs of each split that was cut, by its name, such as `valid` or `test.one`."""
        first = len(self.data.filters)
        result: dict[str, list[Pair]] = {name: [] for name in self.cuts}
        for part in parts:
            own = fates[part.begin : part.end]
            numbers = np.flatnonzero((own >= first) & (own != KEPT)).tolist()
            for number, (src, tgt) in zip(numbers, texts_of(part, numbers), strict=True):
                pair = Pair(src, tgt, tags=self.tags[part.source])
                result[list(self.cuts)[own[number] - first]].append(pair)
        return result

    def count_leaks(self, parts: Sequence[CleanPart], fates: Fates) -> list[Leaks]:
        """How much of each held-out set was met in the corpora, and what of it is left."""
        held_out = list(read_held_out(self._specs[0].held_out))
        guards = [
            index for index, options in enumerate(self.data.filters) if isinstance(options, OverlapFilter)
        ]

        def found() -> Iterator[tuple[Positions, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
            for part in parts:
                (rows,) = read_part(part.path, "leaks")
                own = fates[part.begin + rows[:, 0]]
                yield rows, own == KEPT, np.isin(own, guards[:1])

        return count_leaks(held_out, LeakGuard(held_out, None).owners, found())

    def count_sentences(self, parts: Sequence[CleanPart], fates: Fates) -> SentenceCount:
        """The sentences per source, from a sample of what is kept; there must be some."""
        some = parts[:: max(1, len(parts) // _PARTS_COUNTED)]
        if (kept := num_kept(some, fates)) == 0:
            some, kept = parts, num_kept(parts, fates)
        pairs = sampled(
            some, fates, min(kept, _PAIRS_COUNTED), random.Random(f"{self.config.seed} sentences")
        )
        counts = [len(sentences(src, self.languages[source][0])) or 1 for source, (src, _) in pairs]
        several = sum(count > 1 for count in counts)
        return SentenceCount(len(counts), sum(counts) / len(counts), several / len(counts))

    # ------------------------------------------------------------ tokenizer

    def tokenizer(self, parts: Sequence[CleanPart], fates: Fates) -> tuple[Tokenizer, tuple[Path, ...]]:
        """The tokenizer that is given, or trained on a sample of what is kept; and its models' files."""
        options = self.config.tokenizer
        models = given_models(options)
        if not models:
            sides = ((0,), (1,)) if options.separate else ((0, 1),)
            models = tuple(self._subwords(parts, fates, of) for of in sides)
        tokenizer = read_tokenizer(models, self.config.text)
        for path, model in zip(models, (tokenizer.src, tokenizer.tgt), strict=False):
            tags = [f"<{tag}>" for tag in self.data.tags] if model is tokenizer.src else []
            check_pieces(model, (*tokenizer.form.symbols, *tags), path)
        return tokenizer, models

    def _subwords(self, parts: Sequence[CleanPart], fates: Fates, sides: tuple[int, ...]) -> Path:
        """Where the subword model of these sides (0: source, 1: target) is, once it is trained."""
        config, form = self.config, TextForm(self.config.text)
        languages = list(dict.fromkeys(own[side] for own in self.languages for side in sides))
        tags = [f"<{tag}>" for tag in self.data.tags] if 0 in sides else []
        options = [
            tokenizer_settings(config.tokenizer),
            config.text.model_dump(mode="json"),
            tags,
            self._mono,
        ]
        decided = [VERSION, sentencepiece.__version__, config.seed, sides, languages, options]
        digest = digest_of(decided, [part.text for part in parts], fates.tobytes())
        path = self._used(self.folder / f"tokenizer-{digest}.model")
        if not path.exists():
            kept = int((fates == KEPT).sum())
            wanted = min(kept, config.tokenizer.sample_pairs)
            which = "" if len(sides) == 2 else f" of the {('source', 'target')[sides[0]]}"
            self.progress(f"training the tokenizer{which}", 0, wanted)
            rng = random.Random(f"{config.seed} tokenizer sample")
            pairs = (form.pair(*pair) for _, pair in sampled(parts, fates, wanted, rng))
            texts = (pair[side] for pair in pairs for side in sides)
            train_subwords(
                chain(texts, mono_texts(self.config, sides, form)),
                _with_size(config.tokenizer, kept, languages),
                default_coverage(*languages),
                symbols=form.symbols,
                tags=tags,
                keep_spaces=config.text.whitespace == "keep",
            ).save(path, PRIVATE)
            self.progress(f"training the tokenizer{which}", wanted, wanted)
        return path

    # ------------------------------------------------------------ encode

    def encode(
        self, parts: Sequence[CleanPart], fates: Fates, tokenizer: Tokenizer, models: tuple[Path, ...]
    ) -> list[EncodedPart]:
        """The ids of what is kept, part by part."""
        bounds = tuple(
            (index, options.max_tokens)
            for index, options in enumerate(self.data.filters)
            if isinstance(options, TokensFilter)
        )
        tokenizing, seed = self.config.tokenizer, self.config.seed
        model_type, sampling = tokenizing.model_type, tokenizing.sampling
        spec = EncodeSpec(models, self.config.text, self.reasons, bounds, model_type, sampling, seed)
        decided = [VERSION, tokenizer.fingerprint, bounds, self.reasons]
        if sampling:
            decided += [sentencepiece.__version__, model_type, sampling.model_dump(mode="json"), seed]
        tasks = []
        for part in parts:
            own = fates[part.begin : part.end].tobytes()
            tags = self.tags[part.source]
            name = f"encoded-{digest_of(decided, tags, part.text, part.notes, own)}.npz"
            tasks.append(EncodeTask(part.path, own, self._used(self.folder / name), tags))
        totals = [0] * len(self.sources)
        for part in parts:
            totals[part.source] += part.pairs
        done = [0] * len(self.sources)
        result = []
        stored = [read_summary(task.path) for task in tasks]
        fresh = self.workers.map(
            encode_part, [(spec, task) for task, old in zip(tasks, stored, strict=True) if not old]
        )
        for part, task, old in zip(parts, tasks, stored, strict=True):
            summary = old or next(fresh)
            done[part.source] += part.pairs
            self.progress(f"encoding {self.names[part.source]}", done[part.source], totals[part.source])
            result.append(EncodedPart(task.path, part.source, read_row(summary)))
        return result

    def clean_up(self) -> None:
        """Deletes the results of earlier runs that this one had no use for."""
        clear_parts(self.folder, self.used)


def _with_size(options: TokenizerConfig, num_pairs: int, languages: Sequence[str]) -> TokenizerConfig:
    """The options with a number of pieces, chosen if the config leaves it open."""
    if options.vocab_size != "auto":
        return options
    size = choose_vocab_size(num_pairs, many_characters=has_many_characters(*languages))
    return options.model_copy(update={"vocab_size": size})


def _clean_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06}.npz"


def _read_done(folder: Path) -> dict[str, Any] | None:
    """What is known of a corpus that was read to its end; None if it was not, or parts are missing."""
    try:
        done = read_object(folder / DONE)
        count = len(done["parts"])
    except (OSError, InputError, *WRONG_VALUES):
        return None
    # As the parts themselves tell it.
    return (
        done
        if done["parts"] == [read_summary(_clean_path(folder, index)) for index in range(count)]
        else None
    )
