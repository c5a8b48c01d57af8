"""Monolingual text that the subword models are trained on."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from mtkit.config.schema import Config
from mtkit.data.read.readers import read_pairs
from mtkit.text.form import TextForm


def mono_texts(config: Config, sides: tuple[int, ...], form: TextForm) -> Iterator[str]:
    """Lines of the monolingual corpora, as a subword model reads them; at most `sample_pairs` of each.

    Args:
        config: of the run.
        sides: sides that the model is for: 0 for the source, 1 for the target.
        form: of its text.
    """
    for source in config.data.mono:
        side = ("src", "tgt").index(source.side)
        if side in sides:
            rng = random.Random(f"{config.seed} {source.path.name}")
            pairs = read_pairs(source, config.data.src_lang, config.data.tgt_lang)
            for line in sample((pair.src or pair.tgt for pair in pairs), config.tokenizer.sample_pairs, rng):
                text = form.normalize(line)
                yield form.pair(text, text)[side]


def sample(items: Iterable[str], count: int, rng: random.Random) -> list[str]:
    """A random sample of at most `count` items (Vitter 1985, algorithm R)."""
    chosen: list[str] = []
    for seen, item in enumerate(items, start=1):
        if len(chosen) < count:
            chosen.append(item)
        elif (place := rng.randrange(seen)) < count:
            chosen[place] = item
    return chosen
