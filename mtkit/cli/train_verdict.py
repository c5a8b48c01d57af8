"""Says what to expect of a training before it begins, and what became of it at its end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mtkit.cli.console import filled, say, width_on
from mtkit.errors import InputError, shortened
from mtkit.runs.verdict import expectation, level_of, outcome
from mtkit.train.watch.curves import read_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from mtkit.train.watch.monitor import Finished

_LINES = 3
"""Most lines of each text of a sample."""
_WASTED = 6
"""Columns that a line loses when it breaks between words."""


def show_expectation(num_pairs: int) -> None:
    """Says what a model of this many pairs will be like."""
    if expected := expectation(num_pairs):
        say(expected)


def show_outcome(run: Path, finished: Finished, num_pairs: int, tgt_lang: str) -> None:
    """Says what the scores mean, what more time or data would bring, and shows some translations."""
    for number, sample in enumerate(finished.samples, start=1):
        _say_text(f"validation sentence {number}: ", sample.src)
        _say_text("                model: ", sample.hyp)
        _say_text("            reference: ", sample.ref)
    level = level_of(finished.scores, tgt_lang)
    curve = _curve(run, "bleu")
    for line in outcome(level, num_pairs, finished.passes, curve, stopped_early=finished.stopped_early):
        say(line)


def _say_text(label: str, text: str) -> None:
    """A text; on a terminal, at most a few lines of it, which begin below each other."""
    lines = [text]
    if width := width_on(sys.stderr):
        room = max(20, width - len(label))
        lines = filled(shortened(text, _LINES * (room - _WASTED)), room).split("\n")
    for line in lines:
        say(f"{label}{line}")
        label = " " * len(label)


def _curve(run: Path, metric: str) -> list[tuple[float, float]]:
    """Step and score of each validation; none if they cannot be read."""
    name = f"valid/{metric}"
    try:
        return [(line["step"], line[name]) for line in read_metrics(run) if name in line]
    except InputError:
        return []
