"""Contrastive pairs from a test set: does the model prefer each reference to a wrong twin? Free of torch."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.pair import Pair
from mtkit.evaluate.accuracy import names_of
from mtkit.evaluate.buckets import Breakdown, Bucket
from mtkit.evaluate.figures import Counted, figures_of
from mtkit.text.languages import language_of

Fault = Literal["number swapped", "negation dropped", "names exchanged", "clause deleted", "word repeated"]
"""What is wrong with a twin."""
Score = Callable[[Sequence[Pair]], list[float]]
"""Returns the scores that the model gives to pairs, higher for better ones."""
PAIRS_AT_ONCE = 200

_NUMBER = re.compile(r"\d+")
_NEGATIONS: Mapping[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "en": (
        (re.compile(r"\b(?:do|does|did) not +"), ""),
        (re.compile(r"\b([Cc]an)(?:not|'t|’t)\b"), r"\1"),
        (re.compile(r"(?<=[a-z])n['’]t\b"), ""),
        (re.compile(r" (?:not|never)\b"), ""),
        (re.compile(r" no (?=[a-z])"), " "),
    ),
    "fr": (
        (re.compile(r"\b([CcJj])e n['’]([^\s,.]+) (?:pas|jamais|plus|rien)\b"), r"\1'\2"),
        (re.compile(r"\b(?:ne |n['’])([^\s,.]+) (?:pas|jamais|plus|rien)\b"), r"\1"),
        (re.compile(r"\bN['’]([^\s,.]+) (?:pas|jamais|plus|rien)\b"), r"\1"),
    ),
    "de": ((re.compile(r" (?:nicht|nie|niemals)\b"), ""), (re.compile(r"\b([Kk])ein(e[nmrs]?)?\b"), "")),
    "zh": ((re.compile("没有|没|不(?!仅|但|过|同|断|久|管|少|论)"), ""),),
}
"""What is searched for in each language, and what replaces it; the first that is found counts."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_FINAL = re.compile(r"[\s.!?…。！？\"”»]*$")

_QUOTES = frozenset('"“”„‟«»()（）')
"""Signs that come in pairs: a clause that has one of them cannot be deleted without a trace."""


class Twin(NamedTuple):
    """A pair, and its wrong translation."""

    fault: Fault
    pair: Pair
    wrong: str


def twins(pairs: Sequence[Pair], tgt_lang: str, seed: int) -> list[Twin]:
    """The wrong twins of each reference, as many as its text allows.

    Args:
        pairs: the test set.
        tgt_lang: language of the references; negations are known in English, French, German and Chinese.
        seed: decides which number, names, word or clause.
    """
    found = []
    for place, pair in enumerate(pairs):
        for fault in get_args(Fault):
            rng = random.Random(f"{seed} {fault} {place}")
            wrong = _spoilt(fault, pair, tgt_lang, rng)
            if wrong is not None and wrong.split() != pair.tgt.split():
                found.append(Twin(fault, pair, wrong))
    return found


def _spoilt(fault: Fault, pair: Pair, tgt_lang: str, rng: random.Random) -> str | None:
    """The reference with a fault; None if it cannot have it."""
    match fault:
        case "number swapped":
            return _number_swapped(pair.tgt, rng)
        case "negation dropped":
            return _negation_dropped(pair.tgt, language_of(tgt_lang).code)
        case "names exchanged":
            return _names_exchanged(pair, rng)
        case "clause deleted":
            return _clause_deleted(pair.tgt, spaced=language_of(tgt_lang).spaced)
        case "word repeated":
            return _word_repeated(pair.tgt, language_of(tgt_lang).joiner, rng)


