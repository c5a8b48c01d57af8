"""The report of prepare: `report.json` for programs and `report.html`, without scripts, for people."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
from mtkit.text.visible import visible

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
    write_text(folder / "report.json", json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    write_text(folder / "report.html", html_report(title, ledger, histograms, leaks, sentences))


# ---------------------------------------------------------------- HTML


def escaped(text: str) -> str:
    """Escapes untrusted text for a page."""
    return html.escape(visible(text))


STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --dim: #66727f; --line: #dde3e9; --back: #fff;
  --one: #2f6fb0; --two: #e08a2e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e9ee; --dim: #94a1ad; --line: #35414c; --back: #12181e; --one: #66a3e0; --two: #f0a858; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 72rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; }
h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.figures { display: flex; flex-wrap: wrap; gap: 2.5rem; }
.figures b { display: block; font-size: 1.7rem; }
.dim, figcaption, th { color: var(--dim); font-weight: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
td:first-child, th:first-child, .texts td, .texts th { text-align: left; }
.texts td { overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
svg { max-width: 100%; height: auto; }
svg text { fill: var(--dim); font-size: 12px; }
.one { fill: var(--one); }
.two { fill: var(--two); }
.axis { stroke: var(--line); }
summary { cursor: pointer; padding: .3rem 0; }
"""


def html_report(
    title: str,
    ledger: Ledger,
    histograms: Sequence[Histogram] = (),
    leaks: Sequence[Leaks] = (),
    sentences: SentenceCount | None = None,
) -> str:
    """The report as one HTML document; all text of the corpora is escaped."""
    total = ledger.total()
    parts = [
        _figures(total),
        f"<p>Sources: {sentences}.</p>\n" if sentences else "",
        _section("Why pairs were dropped", _reasons(total)),
        _section("Corpora", _corpora(ledger, total)),
        _section("Stretches of which far more pairs were dropped", _stretches(ledger)),
        _section(LEAK_TITLE, _leaks(leaks)),
        *(_section(histogram.title, _plot(histogram)) for histogram in histograms),
        _section("Pieces that the tokenizer cannot represent", _unknown(ledger)),
        _section("Repairs", _repairs(ledger)),
        _section("Examples of dropped pairs", _examples(ledger)),
    ]
    return html_page(title, "".join(parts))


def html_page(title: str, content: str, style: str = "") -> str:
    """A page with a title, in the style of mtkit's reports and some more of its own."""
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n"
    )
    return f"{head}<body>\n<h1>{escaped(title)}</h1>\n{content}</body>\n</html>\n"


def _section(title: str, content: str) -> str:
    return f"<h2>{escaped(title)}</h2>\n{content}\n" if content else ""


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
    """A bar for each filter that dropped pairs."""
    found = [(name, count) for name, count in total.lost.items() if count]
    if not found:
        return "<p>No pairs were dropped.</p>"
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
    filters = members(bare(Filter))
    told = [[name, (filters[name].__doc__ or "").splitlines()[0]] for name, _ in found if name in filters]
    chart = _svg(left + width + 130, len(found) * step, "".join(bars), "Pairs dropped by each filter")
    return chart + (html_table(["filter", "what it does"], told, "texts") if told else "")


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


def html_table(head: Sequence[str], lines: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table whose cells are escaped; with the kind `texts` they are aligned to the left."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "<tr>" + "".join(f'<{tag} dir="auto">{escaped(value)}</{tag}>' for value in values) + "</tr>\n"

    body = "".join(cells("td", line) for line in lines)
    return f'<div class="scroll"><table class="{kind}">\n{cells("th", head)}{body}</table></div>'


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
    return _svg(right + 30, height + bottom, "".join(marks), histogram.title, caption)


def _svg(width: float, height: float, content: str, label: str, caption: str = "") -> str:
    return (
        f'<figure><svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        f'aria-label="{escaped(label)}">{content}</svg>{caption}</figure>'
    )
