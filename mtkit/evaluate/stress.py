"""A stress set from a test set: sources as people really write them, and what that costs. Free of torch."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtkit.config.fixed import MetricName
from mtkit.data.prepare.stages import ReportProgress
from mtkit.data.read.pair import Pair
from mtkit.evaluate.buckets import Breakdown, Bucket
from mtkit.evaluate.figures import Counted, count, figures_of
from mtkit.metrics.significance import PairedTest
from mtkit.text.languages import language_of
from mtkit.text.protect import build_finder

Translate = Callable[[Sequence[tuple[str, tuple[str, ...]]]], list[str]]
"""Returns the translations of sources with their tags."""

_FINAL = re.compile(r"[\s.!?…。！？।]+$")
_EMOJI = build_finder(["emoji"])
_NUMBER = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_FACES = ("😀", "😂", "👍", "🎉", "❤️", "🙏")
_URL = "https://example.org/{number}"
TYPOS = 0.1
"""Share of the words of four letters or more that get a typing error."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A changed test set.

    Attributes:
        name: how it was changed.
        srcs: the changed sources, with their tags.
        base: the lines of the test set, by number, that each of them comes from.
        refs: references of the changed sources.
        judged: applied to translations and references before they are compared, in both sets alike.
        completed: makes the translations and references of the test set as it is those of the changed one.
    """

    name: str
    srcs: list[tuple[str, tuple[str, ...]]]
    base: list[tuple[int, ...]]
    refs: list[str]
    judged: Callable[[str], str] = str
    completed: Callable[[str], str] = str


def variants(pairs: Sequence[Pair], src_lang: str, tgt_lang: str, seed: int) -> list[Variant]:
    """The changed test sets; a change that applies to no line is omitted.

    Args:
        pairs: the test set.
        src_lang: source language, which says what separates sentences.
        tgt_lang: target language, likewise.
        seed: decides where typing errors, spaces, emoji and numbers stand.
    """

    def draw(name: str, place: int) -> random.Random:
        return random.Random(f"{seed} {name} {place}")

    def of_lines(
        name: str,
        source: Callable[[str, random.Random], str],
        judged: Callable[[str], str] = str,
        completed: Callable[[str], str] = str,
    ) -> Variant:
        changed = {place: source(pair.src, draw(name, place)) for place, pair in enumerate(pairs)}
        kept = [place for place, src in changed.items() if src != pairs[place].src]
        return Variant(
            name,
            [(changed[place], pairs[place].tags) for place in kept],
            [(place,) for place in kept],
            [completed(pairs[place].tgt) for place in kept],
            judged,
            completed,
        )

    url = _URL.format(number=seed)
    found = [
        of_lines("capitals", lambda text, _: text.upper(), str.lower),
        of_lines("lower case", lambda text, _: text.lower(), str.lower),
        of_lines("no final punctuation", lambda text, _: _FINAL.sub("", text), _without_final),
        of_lines("typing errors", _with_typos),
        of_lines("extra spaces", _with_spaces),
        of_lines("emoji", lambda text, rng: f"{text} {rng.choice(_FACES)}", _without_emoji),
        of_lines("URL", lambda text, _: f"{text} {url}", str, lambda text: f"{text} {url}"),
        _other_numbers(pairs, draw),
        _joined(pairs, language_of(src_lang).joiner, language_of(tgt_lang).joiner),
    ]
    return [variant for variant in found if variant.srcs]


# ---------------------------------------------------------------- changes


def _without_final(text: str) -> str:
    return _FINAL.sub("", text)


def _without_emoji(text: str) -> str:
    return " ".join(_EMOJI.sub(" ", text).split())


def _with_typos(text: str, rng: random.Random) -> str:
    """Letters of one word in ten, and of one at least, swapped, dropped or doubled."""
    words = list(_LETTERS.finditer(text))
    chosen = [word for word in words if rng.random() < TYPOS] or rng.sample(words, min(1, len(words)))
    for word in reversed(chosen):
        at = rng.randrange(word.start() + 1, word.end() - 1)
        swapped = text[at + 1] + text[at]
        text = text[:at] + rng.choice([swapped, text[at + 1], text[at] * 2 + text[at + 1]]) + text[at + 2 :]
    return text


def _with_spaces(text: str, rng: random.Random) -> str:
    """Spaces doubled or tripled, and some at the ends."""
    inner = re.sub(" ", lambda _: " " * rng.choice((1, 2, 3)), text)
    return f"{' ' * rng.randint(1, 3)}{inner}{' ' * rng.randint(1, 3)}"


def _other_numbers(pairs: Sequence[Pair], draw: Callable[[str, int], random.Random]) -> Variant:
    """Numbers that both sides of a line have, replaced by others of as many digits."""
    found = Variant("other numbers", [], [], [])
    for place, pair in enumerate(pairs):
        both = set(_NUMBER.findall(pair.src)) & set(_NUMBER.findall(pair.tgt))
        if not both:
            continue
        rng = draw("other numbers", place)
        other = {number: _another(number, rng) for number in sorted(both)}

        found.srcs.append((_replaced(pair.src, other), pair.tags))
        found.base.append((place,))
        found.refs.append(_replaced(pair.tgt, other))
    return found


def _replaced(text: str, other: Mapping[str, str]) -> str:
    return _NUMBER.sub(lambda found: other.get(found[0], found[0]), text)


def _another(number: str, rng: random.Random) -> str:
    """A number of as many digits that does not begin with zero."""
    while True:
        other = rng.choice("123456789") + "".join(rng.choices("0123456789", k=len(number) - 1))
        if other != number:
            return other


def _joined(pairs: Sequence[Pair], src_joiner: str, tgt_joiner: str) -> Variant:
    """Two lines as one."""
    found = Variant("joined sentences", [], [], [])
    for first in range(0, len(pairs) - 1, 2):
        one, two = pairs[first], pairs[first + 1]
        if one.tags == two.tags:
            found.srcs.append((src_joiner.join((one.src, two.src)), one.tags))
            found.base.append((first, first + 1))
            found.refs.append(tgt_joiner.join((one.tgt, two.tgt)))
    return found


# ---------------------------------------------------------------- scores


def stress(
    pairs: Sequence[Pair],
    hyps: Sequence[str],
    languages: tuple[str, str],
    metrics: Sequence[MetricName],
    translate: Translate,
    test: PairedTest,
    seed: int = 1,
    progress: ReportProgress | None = None,
) -> list[Breakdown]:
    """What each change of the sources costs, compared with the same lines as they are.

    Args:
        pairs: the test set; only the first reference counts.
        hyps: its translations as it is.
        languages: source and target language.
        metrics: names of metrics.
        translate: translates changed sources.
        test: how the scores of the changed lines are compared with those of the lines as they are.
        seed: of everything drawn at random.
        progress: called after each change.
    """
    src_lang, tgt_lang = languages
    joiner = language_of(tgt_lang).joiner
    names: list[str] = []
    groups: list[list[Counted]] = []
    made = variants(pairs, src_lang, tgt_lang, seed)
    for number, variant in enumerate(made, start=1):
        changed = [variant.judged(hyp) for hyp in translate(variant.srcs)]
        as_is, own = (
            [
                variant.judged(variant.completed(joiner.join(texts[place] for place in places)))
                for places in variant.base
            ]
            for texts in (hyps, [pair.tgt for pair in pairs])
        )
        base = count([as_is], [own], metrics, tgt_lang)
        other = count([changed], [[variant.judged(ref) for ref in variant.refs]], metrics, tgt_lang)
        groups.append(
            [
                Counted(one.title, one.higher_is_better, one.metric, (*one.rows, *two.rows))
                for one, two in zip(base, other, strict=True)
            ]
        )
        names.append(variant.name)
        if progress:
            progress("stress set", number, len(made))
    figures = figures_of(groups, test, small=True)
    sizes = [len(variant.srcs) for variant in made]
    found = [Breakdown("stress", "lines", tuple(map(Bucket, names, sizes, figures)))]
    return [*found, single_words(pairs, translate)]


class _Share:
    """The share of lines that count, from [lines, 1] of ones and zeros."""

    @staticmethod
    def aggregate(statistics: Sequence[Sequence[float]]) -> float:
        return float(100 * np.mean(statistics))


def single_words(pairs: Sequence[Pair], translate: Translate) -> Breakdown:
    """Single words of the sources: the share that is translated by a text of a plausible length.

    There is no reference. A translation of a word is implausible if it is blank or longer than three times
    the word and ten characters more: the model has made up a sentence.
    """
    words: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        found = _LETTERS.findall(pair.src)
        if found:
            words.setdefault(max(found, key=len), pair.tags)
    hyps = translate(list(words.items()))
    fits = [0 < len(hyp.strip()) <= 3 * len(word) + 10 for word, hyp in zip(words, hyps, strict=True)]
    rows = np.array(fits, np.float64).reshape(-1, 1)
    counted = Counted("plausible length", True, _Share(), (rows,))
    figures = figures_of([[counted]] if words else [], None)
    return Breakdown("stress", "lines", tuple(Bucket("single words", len(words), own) for own in figures))
