"""Which training pairs are worth learning from, as the list of filters in the configuration says.

Three kinds: verdicts judge a pair by itself; keys tell whether an earlier pair was the same; the leak guard
knows the held-out text. All are functions of one pair, equal wherever they are built. Pairs come normalised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
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
from mtkit.data.clean import verdicts
from mtkit.data.clean.leaks import LeakGuard
from mtkit.data.clean.near import Keys, duplicate_keys, minhash_keys
from mtkit.data.clean.verdicts import Verdict
from mtkit.data.read.pair import Pair


def named(filters: Sequence[Filter]) -> dict[str, Filter]:
    """Each filter under its name; a second one of a kind gets a number, as in `length-2`."""
    seen: Counter[str] = Counter()
    result: dict[str, Filter] = {}
    for options in filters:
        kind = options.filter
        seen[kind] += 1
        result[kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"] = options
    return result


def build_verdicts(filters: Sequence[Filter], src_lang: str, tgt_lang: str) -> list[tuple[str, Verdict]]:
    """The filters that judge a pair by itself, under their names and in their order.

    Those that know other pairs, held-out text or tokens are left out.

    Raises:
        UsageError: a filter needs a package that is not installed, or does not know a language.
    """
    found = ((name, build_verdict(options, src_lang, tgt_lang)) for name, options in named(filters).items())
    return [(name, verdict) for name, verdict in found if verdict]


def build_verdict(options: Filter, src_lang: str, tgt_lang: str) -> Verdict | None:  # noqa: PLR0912
    """The verdict of one filter; None if it needs more than the pair."""
    match options:
        case EmptyFilter():
            return verdicts.empty()
        case LengthFilter():
            return verdicts.length(options.min_chars, options.max_chars)
        case IdenticalFilter():
            return verdicts.identical(options.min_words)
        case RatioFilter():
            return verdicts.ratio(options.max_ratio, options.slack, src_lang, tgt_lang)
        case SentencesFilter():
            return verdicts.sentences(options.max_ratio, options.slack, src_lang, tgt_lang)
        case ScriptFilter():
            return verdicts.script(options.min_letters, options.min_share, src_lang, tgt_lang)
        case WordsFilter():
            return verdicts.words(options.max_chars, src_lang, tgt_lang)
        case GarbledFilter():
            return verdicts.garbled()
        case MarkupFilter():
            return verdicts.markup(options.max_share)
        case UrlsFilter():
            return verdicts.urls(options.max_share, src_lang, tgt_lang)
        case NumbersFilter():
            return verdicts.numbers(options.min_digits)
        case RepetitionFilter():
            return verdicts.repetition(options.max_share, src_lang, tgt_lang)
        case LanguageFilter():
            return verdicts.language(options.min_probability, options.min_chars, src_lang, tgt_lang)
        case ScoreFilter():
            return verdicts.score(options.min_score)
        case DuplicateFilter() | NearDuplicateFilter() | OverlapFilter() | TokensFilter():
            return None
        case _:
            assert_never(options)


def build_keys(options: DuplicateFilter | NearDuplicateFilter) -> Keys:
    """What two pairs have in common if the filter takes one for a repetition of the other."""
    if isinstance(options, NearDuplicateFilter):
        return minhash_keys(options.similarity)
    return duplicate_keys(options.side, fold=options.fold)


def build_overlap(options: OverlapFilter, held_out: Iterable[Pair]) -> LeakGuard:
    """The leak guard: which validation or test text the pair repeats."""
    return LeakGuard(held_out, options.near)
