"""Looks into prepared data: what the model sees of a pair, and which pairs were dropped for what."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mtkit.config.load import load_config
from mtkit.config.schema import Config
from mtkit.config.text import TextConfig
from mtkit.data.ledger import Example, Ledger
from mtkit.data.pair import Pair
from mtkit.data.readers import read_pairs, source_name
from mtkit.errors import InputError
from mtkit.text.tokenizer import Tokenizer, model_files, read_tokenizer


@dataclass(frozen=True, slots=True)
class Seen:
    """One side of a pair on its way to the model.

    Attributes:
        raw: as it was read.
        text: normalised, as filters see it.
        formed: as the subword model reads it.
    """

    raw: str
    text: str
    formed: str
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
    for source in data.corpora:
        for pair in islice(read_pairs(source, data.src_lang, data.tgt_lang), count):
            yield _seen(source_name(source), pair, tokenizer)


def _seen(corpus: str, pair: Pair, tokenizer: Tokenizer) -> SeenPair:
    form = tokenizer.form
    texts = form.normalize(pair.src), form.normalize(pair.tgt)
    (ids,) = tokenizer.encode_pairs([texts])
    src, tgt = (
        Seen(raw, text, formed, tuple(model.pieces(own)), tuple(own))
        for raw, text, formed, own, model in zip(
            (pair.src, pair.tgt), texts, form.pair(*texts), ids, (tokenizer.src, tokenizer.tgt), strict=True
        )
    )
    return SeenPair(corpus, pair.origin, src, tgt)


def find_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer at `path`: a folder of a run, of prepared data or of a model, or a file tokenizer.model.

    The form of text is that of the run or the model; a bare file is taken to have the default one.

    Raises:
        InputError: there is none, or it is not usable.
    """
    if path.is_file():
        text = _text_beside(path.parent)
        return read_tokenizer([path], text)
    for folder in (path / name for name in (".", "data", "model")):
        models = model_files(folder)
        if models[0].is_file():
            return read_tokenizer(models, _text_beside(folder))
    raise InputError(f"{path}: there is no tokenizer.model.", "Name a run folder, after mtkit prepare.")


def _text_beside(folder: Path) -> TextConfig:
    """The form of text of the model or the prepared data in `folder`; the default one if it has neither."""
    if (folder / "config.yaml").is_file():
        return load_config([folder / "config.yaml"]).config.text
    if not (folder / "manifest.json").is_file():
        return TextConfig()
    settings = json.loads((folder / "manifest.json").read_bytes()).get("settings", {})
    return TextConfig.model_validate_json(json.dumps(settings.get("text", {})))


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
