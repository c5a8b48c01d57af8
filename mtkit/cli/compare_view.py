"""A comparison as text for the terminal: changed words are coloured, and in a pipe in brackets."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from mtkit.cli import console
from mtkit.cli.console import ERROR, NEXT, Styled
from mtkit.errors import counted
from mtkit.evaluate.buckets import Breakdown
from mtkit.evaluate.compare import ChangedLine, ComparedSet, Ngram, SystemChange
from mtkit.evaluate.compare_page import (
    MARK_MEANS,
    breakdown_table,
    changed_lines,
    figures_table,
    ngrams_table,
)
from mtkit.evaluate.wording import Piece, differences


def show_comparison(found: ComparedSet, most: int) -> None:
    """Prints a comparison, with at most so many lines that lost, and that gained, and n-grams of each."""
    if found.name:
        console.out(f"{found.name}: {counted(found.num_lines, 'line')}")
        console.out("")
    head, rows = figures_table("system", found.systems, found.figures)
    console.table(head, rows, to_stdout=True)
    console.out("")
    console.out(f"{found.test}. {MARK_MEANS}.")
    for name, signature in found.signatures.items():
        console.out(f"{name}: {signature}")
    show_breakdowns(found.breakdowns)
    for change in found.changes:
        _show_change(found, change, most)


MOST_BUCKETS = 20
"""Most buckets of one kind, such as documents."""


def show_breakdowns(found: Sequence[Breakdown]) -> None:
    """Prints a table for each kind of buckets."""
    for breakdown in found:
        console.out("")
        head, rows = breakdown_table(breakdown, MOST_BUCKETS)
        console.table(head, rows, to_stdout=True)
        if len(breakdown.buckets) > MOST_BUCKETS:
            console.out(f"{MOST_BUCKETS} of {len(breakdown.buckets):,}, those that differ most first")


def _show_change(found: ComparedSet, change: SystemChange, most: int) -> None:
    base = found.systems[0]
    console.out("")
    console.out(console.strong(f"{base} → {change.system}"))
    console.out(f"{changed_lines(found, change)}.")
    for title, grams in (("n-grams lost", change.lost), ("n-grams gained", change.gained)):
        _show_ngrams(title, grams[:most])
    worse = [line for line in change.lines if line.change < 0][:most]
    better = [line for line in reversed(change.lines) if line.change > 0][:most]
    for title, lines in (("lines that lost most", worse), ("lines that gained most", better)):
        if lines:
            console.out("")
            console.out(console.strong(title))
        for line in lines:
            _show_line(line, base, change.system)


def _show_ngrams(title: str, grams: Sequence[Ngram]) -> None:
    if grams:
        head, rows = ngrams_table(grams)
        console.out("")
        console.table([title, *head[1:]], rows, to_stdout=True)


def _show_line(line: ChangedLine, one: str, other: str) -> None:
    """The texts of a line below each other, under their names."""
    sides = differences(*line.hyps)
    texts: list[tuple[str, Iterable[str]]] = [] if line.src is None else [("source", [line.src])]
    texts += [("reference", [ref]) for ref in line.refs]
    texts += [(one, marked(sides[0], ERROR, "[-", "-]")), (other, marked(sides[1], NEXT, "{+", "+}"))]
    width = max(len(name) for name, _ in texts)
    console.out("")
    console.out(
        f"line {line.number:,}: chrF {line.scores[0]:.1f} → {line.scores[1]:.1f} ({line.change:+.1f})"
    )
    for name, parts in texts:
        console.out(f"  {name:{width}}  ", *parts)


def marked(pieces: Sequence[Piece], style: str, before: str, after: str) -> Iterator[str]:
    """The stretches of a text, those that changed in a colour or, where there are none, in brackets."""
    coloured = console.has_colours(sys.stdout)
    for piece in pieces:
        if not piece.is_changed:
            yield piece.text
        else:
            yield Styled(piece.text, style) if coloured else f"{before}{piece.text}{after}"
