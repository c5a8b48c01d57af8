"""Writes the shards of validation sets, and the matches of all pairs if the config asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mtkit.config.schema import Config
from mtkit.cores import num_cores
from mtkit.data.prepare.matches import MATCHES, write_matches
from mtkit.data.prepare.matching import MatchStage
from mtkit.data.prepare.prepared import read_split
from mtkit.data.prepare.shard_texts import TrainingText
from mtkit.data.prepare.shards import Shard, batches, write_shard
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.prepare.workers import ALONE, Workers
from mtkit.runs.layout import PARTS, inside
from mtkit.text.tokenizer import Tokenizer

_PAIRS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class ValidShards:
    """What was written.

    Attributes:
        pairs: number of pairs of the main set.
        matched: number of training pairs with a match; None without `data.memory`.
        used: files of results that are needed to repeat this.
    """

    pairs: int
    matched: int | None
    used: set[Path]


def write_valid_shards(
    config: Config, part: Path, train: Sequence[Shard], tokenizer: Tokenizer, progress: ReportProgress
) -> ValidShards:
    """Writes a shard for each validation set, whose texts are there; with `data.memory` also the matches.

    Args:
        config: of the run.
        part: folder of prepared data.
        train: shards of the training corpora, in it.
        tokenizer: that made them.
        progress: called with the progress of the work.
    """
    data = config.data
    sources = {"valid": data.valid} | {f"valid.{name}": source for name, source in data.extra_valid.items()}
    pairs = {name: _encoded(part, name, tokenizer, config.decode.target_tag, progress) for name in sources}
    if data.memory is None:
        shards = [write_shard(part / name, own, meta_of(tokenizer, name)) for name, own in pairs.items()]
        return ValidShards(len(shards[0]), None, set())
    with Workers(data.num_workers or num_cores(), ALONE) as workers:
        report = partial(progress, "finding matches")
        training = TrainingText(tuple(train), tokenizer)
        stage = MatchStage(config, training, inside(config.run, PARTS), workers, report)
        matches = stage.of_training()
        write_matches(part / MATCHES, matches)
        shards = [
            write_shard(
                part / name,
                stage.of_texts(data.languages_of(sources[name]), list(own)),
                meta_of(tokenizer, name),
            )
            for name, own in pairs.items()
        ]
    return ValidShards(len(shards[0]), int((matches >= 0).sum()), stage.used)


def _encoded(
    part: Path, name: str, tokenizer: Tokenizer, target_tag: str | None, progress: ReportProgress
) -> Iterator[tuple[list[int], list[int]]]:
    """The ids of the pairs of a validation set."""
    srcs, refs, tags = read_split(part, name)
    phase = f"encoding the validation set {name.removeprefix('valid').removeprefix('.')}".rstrip()
    done = 0
    for batch in batches(zip(srcs, refs, tags, strict=True), _PAIRS_AT_ONCE):
        pairs = ((src, tokenizer.form.normalize(ref)) for src, ref, _ in batch)
        yield from tokenizer.encode_pairs(pairs, [own for _, _, own in batch], target_tag)
        done += len(batch)
        progress(phase, done, len(srcs))


def meta_of(tokenizer: Tokenizer, source: str) -> dict[str, Any]:
    """What a shard says of itself."""
    return {"tokenizer": tokenizer.fingerprint, "vocab_size": tokenizer.max_size, "source": source}
