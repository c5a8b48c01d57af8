"""The options of `mtkit evaluate` for closer looks, and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtkit.cli import console
from mtkit.cli.choices import one_of
from mtkit.config.fixed import DIVISIONS, Division
from mtkit.errors import UsageError

if TYPE_CHECKING:
    from mtkit.evaluate.closer import Look, Wanted
    from mtkit.evaluate.systems import Job

Buckets = Annotated[
    str,
    typer.Option(
        "--breakdown",
        metavar="|".join(("all", *DIVISIONS)),
        help="Score buckets of the test set separately: kinds of buckets, separated by commas, or all that "
        "are possible.",
        show_default=False,
    ),
]
GlossaryFile = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        metavar="FILE",
        help="Terms as for `mtkit translate`, for --breakdown: show how many of those in the sources are "
        "translated so.",
        show_default=False,
    ),
]
Stress = Annotated[
    bool,
    typer.Option(
        "--stress", help="Translate the test set in capitals, with typing errors and so on; show the cost."
    ),
]
Contrast = Annotated[
    bool,
    typer.Option(
        "--contrast",
        help="Show how often the model scores a reference higher than the same text with a fault, such as a "
        "wrong number.",
    ),
]


def divisions(given: str) -> list[Division]:
    """The buckets in a list such as `length,domain`; none are named by `all`."""
    words = [word.strip().lower() for word in given.split(",")]
    if words == ["all"]:
        return []
    return [one_of("--breakdown", word, DIVISIONS) for word in dict.fromkeys(words) if word]


def wanted(buckets: str, stress: bool, contrast: bool) -> Wanted:
    """The looks that were asked for."""
    from mtkit.evaluate.closer import Wanted

    return Wanted(divisions(buckets) if buckets else None, stress, contrast)


def with_terms(looks: Wanted, glossary: Path | None, jobs: Sequence[Job]) -> Wanted:
    """The looks with the terms of a glossary, which is read before any work.

    Raises:
        UsageError: no table has terms.
    """
    if glossary is None:
        return looks
    if looks.by is None or (looks.by and "item" not in looks.by):
        raise UsageError("--glossary: only --breakdown item has terms.", "Add --breakdown item.")
    from mtkit.evaluate.closer import read_glossaries

    return replace(looks, glossaries=read_glossaries(glossary, jobs))


def show_looks(looks: Sequence[Look]) -> None:
    """Prints the tables of each system and test set."""
    from mtkit.cli.compare_view import show_breakdowns

    for look in looks:
        if len(looks) > 1:
            console.out("")
            console.out(console.strong(f"{look.system}, {look.test}"))
        show_breakdowns(look.breakdowns)
