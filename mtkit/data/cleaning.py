"""What a worker does to a chunk of raw pairs: normalise, judge by the filters, write a part.

A part has every pair that was read, dropped or not, so that each can be accounted for later.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtkit.config.filters import DuplicateFilter, Filter, NearDuplicateFilter, OverlapFilter
from mtkit.config.text import TextConfig
from mtkit.data.blocks import Block
from mtkit.data.column import Column
from mtkit.data.filters import build_keys, build_overlap, build_verdict
from mtkit.data.folding import hash64
from mtkit.data.near import Keys
from mtkit.data.pair import Pair
from mtkit.data.parts import Array, array_text, digest_of, text_array, write_part
from mtkit.data.screen import Doubts, Screen, build_screen
from mtkit.data.verdicts import Verdict
from mtkit.text.form import TextForm

KEPT = 255
"""The fate of a pair that nothing dropped; any other is the index of the filter that did."""


@dataclass(frozen=True, slots=True)
class CleanSpec:
    """What decides the verdicts; hashable, so that a worker builds its filters once.

    Attributes:
        held_out: a file of validation and test pairs for the overlap filter; None if there is none.
        fold: give the keys by which `splits` groups pairs.
        text: of which the parts that act before the filters matter.
    """

    filters: tuple[Filter, ...]
    src_lang: str
    tgt_lang: str
    held_out: Path | None
    fold: bool
    text: TextConfig


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw pairs and the part that they become.

    Attributes:
        block: the pairs; None if an earlier run made the part.
        stored: the summary of that part.
    """

    path: Path
    block: Block | None
    stored: dict[str, Any] | None = None


def clean_chunk(task: tuple[CleanSpec, Chunk]) -> dict[str, Any]:
    """Writes the part of a chunk: normalised sides, and notes of where each came from and what was found.

    Its summary has the number of `pairs`, of `keys` by the filter's index, and digests of `text` and `notes`.
    """
    spec, chunk = task
    if chunk.block is None:
        return chunk.stored or {}
    block = chunk.block
    form = TextForm(spec.text)
    src, tgt = (Column(form.normalize_lines(text)) for text in (block.src, block.tgt))
    arrays, details = _judge(spec, block, src, tgt)
    if spec.fold:
        arrays["folds"] = np.stack([fold_keys(src), fold_keys(tgt)], axis=1)
    notes = text_array(json.dumps({"origins": block.origins, "details": details}))
    summary = {
        "pairs": len(src),
        "text": digest_of(src.data, tgt.data),
        "notes": digest_of(notes.tobytes()),
        "keys": {name.removeprefix("keys"): len(arrays[name]) for name in arrays if name.startswith("keys")},
    }
    return write_part(chunk.path, summary, src=src.array, tgt=tgt.array, notes=notes, **arrays)


def _judge(
    spec: CleanSpec, block: Block, src: Column, tgt: Column
) -> tuple[dict[str, Array], dict[int, str]]:
    """The fates, with the keys of pairs that reach a filter of repetitions; and what was found, by number."""
    fates = np.full(len(src), KEPT, np.uint8)
    arrays: dict[str, Array] = {"fates": fates}
    details: dict[int, str] = {}
    doubts = _screen(spec)(src, tgt)
    scores = block.scores or [None] * len(src)
    for step in _steps(spec):
        doubted = doubts[step.index] if step.screen is None else step.screen(src, tgt)
        left = fates == KEPT if doubted is None else (fates == KEPT) & doubted
        numbers = np.flatnonzero(left).tolist()
        if step.verdict:
            for number in numbers:
                found = step.verdict(Pair(src.lines[number], tgt.lines[number], score=scores[number]))
                if found is not None:
                    fates[number], details[number] = step.index, found
        elif step.keys:
            keys = step.keys(src, tgt, numbers)
            arrays[f"keys{step.index}"] = keys.ravel()
            arrays[f"owners{step.index}"] = np.repeat(np.array(numbers, np.int64), keys.shape[1])
    return arrays, details


@dataclass(frozen=True, slots=True)
class Step:
    """What one filter does: it judges a pair by itself, or gives keys that no earlier pair may have.

    Attributes:
        index: of the filter among all.
        verdict: None to keep, else why the pair is dropped.
        screen: the pairs that the verdict must judge.
    """

    index: int
    verdict: Verdict | None = None
    keys: Keys | None = None
    screen: Callable[[Column, Column], Doubts] | None = None


@functools.lru_cache(maxsize=1)
def _steps(spec: CleanSpec) -> tuple[Step, ...]:
    return tuple(_build_steps(spec))


@functools.lru_cache(maxsize=1)
def _screen(spec: CleanSpec) -> Screen:
    return build_screen(spec.filters, spec.src_lang, spec.tgt_lang)


def _build_steps(spec: CleanSpec) -> Iterator[Step]:
    for index, options in enumerate(spec.filters):
        match options:
            case DuplicateFilter() | NearDuplicateFilter():
                yield Step(index, keys=build_keys(options))
            case OverlapFilter():
                guard = build_overlap(options, _read_held_out(spec.held_out))
                yield Step(index, guard, screen=guard.screen)
            case _:
                if verdict := build_verdict(options, spec.src_lang, spec.tgt_lang):
                    yield Step(index, verdict)


def _read_held_out(path: Path | None) -> Iterator[Pair]:
    if path:
        for line in array_text(np.fromfile(path, np.uint8)).split("\n")[:-1]:
            src, tgt = line.split("\t")
            yield Pair(src, tgt)


def fold_keys(side: Column) -> npt.NDArray[np.uint64]:
    """Of each line, equal for texts that differ in case, punctuation and spacing alone."""
    found = side.hashes(fold=True)
    empty = [number for number, data in enumerate(side.folds) if not data]
    found[empty] = [hash64(side.lines[number].encode()) for number in empty]
    return found
