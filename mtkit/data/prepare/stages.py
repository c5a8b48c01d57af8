"""The stages of prepare, each of which stores its results: clean, decide, train the tokenizer, encode.

Results are in `run/parts`, in files named by a hash of everything that they depend on. An interrupted run
resumes, and a changed config repeats only what it changes. Deleting the folder costs time only.
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

from mtkit.config.filters import DuplicateFilter, NearDuplicateFilter, OverlapFilter, TokensFilter
from mtkit.config.schema import Config
from mtkit.config.sources import CutSource
from mtkit.data.clean.dedup import Positions, repeated
from mtkit.data.clean.judging import named
from mtkit.data.clean.leaks import LeakGuard, Leaks, count_leaks
from mtkit.data.clean.splits import cut
from mtkit.data.prepare.clean_parts import (
    CleanPart,
    Fates,
    folds_of,
    keys_of,
    num_kept,
    sampled,
    texts_of,
)
from mtkit.data.prepare.cleaning import KEPT, Chunk, CleanSpec, clean_chunk, held_out_line, read_held_out
from mtkit.data.prepare.encoding import EncodeSpec, EncodeTask, encode_part, read_row
from mtkit.data.prepare.inputs import count_pairs, given_models, tokenizer_settings
from mtkit.data.prepare.learn_subwords import control_pieces, learn_subwords
from mtkit.data.prepare.ledger import CUT, LedgerRow
from mtkit.data.prepare.mono import mono_texts
from mtkit.data.prepare.parts import DONE, digest_of, open_parts, read_part, read_summary
from mtkit.data.prepare.term_pairs import SAMPLE, learn_phrases, write_phrase_table
from mtkit.data.prepare.workers import Workers
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_corpus_blocks, source_name
from mtkit.data.read.repairs import Repairs
from mtkit.disk.files import PRIVATE, write_text
from mtkit.disk.reading import WRONG_VALUES, read_object
from mtkit.errors import InputError
from mtkit.text.form import TextForm
from mtkit.text.languages import warn_if_unknown
from mtkit.text.subwords import check_pieces, load_subwords
from mtkit.text.tokenizer import Tokenizer, read_tokenizer

VERSION = 5
"""Version of the treatment of text; parts of another version are not used."""

PAIRS_IN_PART = 16_384

ReportProgress = Callable[[str, int, int | None], None]
"""Takes the current work, how much of it is done, and how much there is (None if unknown)."""


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """A part whose kept pairs are ids; `row` accounts for all its pairs."""

    path: Path
    source: int
    row: LedgerRow


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk of a corpus, and the estimated number of pairs of the corpus."""

    source: int
    chunk: Chunk
    total: int | None


