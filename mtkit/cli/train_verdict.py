"""Says what to expect of a training before it begins, and what became of it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtkit.cli.console import say
from mtkit.errors import InputError
from mtkit.runs.verdict import expectation, level_of, outcome
from mtkit.train.watch.curves import read_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from mtkit.train.watch.monitor import Finished


def show_expectation(num_pairs: int) -> None:
    """Says what a model of this many pairs will be like."""
    if expected := expectation(num_pairs):
        say(expected)


def show_outcome(run: Path, finished: Finished, num_pairs: int, tgt_lang: str) -> None:
    """Says what the scores mean, what more time or data would bring, and shows some translations."""
    for number, sample in enumerate(finished.samples, start=1):
        say(f"validation sentence {number}: {sample.src}")
        say(f"                model: {sample.hyp}")
        say(f"            reference: {sample.ref}")
    level = level_of(finished.scores, tgt_lang)
    curve = _curve(run, "bleu")
    for line in outcome(level, num_pairs, finished.passes, curve, stopped_early=finished.stopped_early):
        say(line)


def _curve(run: Path, metric: str) -> list[tuple[float, float]]:
    """Step and score of each validation; none if they cannot be read."""
    name = f"valid/{metric}"
    try:
        return [(line["step"], line[name]) for line in read_metrics(run) if name in line]
    except InputError:
        return []
