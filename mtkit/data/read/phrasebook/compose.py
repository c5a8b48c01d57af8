"""Composes parallel sentences of the phrasebook: a fixed, finite set, sampled with a seed.

Each template has at most `LIMIT` sentences, which never change; the position of a sentence among them decides
whether it is for training, validation or test. Therefore the splits are disjoint for all seeds and sizes,
provided that no two meanings have the same text in any language; tests check that for the whole book.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from mtkit.data.read.pair import Pair
from mtkit.data.read.phrasebook.book import GRAMMARS, Row
from mtkit.data.read.phrasebook.reader import read_book
from mtkit.errors import InputError
from mtkit.text.languages import language_of

LIMIT = 1000
SPLITS = ("train", "valid", "test")
_FEW = 40  # a template with fewer sentences is for training only: its test sentences would have unseen words
_EVERY = 20  # of this many sentences, one is for validation and one for test


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence template and its meanings in one split."""

    scene: str
    row: Row
    meanings: tuple[int, ...]

    @property
    def origin(self) -> str:
        """Scene and line of the template."""
        return f"phrasebook:{self.scene}:{self.row.where.rpartition(':')[2]}"

    def say(self, meaning: int, lang: str) -> str:
        """The sentence in a language."""
        return GRAMMARS[lang].finish(self.row.fill(meaning).text(lang))


def compose(split: str, pairs: int, seed: int, src_lang: str, tgt_lang: str) -> Iterator[Pair]:
    """Distinct sentence pairs, the same for the same arguments; fewer pairs are a prefix of more.

    The meanings do not depend on the languages.

    Args:
        split: `train`, `valid` or `test`; no two share a sentence in any language, whatever the seeds.
        pairs: number of pairs.
        seed: any integer.
        src_lang: en, fr, de or zh; a code like `en-GB` or `zho_Hans` names one of them too.
        tgt_lang: another of these languages.

    Raises:
        InputError: a language or split is unknown, the languages are the same, or there are fewer pairs.
    """
    src, tgt = _language(src_lang), _language(tgt_lang)
    if src == tgt:
        raise InputError(
            f"phrasebook: src_lang and tgt_lang are both {src}.", f"Choose two of {', '.join(GRAMMARS)}."
        )
    if split not in SPLITS:
        raise InputError(f"phrasebook: split = {split}: unknown split.", f"Choose from {', '.join(SPLITS)}.")
    possible = sum(len(template.meanings) for template in templates(split))
    if pairs > possible:
        raise InputError(
            f"phrasebook: pairs = {pairs} is more than the {possible} sentences of split {split}.",
            f"Set pairs to at most {possible}.",
        )
    return _pairs(split, pairs, seed, src, tgt)


def _language(code: str) -> str:
    lang = language_of(code).code
    if lang not in GRAMMARS:
        raise InputError(
            f"phrasebook: language {code} is not supported.", f"Choose from {', '.join(GRAMMARS)}."
        )
    return lang


def _pairs(split: str, pairs: int, seed: int, src: str, tgt: str) -> Iterator[Pair]:
    for template, meaning in _draw(split, pairs, random.Random(f"{split} {seed}")):
        yield Pair(template.say(meaning, src), template.say(meaning, tgt), template.origin)


def _draw(split: str, pairs: int, rng: random.Random) -> Iterator[tuple[Template, int]]:
    """Random templates, large ones more often, each with one of its meanings that was not drawn before."""
    left = [(template, list(template.meanings)) for template in templates(split) if template.meanings]
    for _, meanings in left:
        rng.shuffle(meanings)
    while pairs:
        weights = list(accumulate(len(template.meanings) ** 0.5 for template, _ in left))
        while pairs:
            index = rng.choices(range(len(left)), cum_weights=weights)[0]
            template, meanings = left[index]
            yield template, meanings.pop()
            pairs -= 1
            if not meanings:
                del left[index]
                break


@cache
def templates(split: str) -> tuple[Template, ...]:
    """All templates with their meanings in a split."""
    return tuple(
        Template(category.name.removeprefix("scene/"), row, tuple(_meanings(row, split)))
        for category in read_book().values()
        if category.name.startswith("scene/")
        for row in category.rows
    )


def _meanings(row: Row, split: str) -> list[int]:
    chosen = _choose(row)
    if len(chosen) < _FEW:
        return chosen if split == "train" else []
    if split == "train":
        return [meaning for position, meaning in enumerate(chosen) if position % _EVERY > 1]
    return chosen[SPLITS.index(split) - 1 :: _EVERY]


@cache
def _choose(row: Row) -> list[int]:
    """At most `LIMIT` meanings of a template in a fixed random order; none fills two slots alike."""
    rng = random.Random(row.name)
    if row.size <= LIMIT:
        meanings = rng.sample(range(row.size), row.size)
    else:
        meanings = list(dict.fromkeys(row.draw(rng) for _ in range(LIMIT + LIMIT // 2)))
    if row.may_repeat:
        meanings = [meaning for meaning in meanings if not row.repeats(meaning)]
    return meanings[:LIMIT]
