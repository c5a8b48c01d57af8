"""The word aligner against links that the phrasebook knows: words that fill the same slot."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from mtkit.data.prepare.align import Aligner, Array, learn_aligner, posteriors
from mtkit.data.read.phrasebook.book import Filler
from mtkit.data.read.phrasebook.compose import templates
from mtkit.text.word_spans import words_of

Sentence = tuple[list[str], list[str], set[tuple[int, int]]]


def fillers(filler: Filler) -> Iterator[Filler]:
    for part in filler.parts.values():
        yield part
        yield from fillers(part)


def one_word(filler: Filler, lang: str) -> str:
    """The word that the filler is in its usual form; empty if it is none or several."""
    word = filler.row.words.get(lang)
    if word is None and ("", "") not in filler.row.texts and (lang, "") not in filler.row.texts:
        return ""
    try:
        words = words_of(filler.text(lang), lang)
    except (AssertionError, KeyError):  # an adjective has no text of its own
        return ""
    return words[0] if len(words) == 1 else ""


def phrasebook(count: int, src_lang: str, tgt_lang: str) -> list[Sentence]:
    """Sentences of the phrasebook with the links of words that fill the same slot in both languages."""
    rng, found = random.Random(5), []
    scenes = [template for template in templates("train") if template.meanings]
    for _ in range(count):
        template = rng.choice(scenes)
        meaning = rng.choice(template.meanings)
        src, tgt = (words_of(template.say(meaning, lang), lang) for lang in (src_lang, tgt_lang))
        links = set()
        for filler in fillers(template.row.fill(meaning)):
            one, other = one_word(filler, src_lang), one_word(filler, tgt_lang)
            if src.count(one) == 1 == tgt.count(other):
                links.add((src.index(one), tgt.index(other)))
        found.append((src, tgt, links))
    return found


def numbered(sentences: list[list[str]]) -> tuple[list[Array], int]:
    ids = {word: number for number, word in enumerate(sorted({w for row in sentences for w in row}), start=1)}
    return [np.array([ids[word] for word in row]) for row in sentences], len(ids) + 1


def error_rate(aligner: Aligner, pairs: list[tuple[Array, Array]], sentences: list[Sentence]) -> float:
    """AER (Och and Ney 2003) over target words with a known link: all known links are sure."""
    hits = made = sure = 0
    for (src, tgt), (_, _, links) in zip(pairs, sentences, strict=True):
        known = {place for _, place in links}
        shares = posteriors(aligner.forward, src[None], tgt[None])[0]  # [tgt_len, src_len]
        found = {(int(shares[place].argmax()), place) for place in known if shares[place].sum() > 0.5}
        hits, made, sure = hits + len(found & links), made + len(found), sure + len(links)
    return 1 - 2 * hits / (made + sure)


@pytest.mark.slow
@pytest.mark.parametrize(("src_lang", "tgt_lang", "most"), [("en", "fr", 0.03), ("de", "en", 0.03)])
def test_links_of_the_phrasebook_are_found(src_lang: str, tgt_lang: str, most: float) -> None:
    sentences = phrasebook(6000, src_lang, tgt_lang)
    (srcs, src_base), (tgts, tgt_base) = (
        numbered(rows) for rows in ([src for src, _, _ in sentences], [tgt for _, tgt, _ in sentences])
    )
    pairs = list(zip(srcs, tgts, strict=True))
    aligner = learn_aligner(pairs, src_base, tgt_base)
    assert sum(len(links) for _, _, links in sentences) > 3000
    rate = error_rate(aligner, pairs, sentences)
    assert rate < most
    untrained = learn_aligner(pairs, src_base, tgt_base, iterations=1)
    assert error_rate(untrained, pairs, sentences) > rate
