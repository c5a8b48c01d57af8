"""Shows prepared data: pairs as the model sees them, and dropped pairs with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.config.text import TextConfig
from mtkit.data.prepare.ledger import Example, Ledger
from mtkit.data.prepare.prepared import Prepared
from mtkit.data.prepare.shards import Shard, open_shard
from mtkit.data.read.lines import raw_lines
from mtkit.data.read.pair import Pair
from mtkit.data.read.readers import read_corpus, source_name
from mtkit.disk.reading import read_object, using
from mtkit.errors import InputError
from mtkit.text.tokenizer import Tokenizer, model_files, read_tokenizer

Ids = tuple[list[int], list[int]]
"""Ids of source and target."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One side of a pair on its way to the model.

    Attributes:
        raw: the text as it was read.
        text: the normalised text, as filters see it.
        formed: the text as the subword model reads it.
        pieces: the tags and the pieces of the best segmentation.
        ids: the ids of `pieces`.
        sampled: the pieces of each segmentation that was prepared, sampled or with terms, if there are
            several and the pair was kept.
    """

    raw: str
    text: str
    formed: str
    pieces: tuple[str, ...]
    ids: tuple[int, ...]
    sampled: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SeenPair:
    """A pair as it was read and as the model sees it."""

    corpus: str
    origin: str
    languages: tuple[str, str]
    src: Seen
    tgt: Seen


def first_pairs(config: Config, prepared: Prepared, count: int) -> Iterator[SeenPair]:
    """The first `count` pairs of each training corpus, whether or not a filter drops them."""
    for number, source in enumerate(config.data.corpora):
        stored = _Stored(prepared.train[number])
        for pair in islice(read_corpus(config.data, source), count):
            src, tgt = _seen(pair, prepared.tokenizer, config.decode.target_tag, stored)
            languages = config.data.languages_of(source)
            yield SeenPair(source_name(source), pair.origin, languages, src, tgt)


def _seen(pair: Pair, tokenizer: Tokenizer, target_tag: str | None, stored: _Stored) -> list[Seen]:
    form = tokenizer.form
    texts = form.normalize(pair.src), form.normalize(pair.tgt)
    (ids,) = tokenizer.encode_pairs([texts], [pair.tags], target_tag)
    sampled = stored.segmentations(tokenizer, ids)
    sides = []
    for side, model in enumerate((tokenizer.src, tokenizer.tgt)):
        pieces = [tuple(model.pieces(segmentation[side])) for segmentation in (ids, *sampled)]
        raw, formed = (pair.src, pair.tgt)[side], form.pair(*texts)[side]
        sides.append(Seen(raw, texts[side], formed, pieces[0], tuple(ids[side]), tuple(pieces[1:])))
    return sides


class _Stored:
    """The pairs of a shard in order, for matching with all pairs of its corpus, dropped ones included."""

    def __init__(self, shard: Shard) -> None:
        several = shard.num_segmentations if shard.num_segmentations > 1 else 0
        self._shards = [open_shard(shard.folder, number) for number in range(several)]
        self._next = 0

    def segmentations(self, tokenizer: Tokenizer, best: Ids) -> list[Ids]:
        """All prepared segmentations of the pair, if it is the next one that was kept."""
        if not self._shards or self._next == len(self._shards[0]):
            return []
        found = [(shard.src(self._next).tolist(), shard.tgt(self._next).tolist()) for shard in self._shards]
        if _spelt(tokenizer, found[0]) != _spelt(tokenizer, best):
            return []
        self._next += 1
        return found


def _spelt(tokenizer: Tokenizer, ids: Ids) -> tuple[list[str], list[str]]:
    return tokenizer.src.decode([ids[0]]), tokenizer.tgt.decode([ids[1]])


def find_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer at `path`: a run folder, a folder of prepared data or of a model, or a tokenizer.model.

    The form of text comes from the config or manifest beside it; without one, the default is assumed.

    Raises:
        InputError: there is no tokenizer, or it cannot be used.
    """
    if path.is_file():
        text = _text_beside(path.parent)
        return read_tokenizer([path], text)
    for folder in (path / name for name in (".", "data", "model")):
        models = model_files(folder)
        if models[0].is_file():
            return read_tokenizer(models, _text_beside(folder))
    raise InputError(
        f"{path}: there is no tokenizer.model.", "Run `mtkit prepare` first, and name its run folder."
    )


def _text_beside(folder: Path) -> TextConfig:
    """The form of text of the model or prepared data in `folder`; the default if there are neither."""
    if (folder / "config.yaml").is_file():
        return load_config([folder / "config.yaml"]).config.text
    if not (folder / "manifest.json").is_file():
        return TextConfig()
    with using(folder / "manifest.json", "Name another folder."):
        settings = read_object(folder / "manifest.json").get("settings", {})
        return TextConfig.model_validate_json(json.dumps(settings.get("text", {})))


def read_rejected(path: Path) -> Iterator[tuple[str, Example]]:
    """The dropped pairs in a `rejected.tsv.gz`, each with the name of the filter that dropped it.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        for line in islice(raw_lines(path), 1, None):
            reason, origin, detail, src, tgt = line.decode().removesuffix("\n").split("\t")
            yield reason, Example(src, tgt, origin, detail)
    except ValueError:
        raise InputError(f"{path}: is damaged.", "Run `mtkit prepare --force`.") from None


def first_rejected(folder: Path, ledger: Ledger, count: int) -> dict[str, list[Example]]:
    """The first `count` pairs that each filter dropped, by name; filters that dropped none are omitted."""
    wanted = {name: min(count, dropped) for name, dropped in ledger.total().dropped.items() if dropped}
    missing = sum(wanted.values())
    found: dict[str, list[Example]] = {name: [] for name in wanted}
    for reason, example in read_rejected(folder / "rejected.tsv.gz"):
        if not missing:
            break
        if len(found.get(reason, ())) < wanted.get(reason, 0):
            found[reason].append(example)
            missing -= 1
    return found
