"""Lexicons of made-up languages whose true translations are known."""

from __future__ import annotations

import random

from mtkit.runs.word_table import WordTable
from mtkit.train.word_lexicon import learn_words

DICTIONARY = {
    "haus": "house",
    "baum": "tree",
    "katze": "cat",
    "hund": "dog",
    "brot": "bread",
    "wasser": "water",
    "blau": "blue",
    "schnell": "fast",
    "kocht": "cooks",
    "sieht": "sees",
    "morgen": "tomorrow",
    "regen": "rain",
    "zug": "train",
    "lampe": "lamp",
    "vogel": "bird",
    "milch": "milk",
    "fenster": "window",
    "schuh": "shoe",
    "garten": "garden",
    "berg": "mountain",
    "fluss": "river",
    "stuhl": "chair",
    "tisch": "table",
    "buch": "book",
    **{f"{a}{o}{b}ig": f"{o}{a}{b}um" for a in "bdfgk" for o in "aeiou" for b in "lmnr"},
}


def made_up_pairs(count: int = 1500, seed: int = 1) -> list[tuple[str, str]]:
    """Sentences of random words with an article, and their translations word by word in another order."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        words = rng.sample(sorted(DICTIONARY), rng.randint(2, 4))
        tgt = [DICTIONARY[word] for word in words]
        rng.shuffle(tgt)
        pairs.append((f"Der {' '.join(words)}.", f"The {' '.join(tgt)}."))
    return pairs


def made_up_table() -> WordTable:
    """The lexicon of `made_up_pairs`."""
    return learn_words(made_up_pairs(), ("de", "en"))
