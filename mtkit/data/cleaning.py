"""What a worker does to a chunk of raw pairs: normalise, judge by the filters, write a part.

A part has every pair that was read, dropped or not, so that each can be accounted for later.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mtkit.config.schema import DuplicateFilter, Filter, NearDuplicateFilter, OverlapFilter
from mtkit.data.filters import build_keys, build_overlap, build_verdict
from mtkit.data.near import fold, hash64
from mtkit.data.pair import Pair
from mtkit.data.parts import Array, array_text, digest_of, text_array, write_part
from mtkit.text.normalize import normalize

KEPT = 255
"""The fate of a pair that nothing dropped; any other is the index of the filter that did."""


@dataclass(frozen=True, slots=True)
class CleanSpec:
    """What decides the verdicts; hashable, so that a worker builds its filters once.

    Attributes:
        held_out: a file of validation and test pairs for the overlap filter; None if there is none.
        fold: give the keys by which `splits` groups pairs.
    """

    filters: tuple[Filter, ...]
    src_lang: str
    tgt_lang: str
    held_out: Path | None
    fold: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw pairs and the part that they become.

    Attributes:
        rows: the fields of each pair; a tuple travels faster between processes than a `Pair`.
        stored: the summary of the part if an earlier run made it; there are no rows then.
    """

    path: Path
    rows: Sequence[tuple[Any, ...]] = ()
    stored: dict[str, Any] | None = None


row_of = operator.attrgetter(*(field.name for field in fields(Pair)))
"""The fields of a pair, as `Pair` takes them."""


def clean_chunk(task: tuple[CleanSpec, Chunk]) -> dict[str, Any]:
    """Writes the part of a chunk: normalised pairs, and notes of where each came from and what was found.

    Its summary has the number of `pairs`, of `keys` by the filter's index, and digests of `text` and `notes`.
    """
    spec, chunk = task
    if chunk.stored is not None:
        return chunk.stored
    steps = _steps(spec)
    keys: dict[int, list[int]] = {step.index: [] for step in steps if step.keys}
    owners: dict[int, list[int]] = {index: [] for index in keys}
    fates, lines, notes = bytearray(), [], []
    folds: list[int] = []
    for number, (src, tgt, origin, *rest) in enumerate(chunk.rows):
        pair = Pair(normalize(src), normalize(tgt), origin, *rest)
        fate, detail = KEPT, ""
        for step in steps:
            if step.verdict:
                found = step.verdict(pair)
                if found is not None:
                    fate, detail = step.index, found
                    break
            elif step.keys:
                several = step.keys(pair)
                keys[step.index].extend(several)
                owners[step.index].extend([number] * len(several))
        fates.append(fate)
        if "\t" in origin or "\n" in origin or detail:
            origin, detail = " ".join(origin.split()), " ".join(detail.split())
        lines.append(f"{pair.src}\t{pair.tgt}\n")
        notes.append(f"{origin}\t{detail}\n")
        if spec.fold:
            folds += (fold_key(pair.src), fold_key(pair.tgt))
    text, noted = text_array("".join(lines)), text_array("".join(notes))
    arrays: dict[str, Array] = {
        "text": text,
        "notes": noted,
        "fates": np.frombuffer(bytes(fates), np.uint8),
    }
    for index, found_keys in keys.items():
        arrays[f"keys{index}"] = np.array(found_keys, np.uint64)
        arrays[f"owners{index}"] = np.array(owners[index], np.int64)
    if spec.fold:
        arrays["folds"] = np.array(folds, np.uint64).reshape(-1, 2)
    summary = {
        "pairs": len(lines),
        "text": digest_of(text.tobytes()),
        "notes": digest_of(noted.tobytes()),
        "keys": {str(index): len(found_keys) for index, found_keys in keys.items()},
    }
    return write_part(chunk.path, summary, **arrays)


@dataclass(frozen=True, slots=True)
class Step:
    """What one filter does: it judges a pair by itself, or gives keys that no earlier pair may have.

    Attributes:
        index: of the filter among all.
        verdict: None to keep, else why the pair is dropped.
    """

    index: int
    verdict: Callable[[Pair], str | None] | None = None
    keys: Callable[[Pair], Sequence[int]] | None = None


@functools.lru_cache(maxsize=1)
def _steps(spec: CleanSpec) -> tuple[Step, ...]:
    return tuple(_build_steps(spec))


def _build_steps(spec: CleanSpec) -> Iterator[Step]:
    for index, options in enumerate(spec.filters):
        match options:
            case DuplicateFilter() | NearDuplicateFilter():
                yield Step(index, keys=build_keys(options))
            case OverlapFilter():
                yield Step(index, build_overlap(options, _read_held_out(spec.held_out)))
            case _:
                if verdict := build_verdict(options, spec.src_lang, spec.tgt_lang):
                    yield Step(index, verdict)


def _read_held_out(path: Path | None) -> Iterator[Pair]:
    if path:
        for line in array_text(np.fromfile(path, np.uint8)).split("\n")[:-1]:
            src, tgt = line.split("\t")
            yield Pair(src, tgt)


def fold_key(text: str) -> int:
    """Equal for texts that differ in case, punctuation and spacing alone."""
    return hash64(fold(text) or text.encode())
