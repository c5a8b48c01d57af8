"""Finds the match of each pair: the training pair with the most similar other source.

A pair with the same source or the same target is no match: it would give the answer away.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xxhash

from mtkit.config.fixed import MAX_TOKENS
from mtkit.config.schema import Config
from mtkit.data.prepare.parts import digest_of, read_part, read_summary, write_part
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.workers import Workers
from mtkit.disk.manifest import MANIFEST
from mtkit.disk.reading import read_object
from mtkit.text.fuzzy import Accepts, FuzzyIndex, Numbers
from mtkit.text.tokenizer import Pairs, Tokenizer

VERSION = 1
"""Version of the search; results of another one are not used."""

_PAIRS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class MatchTask:
    """Sources whose matches are looked for.

    Attributes:
        index: file of the index of all training pairs of their languages.
        path: of the result.
        begin: the first of them, in the index.
        end: after the last one.
        texts: of them, if they are not in the index, with hashes of their targets.
    """

    index: Path
    path: Path
    begin: int
    end: int
    texts: tuple[tuple[str, int], ...] | None = None


def match_part(task: MatchTask) -> dict[str, int]:
    """Writes `found` [sources], the number of each match in the index, -1 for none; returns a summary."""
    index, targets = _read_index(task.index)
    found = np.full(task.end - task.begin, -1, np.int64)
    for place in range(len(found)):
        if task.texts is None:
            number = task.begin + place
            match = index.neighbour(number, _unlike(targets, targets[number]))
        else:
            text, tgt = task.texts[place]
            match = index.differing(text, _unlike(targets, np.uint64(tgt)))
        if match is not None:
            found[place] = match.number
    return write_part(task.path, {"matched": int((found >= 0).sum())}, found=found)


def _unlike(targets: npt.NDArray[np.uint64], tgt: np.uint64) -> Accepts:
    """Whether texts have another target than this one."""
    return lambda numbers: targets[numbers] != tgt


@functools.lru_cache(maxsize=1)
def _read_index(path: Path) -> tuple[FuzzyIndex, npt.NDArray[np.uint64]]:
    *arrays, targets = read_part(path, *FuzzyIndex.ARRAYS, "targets")
    return FuzzyIndex.from_arrays(dict(zip(FuzzyIndex.ARRAYS, arrays, strict=True))), targets


class MatchStage:
    """Finds the matches of training and validation pairs, and keeps results as the stages of prepare do.

    Args:
        config: of the run, with `data.memory`.
        training: the prepared training pairs.
        folder: for results.
        workers: processes that share the work.
        progress: called with the number of sources done, and of all.

    Attributes:
        used: the files of results that are needed when this is repeated.
    """

    def __init__(
        self,
        config: Config,
        training: TrainingText,
        folder: Path,
        workers: Workers,
        progress: Callable[[int, int], None],
    ) -> None:
        assert config.data.memory is not None
        self._threshold = config.data.memory.threshold
        self._training, self._folder = training, folder
        self._workers, self._progress = workers, progress
        self._languages = [config.data.languages_of(source) for source in config.data.corpora]
        self._ends = np.cumsum([0, *map(len, training.shards)])
        self.used: set[Path] = set()

    def of_training(self) -> Numbers:
        """[pairs], the match of each training pair, -1 for none; pairs are numbered over all corpora."""
        matches = np.full(len(self._training), -1, np.int64)
        for languages in dict.fromkeys(self._languages):
            pairs = self._pairs_in(languages)
            begins = range(0, len(pairs), _PAIRS_AT_ONCE)
            slices = [(begin, min(begin + _PAIRS_AT_ONCE, len(pairs)), None) for begin in begins]
            matches[pairs] = self._found(languages, slices)
        return matches

    def of_texts(self, languages: tuple[str, str], pairs: Pairs) -> Pairs:
        """Held-out pairs, each source followed by the target of its match if that is not too long."""
        tokenizer = self._training.tokenizer
        texts = tuple(
            (src, _hash(tgt))
            for src, tgt in zip(
                *(
                    side.decode([pair[number] for pair in pairs])
                    for number, side in enumerate((tokenizer.src, tokenizer.tgt))
                ),
                strict=True,
            )
        )
        found = self._found(languages, [(0, len(texts), texts)]).tolist()
        return [
            (self._with_match(tokenizer, src, number) if number >= 0 else src, tgt)
            for (src, tgt), number in zip(pairs, found, strict=True)
        ]

    def _with_match(self, tokenizer: Tokenizer, src: list[int], number: int) -> list[int]:
        shard = int(np.searchsorted(self._ends, number, "right")) - 1
        ids = self._training.shards[shard].tgt(number - int(self._ends[shard])).tolist()
        [best] = tokenizer.tgt.encode(tokenizer.tgt.decode([ids]))  # training may have sampled these
        both = [*src, *tokenizer.match(best)]
        return both if len(both) <= MAX_TOKENS else src

    def _pairs_in(self, languages: tuple[str, str]) -> Numbers:
        """The numbers of the training pairs in these languages."""
        corpora = [number for number, own in enumerate(self._languages) if own == languages]
        ranges = [np.arange(self._ends[number], self._ends[number + 1]) for number in corpora]
        return np.concatenate([np.zeros(0, np.int64), *ranges])

    def _found(
        self,
        languages: tuple[str, str],
        slices: Sequence[tuple[int, int, tuple[tuple[str, int], ...] | None]],
    ) -> Numbers:
        """The matches of sources in an index of the training pairs in these languages."""
        # 1. Tasks whose files are named by everything that decides them.
        digest = self._digest(languages)
        index = self._folder / f"index-{digest}.npz"
        tasks = []
        for begin, end, texts in slices:
            path = self._folder / f"matches-{digest_of(digest, begin, end, texts)}.npz"
            tasks.append(MatchTask(index, path, begin, end, texts))
            self.used.add(path)
        # 2. Those that no earlier run did, with the index that they need.
        todo = [task for task in tasks if read_summary(task.path) is None]
        done, total = 0, sum(task.end - task.begin for task in todo)
        if todo and read_summary(index) is None:
            self._write_index(index, languages)
        for task, _ in zip(todo, self._workers.map(match_part, todo), strict=True):
            done += task.end - task.begin
            self._progress(done, total)
        # 3. Their results, as numbers of training pairs.
        pairs = self._pairs_in(languages)
        found = np.concatenate([np.zeros(0, np.int64), *(read_part(task.path, "found")[0] for task in tasks)])
        return np.where(found < 0, -1, pairs[found] if len(pairs) else -1)

    def _digest(self, languages: tuple[str, str]) -> str:
        decided = []
        for own, shard in zip(self._languages, self._training.shards, strict=True):
            if own == languages:
                files = read_object(shard.folder / MANIFEST)["files"]
                decided.append([files[name]["sha256"] for name in ("ids.bin", "lengths.bin")])
        return digest_of(VERSION, self._threshold, self._training.tokenizer.fingerprint, decided)

    def _write_index(self, path: Path, languages: tuple[str, str]) -> None:
        targets: list[int] = []

        def srcs() -> Iterator[str]:
            for own, shard in zip(self._languages, self._training.shards, strict=True):
                if own == languages:
                    for texts, tgts in self._training.formed(shard):
                        targets.extend(map(_hash, tgts))
                        yield from texts

        index = FuzzyIndex(srcs(), self._threshold)
        write_part(path, {}, targets=np.array(targets, np.uint64), **index.arrays())


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode())