def _number_swapped(text: str, rng: random.Random) -> str | None:
    """One number with another digit."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    chosen = rng.choice(found)
    at = rng.randrange(chosen.start(), chosen.end())
    digit = rng.choice([digit for digit in "123456789" if digit != text[at]])
    return text[:at] + digit + text[at + 1 :]


def _negation_dropped(text: str, code: str) -> str | None:
    for pattern, replacement in _NEGATIONS.get(code, ()):
        if found := pattern.search(text):
            if code == "de" and found[0].lower().startswith("kein"):
                replacement = f"{'E' if found[1] == 'K' else 'e'}in{found[2] or ''}"
            return text[: found.start()] + found.expand(replacement) + text[found.end() :]
    return None


def _names_exchanged(pair: Pair, rng: random.Random) -> str | None:
    """Two names that the source has too, each in the place of the other; not two that follow each other."""
    in_source = set(re.findall(r"\w+", pair.src))
    names = [name for name in dict.fromkeys(names_of(f", {pair.tgt}")) if name in in_source]
    if len(names) < 2:
        return None
    one, other = rng.sample(names, 2)
    swap = {one: other, other: one}
    if any(f"{first} {second}" in pair.tgt for first, second in swap.items()):
        return None
    return re.sub(rf"\b(?:{re.escape(one)}|{re.escape(other)})\b", lambda found: swap[found[0]], pair.tgt)


def _clause_deleted(text: str, *, spaced: bool) -> str | None:
    """Without what follows the last comma, of three words or more; the end of the sentence stays."""
    final = _FINAL.search(text)
    end = final.start() if final else len(text)
    at = max(text.rfind(sign, 0, end) for sign in (", ", "，", "; ", "；"))
    if at < 0 or not _QUOTES.isdisjoint(text[at:]):
        return None
    sizes = [len(part.split()) if spaced else len(part) // 2 for part in (text[:at], text[at + 1 : end])]
    return text[:at] + text[end:] if min(sizes) >= 3 else None


def _word_repeated(text: str, joiner: str, rng: random.Random) -> str | None:
    """One word twice; two characters of Chinese."""
    found = list(_WORD.finditer(text))
    if not found:
        return None
    chosen = rng.choice(found)
    word, end = chosen[0], chosen.end()
    if not joiner:
        start = rng.randrange(chosen.start(), chosen.end() - 1)
        word, end = text[start : start + 2], start + 2
    return text[:end] + joiner + word + text[end:]


# ---------------------------------------------------------------- accuracy


class _Accuracy:
    """The share of pairs that count, from [pairs, 1] of ones and zeros."""

    @staticmethod
    def aggregate(statistics: Sequence[Sequence[float]]) -> float:
        return float(100 * np.mean(statistics))


def contrast(
    pairs: Sequence[Pair], tgt_lang: str, score: Score, seed: int = 1, progress: ReportProgress | None = None
) -> Breakdown:
    """How often the model scores a reference higher than its wrong twin, for each fault.

    Sennrich 2017, "How grammatical is character-level neural machine translation? Assessing MT quality with
    contrastive translation pairs".

    Args:
        pairs: the test set; only the first reference counts.
        tgt_lang: language of the references.
        score: gives the scores of the model.
        seed: of everything drawn at random.
        progress: called with the pairs scored so far.
    """
    made = twins(pairs, tgt_lang, seed)
    refs = list({id(twin.pair): twin.pair for twin in made}.values())
    asked = [*refs, *(Pair(twin.pair.src, twin.wrong, tags=twin.pair.tags) for twin in made)]
    scores: list[float] = []
    for begin in range(0, len(asked), PAIRS_AT_ONCE):
        scores += score(asked[begin : begin + PAIRS_AT_ONCE])
        if progress:
            progress("contrastive pairs", len(scores), len(asked))
    right = {id(pair): own for pair, own in zip(refs, scores, strict=False)}
    wins: dict[Fault, list[float]] = {fault: [] for fault in get_args(Fault)}
    for twin, wrong in zip(made, scores[len(refs) :], strict=True):
        wins[twin.fault].append(float(right[id(twin.pair)] > wrong))
    kept = {fault: np.array(own).reshape(-1, 1) for fault, own in wins.items() if own}
    figures = figures_of([[Counted("accuracy", True, _Accuracy(), (rows,))] for rows in kept.values()], None)
    buckets = (Bucket(fault, len(kept[fault]), own) for fault, own in zip(kept, figures, strict=True))
    return Breakdown("contrast", "pairs", tuple(buckets))
