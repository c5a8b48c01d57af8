"""Signs that a translation has gone wrong, whatever its score. Free of torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from operator import eq
from typing import TYPE_CHECKING

from mtkit.data.clean import verdicts
from mtkit.data.read.pair import Pair
from mtkit.text.languages import language_of, size_of
from mtkit.text.lazy import lazy_pattern
from mtkit.text.segment import sentences

if TYPE_CHECKING:
    from mtkit.config.decode import DecodeConfig

MAX_RATIO = 3.0
SLACK = 40
"""A translation may be so many times as large as its source plus so many characters, or as much smaller."""
MAX_REPEATED = 0.5
MIN_WORDS = 4
MIN_CHARS = 10
"""Minimum length of a translation without letters that is wrong: a number or a code may be right."""
MIN_FOREIGN = 6
MAX_FOREIGN_SHARE = 0.25
"""A translation may have so many letters in words of another script, or this share of its letters."""
MORE_OFTEN = 3
"""A pair of words must occur this many times more often than any word of the source to be a loop."""
LONG_LOOP = 15
"""A pair of words must occur once in so many words to be a loop."""
LONG_RUN, LONG_SHARE = 3, 0.35
"""A loop repeats so many words or more, which with their copy are this share of the text."""
MIN_STUTTER = 6
"""Letters of a word that may not follow itself even once; `nous nous`, `that that` are common."""
MIN_SIGNIFICANT = 4
"""Digits of a number without zeros at its end, below which it may be spelled out in the source."""
SHORTER = 1.7
"""Maximum ratio of the length of a source with more sentences to that of its translation."""
MIN_BEAM = 3
"""Beam of the second search. Of 235 faulty captions, 28 remain faulty with it, 32 with 2, 27 with 5."""
MAX_FOREIGN = 12
"""Characters outside Latin-1 that a text may have and still be tested as bytes."""

_WORD = lazy_pattern(r"[^\W_]+")
_INSIDE = lazy_pattern(r"([^\W_]{2,8}?)\1\1|([^\W\d_])\2{3}|([1-9])\3{4}|([^\w\s])\4{14}")
"""A word's loop: a syllable three times, a letter four times, a digit but 0 five times; or a row of signs."""
_CODE = lazy_pattern(r"[=_{}<>\\|`@/\[]|\w\(|\w[.:]\w|--")
_BETWEEN = "[ ,，、。'’-]+"
_NUMBER = lazy_pattern(r"\d+(?:[.,' \u00a0\u2009\u202f]\d{3}\b)*")
_LONG_NUMBER = lazy_pattern(r"\d\D?\d{3}")
_SPELLED = frozenset("〇零一二三四五六七八九十百千万億亿兩两")

_LOWER = bytes(ord(char.lower()) if char.isalnum() else ord(" ") for char in map(chr, range(256)))
"""A table for Latin-1 text: lower-case letters, digits, and a space for everything else."""
_ROW_OF_SIGNS = b" " * 15


