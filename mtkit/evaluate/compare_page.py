"""A comparison as one HTML page, which needs nothing from the network and no scripts. Free of torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtkit.errors import counted
from mtkit.evaluate.buckets import Breakdown, Bucket
from mtkit.evaluate.compare import ChangedLine, ComparedSet, Ngram, SystemChange
from mtkit.evaluate.figures import Figure
from mtkit.evaluate.wording import differences
from mtkit.metrics.significance import p_text
from mtkit.text.page import escaped, html_page, html_table, marked_text

MOST_LINES = 200
"""Most lines that lost, and that gained, on the page."""


def compare_page(found: Sequence[ComparedSet]) -> str:
    """The page of the comparisons of one or several test sets; all text of the systems is escaped."""
    title = " and ".join(found[0].systems)
    return html_page(f"Comparison of {title}", "".join(map(_test_set, found)))


def _test_set(found: ComparedSet) -> str:
    lines = counted(found.num_lines, "line")
    head = f"{found.name}: {lines}" if found.name else lines
    return "".join(
        (
            f"<h2>{escaped(head)}</h2>\n",
            html_table(*figures_table("system", found.systems, found.figures)),
            f'<p class="dim">{escaped(f"{found.test}. {MARK_MEANS}")}</p>\n',
            *map(_breakdown, found.breakdowns),
            *(_change(found, change) for change in found.changes),
        )
    )


MARK_MEANS = "* p < .05 after Holm's correction for all tests of the table"


def figures_table(
    name: str, systems: Sequence[str], figures: Sequence[Figure]
) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table with a row for each system."""
    head = [name]
    for figure in figures:
        head += [figure.title, "change", "p"]
    rows = []
    for place, system in enumerate(systems):
        cells = [cell for figure in figures for cell in figure_cells(figure, place)]
        rows.append([system, *cells])
    return head, rows


def _breakdown(found: Breakdown) -> str:
    return f"<h3>By {found.by}</h3>\n{html_table(*breakdown_table(found))}\n"


def breakdown_table(found: Breakdown, most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of buckets: a row for each system but the baseline, or for the only one.

    Args:
        found: the buckets.
        most: number of rows to keep, of documents those with the smallest p-values; all if None.
    """
    buckets = found.buckets
    if most is not None and len(buckets) > most:
        buckets = tuple(sorted(buckets, key=_interest)[:most])
    figures = buckets[0].figures if buckets else ()
    num_systems = len(figures[0].values) if figures else 0
    head: list[str] = [found.by, found.unit]
    for figure in figures:
        head += [figure.title, *(("change", "p") if num_systems > 1 else ())]
    rows = []
    for bucket in buckets:
        for system in range(min(1, num_systems - 1), num_systems):
            cells = [figure_cells(figure, system) for figure in bucket.figures]
            flat = [cell for own in cells for cell in (own if num_systems > 1 else own[:1])]
            rows.append([bucket.label, f"{bucket.size:,}", *flat])
    return head, rows


def _interest(bucket: Bucket) -> tuple[float, float]:
    """Small for buckets to be shown first: significant ones, else those with low scores."""
    p_values = [p for figure in bucket.figures for p in figure.p_values if p is not None]
    return min(p_values, default=1.0), min(figure.values[-1] for figure in bucket.figures)


def figure_cells(figure: Figure, system: int) -> list[str]:
    """A score, its difference to the baseline, and the p-value with its mark; of equal scores `=`."""
    value, p_value = figure.values[system], figure.p_values[system]
    if p_value is None:
        return [f"{value:.2f}", "", ""]
    change = value - figure.values[0]
    mark = "*" if figure.is_significant(system) else ""
    return [f"{value:.2f}", f"{change:+.2f}", p_text(p_value, change) + mark]


# ---------------------------------------------------------------- lines


def _change(found: ComparedSet, change: SystemChange) -> str:
    base = found.systems[0]
    worse = [line for line in change.lines if line.change < 0]
    better = [line for line in reversed(change.lines) if line.change > 0]
    parts = [
        f"<h2>{escaped(f'{base} → {change.system}')}</h2>\n",
        f"<p>{escaped(changed_lines(found, change))}</p>\n",
        *_ngrams("N-grams lost", change.lost),
        *_ngrams("N-grams gained", change.gained),
    ]
    for title, lines in (("Lines that lost", worse), ("Lines that gained", better)):
        if lines:
            shown = "".join(_line(line, base, change.system) for line in lines[:MOST_LINES])
            parts.append(f"<details open><summary>{title}: {len(lines):,}</summary>{shown}</details>\n")
    return "".join(parts)


def changed_lines(found: ComparedSet, change: SystemChange) -> str:
    """How many lines changed, in words."""
    worse = sum(line.change < 0 for line in change.lines)
    better = sum(line.change > 0 for line in change.lines)
    return (
        f"{len(change.lines):,} of {found.num_lines:,} lines changed: {worse:,} lost in sentence chrF, "
        f"{better:,} gained"
    )


def _ngrams(title: str, grams: Sequence[Ngram]) -> Iterator[str]:
    if grams:
        head, rows = ngrams_table(grams)
        yield f"<h3>{title}</h3>\n{html_table(head, rows)}\n"


def ngrams_table(grams: Sequence[Ngram]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of n-grams."""
    rows = [[gram.text, *(f"{count:,}" for count in gram.matches), f"{gram.in_refs:,}"] for gram in grams]
    return ["n-gram", "baseline", "system", "references"], rows


def _line(line: ChangedLine, one: str, other: str) -> str:
    sides = differences(*line.hyps)
    texts = [("source", line.src)] if line.src is not None else []
    texts += [("reference", ref) for ref in line.refs]
    above = "".join(
        f'<p dir="auto"><span class="dim">{name}</span> {escaped(text)}</p>' for name, text in texts if text
    )
    columns = "".join(
        f'<div dir="auto"><span class="dim">{escaped(name)} · {score:.1f}</span><br>'
        f"{marked_text(side, tag)}</div>"
        for name, score, side, tag in zip((one, other), line.scores, sides, ("del", "ins"), strict=True)
    )
    return (
        f'<article><p class="dim">line {line.number:,} · chrF {line.change:+.1f}</p>{above}'
        f'<div class="sides">{columns}</div></article>\n'
    )
