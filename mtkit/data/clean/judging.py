"""Builds functions from the filters of a config.

There are three kinds: a judge looks at one pair, repeats compare keys with those of earlier pairs, and the
leak guard compares with held-out text. What a filter computes for a pair depends on no other training pair,
so any process can build and apply it. Pairs are normalised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from mtkit.config.filters import (
    DuplicateFilter,
    EmptyFilter,
    Filter,
    GarbledFilter,
    IdenticalFilter,
    LanguageFilter,
    LengthFilter,
    MarkupFilter,
    NearDuplicateFilter,
    NumbersFilter,
    OverlapFilter,
    RatioFilter,
    RepetitionFilter,
    ScoreFilter,
    ScriptFilter,
    SentencesFilter,
    TokensFilter,
    UrlsFilter,
    WordsFilter,
)
from mtkit.data.clean import screen, verdicts
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.clean.near import Keys, duplicate_keys, minhash_keys
from mtkit.data.clean.screen import Screen
from mtkit.data.clean.verdicts import Verdict
from mtkit.data.read.pair import Pair


def named(filters: Sequence[Filter]) -> dict[str, Filter]:
    """The filters by name; the second of a kind is numbered, as in `length-2`."""
    seen: Counter[str] = Counter()
    result: dict[str, Filter] = {}
    for options in filters:
        kind = options.filter
        seen[kind] += 1
        result[kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"] = options
    return result


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges a pair by itself.

    Attributes:
        verdict: returns None to keep a pair, else why it is dropped.
        screen: marks the pairs, of many, that the verdict may drop; None if the verdict must judge all.
    """

    verdict: Verdict
    screen: Screen | None = None


@dataclass(frozen=True, slots=True)
class Repeats:
    """Drops a pair that shares a key with an earlier pair."""

    keys: Keys


Built = Judge | Repeats | LeakGuard
"""A filter, ready for use."""


def build_filter(  # noqa: PLR0912
    options: Filter, src_lang: str, tgt_lang: str, held_out: Iterable[Pair] = ()
) -> Built | None:
    """The filter with these options; None if it acts later, on tokens.

    Args:
        options: of the filter.
        src_lang: language of the sources.
        tgt_lang: language of the targets.
        held_out: validation and test pairs; their origin is the name of their set.

    Raises:
        UsageError: the filter needs a package that is not installed, or does not support a language.
    """
    languages = src_lang, tgt_lang
    match options:
        case EmptyFilter():
            return Judge(verdicts.empty(), screen.empty())
        case LengthFilter():
            bounds = options.min_chars, options.max_chars
            return Judge(verdicts.length(*bounds), screen.length(*bounds))
        case IdenticalFilter():
            return Judge(verdicts.identical(options.min_words), screen.identical())
        case RatioFilter():
            sizes = options.max_ratio, options.slack, *languages
            return Judge(verdicts.ratio(*sizes), screen.uneven(*sizes))
        case SentencesFilter():
            sizes = options.max_ratio, options.slack, *languages
            return Judge(verdicts.sentences(*sizes), screen.uneven(*sizes))
        case ScriptFilter():
            shares = options.min_letters, options.min_share, *languages
            return Judge(verdicts.script(*shares), screen.script(*shares))
        case WordsFilter():
            limit = options.max_chars, *languages
            return Judge(verdicts.words(*limit), screen.words(*limit))
        case GarbledFilter():
            signs = screen.signs(b"\xc3\x83", b"\xc3\x82", b"\xc3\xa2\xe2", b"\xef\xbf")
            return Judge(verdicts.garbled(), signs)
        case MarkupFilter():
            return Judge(verdicts.markup(options.max_share), screen.signs(b"<", b"&"))
        case UrlsFilter():
            return Judge(verdicts.urls(options.max_share, *languages), screen.signs(b":/", b"www"))
        case NumbersFilter():
            return Judge(verdicts.numbers(options.min_digits), screen.numbers(options.min_digits))
        case RepetitionFilter():
            return Judge(verdicts.repetition(options.max_share, *languages), screen.repetition(*languages))
        case LanguageFilter():
            return Judge(verdicts.language(options.min_probability, options.min_chars, *languages))
        case ScoreFilter():
            return Judge(verdicts.score(options.min_score))
        case DuplicateFilter():
            return Repeats(duplicate_keys(options.side, fold=options.fold))
        case NearDuplicateFilter():
            return Repeats(minhash_keys(options.similarity))
        case OverlapFilter():
            return LeakGuard(held_out, options.near)
        case TokensFilter():
            return None
        case _:
            assert_never(options)