class Stages:
    """The stages of one config, to be called in the order of the methods.

    Args:
        config: of the run.
        inputs: for each training corpus, its options and the hashes of its files.
        mono: likewise for each monolingual corpus.
        held_out: normalised validation and test pairs that come from files; their origin names the set.
        folder: for the results.
        progress: called with the progress of each stage.
        workers: processes that share the work.

    Attributes:
        names: of the corpora.
        reasons: names of the filters and then of the splits, indexed by fate.
        totals: estimated number of pairs of each corpus; None if unknown before it is read.
        repairs: number of texts that reading repaired or skipped, by kind, for each corpus.
        used: the files and folders of results that this run used.
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
        self.reasons = (*named(self.data.filters), *(f"{CUT}{name}" for name in self.cuts))
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
        text = "".join(map(held_out_line, pairs))
        path = self._used(self.folder / f"held-out-{digest_of(text.encode())}.tsv")
        if not path.exists():
            write_text(path, text, PRIVATE)
        return path

    def _clean_digest(self, spec: CleanSpec, source: Any) -> str:
        # Filters of tokens act later; their indices still matter, because a fate is the index of a filter.
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
        # 1. The corpora that an earlier run read to their end, and chunks of the others.
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

        # 2. Clean the chunks; a corpus is finished when the first part of a later one arrives.
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
        """The chunks of these corpora; those that an earlier run cleaned come without their pairs."""
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
            self._found[number] = repairs.counts()

    def _clean_parts(self, found: Sequence[Sequence[dict[str, Any]]]) -> Iterator[CleanPart]:
        begin = 0
        for number, summaries in enumerate(found):
            for index, summary in enumerate(summaries):
                path = _clean_path(self._clean_folders[number], index)
                yield CleanPart(path, number, begin, **summary)
                begin += summary["pairs"]

    # ------------------------------------------------------------ decide

    def decide(self, parts: Sequence[CleanPart]) -> Fates:
        """[pairs], the fate of every pair after all filters but those of tokens, and after cutting splits."""
        # 1. Duplicates; a pair keeps the fate of the first filter that dropped it.
        fates = np.concatenate([np.zeros(0, np.uint8), *(read_part(part.path, "fates")[0] for part in parts)])
        for index, options in enumerate(self.data.filters):
            if isinstance(options, DuplicateFilter | NearDuplicateFilter):
                total = sum(part.keys[str(index)] for part in parts)
                for positions in repeated(keys_of(parts, index), total, self.folder):
                    fates[positions] = np.minimum(fates[positions], index)
        # 2. Splits; their fates are numbered after those of the filters.
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
        """The pairs of each held-out set that the corpora contain, and those that are left."""
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

    # ------------------------------------------------------------ tokenizer

    def tokenizer(self, parts: Sequence[CleanPart], fates: Fates) -> tuple[Tokenizer, tuple[Path, ...]]:
        """The existing tokenizer, perhaps extended, or one trained on a sample of the pairs; its files."""
        options = self.config.tokenizer
        sides = ((0,), (1,)) if options.separate else ((0, 1),)
        models = given_models(options)
        if not models:
            models = tuple(self._subwords(parts, fates, of) for of in sides)
        elif options.extend:
            models = tuple(
                self._subwords(parts, fates, of, path) for of, path in zip(sides, models, strict=True)
            )
        tokenizer = read_tokenizer(models, self.config.text)
        for path, model, of in zip(models, (tokenizer.src, tokenizer.tgt), sides, strict=False):
            check_pieces(model, (*tokenizer.form.symbols, *control_pieces(self.config, of)), path)
        return tokenizer, models

    def _subwords(
        self, parts: Sequence[CleanPart], fates: Fates, sides: tuple[int, ...], given: Path | None = None
    ) -> Path:
        """The file of the subword model of these sides (0: source, 1: target); makes it if missing.

        It is trained, or extends the one at `given`.
        """
        # 1. The file is named by everything that decides the model.
        config, form = self.config, TextForm(self.config.text)
        languages = list(dict.fromkeys(own[side] for own in self.languages for side in sides))
        tags = control_pieces(config, sides)
        options = [
            tokenizer_settings(config.tokenizer),
            config.text.model_dump(mode="json"),
            tags,
            self._mono,
        ]
        before = load_subwords(given) if given else None
        decided = [VERSION, sentencepiece.__version__, config.seed, sides, languages, options]
        decided += [before.fingerprint] if before else []
        digest = digest_of(decided, [part.text for part in parts], fates.tobytes())
        path = self._used(self.folder / f"tokenizer-{digest}.model")
        # 2. Learn from a sample of the kept pairs.
        if not path.exists():
            kept = int((fates == KEPT).sum())
            wanted = min(kept, config.tokenizer.sample_pairs)
            which = "" if len(sides) == 2 else f" of the {('source', 'target')[sides[0]]}"
            phase = f"{'extending' if before else 'training'} the tokenizer{which}"
            self.progress(phase, 0, wanted)
            rng = random.Random(f"{config.seed} tokenizer sample")
            pairs = (form.pair(*pair) for _, pair in sampled(parts, fates, wanted, rng))
            texts = chain(
                (pair[side] for pair in pairs for side in sides), mono_texts(self.config, sides, form)
            )
            model = learn_subwords(config, before, texts, kept, languages, tags)
            model.save(path, PRIVATE)
            self.progress(phase, wanted, wanted)
        return path

    # ------------------------------------------------------------ encode

    def _phrases(self, parts: Sequence[CleanPart], fates: Fates) -> Path:
        """The file of the phrases that translate each other in the training pairs; learns it if missing."""
        config, form = self.config, TextForm(self.config.text)
        decided = [VERSION, config.seed, self.languages, config.text.model_dump(mode="json")]
        digest = digest_of(decided, [[part.source, part.text] for part in parts], fates.tobytes())
        path = self._used(self.folder / f"phrases-{digest}.npz")
        if not path.exists():
            wanted = min(num_kept(parts, fates), SAMPLE)
            self.progress("aligning words for data.terms", 0, wanted)
            rng = random.Random(f"{config.seed} phrases sample")
            found = sampled(parts, fates, wanted, rng)
            texts = ((form.pair(*pair), self.languages[source]) for source, pair in found)
            write_phrase_table(path, learn_phrases(texts))
            self.progress("aligning words for data.terms", wanted, wanted)
        return path

    def encode(
        self, parts: Sequence[CleanPart], fates: Fates, tokenizer: Tokenizer, models: tuple[Path, ...]
    ) -> list[EncodedPart]:
        """The ids of the kept pairs, part by part."""
        # 1. The options that decide the ids.
        bounds = tuple(
            (index, options.max_tokens)
            for index, options in enumerate(self.data.filters)
            if isinstance(options, TokensFilter)
        )
        tokenizing, seed = self.config.tokenizer, self.config.seed
        model_type, sampling = tokenizing.model_type, tokenizing.sampling
        terms = self.data.terms
        phrases = self._phrases(parts, fates) if terms else Path()
        spec = EncodeSpec(
            models,
            self.config.text,
            self.reasons,
            bounds,
            model_type,
            sampling,
            seed,
            terms,
            phrases,
            self.config.decode.target_tag,
        )
        decided = [VERSION, tokenizer.fingerprint, bounds, self.reasons]
        if sampling:
            decided += [sentencepiece.__version__, model_type, sampling.model_dump(mode="json"), seed]
        if self.config.decode.target_tag is not None:
            decided += ["target_tag", self.config.decode.target_tag]
        if terms:
            decided += [terms.model_dump(mode="json"), phrases.name, seed]
        # 2. A task for each part; its file is named by everything that decides it.
        tasks, totals = [], [0] * len(self.sources)
        for part in parts:
            totals[part.source] += part.pairs
            own = fates[part.begin : part.end].tobytes()
            tags = self.tags[part.source]
            src_lang, tgt_lang = self.languages[part.source]
            sides = f"source ({src_lang})", f"target ({tgt_lang})"
            name = f"encoded-{digest_of(decided, tags, sides, part.text, part.notes, own)}.npz"
            path = self._used(self.folder / name)
            tasks.append(EncodeTask(part.path, own, path, tags, sides, (src_lang, tgt_lang)))
        # 3. Encode the parts that no earlier run encoded.
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


def _clean_path(folder: Path, index: int) -> Path:
    return folder / f"{index:06}.npz"


def _read_done(folder: Path) -> dict[str, Any] | None:
    """The parts and repairs of a corpus that was read to its end; None if it was not, or a part is gone."""
    try:
        done = read_object(folder / DONE)
        count = len(done["parts"])
    except (OSError, InputError, *WRONG_VALUES):
        return None
    stored = [read_summary(_clean_path(folder, index)) for index in range(count)]
    return done if done["parts"] == stored else None
