"""Filters as tests use them: one of each, and what each does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from mtkit.config.filters import DuplicateFilter, Filter, NearDuplicateFilter
from mtkit.data.clean.column import Column, column_of
from mtkit.data.clean.judging import Judge, Repeats, build_filter
from mtkit.data.clean.near import Keys
from mtkit.data.read.pair import Pair
from tests.support.choices import members

_NEEDS: dict[str, dict[str, Any]] = {"score": {"min_score": 0.5}}
"""Options without a default."""


def one_of_each() -> list[Filter]:
    """Every member of the union, at its defaults."""
    names = {kind: get_args(kind.model_fields["filter"].annotation)[0] for kind in members(Filter)}
    return [kind(filter=name, **_NEEDS.get(name, {})) for kind, name in names.items()]


def judge_of(options: Filter, src_lang: str = "en", tgt_lang: str = "fr") -> Judge:
    """A filter that judges a pair by itself."""
    built = build_filter(options, src_lang, tgt_lang)
    assert isinstance(built, Judge)
    return built


def judges(filters: Sequence[Filter], src_lang: str, tgt_lang: str) -> list[Judge]:
    """Those that judge a pair by itself."""
    found = [build_filter(options, src_lang, tgt_lang) for options in filters]
    return [built for built in found if isinstance(built, Judge)]


def keys_of(options: DuplicateFilter | NearDuplicateFilter) -> Keys:
    """The keys of a filter of repetitions."""
    built = build_filter(options, "en", "fr")
    assert isinstance(built, Repeats)
    return built.keys


def columns(pairs: Sequence[Pair]) -> tuple[Column, Column]:
    """Sources and targets."""
    return column_of([pair.src for pair in pairs]), column_of([pair.tgt for pair in pairs])