class Guard:
    """Judges translations of one language pair by the filters that clean its training data.

    A translation is only blamed for what its source does not do itself: `ha ha ha ha` may be translated.
    """

    def __init__(self, src_lang: str, tgt_lang: str) -> None:
        same = language_of(src_lang).code == language_of(tgt_lang).code
        self._source_repeats = verdicts.repetition(MAX_REPEATED, src_lang, src_lang)
        self._repeats = verdicts.repetition(MAX_REPEATED, src_lang, tgt_lang)
        self._ratio = verdicts.ratio(MAX_RATIO, SLACK, src_lang, tgt_lang)
        self._copied = None if same else verdicts.identical(MIN_WORDS)
        self._src_lang, self._tgt_lang = src_lang, tgt_lang
        self._sizes = size_of(src_lang), size_of(tgt_lang)
        own = language_of(tgt_lang).alphabet
        self._own = lazy_pattern(f"[{own}]")
        # Latin letters with two marks, as in Vietnamese, and wide ones belong to no foreign script.
        foreign = rf"[^\W\d_{own}\u1e00-\u1eff\uff00-\uffef]"
        self._foreign = lazy_pattern(f"{foreign}{{2,}}(?:{_BETWEEN}{foreign}+)*+")
        self._has_latin = "a" in own
        spaced = language_of(src_lang).spaced
        self._prose = lazy_pattern(
            rf"(?<!\w)\w++(?:{_BETWEEN}\w++){{2}}" if spaced else rf"(?:\w(?:{_BETWEEN})?){{6}}"
        )
        self._weights = tuple(3 * (language_of(code).byte_size or 1 / 3) for code in (src_lang, tgt_lang))

    def fault(self, src: str, hyp: str) -> str | None:
        """The fault of `hyp` as a translation of `src` in a few words, or None.

        A blank source has no translation that could be wrong.
        """
        if not src.strip():
            return None
        if not hyp.strip():
            return "it is empty"
        pair = Pair(src, hyp)
        if verdicts.may_repeat(hyp) and self._repeats(pair) and not self._source_repeats(Pair(src, src)):
            return "it repeats itself"
        if found := loop(src, hyp):
            return f"it repeats {found:.40}"
        if found := invented_number(src, hyp):
            return f"the source has no number {found:.20}"
        if self._lacks_sentences(src, hyp):
            return "it has fewer sentences than the source"
        if ratio := self._ratio(pair):
            return f"its length: {ratio}"
        if self._copied and self._copied(pair):
            return "it is the source"
        if _has_no_letters(src, hyp):
            return "it has no letters"
        if self._is_foreign(src, hyp):
            return "it is not in the script of its language"
        return None

    def _is_foreign(self, src: str, hyp: str) -> bool:
        """Whether much of `hyp` is in another script, apart from names and code of the source."""
        if (self._has_latin and hyp.isascii()) or not self._foreign.search(hyp):
            return False
        has_code = bool(_CODE.search(hyp))
        known, foreign = src.lower(), 0.0
        for found in self._foreign.findall(hyp):
            words = re.split(_BETWEEN, found)
            is_prose = (
                not has_code
                and self._prose.search(found)
                and 2 * sum(word == word.lower() for word in words) >= len(words)
            )
            foreign += sum(len(word) for word in words if is_prose or word.lower() not in known)
        if foreign < MIN_FOREIGN:
            return False
        own = self._weights[1] * len(self._own.findall(hyp))
        foreign *= self._weights[0]
        return foreign > MAX_FOREIGN_SHARE * (foreign + own)

    def _lacks_sentences(self, src: str, hyp: str) -> bool:
        src_size, tgt_size = self._sizes
        if src_size(src) <= SHORTER * tgt_size(hyp):
            return False
        return len(sentences(src, self._src_lang)) > len(sentences(hyp, self._tgt_lang))


@lru_cache(maxsize=64)
def guard_of(src_lang: str, tgt_lang: str) -> Guard:
    """The guard of a language pair, which is the same for all calls."""
    return Guard(src_lang, tgt_lang)


def _has_no_letters(src: str, hyp: str) -> bool:
    """Whether `hyp` is long and without letters, though its source has words."""
    if len(hyp) < MIN_CHARS or any(map(str.isalpha, hyp)):
        return False
    return sum(map(str.isalpha, src)) > MIN_CHARS


