"""At which source words the model looked for each word of a translation, as a picture. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mtkit.evaluate.explanation import Explanation
from mtkit.text.page import escaped, html_drawing
from mtkit.text.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

END = "(end)"
"""The column for the end of the source."""
_CELL, _LETTER, _GAP = 24, 7.2, 8
_MOST_LETTERS = 20
_LEAST = 0.005
"""Attention below which a cell stays empty."""


def shortened(word: str, most: int = _MOST_LETTERS) -> str:
    """A word as one line of at most so many characters."""
    word = visible(word)
    return word if len(word) <= most else f"{word[: most - 1]}…"


def draw_attention(found: Explanation) -> str:
    """The attention as SVG in a page: a row for each translated word, a column for each source word."""
    columns, rows = [*found.src_words, END], found.tgt_words
    if not rows:
        return ""
    left = _room(rows)
    top = _room(columns)
    parts = []
    for x, word in enumerate(columns):
        at = left + _CELL * (x + 0.65)
        parts.append(
            f'<text x="{at:.1f}" y="{top - _GAP}" transform="rotate(-55 {at:.1f} {top - _GAP})">'
            f"{escaped(shortened(word))}</text>"
        )
    for y, (word, weights) in enumerate(zip(rows, found.attention, strict=True)):
        at = top + _CELL * y
        parts.append(
            f'<text x="{left - _GAP}" y="{at + _CELL * 0.68:.1f}" text-anchor="end">'
            f"{escaped(shortened(word))}</text>"
        )
        for x, weight in enumerate(weights):
            name = f"{word} ← {columns[x]}: {weight:.0%}"
            if weight >= _LEAST:
                parts.append(
                    f'<rect class="one" x="{left + _CELL * x}" y="{at}" width="{_CELL - 2}" '
                    f'height="{_CELL - 2}" fill-opacity="{weight:.3f}"><title>{escaped(name)}</title></rect>'
                )
    width, height = left + _CELL * len(columns) + 0.5 * top, top + _CELL * len(rows)
    return html_drawing(width, height, "".join(parts), "attention of translated words to source words")


def _room(words: Sequence[str]) -> float:
    """The pixels for the longest of some words."""
    return _GAP * 2 + _LETTER * max((_columns(shortened(word)) for word in words), default=1)


def _columns(word: str) -> int:
    """How many letters wide a word is; those of East Asia are wider."""
    return sum(2 if ord(char) > 0x2E80 else 1 for char in word)


def attention_figure(found: Sequence[Explanation]) -> Figure:
    """The attention of each explanation as a picture of matplotlib, one below the other."""
    from matplotlib.figure import Figure

    sizes = [(len(each.src_words) + 1, max(1, len(each.tgt_words))) for each in found]
    width = max(columns for columns, _ in sizes)
    heights = [rows for _, rows in sizes]
    size = (2.5 + 0.32 * width, sum(1.4 + 0.32 * rows for rows in heights))
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    for axes, each in zip(_axes(figure, heights), found, strict=True):
        if not each.tgt_words:
            axes.set_axis_off()
            continue
        axes.imshow(each.attention, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        columns = [*each.src_words, END]
        axes.set_xticks(range(len(columns)), [*map(shortened, columns)], rotation=55, ha="left", va="bottom")
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(each.tgt_words)), [*map(shortened, each.tgt_words)])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def _axes(figure: Figure, heights: Sequence[int]) -> Sequence[Any]:
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=[rows + 3 for rows in heights])
    return [row[0] for row in axes]
