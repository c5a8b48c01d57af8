"""What filters do to real text: labelled faults, planted leaks."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from pathlib import Path

from mtkit.config.filters import DEFAULT_FILTERS
from mtkit.data.clean.column import column_of
from mtkit.data.clean.folding import fold
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.read.pair import Pair
from mtkit.text.normalize import normalize
from tests.support.corpora import corpus, edited
from tests.support.filters import judges, keys_of

MADE_FOR = {
    "duplicate": "duplicate",
    "empty_side": "empty",
    "glued": "words",
    "html": "markup",
    "merged": "sentences",
    "mojibake": "garbled",
    "not_text": "script",
    "number_mismatch": "numbers",
    "repetition": "repetition",
    "truncated": "ratio",
    "untranslated": "identical",
    "url_boiler": "urls",
}
"""Kinds of fault, and the default filter that is made for each."""


def read(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


def test_labelled_faults_are_caught_and_clean_pairs_kept() -> None:
    verdicts = [judge.verdict for judge in judges(DEFAULT_FILTERS, "en", "fr")]
    (keys,) = (keys_of(options) for options in DEFAULT_FILTERS if options.filter == "duplicate")
    seen: set[int] = set()
    total: Counter[str] = Counter()
    caught: Counter[str] = Counter()
    for line in read(corpus("noisy") / "noisy.en-fr.tsv.gz"):
        label, src, tgt = line.split("\t")
        pair = Pair(normalize(src), normalize(tgt))
        total[label] += 1
        falls = any(verdict(pair) is not None for verdict in verdicts)
        if not falls:
            ((key,),) = keys(column_of([pair.src]), column_of([pair.tgt]), [0]).tolist()
            falls = key in seen
            seen.add(key)
        caught[label] += falls
    assert caught["clean"] < 0.02 * total["clean"]
    assert set(MADE_FOR.values()) <= {options.filter for options in DEFAULT_FILTERS}
    assert set(MADE_FOR) <= set(total)
    assert all(caught[label] >= 0.9 * total[label] for label in MADE_FOR), caught


def test_planted_leaks_are_found() -> None:
    folder = corpus("flores200")
    sides = [[normalize(line) for line in read(folder / f"devtest.{name}.gz")] for name in ("en", "zh")]
    held_out = [Pair(src, tgt) for src, tgt in zip(*sides, strict=True)]
    guard = LeakGuard(held_out, 0.75)
    rng = random.Random(7)
    for exact in (str, str.upper, lambda text: text.replace(",", "").replace(" ", "  ")):
        planted = [Pair(exact(pair.src), "other") for pair in held_out] + [
            Pair("other", exact(pair.tgt)) for pair in held_out
        ]
        assert sum(guard(pair) is not None for pair in planted) >= 0.99 * len(planted)
    for side, spaced in zip(sides, (True, False), strict=True):
        planted = [Pair(edited(text, spaced, rng), "other") for text in side]
        assert sum(guard(pair) is not None for pair in planted) >= 0.9 * len(planted)


def test_planted_short_leaks_are_found_and_other_short_pairs_kept() -> None:
    folder = corpus("tatoeba")

    def pairs(split: str) -> list[Pair]:
        sides = [map(normalize, read(folder / f"eng-fra.{split}.{name}.gz")) for name in ("en", "fr")]
        return [Pair(src, tgt) for src, tgt in zip(*sides, strict=True)]

    held_out = pairs("test")
    guard = LeakGuard(held_out, 0.75)
    rng = random.Random(7)
    planted = [Pair(edited(pair.src, True, rng), edited(pair.tgt, True, rng)) for pair in held_out]
    assert sum(guard(pair) is not None for pair in planted) >= 0.8 * len(planted)
    fresh = pairs("train")[::20]
    found = guard.find_all(*(column_of(side) for side in zip(*((p.src, p.tgt) for p in fresh), strict=True)))
    assert len(found) <= 0.01 * len(fresh)


def test_neighbouring_news_is_no_leak() -> None:
    folder = corpus("wmt")
    test = [Pair(normalize(line), "") for line in read(folder / "newstest2014-enfr.en.gz")]
    guard = LeakGuard(test, 0.75)
    other = {normalize(line) for year in (2011, 2012) for line in read(folder / f"newstest{year}.en.gz")}
    known = {fold(pair.src) for pair in test}
    fresh = [Pair(text, "") for text in other if len(text) > 60 and fold(text) not in known]
    assert sum(guard(pair) is not None for pair in fresh) <= 0.002 * len(fresh)
