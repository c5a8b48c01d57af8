"""An explanation as text for the terminal."""

from __future__ import annotations

import sys

from rich.cells import cell_len, set_cell_size

from mtkit.cli import console
from mtkit.cli.compare_view import marked
from mtkit.cli.console import NEXT
from mtkit.evaluate.alignment_drawing import END
from mtkit.evaluate.explain_page import FALL_MEANS, changes, head_lines, tokens_table, words_table
from mtkit.evaluate.explanation import Explanation
from mtkit.text.visible import visible

_SHADES = (" ", "░", "▒", "▓", "█")
_STEPS = (0.05, 0.15, 0.35, 0.65)
"""Shares of the attention from which the next darker shade is shown."""
_CELL = 3
_WIDEST_WORD = 16


def show_explanation(found: Explanation) -> None:
    """Prints it on stdout."""
    names = dict(head_lines(found))
    for name, value in names.items():
        console.out_prose(console.strong(name), f": {value}", indent=2)
    console.out("")
    console.table(*tokens_table(found), to_stdout=True)
    if found.tgt_words:
        console.out("")
        console.table(*words_table(found), to_stdout=True)
    _show_picture(found)
    if found.left_out:
        console.out("")
        _show_left_out(found)
    _show_nearest(found)


def _show_picture(found: Explanation) -> None:
    """Shows the attention as shaded blocks, unless it is wider than the terminal."""
    columns = [*found.src_words, END]
    margin = min(_WIDEST_WORD, max(map(cell_len, found.tgt_words), default=0))
    width = console.width_on(sys.stdout)
    if not found.tgt_words or (width is not None and margin + _CELL * len(columns) > width):
        return
    console.out("")
    console.out(" " * margin, *(f"{number:>{_CELL}}" for number in range(1, len(columns) + 1)))
    for word, weights in zip(found.tgt_words, found.attention, strict=True):
        cells = "".join(f" {_shade(weight) * (_CELL - 1)}" for weight in weights)
        console.out(f"{set_cell_size(visible(word), margin)}{cells}".rstrip())
    console.out("")
    console.out_prose("  ".join(f"{number} {word}" for number, word in enumerate(columns, start=1)))


def _shade(weight: float) -> str:
    return _SHADES[sum(weight >= step for step in _STEPS)]


def _show_left_out(found: Explanation) -> None:
    width = max(cell_len(each.word) for each in found.left_out)
    console.out(console.strong("without one word of the source"), f" ({FALL_MEANS})")
    for each in found.left_out:
        pieces = changes(found, each.translation)
        is_same = each.translation == found.tgt
        shown = ["unchanged"] if is_same else [*marked(pieces, NEXT, "{+", "+}")]
        console.out_prose(f"{set_cell_size(each.word, width)}  {each.fall:6.2f}  ", *shown, indent=width + 10)


def _show_nearest(found: Explanation) -> None:
    if found.nearest is None:
        console.out("")
        console.out("The training data of this model are not here.")
    elif found.nearest:
        console.out("")
        console.out(console.strong("nearest training pairs"), " (chrF of the source)")
        for each in found.nearest:
            console.out_prose(f"{each.chrf:5.1f}  {each.src}", indent=7)
            console.out_prose(f"       {each.tgt}", indent=7)
