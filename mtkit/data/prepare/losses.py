"""Corpora of which little or nothing is left, and held-out pairs without text."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mtkit.config.data import DataConfig
from mtkit.config.filters import DuplicateFilter, Filter, NearDuplicateFilter
from mtkit.data.clean.judging import named
from mtkit.data.prepare.ledger import LedgerRow
from mtkit.data.read.pair import Pair
from mtkit.data.read.repairs import BAD_UTF8
from mtkit.errors import InputError

logger = logging.getLogger(__name__)


def check_losses(data: DataConfig, rows: Sequence[LedgerRow]) -> None:
    """Refuses training data of which nothing is left, and corpora that lost more than `data.max_dropped`.

    Raises:
        InputError: nothing is left, or too little of a corpus.
    """
    if not any(row.read for row in rows):
        raise InputError("data.train: the training corpora have no pairs.")
    for row in rows:
        if not row.read:
            logger.warning("%s: has no pairs.", row.source)
    if not any(row.kept for row in rows):
        total = LedgerRow("data.train")
        for row in rows:
            total.add(row)
        raise InputError(f"data.train: all {total.read:,} pairs {_told(total)}.", _advice(data, total))
    filters = named(data.filters)
    harmless = {
        name
        for name, options in filters.items()
        if isinstance(options, DuplicateFilter | NearDuplicateFilter)
    }
    for row in rows:
        lost = sum(count for name, count in row.lost.items() if name not in harmless)
        if data.max_dropped < 1 and lost and (lost > data.max_dropped * row.read or lost == row.read):
            many = "all" if lost == row.read else f"{lost:,} of"
            share = "" if lost == row.read else f" ({lost / row.read:.0%})"
            raise InputError(
                f"{row.source}: {many} {row.read:,} pairs{share} {_told(row)}; the maximum is "
                f"data.max_dropped = {data.max_dropped:g}.",
                f"{_advice(data, row)} Or allow it: data.max_dropped=1.",
            )


def _told(row: LedgerRow) -> str:
    reasons = (f"{name} dropped {count:,}" for name, count in row.dropped.items() if count)
    return f"were dropped: {', '.join(reasons)}"


def _advice(data: DataConfig, row: LedgerRow) -> str:
    guess = next((kind for kind in row.repairs if kind.startswith(f"{BAD_UTF8} (")), "")
    if guess:
        encoding = guess.rpartition(" ")[2].rstrip(")")
        return f"The text looks like {encoding}: set encoding: {encoding} in the corpus."
    worst = max(row.dropped, key=row.dropped.__getitem__)
    options = named(data.filters).get(worst)
    return _check_filter(worst, options) if options else "Hold out fewer pairs."


def _check_filter(name: str, options: Filter) -> str:
    bounds = ", ".join(f"{key} = {value}" for key, value in options.model_dump(exclude={"filter"}).items())
    return (
        f"Check the corpora, or change the filter {name}{f' ({bounds})' if bounds else ''} in data.filters."
    )


def _sides(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(pair.src, pair.tgt) for pair in pairs]


def warn_of_blanks(name: str, pairs: Sequence[Pair]) -> None:
    """Warns about blank texts in a validation or test set."""
    blank = [pair for pair in pairs if not pair.src.strip() or not pair.tgt.strip()]
    if blank:
        srcs, tgts = (sum(not text.strip() for text in side) for side in zip(*_sides(blank), strict=True))
        logger.warning(
            "data.%s: %s blank sources and %s blank references in %s pairs, the first at %s. They lower the "
            "scores. Remove these pairs.",
            name,
            f"{srcs:,}",
            f"{tgts:,}",
            f"{len(pairs):,}",
            blank[0].origin,
        )
