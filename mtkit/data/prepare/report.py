"""The report of prepare: `report.json` for programs and `report.html`, without scripts, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mtkit.config.filters import Filter
from mtkit.config.option_types import bare, members
from mtkit.data.clean.leaks import LEAK_FIGURES, LEAK_TITLE, Leaks
from mtkit.data.prepare.clean_parts import SentenceCount
from mtkit.data.prepare.ledger import Ledger, LedgerRow
from mtkit.data.prepare.stretches import STRETCH_HEAD
from mtkit.data.prepare.unknown import UNKNOWN_HEAD, unknown_pieces
from mtkit.disk.files import write_text
from mtkit.disk.reading import read_object, using
from mtkit.text.page import escaped, html_drawing, html_page, html_section, html_table

REPORT_JSON, REPORT_PAGE = "report.json", "report.html"
FORMAT = "mtkit-report"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each bin.

    Attributes:
        title: what is counted.
        unit: of the edges.
        edges: of the bins, one more than there are bins; the last bin includes all larger values.
        series: the counts of the bins, by the name of a series.
    """

    title: str
    unit: str
    edges: tuple[float, ...]
    series: dict[str, tuple[int, ...]]


def length_histograms(
    lengths: Iterable[npt.NDArray[np.int32]], src_lang: str, tgt_lang: str
) -> tuple[Histogram, Histogram]:
    """Histograms of the tokens of each side, and of target tokens per source token.

    Args:
        lengths: arrays [pairs, 2] of source and target tokens.
        src_lang: source language, for the name of a series.
        tgt_lang: target language, likewise.
    """
    token_edges = (*range(0, 120, 5), 120)
    ratio_edges = tuple(round(float(2**power), 3) for power in np.linspace(-2, 2, 25))
    sides = np.zeros((2, len(token_edges) - 1), np.int64)
    ratios = np.zeros(len(ratio_edges) - 1, np.int64)
    for array in lengths:
        for side in (0, 1):
            sides[side] += _counts(array[:, side], token_edges)
        ratios += _counts(array[:, 1] / np.maximum(array[:, 0], 1), ratio_edges)
    names = (f"source ({src_lang})", f"target ({tgt_lang})")
    by_side = {name: tuple(counts.tolist()) for name, counts in zip(names, sides, strict=True)}
    return (
        Histogram("Lengths", "tokens", token_edges, by_side),
        Histogram("Target tokens per source token", "", ratio_edges, {"pairs": tuple(ratios.tolist())}),
    )


def _counts(values: npt.NDArray[np.generic], edges: Sequence[float]) -> npt.NDArray[np.int64]:
    """The counts of the bins; a value outside counts for the nearest bin."""
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(bins, minlength=len(edges) - 1)


