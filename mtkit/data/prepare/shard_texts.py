"""The texts of training pairs, read back from prepared data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.data.prepare.prepared import train_name
from mtkit.data.prepare.shards import Shard, open_shard
from mtkit.errors import InputError
from mtkit.runs.layout import DATA, inside
from mtkit.text.tokenizer import Tokenizer, load_tokenizer

PAIRS_AT_ONCE = 4096

Texts = tuple[list[str], list[str]]
"""Sources and their targets."""


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
        """Source and target of a pair of a corpus, by the numbers of both."""
        [src], [tgt] = next(self.blocks_of(self.shards[number], place, 1))
        return src, tgt

    def blocks(self) -> Iterator[Texts]:
        """Sources and targets, some thousands at once, in the form in which the model saw them."""
        for shard in self.shards:
            yield from self.blocks_of(shard)

    def blocks_of(self, shard: Shard, begin: int = 0, size: int = PAIRS_AT_ONCE) -> Iterator[Texts]:
        """Those of one corpus, from pair `begin` on, `size` at once."""
        restore = self.tokenizer.form.restore
        for srcs, tgts in self.formed(shard, begin, size):
            yield [restore(text)[0] for text in srcs], [restore(text)[0] for text in tgts]

    def formed(self, shard: Shard, begin: int = 0, size: int = PAIRS_AT_ONCE) -> Iterator[Texts]:
        """Like `blocks_of`, but the texts as the subword models read them."""
        tags = set(self.tokenizer.tag_ids(self.tokenizer.src.tags))
        for first in range(begin, len(shard), size):
            numbers = range(first, min(first + size, len(shard)))
            srcs = [[token for token in shard.src(n).tolist() if token not in tags] for n in numbers]
            tgts = [shard.tgt(number).tolist() for number in numbers]
            yield self.tokenizer.src.decode(srcs), self.tokenizer.tgt.decode(tgts)


def open_training_text(run: Path, config: Config) -> TrainingText | None:
    """The training pairs of a run; None if its prepared data are not there, or of another version."""
    folder = inside(run, DATA)
    names = takewhile(lambda name: (folder / name).is_dir(), map(train_name, count()))
    try:
        shards = tuple(open_shard(folder / name) for name in names)
        return TrainingText(shards, load_tokenizer(folder, config.text)) if shards else None
    except (InputError, OSError):
        return None
