"""What a worker does to a cleaned part: segment what is kept, and account for what is not."""

from __future__ import annotations

import functools
import gzip
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.config.text import TextConfig
from mtkit.data.blocks import Origins, lines_of
from mtkit.data.cleaning import KEPT
from mtkit.data.ledger import Example, LedgerRow
from mtkit.data.pair import Pair
from mtkit.data.parts import array_text, read_part, write_part
from mtkit.data.shards import count_tokens, flat_ids
from mtkit.text.tokenizer import Tokenizer, read_tokenizer

REJECTED_HEAD = ("filter", "origin", "detail", "src", "tgt")
"""Columns of `rejected.tsv.gz`."""

_PAIRS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True)
class EncodeSpec:
    """What decides how text is segmented.

    Attributes:
        models: the subword model of both sides, or of source and target.
        reasons: names of the filters, by the fate that stands for them.
        max_tokens: fate and bound of each filter that counts tokens.
    """

    models: tuple[Path, ...]
    text: TextConfig
    reasons: tuple[str, ...]
    max_tokens: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class EncodeTask:
    """A cleaned part, the fate of each of its pairs after deduplication, and the part to write."""

    clean: Path
    fates: bytes
    path: Path


def encode_part(task: tuple[EncodeSpec, EncodeTask]) -> dict[str, Any]:
    """Writes an encoded part; its summary is a ledger row without a name.

    The part holds `ids` as a shard has them, `lengths` [kept, 2], and `rejected`, a gzip member of lines.
    """
    spec, this = task
    tokenizer = _tokenizer(spec.models, spec.text)
    srcs, tgts = (lines_of(array_text(side)) for side in read_part(this.clean, "src", "tgt"))
    fates = np.frombuffer(this.fates, np.uint8).copy()
    ids, lengths = [np.zeros(0, np.uint32)], [np.zeros((0, 2), np.int32)]
    kept = np.flatnonzero(fates == KEPT)
    for begin in range(0, len(kept), _PAIRS_AT_ONCE):
        some = kept[begin : begin + _PAIRS_AT_ONCE]
        pairs = tokenizer.encode_pairs((srcs[number], tgts[number]) for number in some.tolist())
        found = count_tokens(pairs)
        fits = np.ones(len(pairs), bool)
        for fate, bound in spec.max_tokens:
            too_long = fits & (found > bound).any(axis=1)
            fates[some[too_long]] = fate
            fits &= ~too_long
        if not fits.all():
            pairs = [pair for pair, fit in zip(pairs, fits.tolist(), strict=True) if fit]
        ids.append(flat_ids(pairs, np.dtype(np.uint32)))
        lengths.append(found[fits])
    rejected, row = [], LedgerRow("")
    dropped = np.flatnonzero(fates != KEPT).tolist()
    notes: dict[str, Any] = (
        json.loads(array_text(read_part(this.clean, "notes")[0]))
        if dropped
        else {"origins": [], "details": {}}
    )
    origins = Origins(notes["origins"])
    for number in dropped:
        src, tgt = srcs[number], tgts[number]
        origin, detail = _plain(origins[number]), _plain(notes["details"].get(str(number), ""))
        reason = spec.reasons[fates[number]]
        rejected.append(f"{reason}\t{origin}\t{detail}\t{src}\t{tgt}\n")
        row.drop(reason, Pair(src, tgt, origin), detail)
    row.keep(len(fates) - row.read)
    packed = gzip.compress("".join(rejected).encode(), 6, mtime=0) if rejected else b""
    all_ids = np.concatenate(ids)
    return write_part(
        this.path,
        asdict(row),
        ids=all_ids.astype(np.uint16) if tokenizer.max_size <= 1 << 16 else all_ids,
        lengths=np.concatenate(lengths),
        rejected=np.frombuffer(packed, np.uint8),
    )


def _plain(note: str) -> str:
    """The note without tabs and line feeds, which file names may have."""
    return " ".join(note.split()) if "\t" in note or "\n" in note else note


def read_row(summary: dict[str, Any]) -> LedgerRow:
    """The row in the summary of an encoded part."""
    examples = {
        name: [Example(**example) for example in found] for name, found in summary["examples"].items()
    }
    return LedgerRow(**{**summary, "examples": examples})


@functools.lru_cache(maxsize=1)
def _tokenizer(models: tuple[Path, ...], text: TextConfig) -> Tokenizer:
    return read_tokenizer(models, text)