def write_report(
    folder: Path,
    title: str,
    ledger: Ledger,
    histograms: Sequence[Histogram] = (),
    leaks: Sequence[Leaks] = (),
    sentences: SentenceCount | None = None,
) -> None:
    """Writes `report.json` and `report.html`.

    Args:
        folder: to write to.
        title: of the report, such as the languages.
        ledger: accounts for all pairs.
        histograms: of the pairs that were kept.
        leaks: of held-out sets into the corpora.
        sentences: of the sources that were kept.
    """
    total = ledger.total()
    data = {
        "format": FORMAT,
        "version": VERSION,
        "title": title,
        "read": total.read,
        "kept": total.kept,
        "dropped": total.dropped,
        "ledger": ledger.to_json(),
        "leaks": [asdict(found) for found in leaks],
        "sentences": asdict(sentences) if sentences else None,
        "histograms": [asdict(histogram) for histogram in histograms],
    }
    write_text(folder / REPORT_JSON, json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    write_text(folder / REPORT_PAGE, html_report(title, ledger, histograms, leaks, sentences))


# ---------------------------------------------------------------- HTML


def html_report(
    title: str,
    ledger: Ledger,
    histograms: Sequence[Histogram] = (),
    leaks: Sequence[Leaks] = (),
    sentences: SentenceCount | None = None,
) -> str:
    """The report as one HTML document; all text of the corpora is escaped."""
    return html_page(title, data_section(ledger, histograms, leaks, sentences))


def data_section(
    ledger: Ledger,
    histograms: Sequence[Histogram] = (),
    leaks: Sequence[Leaks] = (),
    sentences: SentenceCount | None = None,
    level: int = 2,
) -> str:
    """What the report of prepare shows, as HTML for a page; headlines are of this level."""
    total = ledger.total()
    parts = {
        "Why pairs were dropped": _reasons(total),
        "Corpora": _corpora(ledger, total),
        "Stretches of which far more pairs were dropped": _stretches(ledger),
        LEAK_TITLE: _leaks(leaks),
        **{histogram.title: _plot(histogram) for histogram in histograms},
        "Pieces that the tokenizer cannot represent": _unknown(ledger),
        "Repairs": _repairs(ledger),
        "Examples of dropped pairs": _examples(ledger),
    }
    head = _figures(total) + (f"<p>Sources: {sentences}.</p>\n" if sentences else "")
    return head + "".join(html_section(name, part, level) for name, part in parts.items())


def read_report(folder: Path) -> dict[str, Any]:
    """The content of `report.json` in a folder.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged, or in another version.
    """
    path = folder / REPORT_JSON
    values = read_object(path)
    with using(path, "Run `mtkit prepare` again."):
        if (values["format"], values["version"]) != (FORMAT, VERSION):
            raise ValueError(f"version {values['version']}")
    return values


def stored_section(folder: Path, level: int) -> str:
    """The data section from the `report.json` in a folder.

    Raises:
        FileNotFoundError: there is none.
        InputError: it is damaged, or in another version.
    """
    values = read_report(folder)
    with using(folder / REPORT_JSON, "Run `mtkit prepare` again."):
        ledger = Ledger.from_json(values["ledger"])
        histograms = [_histogram(found) for found in values["histograms"]]
        leaks = [Leaks(**found) for found in values["leaks"]]
        sentences = SentenceCount(**values["sentences"]) if values["sentences"] else None
        return data_section(ledger, histograms, leaks, sentences, level)


def _histogram(values: dict[str, Any]) -> Histogram:
    series = {str(name): tuple(map(int, counts)) for name, counts in values["series"].items()}
    return Histogram(values["title"], values["unit"], tuple(map(float, values["edges"])), series)


def _percent(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "–"


def _figures(total: LedgerRow) -> str:
    dropped = sum(total.lost.values())
    figures = [("read", f"{total.read:,}"), ("kept", f"{total.kept:,}")]
    if total.held_out:
        figures.append(("held out for validation and test", f"{total.held_out:,}"))
    figures.append((f"dropped ({_percent(dropped, total.read)})", f"{dropped:,}"))
    cells = "".join(
        f'<div><b>{value}</b><span class="dim">pairs {name}</span></div>' for name, value in figures
    )
    return f'<div class="figures">{cells}</div>\n'


def _reasons(total: LedgerRow) -> str:
    """A bar for each filter that dropped pairs, and what all filters do."""
    filters = members(bare(Filter))
    told = [[name, (filters[name].__doc__ or "").splitlines()[0]] for name in total.lost if name in filters]
    explained = html_table(["filter", "what it does"], told, "texts") if told else ""
    found = [(name, count) for name, count in total.lost.items() if count]
    if not found:
        return f"<p>No pairs were dropped.</p>{explained}"
    left, width, step = 140, 480, 24
    largest = max(count for _, count in found)
    bars = []
    for place, (name, count) in enumerate(found):
        top, length = place * step, max(1, count / largest * width)
        bars.append(
            f'<text x="{left - 8}" y="{top + 16}" text-anchor="end">{escaped(name)}</text>'
            f'<rect class="one" x="{left}" y="{top + 4}" width="{length:.1f}" height="{step - 8}"/>'
            f'<text x="{left + length + 6:.1f}" y="{top + 16}">'
            f"{count:,} · {_percent(count, total.read)}</text>"
        )
    return (
        html_drawing(left + width + 130, len(found) * step, "".join(bars), "Pairs dropped by each filter")
        + explained
    )


def _corpora(ledger: Ledger, total: LedgerRow) -> str:
    names = [name for name, count in total.dropped.items() if count]
    rows = [*ledger.rows, total] if len(ledger.rows) > 1 else ledger.rows
    lines = [
        [
            row.source,
            f"{row.read:,}",
            *(f"{row.dropped.get(name, 0):,}" for name in names),
            f"{row.kept:,}",
            _percent(row.kept, row.read),
        ]
        for row in rows
    ]
    return html_table(["corpus", "read", *names, "kept", "share kept"], lines)


def _leaks(leaks: Sequence[Leaks]) -> str:
    lines = [[found.name, *map("{:,}".format, found.figures())] for found in leaks]
    return html_table(["set", *LEAK_FIGURES], lines) if lines else ""


def _stretches(ledger: Ledger) -> str:
    lines = [stretch.row(row.source) for row in ledger.rows for stretch in row.stretches]
    return html_table(STRETCH_HEAD, lines) if lines else ""


def _unknown(ledger: Ledger) -> str:
    lines = [found.row() for found in unknown_pieces(ledger)]
    return html_table(UNKNOWN_HEAD, lines) if lines else ""


def _repairs(ledger: Ledger) -> str:
    lines = [[row.source, kind, f"{count:,}"] for row in ledger.rows for kind, count in row.repairs.items()]
    return html_table(["corpus", "repair", "texts repaired"], lines) if lines else ""


def _examples(ledger: Ledger) -> str:
    blocks = []
    for name, count in ledger.total().lost.items():
        lines = [
            [example.src, example.tgt, example.detail, example.origin]
            for row in ledger.rows
            for example in row.examples.get(name, ())
        ]
        if lines:
            table = html_table(["source", "target", "reason", "file and line"], lines, "texts")
            blocks.append(f"<details><summary>{escaped(name)} ({count:,})</summary>{table}</details>\n")
    return "".join(blocks)


def _plot(histogram: Histogram) -> str:
    """Draws the series as bars, side by side in each bin."""
    left, bottom, height, width = 60, 34, 180, 24
    edges, series = histogram.edges, histogram.series
    bins = len(edges) - 1
    largest = max((count for counts in series.values() for count in counts), default=0) or 1
    right = left + bins * width
    # 1. The axis and the bars.
    marks = [f'<line class="axis" x1="{left}" x2="{right}" y1="{height + 10}" y2="{height + 10}"/>']
    bar = (width - 4) / len(series)
    for number, counts in enumerate(series.values()):
        kind = ("one", "two")[number % 2]
        for place, count in enumerate(counts):
            tall = count / largest * height
            x, y = left + place * width + 2 + number * bar, height + 10 - tall
            marks.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{bar:.1f}" height="{tall:.1f}">'
                f"<title>{edges[place]:g} to {edges[place + 1]:g}: {count:,}</title></rect>"
            )
    # 2. The labels of every fourth edge, and of the largest count.
    for place in range(0, bins + 1, 4):
        more = "+" if place == bins else ""
        x, y = left + place * width, height + 28
        marks.append(f'<text x="{x}" y="{y}" text-anchor="middle">{edges[place]:g}{more}</text>')
    marks.append(f'<text x="{left - 8}" y="20" text-anchor="end">{largest:,}</text>')
    # 3. The legend.
    names = list(series) if len(series) > 1 else []
    for number, name in enumerate(names):
        kind, x = ("one", "two")[number % 2], right - 150
        marks.append(
            f'<rect class="{kind}" x="{x}" y="{8 + 20 * number}" width="12" height="12"/>'
            f'<text x="{x + 18}" y="{18 + 20 * number}">{escaped(name)}</text>'
        )
    caption = f"<figcaption>{escaped(histogram.unit)}</figcaption>" if histogram.unit else ""
    return html_drawing(right + 30, height + bottom, "".join(marks), histogram.title, caption)
