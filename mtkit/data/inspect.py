"""Looks into prepared data: what the model sees of a pair, and which pairs were dropped for what."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mtkit.config.schema import Config
from mtkit.data.ledger import Example, Ledger
from mtkit.data.readers import read_pairs, source_name
from mtkit.errors import InputError
from mtkit.text.normalize import normalize
from mtkit.text.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Seen:
    """One side of a pair on its way to the model."""

    raw: str
    text: str
    pieces: tuple[str, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SeenPair:
    """A pair as it is read and as the model sees it."""

    corpus: str
    origin: str
    src: Seen
    tgt: Seen


def first_pairs(config: Config, tokenizer: Tokenizer, count: int) -> Iterator[SeenPair]:
    """The first `count` pairs of each training corpus, whether or not a filter drops them."""
    data = config.data
    for source in data.train:
        for pair in islice(read_pairs(source, data.src_lang, data.tgt_lang), count):
            src, tgt = (_seen(text, tokenizer) for text in (pair.src, pair.tgt))
            yield SeenPair(source_name(source), pair.origin, src, tgt)


def _seen(raw: str, tokenizer: Tokenizer) -> Seen:
    text = normalize(raw)
    (ids,) = tokenizer.encode([text])
    return Seen(raw, text, tuple(tokenizer.pieces(ids)), tuple(ids))


def read_rejected(path: Path) -> Iterator[tuple[str, Example]]:
    """Each dropped pair of a `rejected.tsv.gz`, after the name of the filter that dropped it.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            next(file, None)
            for line in file:
                reason, origin, detail, src, tgt = line.removesuffix("\n").split("\t")
                yield reason, Example(src, tgt, origin, detail)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}.", "Run mtkit prepare --force.") from error


def first_rejected(folder: Path, ledger: Ledger, count: int) -> dict[str, list[Example]]:
    """The first `count` pairs that each filter dropped, by its name, if it dropped any."""
    wanted = {name: min(count, dropped) for name, dropped in ledger.total().dropped.items() if dropped}
    missing = sum(wanted.values())
    found: dict[str, list[Example]] = {name: [] for name in wanted}
    for reason, example in read_rejected(folder / "rejected.tsv.gz"):
        if not missing:
            break
        if len(found[reason]) < wanted[reason]:
            found[reason].append(example)
            missing -= 1
    return found
