"""How often words and sentences of a test set occur in the training data of a run. Free of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from mtkit.config.filters import OverlapFilter
from mtkit.config.schema import Config
from mtkit.data.clean.column import column_of
from mtkit.data.clean.leaks import KINDS, NEAR, LeakGuard
from mtkit.data.prepare.prepared import train_name
from mtkit.data.prepare.shards import Shard, open_shard
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.pair import Pair
from mtkit.errors import InputError
from mtkit.evaluate.wording import word_splitter
from mtkit.runs.layout import DATA, inside
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

PAIRS_AT_ONCE = 4096
EXPOSURES = ("occurs", "nearly occurs", "does not occur")
"""How a line of a test set occurs in the training data, on either side."""


@dataclass(frozen=True, slots=True)
class TrainingText:
    """The training pairs of a run, read back from its shards.

    Attributes:
        shards: of the corpora.
        tokenizer: with which they were made.
    """

    shards: tuple[Shard, ...]
    tokenizer: Tokenizer

    def __len__(self) -> int:
        return sum(map(len, self.shards))

    def pair(self, number: int, place: int) -> tuple[str, str]:
        """Source and target of a pair of a shard, by the numbers of both."""
        shard = self.shards[number]
        [src], [tgt] = self._texts(shard, range(place, place + 1))
        return src, tgt

    def blocks(self) -> Iterator[tuple[list[str], list[str]]]:
        """Sources and targets, some thousands at once, in the form in which the model saw them."""
        for shard in self.shards:
            for begin in range(0, len(shard), PAIRS_AT_ONCE):
                yield self._texts(shard, range(begin, min(begin + PAIRS_AT_ONCE, len(shard))))

    def _texts(self, shard: Shard, numbers: range) -> tuple[list[str], list[str]]:
        """Sources and targets of some pairs."""
        tags = set(self.tokenizer.tag_ids(self.tokenizer.src.tags))
        srcs = [[token for token in shard.src(n).tolist() if token not in tags] for n in numbers]
        return (
            [self.tokenizer.form.restore(text)[0] for text in self.tokenizer.src.decode(srcs)],
            self.tokenizer.decode([shard.tgt(number).tolist() for number in numbers]),
        )


def open_training_text(run: Path, config: Config) -> TrainingText | None:
    """The training pairs of a run; None if its prepared data are not there, or of another version."""
    folder = inside(run, DATA)
    names = takewhile(lambda name: (folder / name).is_dir(), map(train_name, count()))
    try:
        shards = tuple(open_shard(folder / name) for name in names)
        return TrainingText(shards, load_tokenizer(folder, config.text)) if shards else None
    except (InputError, OSError):
        return None


def count_words(
    training: TrainingText, words: Collection[str], lang: str, progress: ReportProgress | None = None
) -> Counter[str]:
    """How often each of the words occurs in the training targets; upper and lower case are the same.

    Args:
        training: the pairs.
        words: in lower case.
        lang: target language, which says how words are split.
        progress: called with the pairs read so far.
    """
    split, wanted = word_splitter(lang), set(words)
    found: Counter[str] = Counter()
    done = 0
    for _, tgts in training.blocks():
        for text in tgts:
            found.update(word for word in split(text.lower()) if word in wanted)
        done += len(tgts)
        if progress:
            progress("words in the training data", done, len(training))
    return found


def exposures(
    training: TrainingText, srcs: Sequence[str], refs: Sequence[str], progress: ReportProgress | None = None
) -> list[str]:
    """[lines], one of `EXPOSURES` for each pair of a test set: whether training pairs repeat either side.

    Case, punctuation and spaces are ignored. Near copies are found by the leak guard of `prepare`, as near as
    its filter `overlap` looks for them by default.
    """
    form = training.tokenizer.form
    pairs = [Pair(form.normalize(src), form.normalize(ref)) for src, ref in zip(srcs, refs, strict=True)]
    guard = LeakGuard(pairs, OverlapFilter.model_fields["near"].default)
    closest = [len(KINDS)] * len(pairs)
    done = 0
    for texts in training.blocks():
        src, tgt = (column_of([form.normalize(text) for text in side]) for side in texts)
        for hits in guard.find_all(src, tgt).values():
            for hit in hits:
                for owner in guard.owners[hit.text]:
                    closest[owner] = min(closest[owner], hit.kind)
        done += len(src)
        if progress:
            progress("test sentences in the training data", done, len(training))
    names = ["occurs"] * NEAR + ["nearly occurs", "does not occur"]
    return [names[kind] for kind in closest]