def loop(src: str, hyp: str) -> str:
    """The text that `hyp` repeats inside a word or between words, unless `src` does; empty if none."""
    if not _may_loop(hyp):
        return ""
    hyp, src = hyp.casefold(), src.casefold()
    inside = _INSIDE.search(hyp)
    if inside and not _INSIDE.search(src):
        return inside[0]
    words = _WORD.findall(hyp)
    if len(set(words)) == len(words):
        return ""
    src_words = _WORD.findall(src)
    spaced = " ".join(hyp.replace("-", " ").split())
    stutters = [word for word in _stutters(words, MIN_STUTTER) if f"{word} {word}" in spaced]
    if stutters and len(stutters) > len(_stutters(src_words, 2)):
        return f"{stutters[0]} {stutters[0]}"
    pairs = [*pairwise(words)]
    if len(set(pairs)) == len(pairs):
        return ""
    pair, count = Counter(pairs).most_common(1)[0]
    if count * LONG_LOOP >= len(words) and count >= max(Counter(src_words).values(), default=0) + MORE_OFTEN:
        return " ".join(pair)
    run = _longest_run(words)
    if len(run) >= LONG_RUN and 2 * len(run) >= LONG_SHARE * len(words) and len(_longest_run(src_words)) < 2:
        return " ".join(run)
    return ""


def _may_loop(text: str) -> bool:
    """Whether `text` shows a sign of a loop: a fast test that clears nearly all lines in Latin script."""
    text = text.replace("’", " ").replace("ß", "ss")
    latin = text.encode("latin-1", "ignore")
    if len(text) - len(latin) > MAX_FOREIGN:
        return True
    latin = latin.translate(_LOWER)
    if _ROW_OF_SIGNS in latin:
        return True
    words = latin.decode("latin-1").split()
    different = {*words}
    repeated = len(words) - len(different)
    if repeated and any(map(eq, words, words[1:])) and _stutters(words, MIN_STUTTER):
        return True
    if repeated >= LONG_RUN:
        run = len(words) - len({*pairwise(words)})  # the most words that a repeated run can have
        if run >= LONG_RUN and 2 * run >= LONG_SHARE * len(words):
            return True
        if run > MORE_OFTEN and max(Counter(pairwise(words)).values()) > MORE_OFTEN:
            return True
    return any(map(_loops, different))


@lru_cache(maxsize=1 << 15)
def _loops(word: str) -> bool:
    """Whether a word has a loop inside; remembered, because most words of a text occur often."""
    return len({*word}) < len(word) - 2 and bool(_INSIDE.search(word))


def _stutters(words: Sequence[str], least: int) -> list[str]:
    """The words that follow themselves twice, or of `least` letters once."""
    return [
        one
        for place, (one, other) in enumerate(pairwise(words))
        if one == other
        and one.isalpha()
        and (len(one) >= least or (len(one) > 1 and words[place + 2 : place + 3] == [one]))
    ]


def _longest_run(words: Sequence[str]) -> tuple[str, ...]:
    """The longest sequence of at most a dozen words that occurs twice."""
    found: tuple[str, ...] = ()
    for size in range(1, 13):
        runs = Counter(zip(*(words[start:] for start in range(size)), strict=False))
        if not runs or (most := runs.most_common(1)[0])[1] < 2:
            break
        found = most[0]
    return found


def invented_number(src: str, hyp: str) -> str:
    """A number of `hyp` that is not in `src` in any writing; empty if there is none.

    A short or round number may be spelled out in the source, and the end of a year may be all it has of it.
    """
    if not _LONG_NUMBER.search(hyp):
        return ""
    numbers = [one for one in _NUMBER.findall(hyp) if len(one) >= MIN_SIGNIFICANT and one not in src]
    if not numbers or not _SPELLED.isdisjoint(src):
        return ""
    digits = "".join(str(int(char)) for char in src if char.isdecimal())
    for number in numbers:
        plain = "".join(str(int(char)) for char in number if char.isdecimal())
        significant = plain.strip("0")
        if len(significant) >= MIN_SIGNIFICANT and significant not in digits and plain[-2:] not in digits:
            return number
    return ""


def retry_options(options: DecodeConfig) -> DecodeConfig:
    """The options for searching again after a fault: a wider beam without repeated n-grams."""
    return options.model_copy(
        update={
            "method": "beam",
            "beam_size": max(options.beam_size, MIN_BEAM),
            "min_len": max(options.min_len, 1),
            "no_repeat_ngram_size": 3,
            "repetition_penalty": 1.2,
        }
    )
